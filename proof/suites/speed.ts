import { randomBytes } from 'node:crypto';
import { Registry } from 'prom-client';
import { deal, type LoadGenerator, type PlannedRequest, startLoadGenerator } from '../../bench/harness/load.js';
import { settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { connect } from '../../src/db/connect.js';
import { startDeliveries } from '../../src/deliveries.js';
import { createEvents } from '../../src/events.js';
import { createLog } from '../../src/log.js';
import { startWatch } from '../../src/watch.js';
import { type Counted, count } from '../counters.js';
import { fillTables } from '../fill-tables.js';
import { faultsOf, heapFetches, recordPlans } from '../plans.js';
import { askEverything } from '../speed-requests.js';
import {
  CUSTOMER_PAGE,
  insertManyUsers,
  insertOutbox,
  NEXT_PAGE,
  openSpeedSetting,
  PAGE,
  permissionPath,
  type Size,
  type SpeedSetting,
} from '../speed-setting.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

const UNGUARDED: Size = { customers: 6000, log: { small: 2000, large: 20_000 } };
const SHORT: Size = { customers: 20_000, log: { small: 10_000, large: 100_000 } };
const LONG: Size = { customers: 1_000_000, log: { small: 100_000, large: 10_000_000 } };

const CONNECTIONS = 64;
/** Requests one after the other, of which the mean is taken; those before them are not counted. */
const SINGLE = { warmUp: 5, counted: 20 };
/** Rounds of reads, of which the best counts: where the machine is busy, fewer of them are asked at once. */
const READS = { warmUp: 640, counted: 1600, rounds: 3 };
/** Reads while which collections are counted; those before them are for the code to be compiled. */
const COLLECTED = { warmUp: 15_000, counted: 60_000, unguarded: 20_000 };
/** Customers that are switched on and off by many connections: not those of the first page. */
const SWITCHED = { from: 1001, count: 256, warmUpRounds: 2 };
/** Customers with an entry each right after a checkpoint, far from each other. */
const AFTER_CHECKPOINT = { from: 2001, count: 200 };
const AUDIT_PAGE = '/v1/auditrecords?size=100';
const ROWS_OF_OTHERS = 1100;
const EVENTS = 5000;
const LIST_INDEX = 'customers_listed';

const TARGET = {
  statementsOfRead: 0.15,
  collections: 1,
  statementsOfSwitch: 2,
  buffersOfRead: 8,
  buffersOfSwitch: 64,
  buffersOfLastPage: 1,
  buffersOfLargeLog: 3,
  walOfSwitch: 3500,
  walOfEntry: 20_000,
} as const;

const KEEP = '(globalThis.unanswered ??= new Map()).set(request, reply);';
const DROP = 'globalThis.unanswered.delete(request);';
/**
 * How it is without the guards: requests in a map while they are not answered, each look-up and each write by itself, the
 * last page by OFFSET, the log without indexes by time and the outbox without that by age.
 */
const WITHOUT = {
  alterations: [
    { file: 'db/batch-by-key.js', line: 'const MOST = 128;', by: 'const MOST = 1;' },
    { file: 'db/batch-by-key.js', line: 'lanes: (keys) => (keys <= FEW ? 2 : 1),', by: 'lanes: () => 8,' },
    { file: 'plugins/deadline.js', line: 'request.openPlace = place;', by: `request.openPlace = place; ${KEEP}` },
    {
      file: 'plugins/deadline.js',
      line: 'open[request.openPlace] = undefined;',
      by: `open[request.openPlace] = undefined; ${DROP}`,
    },
    { file: 'db/sharing/share-writes.js', line: 'const MOST = 64;', by: 'const MOST = 1;' },
    {
      file: 'nouns/customers/queries.js',
      line: /query\.where\(sql `\$\{place\} > \$\{last\}`\)/,
      by: `query.offset(${UNGUARDED.customers - PAGE})`,
    },
  ],
  withoutIndexes: ['activity_log_by_time', 'activity_log_by_customer', 'webhook_events_aged'],
};

const numbers = (from: number, amount: number) => Array.from({ length: amount }, (_, index) => from + index);

/** The mean of one request at a time. */
async function countSingle(
  { database, ask }: SpeedSetting,
  requestOf: (turn: number) => [path: string, options?: Parameters<SpeedSetting['ask']>[1]],
  like?: string,
): Promise<Counted> {
  const run = async (from: number, turns: number) => {
    for (const turn of numbers(from, turns)) await (await ask(...requestOf(turn))).arrayBuffer();
  };
  await run(0, SINGLE.warmUp);
  const counted = await count(database, () => run(SINGLE.warmUp, SINGLE.counted), like);
  return divide(counted, SINGLE.counted);
}

function divide({ statements, buffers, walBytes, rows }: Counted, by: number): Counted {
  return { statements: statements / by, buffers: buffers / by, walBytes: walBytes / by, rows: rows / by };
}

/** Reads and switches of permissions by 64 connections. */
async function countLoads(proof: Proof, { database, service, countCollections }: SpeedSetting, guarded: boolean) {
  const generator: LoadGenerator = startLoadGenerator();
  const load = async (sequences: readonly (readonly PlannedRequest[])[], requests: number) => {
    const headers = { authorization: `Bearer ${proof.token}` };
    const plan = { url: service.url, connections: CONNECTIONS, headers, sequences, until: { requests } };
    return generator.slice(plan, service.process);
  };
  const countLoad = async (...plan: Parameters<typeof load>) => {
    const counted = await count(database, () => load(...plan));
    return divide(counted, counted.result.count);
  };
  try {
    const read = (number: number) => ({ method: 'GET' as const, path: permissionPath(number) });
    const reads = deal(numbers(1, READS.counted).map(read), CONNECTIONS);
    // Each connection has customers of its own.
    const switches = deal(numbers(SWITCHED.from, SWITCHED.count), CONNECTIONS).map((own) =>
      own.map(permissionPath).flatMap((path): PlannedRequest[] => [
        { method: 'DELETE', path },
        { method: 'PUT', path, body: '{"state":"on"}' },
      ]),
    );
    await load(reads, READS.warmUp);
    // What the first rounds write are pages that were not written since the checkpoint, and had no room.
    for (let round = 0; round < SWITCHED.warmUpRounds; round++) await load(switches, 2 * SWITCHED.count);
    const switched = await countLoad(switches, 2 * SWITCHED.count);
    if (guarded) await load(reads, COLLECTED.warmUp);
    const before = await countCollections();
    await load(reads, guarded ? COLLECTED.counted : COLLECTED.unguarded);
    const collections = (await countCollections()) - before;
    // Last, when all code is compiled: the slower a request is taken, the fewer are asked at once.
    const rounds: Counted[] = [];
    for (let round = 0; round < READS.rounds; round++) rounds.push(await countLoad(reads, READS.counted));
    const statementsOfRead = Math.min(...rounds.map(({ statements }) => statements));
    return { statementsOfRead, switched, collections };
  } finally {
    generator.close();
  }
}

/** Bytes that an entry adds to the write-ahead log while its pages were not written since the checkpoint. */
async function measureAfterCheckpoint({ database, size, ask }: SpeedSetting): Promise<number> {
  const { from, count: entries } = AFTER_CHECKPOINT;
  const step = Math.floor((size.customers - from) / entries);
  await database.sql('checkpoint');
  const write = async () => {
    for (const n of numbers(0, entries)) await ask(permissionPath(from + n * step), { method: 'DELETE' });
  };
  const { walBytes, rows } = await count(database, write, 'insert into "activity_log"%');
  if (rows !== entries) throw new Error(`${entries} customers were switched off and ${rows} entries written`);
  return walBytes / rows;
}

/** What the service does every second and every 30 s. */
async function runInBackground({ appUrl }: HarnessDatabase): Promise<void> {
  const db = connect({ url: appUrl, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  const log = createLog('silent');
  const options = {
    db,
    events: createEvents(new Registry(), log),
    log,
    now: () => new Date(),
    everyMilliseconds: 3_600_000,
  };
  const deliveries = startDeliveries({
    ...options,
    sealKey: randomBytes(32),
    origin: 'https://service.example',
    targets: { allowPrivate: false },
  });
  await deliveries.runOnce();
  await deliveries.stop();
  const watch = startWatch({ ...options, rules: { purchaserRoles: ['owner'] } });
  await watch.runOnce();
  await watch.stop();
  await db.close();
}

async function measurePlans(proof: Proof, setting: SpeedSetting, guarded: boolean) {
  const { database, logFile } = setting;
  await fillTables(database, ROWS_OF_OTHERS);
  await insertManyUsers(database);
  await insertOutbox(database, EVENTS);
  await settle(database);
  // What a vacuum has seen is gone with the next version of each row.
  if (!guarded) await database.sql('update customers set version = version');
  const { plans } = await recordPlans(database, logFile, async () => {
    await askEverything(setting);
    await runInBackground(database);
  });
  const faults = plans.map((plan) => ({ text: plan.text, says: faultsOf(plan).join(', ') })).filter(({ says }) => says);
  for (const { text, says } of guarded ? faults : []) proof.print(`${says}: ${text}`);
  const fetches = plans.flatMap((plan) => heapFetches(plan, LIST_INDEX) ?? []);
  return { plans: plans.length, faults: faults.length, fetches };
}

const atMost = (reached: number, target: number, digits = 0): Figure => ({
  reached: reached.toFixed(digits),
  kept: reached <= target,
});

export const speed: Suite = {
  id: 'speed',
  promises: [
    {
      id: 'speed-statements-read',
      says: 'Statements that the database runs for a read of a permission at 64 connections, BEGIN, SET and COMMIT included',
      target: `≤ ${TARGET.statementsOfRead}`,
      withoutGuard: 'with each look-up sent by itself',
    },
    {
      id: 'speed-collections',
      says: 'Collections of the old generation of the heap while the service answers 60 000 reads of a permission at 64 connections: what a request needs is gone with it',
      target: `≤ ${TARGET.collections}`,
      withoutGuard: 'in 20 000 with unanswered requests in a map',
    },
    {
      id: 'speed-statements-switch',
      says: 'Statements that the database runs for a switch of a permission at 64 connections, BEGIN, SET and COMMIT included',
      target: `≤ ${TARGET.statementsOfSwitch}`,
      withoutGuard: 'with each switch in a transaction of its own',
    },
    {
      id: 'speed-buffers-read',
      says: 'Buffers of the database that the read of one permission touches',
      target: `≤ ${TARGET.buffersOfRead}`,
    },
    {
      id: 'speed-buffers-switch',
      says: 'Buffers of the database that a switch touches, the request ledger and the log included',
      target: `≤ ${TARGET.buffersOfSwitch}`,
    },
    {
      id: 'speed-last-page',
      says: 'Buffers that the last page of the customers touches more than the first',
      target: `≤ ${TARGET.buffersOfLastPage}`,
      withoutGuard: 'with OFFSET',
    },
    {
      id: 'speed-large-log',
      says: 'Buffers that a page of 100 audit records touches more when the log is large (ten times as large, `--long`: a hundred times, 10 000 000 entries)',
      target: `≤ ${TARGET.buffersOfLargeLog}`,
      withoutGuard: 'without the index by time',
    },
    {
      id: 'speed-wal-switch',
      says: 'Bytes of write-ahead log of a switch, in steady state',
      target: `≤ ${TARGET.walOfSwitch}`,
    },
    {
      id: 'speed-wal-entry',
      says: 'Bytes of write-ahead log of an entry of the activity log, just after a checkpoint, each for another customer',
      target: `≤ ${TARGET.walOfEntry}`,
    },
    {
      id: 'speed-plans',
      says: 'Statements of the watch, of deliveries and of the routes that are called often whose generic plan reads a whole table, sorts more than a page, looks at whole pages or reads more than a page',
      target: '0',
      withoutGuard: 'without two indexes of the log and one of the outbox',
    },
    {
      id: 'speed-heap-fetches',
      says: 'Rows of a page of customers that the index alone does not answer, after a vacuum',
      target: '0',
      withoutGuard: 'without the vacuum',
    },
  ],
  async run(proof, guarded): Promise<Figures> {
    const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
    const name = guarded ? 'speed' : 'speed_unguarded';
    const setting = await openSpeedSetting(proof, { name, size, ...(!guarded && WITHOUT) });
    const { lastPageToken, growLog } = setting;
    const { statementsOfRead, switched, collections } = await countLoads(proof, setting, guarded);
    const read = await countSingle(setting, (turn) => [permissionPath(1 + turn)]);
    // Without what the deliveries ask every second.
    const ofPages = '%from "customers"%';
    const firstPage = await countSingle(setting, () => [CUSTOMER_PAGE], ofPages);
    const nextPage = { headers: { 'ms-continuationtoken': lastPageToken } };
    const lastPage = await countSingle(setting, () => [NEXT_PAGE, nextPage], ofPages);
    const smallLog = await countSingle(setting, () => [AUDIT_PAGE]);
    await growLog();
    const largeLog = await countSingle(setting, () => [AUDIT_PAGE]);
    const walOfEntry = guarded ? await measureAfterCheckpoint(setting) : undefined;
    const { plans, faults, fetches } = await measurePlans(proof, setting, guarded);
    await setting.close();
    const fetched = Math.max(...fetches);
    return {
      'speed-statements-read': atMost(statementsOfRead, TARGET.statementsOfRead, 3),
      'speed-collections': atMost(collections, TARGET.collections),
      'speed-buffers-read': atMost(read.buffers, TARGET.buffersOfRead, 1),
      'speed-statements-switch': atMost(switched.statements, TARGET.statementsOfSwitch, 2),
      'speed-buffers-switch': atMost(switched.buffers, TARGET.buffersOfSwitch, 1),
      'speed-wal-switch': atMost(switched.walBytes, TARGET.walOfSwitch),
      'speed-last-page': atMost(Math.abs(lastPage.buffers - firstPage.buffers), TARGET.buffersOfLastPage, 1),
      'speed-large-log': atMost(largeLog.buffers - smallLog.buffers, TARGET.buffersOfLargeLog, 1),
      ...(walOfEntry !== undefined && { 'speed-wal-entry': atMost(walOfEntry, TARGET.walOfEntry) }),
      'speed-plans': { reached: `${faults} of ${plans}`, kept: plans > 0 && faults === 0 },
      'speed-heap-fetches': {
        reached: fetches.length > 0 ? String(fetched) : 'all',
        kept: fetches.length > 0 && fetched === 0,
      },
    };
  },
};
