import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import { residentMebibytes } from '../../harness/processes.js';
import { permissionPath } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { deal, type PlannedRequest } from '../harness/load.js';

const CUSTOMERS = 1024;
const CONNECTIONS = 64;

/** Resident memory at the start and after many requests: eight reads to one switch on and one off. */
export const memory: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('memory');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const { pid } = service.process;
  const atStart = residentMebibytes(pid);
  if (atStart) {
    const numbers = Array.from({ length: CUSTOMERS }, (_, index) => index + 1);
    const sequences = deal(numbers, CONNECTIONS).map((own) =>
      own.flatMap((customer): PlannedRequest[] => {
        const path = permissionPath(customer);
        const reads = Array.from({ length: 4 }, () => ({ method: 'GET' as const, path }));
        return [...reads, { method: 'PUT', path, body: '{"state":"on"}' }, ...reads, { method: 'DELETE', path }];
      }),
    );
    const total = bench.quick ? 20_000 : 200_000;
    // The 100 MiB of the first requests are of the start; what comes between the half and the end is a leak or is not.
    const half = { url: service.url, connections: CONNECTIONS, until: { requests: total / 2 }, sequences };
    const after = [];
    for (let part = 1; part <= 2; part++) {
      await bench.generator.slice({ ...half, headers: bench.headers }, service.process);
      after.push(residentMebibytes(pid));
    }
    const [middle, end] = after.map((one) => one?.now ?? Number.NaN);
    bench.print(`  at the start ${atStart.now.toFixed(0)} MiB`);
    bench.print(
      `  after ${(total / 2).toLocaleString('en')} requests ${middle?.toFixed(0)} MiB, after ${total.toLocaleString('en')} ${end?.toFixed(0)} MiB` +
        ` (${((end ?? 0) / (middle ?? 1)).toFixed(2)}), at the highest ${after[1]?.peak.toFixed(0)} MiB`,
    );
  } else bench.print('  skipped: this system has no /proc to read it from');
  await service.stop();
  await database.drop();
};
