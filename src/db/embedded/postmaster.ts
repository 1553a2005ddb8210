import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { noLoader } from './binaries.js';
import { identify, isRunning } from './process-lock.js';
import type { ServerUser } from './server-user.js';

export interface Cluster {
  /** PGDATA */
  dataDirectory: string;
  /** The directory with bin, lib and share. */
  binaries: string;
  /** Absent: this process's own user. */
  user: ServerUser | undefined;
}

/** What postmaster.pid says (src/include/utils/pidfile.h), of a process that runs. */
export interface Postmaster {
  pid: number;
  identity: string;
  port: number;
}

const run = promisify(execFile);
const program = (cluster: Cluster, name: string) =>
  join(cluster.binaries, 'bin', process.platform === 'win32' ? `${name}.exe` : name);

/** PG* variables and the locale of the caller must not reach the server; Windows does not start programs without its own. */
function processOptions(cluster: Cluster) {
  return {
    cwd: dirname(cluster.dataDirectory),
    ...(process.platform !== 'win32' && { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }),
    ...cluster.user,
    windowsHide: true,
  };
}

/** Makes the data directory, whole or not at all. */
export async function initialise(cluster: Cluster, password: string): Promise<void> {
  await removeUnfinished(cluster.dataDirectory);
  const unfinished = `${cluster.dataDirectory}.new-${randomUUID()}`;
  const passwordFile = `${unfinished}.password`;
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (cluster.user) {
      for (const path of [unfinished, passwordFile]) await chown(path, cluster.user.uid, cluster.user.gid);
    }
    const options = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'];
    const locale = ['--locale-provider=builtin', '--locale=C.UTF-8'];
    await run(program(cluster, 'initdb'), [`--pgdata=${unfinished}`, ...options, ...locale], processOptions(cluster));
    await rename(unfinished, cluster.dataDirectory);
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT' && existsSync(program(cluster, 'initdb'))) throw noLoader();
    if (stderr) throw new Error(`initdb failed: ${stderr.trim()}`, { cause: error });
    throw error;
  } finally {
    for (const path of [unfinished, passwordFile]) await rm(path, { recursive: true, force: true });
  }
}

/** What killed runs left. Never used again: a killed run's initdb may still be writing there. */
async function removeUnfinished(dataDirectory: string): Promise<void> {
  const place = dirname(dataDirectory);
  for (const name of await readdir(place)) {
    if (!name.startsWith(`${basename(dataDirectory)}.new-`)) continue;
    await rm(join(place, name), { recursive: true, force: true, maxRetries: 10 });
  }
}

/** @returns undefined when no server runs in the data directory */
export function findPostmaster(dataDirectory: string): (Postmaster & { ready: boolean }) | undefined {
  const lines = readPidFile(dataDirectory);
  const pid = Number(lines[0]);
  const identity = pid > 0 ? identify(pid) : undefined;
  if (!identity || !servesFrom(pid, dataDirectory)) return undefined;
  return { pid, identity, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

const OTHER_VERSION = /initialized by PostgreSQL version (\S+), which is not compatible with this version (\S+?)\.$/m;

function didNotStart({ dataDirectory }: Cluster, lastWords: string): Error {
  const [, made, here] = OTHER_VERSION.exec(lastWords) ?? [];
  if (made === undefined) return new Error(`PostgreSQL did not start: ${lastWords}`);
  return new Error(
    `${dataDirectory} was made by PostgreSQL ${made}, and this is ${here}: set another DATA_DIR to begin anew; to keep what is there, dump it with the version of customer-permissions that made it.`,
  );
}

/**
 * Starts the server and returns when it takes connections. It is in a session of its own, so that Ctrl-C in a terminal
 * reaches it only by way of this service, after the requests under way are answered.
 * @throws Error with the server's last words
 */
export async function launch(
  cluster: Cluster,
  port: number,
  settings: Readonly<Record<string, string>>,
  logFile: string,
): Promise<Postmaster> {
  await disownPidFile(cluster.dataDirectory);
  const given = { listen_addresses: '127.0.0.1', unix_socket_directories: '', timezone: 'UTC', ...settings };
  const flags = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const output = await open(logFile, 'w', 0o600);
  const child = spawn(program(cluster, 'postgres'), ['-D', cluster.dataDirectory, '-p', String(port), ...flags], {
    ...processOptions(cluster),
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  });
  let failure: Error | undefined;
  child.once('error', (error: NodeJS.ErrnoException) => {
    failure = error.code === 'ENOENT' && existsSync(program(cluster, 'postgres')) ? noLoader() : error;
  });
  child.once('exit', () => {
    failure ??= didNotStart(cluster, readFileSync(logFile, 'utf8').trim());
  });
  await output.close();
  child.unref();
  for (;;) {
    if (failure) throw failure;
    const found = findPostmaster(cluster.dataDirectory);
    if (found?.ready && found.pid === child.pid) return found;
    await setTimeout(10);
  }
}

/** Fast shutdown: open sessions are ended, everything is written. Returns when the process is gone. */
export async function shutDown(cluster: Cluster, postmaster: Postmaster): Promise<void> {
  if (process.platform === 'win32') {
    await run(program(cluster, 'pg_ctl'), ['stop', '-m', 'fast', '-w', '-D', cluster.dataDirectory]);
    return;
  }
  // SIGQUIT, an immediate shutdown, loses nothing either: the next start replays the log.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!signalTo(postmaster, signal)) return;
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await setTimeout(10)) {
      if (!isRunning(postmaster.identity)) return;
    }
  }
  throw new Error(`PostgreSQL (process ${postmaster.pid}) does not stop.`);
}

function signalTo(postmaster: Postmaster, signal: NodeJS.Signals): boolean {
  try {
    return isRunning(postmaster.identity) && process.kill(postmaster.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readPidFile(dataDirectory: string): string[] {
  try {
    return readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Whether a running process is the server of this directory, and not one that got the id of a killed server since. */
function servesFrom(pid: number, dataDirectory: string): boolean {
  if (process.platform !== 'linux') return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(dataDirectory);
  } catch {
    return false;
  }
}

/**
 * PostgreSQL refuses to start while the process named in a left-over postmaster.pid exists, even when that is an unreaped
 * zombie or somebody else's. It makes an exception for its own parent (CreateLockFile in miscinit.c), so that is written
 * there. The file is not removed: its shared memory key lets PostgreSQL see backends that outlived their postmaster.
 */
async function disownPidFile(dataDirectory: string): Promise<void> {
  const path = join(dataDirectory, 'postmaster.pid');
  const lines = await readFile(path, 'utf8').catch(() => undefined);
  if (lines === undefined) return;
  await writeFile(path, lines.replace(/^-?\d*/, String(process.pid)));
}
