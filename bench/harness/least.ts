import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import type { RunningService } from '../../harness/service.js';
import { permissionPath } from './bare.js';
import type { Bench } from './bench.js';
import type { Reads } from './reads.js';

const script = fileURLToPath(new URL('../least-server.js', import.meta.url));

/** The least that keeps what a read promises, in a process of its own, on the database of the reads. */
export async function startLeastServer(bench: Bench, { database, service }: Reads): Promise<RunningService> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(bench.workDir, 'least.log');
  const keys = `${service.url}/common/discovery/v2.0/keys`;
  const process = spawnNode([script, String(port), database.appUrl, keys], {}, logFile);
  const startedIn = await untilOk(`${url}${permissionPath(1)}`, bench.headers, process, logFile);
  return { url, process, logFile, startedIn, stop: () => process.stop() };
}
