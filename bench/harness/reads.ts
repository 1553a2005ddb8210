import { CONTOSO, insertCustomers, insertPartner, insertPermissions, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningProcess } from '../../harness/processes.js';
import type { RunningService } from '../../harness/service.js';
import { permissionPath } from './bare.js';
import type { Bench } from './bench.js';
import { deal } from './load.js';
import type { Slice } from './slices.js';

const DEFAULT_CUSTOMERS = 1000;

export interface Reads {
  database: HarnessDatabase;
  service: RunningService;
  customers: number;
  /** The database with the partner bound for the session: one statement for each look-up, without a transaction around it. */
  boundUrl: string;
  /** Asks one side for the permission of each customer in turn. Default: with a token. */
  load(
    side: { url: string; process: RunningProcess },
    connections: number,
    headers?: Readonly<Record<string, string>>,
    path?: (customer: number) => string,
  ): (seconds: number) => Promise<Slice>;
  end(): Promise<void>;
}

/** The service with customers whose permission can be read. */
export async function openReads(bench: Bench, name: string, customers = DEFAULT_CUSTOMERS): Promise<Reads> {
  const database = await bench.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, customers);
  await insertPermissions(database, customers);
  await settle(database);
  const service = await bench.serve(database);
  const boundUrl = new URL(database.appUrl);
  // libpq takes a plus for a plus.
  boundUrl.search = `?options=${encodeURIComponent(`-c app.partner_id=${CONTOSO}`)}`;
  return {
    database,
    service,
    customers,
    boundUrl: boundUrl.href,
    load: ({ url, process }, connections, headers = bench.headers, path = permissionPath) => {
      const requests = Array.from({ length: customers }, (_, index) => ({
        method: 'GET' as const,
        path: path(index + 1),
      }));
      const fixed = { url, connections, headers, sequences: deal(requests, connections) };
      return (seconds) => bench.generator.slice({ ...fixed, until: { seconds } }, process);
    },
    end: async () => {
      await service.stop();
      await database.drop();
    },
  };
}
