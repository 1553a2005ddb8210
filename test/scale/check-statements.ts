import type pg from 'pg';
import { findBreaches } from './statement-rules.js';
import { recordedStatements } from './statements.js';

/** What the service ran on the client's database and does not run on a cluster. @param client of a superuser */
export async function checkStatements(client: pg.Client): Promise<string[]> {
  const broken: string[] = [];
  await client.query('begin; set local plan_cache_mode = force_generic_plan');
  for (const statement of recordedStatements(client.database ?? '')) {
    for (const breach of await findBreaches(client, statement)) broken.push(`${breach}\n  ${statement.text}`);
  }
  await client.query('rollback');
  return broken;
}
