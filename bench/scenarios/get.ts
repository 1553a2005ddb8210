import { insertCustomers, insertPartner, insertPermissions, settle } from '../../harness/data.js';
import { permissionPath, startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { deal } from '../harness/load.js';
import { alternate, report } from '../harness/slices.js';

const CUSTOMERS = 1000;

/** GET one permission ÷ a bare Fastify route with the same schemas. */
export const get: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('get');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertPermissions(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const bare = await startBareServer(bench.workDir);
  const requests = Array.from({ length: CUSTOMERS }, (_, index) => ({
    method: 'GET' as const,
    path: permissionPath(index + 1),
  }));
  for (const connections of bench.connections) {
    const load = (side: typeof service, headers: Readonly<Record<string, string>>) => (seconds: number) =>
      bench.generator.slice(
        { url: side.url, connections, until: { seconds }, headers, sequences: deal(requests, connections) },
        side.process,
      );
    const [a, b] = [load(service, bench.headers), load(bare, {})];
    const rounds = await alternate(
      bench.rounds,
      [() => a(bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
      () => a(bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    const aim = connections === 64 ? { aim: '≥ 0.5' } : {};
    const title = `${connections} connection${connections > 1 ? 's' : ''}`;
    bench.print(report({ title, names: ['service', 'bare   '], ...aim, ratio: 'rate' }, rounds));
  }
  await bare.stop();
  await service.stop();
  await database.drop();
};
