import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { findPostmaster } from '../src/db/embedded/postmaster.js';
import { type EmbeddedServer, startEmbedded } from '../src/db/embedded.js';
import { type Cluster, openCluster } from './database.js';
import { endWithRunOnceStarted } from './processes.js';

/** A PostgreSQL of a suite's own, which may be killed; it comes back on the same port, with what was committed. */
export interface KillableServer {
  cluster: Cluster;
  port: number;
  /** PGDATA */
  dataDirectory: string;
  superuserUrl: string;
  /** Of the server, which goes on over every start. */
  logFile: string;
  /** Processes that serve a client, not those of the server itself. */
  backends(): number[];
  /** Ends the server and returns when none of its processes is left: SIGINT fast, SIGQUIT immediate, SIGKILL nobody cleans up. */
  end(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>;
  /** Starts it again; returns when it takes connections. */
  start(settings?: ServerSettings): Promise<void>;
  close(): Promise<void>;
}

export type ServerSettings = Readonly<Record<string, string>>;
/** Of every start. */
export const SETTINGS: ServerSettings = { shared_buffers: '128MB', max_connections: '60' };

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        const stat = readFileSync(`/proc/${child}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
}

function servesClient(pid: number): boolean {
  try {
    return /^postgres: \S+ \S+ 127\.0\.0\.1/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
  } catch {
    return false;
  }
}

/**
 * @param name of its directory in `workDir`, and what the names of its login and databases start with
 * @param settings postgresql.conf settings of every start
 */
export async function startKillableServer(
  workDir: string,
  name: string,
  settings: ServerSettings = {},
): Promise<KillableServer> {
  const dataDir = join(workDir, name);
  await mkdir(dataDir, { recursive: true });
  const launch = (more: ServerSettings = {}): Promise<EmbeddedServer> =>
    startEmbedded({ dataDir, log: () => {}, settings: { ...SETTINGS, ...settings, ...more } });
  let launching = launch();
  const forget = endWithRunOnceStarted(() => launching);
  const { port, superuserUrl } = await launching;
  const dataDirectory = join(dataDir, 'postgres');
  const cluster = await openCluster({ url: superuserUrl, workDir, name });

  async function end(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const postmaster = findPostmaster(dataDirectory);
    if (!postmaster) return;
    const all = [postmaster.pid, ...childrenOf(postmaster.pid)];
    process.kill(postmaster.pid, signal);
    for (const deadline = Date.now() + 20_000; all.some((pid) => existsSync(`/proc/${pid}`)); await setTimeout(5)) {
      if (Date.now() > deadline) throw new Error(`PostgreSQL does not end after ${signal}`);
    }
  }

  return {
    cluster,
    port,
    dataDirectory,
    superuserUrl,
    logFile: join(dataDir, 'postgres.log'),
    backends: () => {
      const postmaster = findPostmaster(dataDirectory);
      return postmaster ? childrenOf(postmaster.pid).filter(servesClient) : [];
    },
    end,
    start: async (more) => {
      launching = launch(more);
      const server = await launching;
      if (server.port !== port) throw new Error(`PostgreSQL came back on port ${server.port}, not on ${port}`);
    },
    close: async () => {
      await cluster.close().catch(() => {});
      await (await launching).stop();
      forget();
    },
  };
}
