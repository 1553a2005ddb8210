import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { Counter, Registry } from 'prom-client';
import { buildApp } from './app.js';
import { loadCheckpointKey } from './checkpoint-key.js';
import { startCheckpoints } from './checkpoints.js';
import { type Config, ConfigError, variableOf } from './config.js';
import { connect, type DatabaseHandle } from './db/connect.js';
import { startEmbedded } from './db/embedded.js';
import { prepareEmbedded } from './db/embedded-database.js';
import { migrate } from './db/migrate.js';
import { openReplica } from './db/replica.js';
import { checkDatabase, findSchemaFault, UnfitDatabase, usable } from './db/start-check.js';
import { startDeliveries } from './deliveries.js';
import { createEvents, type Events } from './events.js';
import { loadDemo } from './import/demo.js';
import { DataDirUnusable, keepSecret } from './lib/kept-secret.js';
import { packageRoot } from './lib/package-root.js';
import { deriveKey } from './lib/seal.js';
import type { Output } from './log.js';
import { findCustomerUser } from './nouns/identity/customer-users.js';
import { type Identity, loadIdentity } from './nouns/identity/identity.js';
import { openRedisCounts, RedisRefuses } from './plugins/counts/redis-counts.js';
import type { SharedCounts } from './plugins/counts/shared-store.js';
import type { TokenRules } from './plugins/tokens/rules.js';
import { readVersion } from './version.js';
import { startWatch } from './watch.js';

/** Accounts and data of the demo tenant. */
export const demoDir = join(packageRoot(), 'demo');
const SECRET_BYTES = 32;
const WATCH_MILLISECONDS = 30_000;
const DELIVERIES_MILLISECONDS = 1000;
const CHECKPOINTS_MILLISECONDS = 30_000;
/** Longer than any statement of a request may take, so that what is not answered by then will not be. */
const SILENCE_MILLISECONDS = 2500;
/** Balancers ask every few seconds and wait for a second or two. */
const READY_MILLISECONDS = 1000;

export interface RunningServer {
  /** Where the API listens, e.g. `http://127.0.0.1:3000`. */
  url: string;
  metricsUrl: string;
  /** One line for a person: which database. */
  database: string;
  identity: Identity | undefined;
  /** Readiness off, drain, close; everything this call started is gone afterwards. */
  close(options?: { drain: boolean }): Promise<void>;
}

export interface OpenDatabase {
  db: DatabaseHandle;
  description: string;
  /** See `CheckedDatabase`. */
  connections: number;
  close(): Promise<void>;
}

/** The secret of the installation: given, or made once in the data directory where that is allowed. */
export async function loadSecret(config: Config): Promise<Buffer> {
  if (config.secretKey) return Buffer.from(config.secretKey, 'base64');
  const kept = await keepSecret(config.dataDir, 'secret', () => randomBytes(SECRET_BYTES).toString('base64'));
  const secret = Buffer.from(kept, 'base64');
  if (secret.length !== SECRET_BYTES) {
    throw new DataDirUnusable(new Error('the file secret in it is damaged; restore it, or remove it for a new one'));
  }
  return secret;
}

/** The login that an application URL names, for `migrate` to provision. */
export function loginOf(url: string): { name: string; password: string } {
  const { username, password } = new URL(url);
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/**
 * Opens the database that the configuration names, else the embedded one; migrates where the owner's login is known.
 * @param silenceMilliseconds for who has no statement that takes longer, see `connect`
 */
export async function openDatabase(
  config: Config,
  secret: Buffer,
  log: FastifyBaseLogger,
  silenceMilliseconds?: number,
): Promise<OpenDatabase> {
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbedded({ dataDir: config.dataDir, log: (line) => log.info(line) }).catch(
        (error: NodeJS.ErrnoException) => {
          const isOfFile = error.path !== undefined && error.syscall?.startsWith('spawn') === false;
          throw isOfFile ? new DataDirUnusable(error) : new UnfitDatabase(error.message, { cause: error });
        },
      );
  let db: DatabaseHandle | undefined;
  const close = async () => {
    await db?.close();
    await embedded?.stop();
  };
  try {
    const urls = embedded
      ? await prepareEmbedded(embedded, secret)
      : { ownerUrl: config.migrationDatabaseUrl, appUrl: config.databaseUrl ?? '' };
    if (urls.ownerUrl) {
      await usable('MIGRATION_DATABASE_URL', migrate({ ownerUrl: urls.ownerUrl, appUser: loginOf(urls.appUrl) }));
    }
    db = connect({
      url: urls.appUrl,
      poolMax: config.poolMax,
      preparedStatements: config.preparedStatements,
      ...(silenceMilliseconds !== undefined && { silenceMilliseconds }),
      onIdleError: (error) => log.warn({ err: error, event: 'idle_connection_lost' }, 'idle connection lost'),
    });
    const { version, connections } = await usable('DATABASE_URL', checkDatabase(db, config.production));
    const where = embedded
      ? `embedded PostgreSQL ${version}`
      : `PostgreSQL ${version} at ${decodeURIComponent(new URL(urls.appUrl).host)}`;
    return { db, description: where, connections, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether the instances fit on the server cannot be seen by one of them: it says how many would. */
function tellConnections({ poolMax }: Config, connections: number, log: FastifyBaseLogger): void {
  const instances = Math.floor(connections / poolMax);
  const fields = { event: 'connections', poolMax, connections, instances };
  if (instances > 0) {
    log.info(fields, `instances × POOL_MAX ≤ ${connections}: room for ${instances} of ${poolMax} without a pooler`);
  } else {
    log.warn(
      fields,
      `POOL_MAX=${poolMax} is more than the ${connections} connections that the server gives this login; lower it, or put a pooler in front`,
    );
  }
}

/** The lists of the replica that the configuration names, already looked at. @throws UnfitDatabase */
async function openLists(config: Config, primary: DatabaseHandle, events: Events, log: FastifyBaseLogger) {
  const { readReplicaUrl: url, poolMax, preparedStatements } = config;
  if (!url) return undefined;
  const replica = openReplica({
    url,
    poolMax,
    preparedStatements,
    primary,
    maxLagSeconds: config.readReplicaMaxLagSeconds,
    onIdleError: (error) => log.warn({ err: error, event: 'idle_connection_lost' }, 'idle connection lost'),
    onUse: events.replicaUsed,
    onAge: (ageSeconds) => events.replicaSampled({ ageSeconds }),
  });
  try {
    await replica.start();
    return replica;
  } catch (error) {
    await replica.close();
    throw error;
  }
}

function tokenRules(config: Config, identity: Identity | undefined): TokenRules {
  const issuers = config.tokenIssuers.map((pair) => {
    const [issuer = '', jwksUri = ''] = pair.split(/\s+/);
    return { issuer, jwksUri };
  });
  return {
    issuers: identity ? identity.issuers : issuers,
    audiences: identity ? identity.audiences : config.tokenAudiences,
    algorithms: identity ? ['RS256'] : config.tokenAlgorithms,
    roleMap: Object.fromEntries(config.roleMap.map((pair) => pair.split('=')) as [string, 'AdminAgent'][]),
    requireMfa: config.requireMfa,
    clockToleranceSeconds: 30,
  };
}

/** The built-in issuer, where the configuration runs it. */
export async function openIdentity(config: Config, url: string, db?: DatabaseHandle): Promise<Identity | undefined> {
  if (config.identity !== 'built-in') return undefined;
  return loadIdentity({
    dataDir: config.dataDir,
    accountsFile: join(demoDir, 'identity.json'),
    publicUrl: config.publicUrl ?? url,
    production: config.production,
    ...(db && { findCustomerUser: (tenantId, upn) => findCustomerUser(db, tenantId, upn) }),
  });
}

/** The address before it is known to be free: what issuer and links are made of. */
export function addressOf(config: Config): string {
  const host = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host;
  return config.publicUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${config.port}`;
}

/** @throws ConfigError when the store is there and refuses this service */
async function openSharedCounts(config: Config, log: FastifyBaseLogger): Promise<SharedCounts | undefined> {
  if (!config.rateLimitStore) return undefined;
  return openRedisCounts(config.rateLimitStore, log).catch((error: unknown) => {
    if (!(error instanceof RedisRefuses)) throw error;
    throw new ConfigError(`RATE_LIMIT_STORE cannot be used: ${error.message}.`);
  });
}

function countLostLines(registry: Registry, { lost }: Pick<Output, 'lost'>): void {
  new Counter({
    name: 'customer_permissions_log_lines_lost_total',
    help: 'Lines of the log that could not be written to the standard output.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(lost());
    },
  });
}

const NO_ADDRESS_HERE: readonly (string | undefined)[] = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL'];

/** @throws ConfigError when the address cannot be had */
async function listen(
  app: Pick<FastifyInstance, 'listen'>,
  config: Config,
  [host, port]: readonly ['host', 'port'] | readonly ['metricsHost', 'metricsPort'],
): Promise<string> {
  try {
    return await app.listen({ host: config[host], port: config[port] });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const given = (name: typeof host | typeof port) => `${variableOf(name)}=${config[name]}`;
    if (code === 'EADDRINUSE') {
      throw new ConfigError(`${given(port)} is in use on this machine: set another, or stop what holds it.`);
    }
    if (code === 'EACCES') {
      throw new ConfigError(
        `${given(port)} is not for this user: set one from 1024 on, or give the process the right.`,
      );
    }
    if (NO_ADDRESS_HERE.includes(code)) {
      throw new ConfigError(`${given(host)} is no address of this machine: set one that is, or 0.0.0.0 for all.`);
    }
    throw error;
  }
}

async function listenForMetrics(config: Config, registry: Registry): Promise<{ url: string; close(): Promise<void> }> {
  // A scraper that keeps its connection must not keep the process.
  const app = Fastify({ forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
  const url = await listen(app, config, ['metricsHost', 'metricsPort']);
  return { url: `${url}/metrics`, close: () => app.close() };
}

/** Database, migrations, application, sockets. @throws ConfigError, UnfitDatabase with a sentence for the operator */
export async function start(
  config: Config,
  log: FastifyBaseLogger,
  output?: Pick<Output, 'lost'>,
): Promise<RunningServer> {
  const closers: (() => Promise<void>)[] = [];
  /** What works with the rest: closed before it, all at once, so that none waits for the slowest of the others. */
  const working: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    await Promise.all(working.map((close) => close()));
    for (const close of closers.reverse()) await close();
  };
  try {
    const secret = await loadSecret(config);
    const database = await openDatabase(config, secret, log, SILENCE_MILLISECONDS);
    closers.push(database.close);
    const { db } = database;
    tellConnections(config, database.connections, log);
    const rules = { purchaserRoles: config.purchaserRoles };
    if (config.demo) await loadDemo(db, demoDir, rules, (line) => log.info(line));
    const identity = await openIdentity(config, addressOf(config), db);
    const registry = new Registry();
    if (output) countLostLines(registry, output);
    const events = createEvents(registry, log);
    const now = () => new Date();
    let stopping = false;
    if (config.checkpointDir) {
      const checkpoints = await startCheckpoints({
        db,
        directory: config.checkpointDir,
        key: await loadCheckpointKey(config),
        minutes: config.checkpointMinutes,
        log,
        now,
        everyMilliseconds: CHECKPOINTS_MILLISECONDS,
      });
      // Closed after the application: the last checkpoint has what the last request wrote.
      closers.push(() => checkpoints.stop());
    }
    const ready = async () => {
      if (stopping) return 'shutting down';
      const late = new AbortController();
      const silent = setTimeout(READY_MILLISECONDS, 'the database does not answer', { signal: late.signal });
      silent.catch(() => {});
      try {
        return await Promise.race([findSchemaFault(db), silent]);
      } catch {
        return 'the database does not answer';
      } finally {
        late.abort();
      }
    };
    const lists = await openLists(config, db, events, log);
    if (lists) closers.push(lists.close);
    const sharedCounts = await openSharedCounts(config, log);
    if (sharedCounts) closers.push(sharedCounts.close);
    const app = await buildApp({
      config,
      db,
      ...(lists && { lists }),
      log,
      registry,
      events,
      secret,
      tokenRules: tokenRules(config, identity),
      ...(identity && { identity }),
      ...(sharedCounts && { sharedCounts }),
      ready,
      version: readVersion(),
      now,
    });
    working.push(() => app.close());
    const watch = startWatch({
      db,
      rules,
      events,
      log,
      now,
      everyMilliseconds: WATCH_MILLISECONDS,
    });
    working.push(() => watch.stop());
    const metrics = await listenForMetrics(config, registry);
    working.push(metrics.close);
    const url = await listen(app, config, ['host', 'port']);
    const deliveries = startDeliveries({
      db,
      events,
      sealKey: deriveKey(secret, 'webhook keys'),
      origin: config.publicUrl ?? url,
      targets: { allowPrivate: config.webhookAllowPrivateTargets },
      log,
      now,
      everyMilliseconds: DELIVERIES_MILLISECONDS,
    });
    working.push(() => deliveries.stop());
    return {
      url,
      metricsUrl: metrics.url,
      database: database.description,
      identity,
      close: async ({ drain } = { drain: true }) => {
        stopping = true;
        if (drain) await setTimeout(config.drainSeconds * 1000);
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
