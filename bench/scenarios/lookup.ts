import { CONTOSO, customerIdSql } from '../../harness/data.js';
import { startBareServer } from '../harness/bare.js';
import { type Scenario, WARM_UP_CONNECTIONS } from '../harness/bench.js';
import { findPgbench, preparePgbench } from '../harness/pgbench.js';
import { openReads } from '../harness/reads.js';
import { alternate, median, report, type Slice, spread } from '../harness/slices.js';

const CLIENTS = 32;

/** The row that is read, by its key. */
const scriptOf = (customers: number) =>
  `\\set customer random(1, ${customers})
select * from purchase_permissions where partner_id = '${CONTOSO}' and customer_id = ${customerIdSql(':customer')}
  and resource = 'AzureReservedInstances';
`.replaceAll('\n  ', ' ');

/** GET of one permission ÷ the database's own look-up by key, and at one connection ÷ the two things that it consists of. */
export const lookup: Scenario = async (bench) => {
  const program = await findPgbench(bench.print);
  if (program === undefined) return;
  const reads = await openReads(bench, 'lookup');
  const { service, customers, boundUrl } = reads;
  const bare = await startBareServer(bench.workDir);
  const pgbench = (clients: number) =>
    preparePgbench({
      program,
      databaseUrl: boundUrl,
      workDir: bench.workDir,
      clients,
      scripts: [{ text: scriptOf(customers), values: {} }],
    });
  const [many, byKey] = [reads.load(service, 64), await pgbench(CLIENTS)];
  const rounds = await alternate(
    bench.rounds,
    [() => many(bench.warmUpSeconds), () => byKey.slice(bench.warmUpSeconds)],
    () => many(bench.sliceSeconds),
    () => byKey.slice(bench.sliceSeconds),
  );
  const title = `64 connections ÷ ${CLIENTS} of pgbench, a SELECT by key`;
  bench.print(report({ title, names: ['service', 'pgbench'], aim: '≥ 1.3', ratio: 'rate' }, rounds));

  const one = { service: reads.load(service, 1), bare: reads.load(bare, 1, {}), pgbench: await pgbench(1) };
  await reads.load(service, WARM_UP_CONNECTIONS)(bench.warmUpSeconds);
  await reads.load(bare, WARM_UP_CONNECTIONS, {})(bench.warmUpSeconds);
  const micros = ({ rate }: Slice) => 1e6 / rate;
  const taken: Record<'bare' | 'pgbench' | 'service', number>[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    taken.push({
      bare: micros(await one.bare(bench.sliceSeconds)),
      pgbench: micros(await one.pgbench.slice(bench.sliceSeconds)),
      service: micros(await one.service(bench.sliceSeconds)),
    });
  }
  const ratios = taken.map((round) => round.service / (round.bare + round.pgbench));
  const of = (name: 'bare' | 'pgbench' | 'service') => median(taken.map((round) => round[name])).toFixed(0);
  bench.print(
    `  1 connection, time for a request ÷ bare route and SELECT by key together: ${spread(ratios)} (aim ≤ 1.5)`,
  );
  bench.print(`    service ${of('service')} µs, bare ${of('bare')} µs, pgbench ${of('pgbench')} µs`);
  await bare.stop();
  await reads.end();
};
