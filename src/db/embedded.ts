import { createHash, randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { locateBinaries, prepareBinaries } from './embedded/binaries.js';
import { type Cluster, findPostmaster, initialise, launch, type Postmaster, shutDown } from './embedded/postmaster.js';
import { identify, isRunning, withProcessLock } from './embedded/process-lock.js';
import { canReach, findServerUser } from './embedded/server-user.js';

export interface EmbeddedOptions {
  /** The cluster is kept in `postgres` below it, with its password, port and log beside. Made when missing. */
  dataDir: string;
  log: (line: string) => void;
  /** postgresql.conf settings of a server that this call starts. */
  settings?: Readonly<Record<string, string>>;
  /** A directory with bin, lib and share of PostgreSQL 17 or newer. Default: the installed package for the platform. */
  binaries?: string;
}

export interface EmbeddedServer {
  /** E.g. `18.4`. */
  version: string;
  port: number;
  /** `postgresql://postgres:<password>@127.0.0.1:<port>/postgres` */
  superuserUrl: string;
  /** Default: as the superuser. */
  urlFor(database: string, user?: string, password?: string): string;
  /** False when another running process started the server; `stop` then leaves it to that process. */
  owned: boolean;
  /** Fast shutdown of an owned server; no process is left. */
  stop(): Promise<void>;
}

/** What has to be the same at the next start. Holds the superuser's password: mode 0600. */
interface State {
  password: string;
  port: number;
  /** Where root keeps the cluster when the server's user cannot get into `dataDir`. */
  movedTo?: string;
  /** The process that stops the server, see `identify`. */
  owner?: string;
}

// Above the well-known ports and below 32768, where Linux starts to give ports to outgoing connections.
const PORTS = [20_000, 32_767] as const;
// Covers a first start (0.5 s; with copied programs on a slow disk several) and a shutdown.
const LOCK_WAIT_MS = 60_000;

/**
 * Starts PostgreSQL from the installed platform package, or attaches to the one that already serves `dataDir`: one that
 * another process started is shared, one whose starter was killed is taken over. Installs no signal handler and does not
 * keep the process alive.
 * @throws Error whose message is for the operator
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const native = options.binaries ?? locateBinaries();
  await mkdir(options.dataDir, { recursive: true });
  const dataDir = await realpath(options.dataDir);
  const me = identify(process.pid) ?? '';
  const lockFile = join(dataDir, 'postgres.lock');
  const stateFile = join(dataDir, 'postgres.json');

  return withProcessLock(lockFile, LOCK_WAIT_MS, async () => {
    const state = (await readState(stateFile)) ?? (await newState(dataDir));
    const place = state.movedTo ?? dataDir;
    const dataDirectory = join(place, 'postgres');
    const user = await findServerUser(dataDirectory);
    let cluster: Cluster = { dataDirectory, binaries: native, user };
    let postmaster = await attach(dataDirectory, state.password);
    if (!postmaster) {
      if (state.movedTo) options.log(`${dataDir} is closed to the server's user; the cluster is in ${place}`);
      if (state.movedTo) await makePlace(place);
      cluster = { ...cluster, binaries: await prepareBinaries(native, place, user, options.log) };
      // Before initdb: a cluster whose password was never written down would be lost.
      await writeState(stateFile, state);
      if (!existsSync(dataDirectory)) await initialise(cluster, state.password);
      postmaster = await launchOnFreePort(cluster, state, options.settings ?? {}, join(dataDir, 'postgres.log'));
      delete state.owner;
    }
    const owned = !state.owner || !isRunning(state.owner);
    if (owned) await writeState(stateFile, { ...state, port: postmaster.port, owner: me });
    const { version } = await describe(postmaster.port, state.password);
    options.log(
      `embedded PostgreSQL ${version} on 127.0.0.1:${postmaster.port}, data in ${dataDirectory}; for trying out, not for production`,
    );
    const server = postmaster;
    const stop = async () => {
      await withProcessLock(lockFile, LOCK_WAIT_MS, () => shutDown(cluster, server));
    };
    return handle(server.port, state.password, version, owned, stop);
  });
}

function handle(
  port: number,
  ownPassword: string,
  version: string,
  owned: boolean,
  stop: () => Promise<void>,
): EmbeddedServer {
  const urlFor = (database: string, user = 'postgres', password = ownPassword) =>
    `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
  let stopped: Promise<void> | undefined;
  return {
    version,
    port,
    superuserUrl: urlFor('postgres'),
    urlFor,
    owned,
    stop: async () => {
      if (owned) stopped ??= stop();
      await stopped;
    },
  };
}

/** @returns the running server's process, once it takes connections; undefined when none runs */
async function attach(dataDirectory: string, password: string): Promise<Postmaster | undefined> {
  for (const deadline = Date.now() + 30_000; ; await setTimeout(20)) {
    const found = findPostmaster(dataDirectory);
    if (!found) return undefined;
    try {
      if (found.ready) await describe(found.port, password);
      if (found.ready) return found;
    } catch (error) {
      // Shutting down or replaying the log: wait for what comes of it.
      const { code } = error as { code?: string };
      if (!['57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET'].includes(code ?? '')) throw error;
    }
    if (Date.now() > deadline) {
      throw new Error(
        `Process ${found.pid}, named in ${join(dataDirectory, 'postmaster.pid')}, does not answer on port ${found.port}: end it, or remove the file when it is not PostgreSQL.`,
      );
    }
  }
}

async function describe(port: number, password: string): Promise<{ version: string }> {
  const connection = { host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres', ssl: false };
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string }>("select current_setting('server_version') as version");
    return { version: rows[0]?.version.split(' ')[0] ?? '' };
  } finally {
    await client.end();
  }
}

async function launchOnFreePort(
  cluster: Cluster,
  state: State,
  settings: Readonly<Record<string, string>>,
  logFile: string,
): Promise<Postmaster> {
  let port = state.port;
  for (let attempt = 1; ; attempt++) {
    while (!(await isFree(port))) port = randomInt(...PORTS);
    try {
      return await launch(cluster, port, settings, logFile);
    } catch (error) {
      // Taken since it was looked at; or sessions of a killed server are still ending, which takes them milliseconds.
      const passing = /could not bind|shared memory block .* is still in use/.test(String(error));
      if (!passing || attempt === 20) throw error;
      await setTimeout(100);
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function newState(dataDir: string): Promise<State> {
  const inside = join(dataDir, 'postgres');
  const reachable = await canReach(dataDir, await findServerUser(inside));
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const movedTo = `/var/lib/customer-permissions/${name}`;
  const existing = reachable ? inside : join(movedTo, 'postgres');
  if (existsSync(existing)) {
    throw new Error(
      `${join(dataDir, 'postgres.json')} with the password of the cluster in ${existing} is missing: restore it, or remove the cluster to start anew.`,
    );
  }
  const state = { password: randomBytes(24).toString('base64url'), port: randomInt(...PORTS) };
  return reachable ? state : { ...state, movedTo };
}

async function makePlace(place: string): Promise<void> {
  await mkdir(place, { recursive: true });
  for (const directory of [place, dirname(place)]) await chmod(directory, 0o755);
}

async function readState(file: string): Promise<State | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as State;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES') throw new Error(`${file} belongs to another user: run as that user, or set DATA_DIR.`);
    throw error;
  }
}

async function writeState(file: string, state: State): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  const before = await stat(file).catch(() => undefined);
  await writeFile(unfinished, JSON.stringify(state), { mode: 0o600 });
  // A start as root must not shut out the user whose cluster this is.
  if (before && process.getuid?.() === 0) await chown(unfinished, before.uid, before.gid);
  await rename(unfinished, file);
}
