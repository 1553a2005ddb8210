import { spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../harness/processes.js';

/** Refuses to run as root: then it runs as Debian's nobody. */
const NOBODY = 65_534;

async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((there) => {
    socket.destroy();
    return there as boolean;
  });
}

/**
 * A PgBouncer in transaction mode in front of a database, until the test ends.
 * @param url of the database, with the login that may connect
 * @returns the URL of the same database through it
 */
export async function startPgBouncer(
  t: Pick<Test, 'teardown'>,
  program: string,
  url: string,
  serverConnections: number,
): Promise<string> {
  const { hostname, port, pathname, username, password } = new URL(url);
  const directory = await mkdtemp(join(tmpdir(), 'customer-permissions-pgbouncer-'));
  const users = join(directory, 'users.txt');
  const settings = join(directory, 'pgbouncer.ini');
  const listenPort = await freePort();
  await writeFile(users, `"${username}" "${decodeURIComponent(password)}"\n`, { mode: 0o600 });
  await writeFile(
    settings,
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${port || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 200
`,
    { mode: 0o600 },
  );
  const asRoot = process.getuid?.() === 0;
  if (asRoot) {
    for (const path of [directory, users, settings]) await chown(path, NOBODY, NOBODY);
  }
  await chmod(directory, 0o700);
  const child = spawn(program, ['-q', settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(asRoot && { uid: NOBODY, gid: NOBODY }),
  });
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGINT');
    await ended;
    await rm(directory, { recursive: true, force: true });
  });
  for (const deadline = Date.now() + 10_000; !(await listens(listenPort)); await setTimeout(20)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`pgbouncer does not listen: ${said}`);
  }
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(listenPort);
  return through.href;
}
