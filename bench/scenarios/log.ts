import { customerId, insertCustomers, insertLog, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { type Bench, type Scenario, WARM_UP_CONNECTIONS } from '../harness/bench.js';
import { alternate, report } from '../harness/slices.js';

/** Entries of the two days that are read: the same in both logs, so that both answer the same amount. */
const OF_THE_DAY = 200;
const CUSTOMERS = 1000;
const DAY_MS = 86_400_000;
/** Days ago: the first entries, an old day that is read, and a recent one, within the 90 days of the audit records. */
const [FIRST, OLD, RECENT] = [700, 640, 10];

interface Side {
  database: HarnessDatabase;
  service: RunningService;
}

/** A page, and how many entries it has to have. */
interface Page {
  side: Side;
  path: string;
  entries: number;
}

const midnight = (daysAgo: number) => new Date((Math.floor(Date.now() / DAY_MS) - daysAgo) * DAY_MS);

async function prepare(bench: Bench, name: string, entries: number): Promise<Side> {
  const database = await bench.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  // Nine tenths of the last 90 days, the others long ago; nothing else in the two days.
  const parts = [
    { entries: entries / 20, from: midnight(FIRST), to: midnight(OLD) },
    { entries: OF_THE_DAY, from: midnight(OLD), to: midnight(OLD - 1) },
    { entries: entries / 20, from: midnight(OLD - 1), to: midnight(90) },
    { entries: (entries * 8) / 10, from: midnight(90), to: midnight(RECENT) },
    { entries: OF_THE_DAY, from: midnight(RECENT), to: midnight(RECENT - 1) },
    { entries: entries / 10, from: midnight(RECENT - 1), to: midnight(0) },
  ];
  for (const [index, part] of parts.entries()) {
    await insertLog(database, { ...part, customers: CUSTOMERS, firstSeq: 1 + index * 10_000_000 });
  }
  await settle(database);
  return { database, service: await bench.serve(database) };
}

async function assertFull({ side, path, entries }: Page, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await fetch(`${side.service.url}${path}`, { headers });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text}`);
  const { length } = (JSON.parse(text) as { items: unknown[] }).items;
  if (length !== entries) throw new Error(`${path} answered ${length} entries, not ${entries}`);
}

/** Pages of a large log ÷ the same of a small one; of an old time ÷ a recent one; of one customer ÷ of all. */
export const log: Scenario = async (bench) => {
  const [few, many] = bench.long ? [100_000, 10_000_000] : [50_000, bench.quick ? 500_000 : 5_000_000];
  const small = await prepare(bench, 'log_small', few);
  const large = await prepare(bench, 'log_large', many);

  const date = midnight(RECENT).toISOString().slice(0, 10);
  const dayOf = (daysAgo: number) =>
    `/v1/activitylog?from=${midnight(daysAgo).toISOString()}&to=${midnight(daysAgo - 1).toISOString()}&size=${OF_THE_DAY}`;
  const auditDay = { path: `/v1/auditrecords?startDate=${date}&endDate=${date}`, entries: OF_THE_DAY };
  const recentDay = { path: dayOf(RECENT), entries: OF_THE_DAY };
  const newest = { path: '/v1/auditrecords?size=100', entries: 100 };
  const ofCustomer = encodeURIComponent(
    JSON.stringify({ Field: 'CustomerId', Value: customerId(7), Operator: 'equals' }),
  );
  const logs = `${many.toLocaleString('en')} ÷ ${few.toLocaleString('en')} entries`;
  const compared: { title: string; names: readonly [string, string]; aim: string; a: Page; b: Page }[] = [
    ...[
      { title: `/v1/auditrecords, a day, ${logs}`, page: auditDay, aim: '≤ 1.3' },
      { title: `/v1/activitylog, a day, ${logs}`, page: recentDay, aim: '≤ 1.3' },
      { title: `/v1/auditrecords, the newest 100 of 30 days, ${logs}`, page: newest, aim: '≤ 1.10' },
    ].map(({ title, page, aim }) => ({
      title,
      names: ['large', 'small'] as const,
      aim,
      a: { side: large, ...page },
      b: { side: small, ...page },
    })),
    {
      title: `/v1/activitylog, a day ${OLD} days ago ÷ ${RECENT} days ago`,
      names: ['old   ', 'recent'],
      aim: '≤ 1.10',
      a: { side: large, path: dayOf(OLD), entries: OF_THE_DAY },
      b: { side: large, ...recentDay },
    },
    {
      title: '/v1/auditrecords, 20 of one customer ÷ 20 of all',
      names: ['one', 'all'],
      aim: '≤ 1.3',
      a: { side: large, path: `/v1/auditrecords?size=20&filter=${ofCustomer}`, entries: 20 },
      b: { side: large, path: '/v1/auditrecords?size=20', entries: 20 },
    },
  ];
  for (const { title, names, aim, a, b } of compared) {
    for (const page of [a, b]) await assertFull(page, bench.headers);
    const read =
      ({ side: { service }, path }: Page) =>
      (seconds: number, connections = 1) => {
        const plan = {
          url: service.url,
          connections,
          headers: bench.headers,
          sequences: [[{ method: 'GET' as const, path }]],
        };
        return bench.generator.slice({ ...plan, until: { seconds } }, service.process);
      };
    const [readA, readB] = [read(a), read(b)];
    const rounds = await alternate(
      bench.rounds,
      [() => readA(bench.warmUpSeconds, WARM_UP_CONNECTIONS), () => readB(bench.warmUpSeconds, WARM_UP_CONNECTIONS)],
      () => readA(bench.sliceSeconds),
      () => readB(bench.sliceSeconds),
    );
    bench.print(report({ title: `${title}, 1 connection`, names, aim, ratio: 'time' }, rounds));
  }
  for (const { service, database } of [large, small]) {
    await service.stop();
    await database.drop();
  }
};
