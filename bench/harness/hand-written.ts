import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import type { RunningService } from '../../harness/service.js';
import type { Bench } from './bench.js';

/**
 * Starts one of the servers in bench/ that a figure of the service is held against, in a process of its own.
 * @param args behind the port
 * @param probe the first path to answer 200
 */
export async function startHandWritten(
  bench: Bench,
  { name, args, probe = '/livez' }: { name: string; args: readonly string[]; probe?: string },
): Promise<RunningService> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(bench.workDir, `${name}.log`);
  const script = fileURLToPath(new URL(`../${name}.js`, import.meta.url));
  const process = spawnNode([script, String(port), ...args], {}, logFile);
  const startedIn = await untilOk(`${url}${probe}`, bench.headers, process, logFile);
  return { url, process, logFile, startedIn, stop: () => process.stop() };
}

/** Where a service of the run shows the keys of its tokens. */
export const keysOf = ({ url }: RunningService): string => `${url}/common/discovery/v2.0/keys`;
