import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '../../src/db/embedded.js';
import { citusUrl } from './citus.js';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const name = createHash('sha256').update(checkout).digest('hex').slice(0, 12);

/** One per checkout and user, so that test files that run at the same time, or by themselves, share it. */
const dataDir = join(tmpdir(), `customer-permissions-test-${process.getuid?.() ?? 0}-${name}`);

const attach = () =>
  startEmbedded({
    dataDir,
    log: () => {},
    // Nothing is kept beyond the tests. Two suites at once, each file with its own pools.
    settings: { fsync: 'off', full_page_writes: 'off', max_connections: '200' },
  });

let url: Promise<string> | undefined;

/**
 * A superuser's URL of the server under test: CITUS_URL, TEST_DATABASE_URL, else the embedded server, started when it does not run.
 * It keeps running for the next test file until `down` stops it.
 */
export function clusterUrl(): Promise<string> {
  url ??= (async () => citusUrl ?? (process.env.TEST_DATABASE_URL || (await attach()).superuserUrl))();
  return url;
}

/** Stops the embedded server and removes its data; a server that was given is left as it is. */
export async function removeCluster(): Promise<void> {
  if (citusUrl !== undefined || process.env.TEST_DATABASE_URL) return;
  const server = await attach();
  if (!server.owned) return;
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
