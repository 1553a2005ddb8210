import { tmpdir } from 'node:os';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { buildApp } from './app.js';
import { loadConfig } from './config.js';
import { connect } from './db/connect.js';
import { createEvents } from './events.js';
import { DEFAULT_ROLE_MAP } from './plugins/tokens/rules.js';
import { readVersion } from './version.js';

/** The OpenAPI description of the service as it is built in production; no database is opened for it. */
export async function openapiDocument(): Promise<object> {
  const log = pino({ level: 'silent' });
  const registry = new Registry();
  const db = connect({ url: 'postgresql://unused', poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  const issuer = { issuer: 'https://login.example', jwksUri: 'https://login.example/keys' };
  const app = await buildApp({
    config: loadConfig({ DATA_DIR: tmpdir() }),
    db,
    log,
    registry,
    events: createEvents(registry, log),
    secret: Buffer.alloc(32),
    tokenRules: {
      issuers: [issuer],
      audiences: ['https://api.partnercenter.microsoft.com'],
      algorithms: ['RS256'],
      roleMap: DEFAULT_ROLE_MAP,
      requireMfa: false,
      clockToleranceSeconds: 30,
    },
    ready: async () => undefined,
    version: readVersion(),
    now: () => new Date(),
  });
  await app.ready();
  const document = app.swagger();
  await app.close();
  await db.close();
  return document;
}
