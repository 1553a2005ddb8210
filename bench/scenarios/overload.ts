import { insertCustomers, insertEligibility, insertPartner, insertPermissions, settle } from '../../harness/data.js';
import { permissionPath, startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { deal, type PlannedRequest } from '../harness/load.js';
import { alternate, report } from '../harness/slices.js';

const CUSTOMERS = 4096;
const CAPACITY = 64;
/** As many connections more as the service has at its best. */
const TIMES = 16;
/** How much longer a slice is of which a part goes by until all are connected. */
const CONNECTING = 4;

/** What is answered with 2xx when far more is asked for than the service can do ÷ what it can do. */
export const overload: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('overload');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await insertPermissions(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const numbers = Array.from({ length: CUSTOMERS }, (_, index) => index + 1);
  const reads = numbers.map((number): PlannedRequest[] => [{ method: 'GET', path: permissionPath(number) }]);
  const switches = numbers.map((number): PlannedRequest[] => [
    { method: 'DELETE', path: permissionPath(number) },
    { method: 'PUT', path: permissionPath(number), body: '{"state":"on"}' },
  ]);
  const bare = await startBareServer(bench.workDir);
  for (const { title, requests, side, aim } of [
    { title: 'GET of a permission', requests: reads, side: service, aim: '≥ 0.9' },
    { title: 'PUT on and DELETE', requests: switches, side: service, aim: '≥ 0.9' },
    // What so many connections alone cost here.
    { title: 'the bare route of `get`', requests: reads, side: bare, aim: undefined },
  ]) {
    const load = (connections: number) => {
      const sequences = deal(requests, connections).map((hand) => hand.flat());
      const fixed = { url: side.url, connections, headers: bench.headers, sequences, maybeRefused: true };
      return (seconds: number) => bench.generator.slice({ ...fixed, until: { seconds } }, side.process);
    };
    const [a, b] = [load(TIMES * CAPACITY), load(CAPACITY)];
    const rounds = await alternate(
      bench.rounds,
      [() => a(CONNECTING * bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
      () => a(CONNECTING * bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    const names = ['over', 'full'] as const;
    const line = `${title}, ${TIMES * CAPACITY} connections ÷ ${CAPACITY}`;
    bench.print(report({ title: line, names, ...(aim && { aim }), ratio: 'rate' }, rounds));
  }
  await bare.stop();
  await service.stop();
  await database.drop();
};
