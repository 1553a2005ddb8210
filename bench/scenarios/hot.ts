import {
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  settle,
  untilQuiet,
} from '../../harness/data.js';
import { permissionPath } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { deal, type PlannedRequest } from '../harness/load.js';
import { alternate, report } from '../harness/slices.js';

const CUSTOMERS = 1024;
const HOT = 10;
const CONNECTIONS = 64;

const switchOver = (number: number): PlannedRequest[] => {
  const path = permissionPath(number);
  return [
    { method: 'PUT', path, body: '{"state":"on"}' },
    { method: 'DELETE', path },
  ];
};

/** 64 connections that switch the same ten customers ÷ 64 that have customers of their own. */
export const hot: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('hot');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const numbers = Array.from({ length: CUSTOMERS }, (_, index) => index + 1);
  const load = (sequences: readonly (readonly PlannedRequest[])[]) => async (seconds: number) => {
    await untilQuiet(database);
    const plan = { url: service.url, connections: CONNECTIONS, until: { seconds }, headers: bench.headers, sequences };
    return bench.generator.slice(plan, service.process);
  };
  // Each connection begins with another of the ten.
  const shared = Array.from({ length: CONNECTIONS }, (_, index) =>
    Array.from({ length: HOT }, (_, n) => switchOver(1 + ((index + n) % HOT))).flat(),
  );
  const own = deal(numbers.slice(HOT), CONNECTIONS).map((hand) => hand.flatMap(switchOver));
  const [a, b] = [load(shared), load(own)];
  const rounds = await alternate(
    bench.rounds,
    // Batches of every size prepare statements of their own, on every connection.
    [() => a(3 * bench.warmUpSeconds), () => b(3 * bench.warmUpSeconds)],
    () => a(bench.sliceSeconds),
    () => b(bench.sliceSeconds),
  );
  await untilQuiet(database);
  const [found] = await database.sql<{ deadlocks: number; versions: number; entries: number; heads: number }>(
    `select (select deadlocks::int from pg_stat_database where datname = current_database()) as deadlocks,
       (select sum(version)::int from purchase_permissions where customer_id between $1 and $2) as versions,
       (select count(*)::int from activity_log where customer_id between $1 and $2) as entries,
       (select sum(log_seq)::int from customers where customer_id between $1 and $2) as heads`,
    [customerId(1), customerId(HOT)],
  );
  if (!found || found.entries === 0 || found.entries !== found.heads || found.entries !== found.versions) {
    throw new Error(`the log does not tell what was switched: ${JSON.stringify(found)}`);
  }
  const title = `${HOT} hot customers ÷ customers of its own for each, ${CONNECTIONS} connections`;
  bench.print(report({ title, names: ['hot', 'own'], aim: '≥ 0.9', ratio: 'rate' }, rounds));
  bench.print(`    ${found.entries} changes of the ten, each with its entry and version; ${found.deadlocks} deadlocks`);
  await service.stop();
  await database.drop();
};
