import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../src/db/embedded.js';
import { migrate } from '../src/db/migrate.js';

export interface HarnessDatabase {
  /** As the application's login, which row-level security binds. */
  appUrl: string;
  superuserUrl: string;
  /** The application's login. */
  login: string;
  /** As the superuser: for preparing rows and for counting them. */
  sql<R extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}

export interface Cluster {
  /** One line for the reader: which server. */
  description: string;
  createDatabase(name: string): Promise<HarnessDatabase>;
  close(): Promise<void>;
}

export interface ClusterOptions {
  /** Of a superuser. Default: an embedded server in `workDir`. */
  url: string | undefined;
  workDir: string;
  /** What the names of the login and of the databases start with. */
  name: string;
}

/** The server that is measured. Every database made on it is dropped by `close`. */
export async function openCluster({ url, workDir, name: login }: ClusterOptions): Promise<Cluster> {
  const embedded = url
    ? undefined
    : await startEmbedded({
        dataDir: join(workDir, 'cluster'),
        log: () => {},
        // So that no checkpoint forced by the volume of the preparation falls into a measurement.
        settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '30min' },
      });
  const serverUrl = url ?? embedded?.superuserUrl ?? '';
  const password = randomBytes(18).toString('base64url');
  const made = new Set<HarnessDatabase>();

  async function asSuperuser<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  const urlOf = (database: string, user?: { name: string; password: string }) => {
    const there = new URL(serverUrl);
    there.pathname = `/${database}`;
    if (user) [there.username, there.password] = [user.name, user.password];
    return there.href;
  };

  async function createDatabase(name: string): Promise<HarnessDatabase> {
    const database = `${login}_${name}`;
    await asSuperuser(async (client) => {
      await client.query(`drop database if exists ${database}`);
      await client.query(`create database ${database}`);
    });
    await migrate({ ownerUrl: urlOf(database), appUser: { name: login, password } });
    // One session, and a new one after the server was killed.
    const session = new pg.Pool({ connectionString: urlOf(database), max: 1, idleTimeoutMillis: 0 });
    session.on('error', () => {});
    const handle: HarnessDatabase = {
      appUrl: urlOf(database, { name: login, password }),
      superuserUrl: urlOf(database),
      login,
      sql: async (text, values) => (await session.query(text, values)).rows,
      drop: async () => {
        if (!made.delete(handle)) return;
        await session.end();
        // With force: a session ends some milliseconds after its client.
        await asSuperuser((superuser) => superuser.query(`drop database ${database} with (force)`));
      },
    };
    made.add(handle);
    return handle;
  }

  const { version } = await asSuperuser(async (client) => {
    await client.query(`drop role if exists ${login}`);
    return (await client.query("select current_setting('server_version') as version")).rows[0];
  });
  return {
    description: `${embedded ? 'embedded' : 'given'} PostgreSQL ${version}`,
    createDatabase,
    close: async () => {
      for (const database of [...made]) await database.drop();
      if (!embedded) await asSuperuser((client) => client.query(`drop role if exists ${login}`));
      await embedded?.stop();
    },
  };
}
