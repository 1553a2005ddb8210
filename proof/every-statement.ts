import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { insertCustomers, insertEligibility, insertLog, insertPermissions, settle } from '../harness/data.js';
import { makeWorld } from '../test/contract/tenant-world.js';
import type { TestScope } from '../test/helpers/database.js';
import { doEverything } from '../test/helpers/do-everything.js';
import { CONTOSO, startService } from '../test/helpers/service.js';
import { checkStatements } from '../test/scale/check-statements.js';
import { recordedStatements } from '../test/scale/statements.js';
import { fillTables } from './fill-tables.js';
import { insertLargeOrganization } from './large-organization.js';
import { faultsOf, recordPlans } from './plans.js';

// A process of its own: `every-statement.js DIRECTORY LOG [unguarded]`, on TEST_DATABASE_URL, whose server writes LOG. Writes
// what it found to DIRECTORY/statements.json. Unguarded the service runs a statement without its partner besides, and
// two indexes are missing.

/** More than a page in each table. */
const OTHERS = 1100;
const DAY_MS = 86_400_000;

export interface StatementsFound {
  /** Of openapi.json, that were answered as they have to be. */
  operations: number;
  failed: string[];
  statements: number;
  /** The rule, and in the next line the statement. */
  breaches: string[];
  plans: number;
  /** What makes a plan slower as tables grow, and the statement. */
  faults: string[];
}

const [directory = '', logFile = '', unguarded] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const teardowns: (() => unknown)[] = [];
const t: TestScope = { teardown: (work) => teardowns.unshift(work), testdir: () => directory };
const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });
const world = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
const client = new pg.Client(service.urls.superuser);
await client.connect();
const database = {
  login: new URL(service.urls.app).username,
  sql: async <R extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
    (await client.query<R>(text, values)).rows,
};
await insertCustomers(database, 1, OTHERS);
await insertEligibility(database, OTHERS);
await insertPermissions(database, OTHERS);
const [from, to] = [20, 1].map((days) => new Date(Date.now() - days * DAY_MS)) as [Date, Date];
await insertLog(database, { entries: OTHERS, customers: OTHERS, from, to, firstSeq: 1_000_000 });
await fillTables(database, OTHERS);
await insertLargeOrganization(database, {
  customer: world.ids.customer,
  azureSubscription: world.ids.entitlement,
});
if (unguarded) await client.query('drop index group_members_by_member, quotes_by_expiry');
await settle(database);
const { plans, result } = await recordPlans(database, logFile, () => doEverything(t, service, world));
const { done, failed } = result;
if (unguarded) await service.db.read(CONTOSO, (reading) => reading.selectFrom('users').select('user_id').execute());
const found: StatementsFound = {
  operations: done.length,
  failed,
  statements: recordedStatements(client.database ?? '').length,
  breaches: await checkStatements(client),
  plans: plans.length,
  faults: plans.flatMap((plan) => faultsOf(plan).map((fault) => `${fault}: ${plan.text}`)),
};
await client.end();
await writeFile(join(directory, 'statements.json'), JSON.stringify(found));
// Dropping the database holds the same statements against the rules, and fails when one breaks them.
for (const teardown of teardowns) await Promise.resolve(teardown()).catch(() => {});
