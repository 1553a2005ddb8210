import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { startEmbedded } from '../src/db/embedded.js';
import type { HarnessDatabase } from './database.js';
import { type KillableServer, SETTINGS } from './killable-server.js';
import { endWithRunOnceStarted } from './processes.js';

/** A PostgreSQL that streams from another one. */
export interface Standby {
  port: number;
  superuserUrl: string;
  /** As the superuser, in the database `postgres`. */
  sql: HarnessDatabase['sql'];
  /** Returns when it has replayed what the primary, or who became it, has written by now. */
  caughtUp(source?: { superuserUrl: string }): Promise<void>;
  /** Stops replaying; what comes meanwhile is kept. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Makes it a primary. */
  promote(): Promise<void>;
  /** Fast; the same server comes back by `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const WAIT_MS = 20_000;

/**
 * Makes a standby of a server, which is shut down and started again for it: of a small one that is quick, and takes no
 * program that an embedded server does not have.
 * @param name of its directory in `workDir`
 * @param upstream the port of the primary, or of what leads to it
 */
export async function startStandby(
  primary: KillableServer,
  workDir: string,
  name: string,
  upstream: { port: number } = primary,
): Promise<Standby> {
  const dataDir = join(workDir, name);
  await mkdir(dataDir, { recursive: true });
  await primary.end('SIGINT');
  for (const part of ['postgres', 'postgres.json']) {
    const copied = spawnSync('cp', ['-a', join(dirname(primary.dataDirectory), part), dataDir]);
    if (copied.status !== 0) throw new Error(`cp: ${copied.stderr}`);
  }
  // Any file that belongs to the server's user.
  spawnSync('cp', ['-a', join(dataDir, 'postgres', 'PG_VERSION'), join(dataDir, 'postgres', 'standby.signal')]);
  const { username, password } = new URL(primary.superuserUrl);
  const launch = () =>
    startEmbedded({
      dataDir,
      log: () => {},
      settings: {
        ...SETTINGS,
        // After a break; the default is 5 s.
        wal_retrieve_retry_interval: '100ms',
        primary_conninfo: `host=127.0.0.1 port=${upstream.port} user=${username} password=${decodeURIComponent(password)}`,
      },
    });
  await primary.start({ wal_keep_size: '1GB' });
  let launching = launch();
  const forget = endWithRunOnceStarted(() => launching);
  const { port, superuserUrl } = await launching;
  const session = (connectionString: string) => {
    const pool = new pg.Pool({ connectionString, max: 1, idleTimeoutMillis: 0 });
    pool.on('error', () => {});
    return pool;
  };
  const own = session(superuserUrl);
  const sql: Standby['sql'] = async (text, values) => (await own.query(text, values)).rows;
  async function until(condition: string, values?: unknown[]): Promise<void> {
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await setTimeout(10)) {
      const [row] = await sql<{ holds: boolean }>(`select (${condition}) as holds`, values);
      if (row?.holds) return;
    }
    throw new Error(`the standby does not come to ${condition}`);
  }
  return {
    port,
    superuserUrl,
    sql,
    async caughtUp({ superuserUrl: source } = primary) {
      const there = session(source);
      const { rows } = await there.query('select pg_current_wal_flush_lsn()::text as place');
      await there.end();
      await until('pg_last_wal_replay_lsn() >= $1::pg_lsn', [rows[0].place]);
    },
    async pause() {
      await sql('select pg_wal_replay_pause()');
      await until("pg_get_wal_replay_pause_state() = 'paused'");
    },
    async resume() {
      await sql('select pg_wal_replay_resume()');
    },
    async promote() {
      await sql('select pg_promote()');
    },
    async stop() {
      await (await launching).stop();
    },
    async start() {
      launching = launch();
      const server = await launching;
      if (server.port !== port) throw new Error(`the standby came back on port ${server.port}, not on ${port}`);
    },
    async close() {
      await own.end();
      await (await launching).stop();
      forget();
    },
  };
}
