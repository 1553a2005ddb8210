import {
  CONTOSO,
  customerIdSql,
  insertCustomers,
  insertPartner,
  insertPermissions,
  settle,
} from '../../harness/data.js';
import { permissionPath, startBareServer } from '../harness/bare.js';
import { type Scenario, WARM_UP_CONNECTIONS } from '../harness/bench.js';
import { deal } from '../harness/load.js';
import { findPgbench, preparePgbench } from '../harness/pgbench.js';
import { alternate, median, report, type Slice, spread } from '../harness/slices.js';

const CUSTOMERS = 1000;
const CLIENTS = 32;

/** The row that is read, by its key. */
const SCRIPT = `\\set customer random(1, ${CUSTOMERS})
select * from purchase_permissions where partner_id = '${CONTOSO}' and customer_id = ${customerIdSql(':customer')}
  and resource = 'AzureReservedInstances';
`.replaceAll('\n  ', ' ');

/** GET of one permission ÷ the database's own look-up by key, and at one connection ÷ the two things that it consists of. */
export const lookup: Scenario = async (bench) => {
  const program = await findPgbench();
  if (program === undefined) {
    bench.print('  skipped: pgbench 15 or newer is not installed (on Debian it is in postgresql-contrib)');
    return;
  }
  const database = await bench.cluster.createDatabase('lookup');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertPermissions(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const bare = await startBareServer(bench.workDir);
  // The partner bound for the session: one statement for each look-up, without a transaction around it.
  const url = new URL(database.appUrl);
  // libpq takes a plus for a plus.
  url.search = `?options=${encodeURIComponent(`-c app.partner_id=${CONTOSO}`)}`;
  const pgbench = (clients: number) =>
    preparePgbench({ program, databaseUrl: url.href, workDir: bench.workDir, clients, scripts: [SCRIPT] });
  const requests = Array.from({ length: CUSTOMERS }, (_, index) => ({
    method: 'GET' as const,
    path: permissionPath(index + 1),
  }));
  const load = (side: typeof service, connections: number, headers: Readonly<Record<string, string>>) => {
    const sequences = deal(requests, connections);
    return (seconds: number) =>
      bench.generator.slice({ url: side.url, connections, until: { seconds }, headers, sequences }, side.process);
  };

  const [many, byKey] = [load(service, 64, bench.headers), await pgbench(CLIENTS)];
  const rounds = await alternate(
    bench.rounds,
    [() => many(bench.warmUpSeconds), () => byKey.slice(bench.warmUpSeconds)],
    () => many(bench.sliceSeconds),
    () => byKey.slice(bench.sliceSeconds),
  );
  const title = `64 connections ÷ ${CLIENTS} of pgbench, a SELECT by key`;
  bench.print(report({ title, names: ['service', 'pgbench'], aim: '≥ 1.3', ratio: 'rate' }, rounds));

  const one = { service: load(service, 1, bench.headers), bare: load(bare, 1, {}), pgbench: await pgbench(1) };
  await load(service, WARM_UP_CONNECTIONS, bench.headers)(bench.warmUpSeconds);
  await load(bare, WARM_UP_CONNECTIONS, {})(bench.warmUpSeconds);
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
  await service.stop();
  await database.drop();
};
