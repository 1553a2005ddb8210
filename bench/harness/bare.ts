import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { customerId } from '../../harness/data.js';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import type { RunningService } from '../../harness/service.js';

const script = fileURLToPath(new URL('../bare-server.js', import.meta.url));

export const permissionPath = (customer: number) =>
  `/v1/customers/${customerId(customer)}/purchasepermissions/AzureReservedInstances`;

/** The bare Fastify route in a process of its own. */
export async function startBareServer(workDir: string): Promise<RunningService> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(workDir, 'bare.log');
  const process = spawnNode([script, String(port)], {}, logFile);
  const startedIn = await untilOk(`${url}${permissionPath(1)}`, {}, process, logFile);
  return { url, process, logFile, startedIn, stop: () => process.stop() };
}
