import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import pg from 'pg';
import { Registry } from 'prom-client';
import { buildApp } from '../../src/app.js';
import { type Config, loadConfig, type SettingName } from '../../src/config.js';
import { connect, type DatabaseHandle } from '../../src/db/connect.js';
import type { Lists } from '../../src/db/replica.js';
import { createEvents } from '../../src/events.js';
import { createLog } from '../../src/log.js';
import { DEFAULT_ROLE_MAP } from '../../src/plugins/tokens/rules.js';
import { createTestDatabase, type TestDatabase, type TestScope } from './database.js';
import { insertPartners, openClient, openIssuer, type ServiceClient } from './service-client.js';

export {
  ADMIN_AGENTS,
  type Answer,
  CONTOSO,
  createRequest,
  FABRIKAM,
  insertPartners,
  type MadeCustomer,
  makeCustomer,
  makePrice,
  makeTokens,
  type NewPrice,
  OWNER_ROLE,
} from './service-client.js';

/** A service in this process. */
export interface Service extends ServiceClient {
  app: FastifyInstance;
  config: Config;
  registry: Registry;
  urls: { app: string; owner: string; superuser: string };
}

export interface StartOptions {
  through?: (databaseUrl: string) => string;
  log?: FastifyBaseLogger;
  /** Puts something between the service and its database. */
  wrap?: (db: DatabaseHandle) => DatabaseHandle;
  /** Default: those of the database itself. */
  lists?: (primary: DatabaseHandle) => Lists;
  /** Default: one of its own, dropped with the service. */
  database?: TestDatabase;
}

/** The whole service on a listening socket, with the partners contoso and fabrikam in its database. */
export async function startService(
  t: TestScope,
  settings: Partial<Record<SettingName, string>> = {},
  options: StartOptions = {},
): Promise<Service> {
  const log = options.log ?? createLog(process.env.TEST_LOG ?? 'silent');
  const database = options.database ?? (await createTestDatabase(t));
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
  const sql: Service['sql'] = async (text, values) => (await superuser.query(text, values)).rows;
  await insertPartners(sql);
  const config = loadConfig({}, { requestsPerMinute: '0', switchesPerMinute: '0', ...settings });
  const connected = connect({
    url: options.through?.(database.appUrl) ?? database.appUrl,
    poolMax: config.poolMax,
    // A busy machine is no reason for a test to see 503.
    waitMilliseconds: 20_000,
    preparedStatements: config.preparedStatements,
    onIdleError: () => {},
  });
  const db = options.wrap?.(connected) ?? connected;
  const registry = new Registry();
  const identity = await openIssuer(db, t.testdir?.());
  const app = await buildApp({
    config,
    db,
    ...(options.lists && { lists: options.lists(db) }),
    log,
    registry,
    events: createEvents(registry, log),
    secret: Buffer.alloc(32, 7),
    tokenRules: {
      issuers: identity.issuers,
      audiences: identity.audiences,
      algorithms: ['RS256'],
      roleMap: DEFAULT_ROLE_MAP,
      requireMfa: false,
      clockToleranceSeconds: 30,
    },
    identity,
    ready: async () => undefined,
    version: '0.0.0',
    now: () => new Date(),
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await app.close();
    await db.close();
    await superuser.end();
    await database.drop();
  });

  const client = await openClient({ url, db, sql, identity, document: () => app.swagger() });
  return {
    ...client,
    app,
    config,
    registry,
    urls: { app: database.appUrl, owner: database.ownerUrl, superuser: database.superuserUrl },
  };
}
