import { insertCustomers, insertLog, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { type Bench, type Scenario, WARM_UP_CONNECTIONS } from '../harness/bench.js';
import { alternate, report } from '../harness/slices.js';

const SMALL = 50_000;
/** Entries of the day that is read: the same in both logs, so that both answer the same amount. */
const OF_THE_DAY = 200;
const CUSTOMERS = 1000;
const DAY_MS = 86_400_000;

interface Side {
  database: HarnessDatabase;
  service: RunningService;
}

async function prepare(bench: Bench, name: string, entries: number, day: Date): Promise<Side> {
  const database = await bench.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  const [begin, next, end] = [-75, 1, 9].map((days) => new Date(day.getTime() + days * DAY_MS)) as [Date, Date, Date];
  // Two parts by the days they cover, 75 before the day that is read and 8 after it.
  const before = Math.round(((entries - OF_THE_DAY) * 75) / 83);
  const after = entries - OF_THE_DAY - before;
  const log = { customers: CUSTOMERS };
  await insertLog(database, { ...log, entries: before, from: begin, to: day, firstSeq: 1 });
  await insertLog(database, { ...log, entries: OF_THE_DAY, from: day, to: next, firstSeq: 10_000_000 });
  await insertLog(database, { ...log, entries: after, from: next, to: end, firstSeq: 20_000_000 });
  await settle(database);
  return { database, service: await bench.serve(database) };
}

/** One day of a large log ÷ the same day of a small one, through both readers of the log. */
export const log: Scenario = async (bench) => {
  const large = bench.quick ? 500_000 : 5_000_000;
  // Ten days ago: within the 90 days of the audit records.
  const day = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - 10 * DAY_MS);
  const date = day.toISOString().slice(0, 10);
  const next = new Date(day.getTime() + DAY_MS).toISOString();
  const small = await prepare(bench, 'log_small', SMALL, day);
  const big = await prepare(bench, 'log_large', large, day);
  for (const path of [
    `/v1/auditrecords?startDate=${date}&endDate=${date}`,
    `/v1/activitylog?from=${day.toISOString()}&to=${next}&size=${OF_THE_DAY}`,
  ]) {
    for (const { service } of [small, big]) {
      const answer = await fetch(`${service.url}${path}`, { headers: bench.headers });
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text}`);
      const { length } = (JSON.parse(text) as { items: unknown[] }).items;
      if (length !== OF_THE_DAY) throw new Error(`${path} answered ${length} entries, not ${OF_THE_DAY}`);
    }
    const read =
      (side: Side) =>
      (seconds: number, connections = 1) =>
        bench.generator.slice(
          {
            url: side.service.url,
            connections,
            until: { seconds },
            headers: bench.headers,
            sequences: [[{ method: 'GET', path }]],
          },
          side.service.process,
        );
    const [a, b] = [read(big), read(small)];
    const rounds = await alternate(
      bench.rounds,
      [() => a(bench.warmUpSeconds, WARM_UP_CONNECTIONS), () => b(bench.warmUpSeconds, WARM_UP_CONNECTIONS)],
      () => a(bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    const title = `${path.split('?')[0]}, ${large.toLocaleString('en')} ÷ ${SMALL.toLocaleString('en')} entries, 1 connection`;
    bench.print(report({ title, names: ['large', 'small'], aim: '≤ 1.3', ratio: 'time' }, rounds));
  }
  for (const { service, database } of [big, small]) {
    await service.stop();
    await database.drop();
  }
};
