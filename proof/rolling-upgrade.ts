import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Build } from '../harness/build.js';
import {
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
  settle,
} from '../harness/data.js';
import { runCommand, startService } from '../harness/service.js';
import { type ChainRow, entryHash, GENESIS } from '../src/nouns/activity-log/chain.js';
import { migrate } from './migrators.js';
import type { OwnedDatabase } from './owned-database.js';
import { type RollingLoad, startLoad } from './rolling-load.js';
import type { Proof } from './suite.js';

export interface Upgraded {
  requests: number;
  /** Answers of 5xx, requests without an answer, and migrations that gave up. */
  failures: ReadonlyMap<string, number>;
  acknowledged: number;
  /** Acknowledged changes that are not in the log, or not in force. */
  lost: number;
  /** The last line of `verify-log`. */
  verified: string;
}

const CLIENTS = 6;
const CUSTOMERS_EACH = 8;
const ROWS_PER_STATEMENT = 20_000;
/** Between the steps, with nothing but the load. */
const REST_MS = 800;
/** How long the migration waits for a lock that somebody's transaction holds. */
const HELD_MS = 2500;
const DRAIN = { DRAIN_SECONDS: '2' };
const PERMISSION = 'purchasepermissions/AzureReservedInstances';

/** Rows as the release before has them: every customer switched on, with the entry of it. */
async function fill(proof: Proof, database: OwnedDatabase, url: string, customers: number): Promise<void> {
  await insertCustomers(database, 1, customers);
  await insertEligibility(database, customers);
  const answer = await fetch(`${url}/v1/customers/${customerId(customers)}/${PERMISSION}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${proof.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ state: 'on' }),
  });
  if (answer.status !== 201) throw new Error(`a switch was answered ${answer.status}`);
  await insertPermissions(database, customers - 1);
  await multiplyEntry(database, customers);
  await settle(database);
}

/** Gives every customer the log of the last one. */
async function multiplyEntry({ sql }: OwnedDatabase, customers: number): Promise<void> {
  const [model] = await sql<ChainRow>('select * from activity_log');
  if (!model) throw new Error('the switch is not in the log');
  // The entry's customer is there, and its text is JSON of another one's.
  await sql('set session_replication_role = replica');
  for (let first = 1; first < customers; first += ROWS_PER_STATEMENT) {
    const count = Math.min(ROWS_PER_STATEMENT, customers - first);
    const rows = Array.from({ length: count }, (_, index) => {
      const row = { ...model, customer_id: customerId(first + index), entry_id: crypto.randomUUID() };
      return {
        ...row,
        hash: `\\x${entryHash(row, GENESIS).toString('hex')}`,
        previous_hash: `\\x${GENESIS.toString('hex')}`,
      };
    });
    await sql(
      `with entries as (
         insert into activity_log select * from json_populate_recordset(null::activity_log, $1) returning customer_id, hash)
       update customers c set log_seq = 1, log_head = e.hash from entries e where c.customer_id = e.customer_id`,
      [JSON.stringify(rows)],
    );
  }
  await sql('reset session_replication_role');
}

/**
 * The way of docs/operations.md: `migrate` while the earlier release serves, an instance of this one beside it, the
 * earlier one stopped. Somebody's transaction keeps the migration from a lock for a while.
 * @param customers of the earlier schema
 * @param migrator whose `migrate` is run; default: that of this build
 */
export async function upgradeUnderLoad(
  proof: Proof,
  database: OwnedDatabase,
  { earlier, customers, migrator }: { earlier: Build; customers: number; migrator?: Build | undefined },
): Promise<Upgraded> {
  const { workDir, token, random } = proof;
  await migrate(workDir, database, earlier.cli);
  await insertPartner(database.sql);
  const options = { workDir, databaseUrl: database.appUrl, token, environment: DRAIN };
  const before = await startService({ ...options, cli: earlier.cli });
  await fill(proof, database, before.url, customers);
  const load = startLoad({ token, clients: CLIENTS, customersEach: CUSTOMERS_EACH, random });
  load.add(before.url);
  await setTimeout(REST_MS);

  const holder = await database.connect();
  await holder.query('begin; lock table customers in row exclusive mode');
  let gaveUp = 0;
  // As docs/operations.md says: run it again.
  const migrated = migrate(workDir, database, migrator?.cli).catch(() => {
    gaveUp++;
    return migrate(workDir, database, migrator?.cli);
  });
  let over = false;
  const ended = () => {
    over = true;
  };
  migrated.then(ended, ended);
  const waiting = `select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`;
  while (!over && (await database.sql(waiting, [database.owner])).length === 0) await setTimeout(20);
  await setTimeout(HELD_MS);
  await holder.query('commit');
  await migrated;
  await setTimeout(REST_MS);

  const after = await startService(options);
  load.add(after.url);
  await setTimeout(REST_MS);
  before.process.signal('SIGTERM');
  const isReady = () =>
    fetch(`${before.url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (await isReady()) await setTimeout(50);
  load.remove(before.url);
  await before.process.ended;
  await setTimeout(REST_MS);
  await load.stop();
  await after.stop();

  const verify = await runCommand(workDir, database.appUrl, ['verify-log']);
  return {
    requests: load.requests(),
    failures: new Map([...load.failures(), ...(gaveUp > 0 ? [['migrate', gaveUp] as const] : [])]),
    acknowledged: [...load.acknowledged().values()].reduce((sum, { changes }) => sum + changes, 0),
    lost: await countLost(database, load),
    verified: `${verify.lines.at(-1)}`,
  };
}

/** What a later version's migration may do while this one serves. */
const A_COLUMN_MORE = `do $$
declare name text;
begin
  for name in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname loop
    execute format('alter table %I add column of_a_later_version text', name);
  end loop;
end $$;
`;

/**
 * A later version's `migrate` while this one serves: every table gets a column.
 * @param customers of the schema of this version
 * @param later the later version, which gets the migration
 * @param serving whose `serve` is run; default: that of this build
 */
export async function outliveLaterVersion(
  proof: Proof,
  database: OwnedDatabase,
  { later, customers, serving }: { later: Build; customers: number; serving?: Build | undefined },
): Promise<Pick<Upgraded, 'requests' | 'failures'>> {
  const { workDir, token, random } = proof;
  await writeFile(join(later.directory, 'migrations/9999_a_column_more.sql'), A_COLUMN_MORE);
  await migrate(workDir, database);
  await insertPartner(database.sql);
  const service = await startService({
    workDir,
    databaseUrl: database.appUrl,
    token,
    environment: DRAIN,
    ...(serving && { cli: serving.cli }),
  });
  await fill(proof, database, service.url, customers);
  const load = startLoad({ token, clients: CLIENTS, customersEach: CUSTOMERS_EACH, random });
  load.add(service.url);
  await setTimeout(REST_MS);
  await migrate(workDir, database, later.cli);
  await setTimeout(REST_MS);
  await load.stop();
  await service.stop();
  return { requests: load.requests(), failures: load.failures() };
}

async function countLost({ sql }: OwnedDatabase, load: RollingLoad): Promise<number> {
  let lost = 0;
  for (const [number, { changes, on }] of load.acknowledged()) {
    const [found] = await sql<{ entries: number; on: boolean }>(
      `select (select count(*)::int from activity_log where customer_id = $1) as entries,
         exists (select from purchase_permissions where customer_id = $1 and state = 'on') as on`,
      [customerId(number)],
    );
    // One of them is from before.
    lost += Math.max(0, 1 + changes - (found?.entries ?? 0)) + (found?.on === on ? 0 : 1);
  }
  return lost;
}
