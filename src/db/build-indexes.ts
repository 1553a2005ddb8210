import { setTimeout } from 'node:timers/promises';
import pg from 'pg';

/** Of the session that builds. A row lock does not do: whoever waits for one has a snapshot, and the build waits for that. */
const LOCK = 7_214_003;
const LOOK_MS = 100;

const INDEX = /^create index if not exists (\w+) on (\w+)\b[^;]*;/gm;

/**
 * Builds the indexes that migrations add to tables which are there already, before they are applied and find them: an index
 * that is built inside a migration keeps all writers of its table waiting. They are those written `if not exists`.
 * @param texts of the migrations to come
 */
export async function buildIndexes(pool: pg.Pool, texts: readonly string[]): Promise<void> {
  const client = await pool.connect();
  try {
    const is = async (condition: string, name: string) =>
      (await client.query(`select ${condition} as holds`, [name])).rows[0].holds as boolean;
    for (const [statement, index = '', table = ''] of texts.flatMap((text) => [...text.matchAll(INDEX)])) {
      if (await is('to_regclass($1) is null', table)) continue;
      while (!(await is('pg_try_advisory_lock($1::int)', String(LOCK)))) await setTimeout(LOOK_MS);
      // What a migrator that was killed has left.
      const isInvalid = await is(
        'exists (select from pg_index where indexrelid = to_regclass($1) and not indisvalid)',
        index,
      );
      if (isInvalid) await client.query(`drop index concurrently ${pg.escapeIdentifier(index)}`);
      await client.query(statement.replace('create index', 'create index concurrently'));
      await client.query('select pg_advisory_unlock($1)', [LOCK]);
    }
  } finally {
    // The lock ends with its session.
    client.release(true);
  }
}
