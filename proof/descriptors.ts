import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { RunningService } from '../harness/service.js';
import { listTcpConnections } from './tcp-connections.js';

/** The service has closed its side by then. */
const CLOSED_MS = 200;

/** Open descriptors of the service but for its connections to the database, which come and go by themselves. */
export async function countDescriptors({ process }: RunningService, databaseUrl: string): Promise<number> {
  await setTimeout(CLOSED_MS);
  const port = Number(new URL(databaseUrl).port);
  const toDatabase = new Set(
    listTcpConnections()
      .filter(({ remotePort }) => remotePort === port)
      .map(({ inode }) => `socket:[${inode}]`),
  );
  const directory = `/proc/${process.pid}/fd`;
  const isOther = (name: string) => {
    try {
      return !toDatabase.has(readlinkSync(`${directory}/${name}`));
    } catch {
      return false;
    }
  };
  return readdirSync(directory).filter(isOther).length;
}
