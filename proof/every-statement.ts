import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { makeWorld } from '../test/contract/tenant-world.js';
import type { TestScope } from '../test/helpers/database.js';
import { doEverything } from '../test/helpers/do-everything.js';
import { CONTOSO, startService } from '../test/helpers/service.js';
import { checkStatements } from '../test/scale/check-statements.js';
import { recordedStatements } from '../test/scale/statements.js';

// A process of its own: `every-statement.js DIRECTORY [planted]`, on TEST_DATABASE_URL. Writes what it found to
// DIRECTORY/statements.json. With `planted` the service runs a statement without its partner besides.

export interface StatementsFound {
  /** Of openapi.json, that were answered as they have to be. */
  operations: number;
  failed: string[];
  statements: number;
  /** The rule, and in the next line the statement. */
  breaches: string[];
}

const [directory = '', planted] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const teardowns: (() => unknown)[] = [];
const t: TestScope = { teardown: (work) => teardowns.unshift(work), testdir: () => directory };
const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });
const world = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
const { done, failed } = await doEverything(t, service, world);
if (planted) await service.db.read(CONTOSO, (reading) => reading.selectFrom('users').select('user_id').execute());
const client = new pg.Client(service.urls.superuser);
await client.connect();
const found: StatementsFound = {
  operations: done.length,
  failed,
  statements: recordedStatements(client.database ?? '').length,
  breaches: await checkStatements(client),
};
await client.end();
await writeFile(join(directory, 'statements.json'), JSON.stringify(found));
// Dropping the database holds the same statements against the rules, and fails when one breaks them.
for (const teardown of teardowns) await Promise.resolve(teardown()).catch(() => {});
