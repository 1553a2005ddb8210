import { readFile } from 'node:fs/promises';
import t from 'tap';
import {
  type Config,
  ConfigError,
  flagOf,
  loadConfig,
  type SettingName,
  settingNames,
  variableOf,
} from '../src/config.js';
import { settingsTable } from './helpers/settings-table.js';

const SECRET = Buffer.alloc(32, 1).toString('base64');
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://cp_app:app-secret@db.example/cp',
  SECRET_KEY: SECRET,
  TOKEN_ISSUERS: 'https://sts.example/{tenantid}/ https://sts.example/keys',
  TOKEN_AUDIENCES: 'https://api.example, api://two',
  TOKEN_ALGORITHMS: 'RS256',
};

function refusal(environment: Record<string, string | undefined>, flags = {}, tokens = true): string {
  try {
    loadConfig(environment, flags, tokens);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
}

t.test('without any setting it is for trying out: embedded, built-in issuer, demo, loopback', async (t) => {
  const config = loadConfig({});
  t.equal(config.databaseUrl, undefined);
  t.match(config, { identity: 'built-in', demo: true, host: '127.0.0.1', port: 3000, production: false });
  t.match(config, { drainSeconds: 0, purchaserRoles: ['owner'], dataDir: '.data', sandbox: false });
  t.throws(() => Object.assign(config, { port: 1 }), 'and cannot be changed afterwards');
});

t.test('production takes what it needs and turns the rest of development off', async (t) => {
  const config = loadConfig(PRODUCTION);
  t.match(config, { production: true, identity: 'external', demo: false, drainSeconds: 5 });
  t.same(config.tokenAudiences, ['https://api.example', 'api://two']);
});

// One row per setting: what is given, and what of the configuration it becomes.
const READ: Readonly<Record<SettingName, readonly [given: string, read: unknown]>> = {
  databaseUrl: ['postgres://a:b@h/d', 'postgres://a:b@h/d'],
  migrationDatabaseUrl: ['postgresql://o:p@h/d', 'postgresql://o:p@h/d'],
  readReplicaUrl: ['postgres://cp_app@standby/cp', 'postgres://cp_app@standby/cp'],
  readReplicaMaxLagSeconds: ['30', 30],
  dataDir: ['/srv/data', '/srv/data'],
  host: ['0.0.0.0', '0.0.0.0'],
  port: ['8080', 8080],
  metricsHost: ['0.0.0.0', '0.0.0.0'],
  metricsPort: ['0', 0],
  publicUrl: ['https://api.example', 'https://api.example'],
  trustProxy: ['10.0.0.0/8, ::1,', ['10.0.0.0/8', '::1']],
  nodeEnv: ['test', 'test'],
  secretKey: [SECRET, SECRET],
  identity: ['built-in', 'built-in'],
  tokenIssuers: [PRODUCTION.TOKEN_ISSUERS, [PRODUCTION.TOKEN_ISSUERS]],
  tokenAudiences: ['api://one', ['api://one']],
  tokenAlgorithms: ['RS256,ES256', ['RS256', 'ES256']],
  roleMap: ['62e90394=AdminAgent', ['62e90394=AdminAgent']],
  requireMfa: ['true', true],
  demo: ['false', false],
  purchaserRoles: ['owner,reservation-purchaser', ['owner', 'reservation-purchaser']],
  refundFees: ['2020-01-01=12@5,2026-07-01=0', ['2020-01-01=12@5', '2026-07-01=0']],
  sandbox: ['true', true],
  poolMax: ['25', 25],
  preparedStatements: ['false', false],
  requestsPerMinute: ['0', 0],
  switchesPerMinute: ['0', 0],
  rateLimitStore: ['rediss://cp:se%40cret@redis.example:6380/2', 'rediss://cp:se%40cret@redis.example:6380/2'],
  webhookAllowPrivateTargets: ['true', true],
  quoteMinutes: ['45', 45],
  checkpointDir: ['/srv/checkpoints', '/srv/checkpoints'],
  checkpointMinutes: ['15', 15],
  checkpointKey: ['MC4C', 'MC4C'],
  drainSeconds: ['30', 30],
  logLevel: ['debug', 'debug'],
};

t.test('every setting is read from its variable and, first of all, from its flag', async (t) => {
  t.same(Object.keys(READ).sort(), [...settingNames].sort(), 'the table above has every setting');
  for (const name of settingNames) {
    const [given, read] = READ[name];
    const beside: Record<string, string> = {
      ...(['migrationDatabaseUrl', 'readReplicaUrl'].includes(name) && { DATABASE_URL: PRODUCTION.DATABASE_URL }),
      ...(name === 'tokenIssuers' && { TOKEN_AUDIENCES: 'a', TOKEN_ALGORITHMS: 'RS256' }),
    };
    const value = (config: Config) => config[name as keyof Config];
    t.same(value(loadConfig({ ...beside, [variableOf(name)]: given })), read, variableOf(name));
    const other = name === 'nodeEnv' ? 'development' : given;
    t.same(value(loadConfig({ ...beside, [variableOf(name)]: other }, { [name]: given })), read, flagOf(name));
  }
  t.equal(loadConfig({ PORT: '' }).port, 3000, 'an empty variable is an absent one');
  t.equal(loadConfig({ PORT: '4000' }, { port: '5000' }).port, 5000, 'a flag wins');
});

t.test('a value that cannot be meant stops the start with a sentence naming the setting', async (t) => {
  const wrong: [SettingName, string][] = [
    ['databaseUrl', 'mysql://h/d'],
    ['databaseUrl', 'postgresql://u:per%cent@h/d'],
    ['databaseUrl', 'postgresql://u:p@h1:5432,h2:5432/d'],
    ['databaseUrl', 'postgresql://u:p@/d?host=/run/postgresql'],
    ['databaseUrl', 'postgresql:///d?host=/run/postgresql&user=u'],
    ['databaseUrl', 'postgresql://h/d'],
    ['migrationDatabaseUrl', 'postgresql://h/d'],
    ['readReplicaUrl', 'redis://h'],
    ['readReplicaUrl', 'postgresql://u:p@h1,h2/d'],
    ['readReplicaMaxLagSeconds', '1'],
    ['host', 'two words'],
    ['host', 'http://127.0.0.1'],
    ['metricsHost', 'fe80::1%eth0'],
    ['trustProxy', 'yes'],
    ['trustProxy', '10.0.0.0/33'],
    ['trustProxy', '10.0.0.0/8/8'],
    ['trustProxy', '10.0.0.300'],
    ['trustProxy', 'fd00::/129'],
    ['trustProxy', '0.0.0.0/0'],
    ['trustProxy', 'fe80::1%eth0'],
    ['port', '65536'],
    ['port', '80x'],
    ['port', '-1'],
    ['publicUrl', 'https://api.example/base'],
    ['secretKey', 'c2hvcnQ='],
    ['identity', 'maybe'],
    ['tokenIssuers', 'https://only.the.issuer'],
    ['tokenAlgorithms', 'HS256'],
    ['tokenAlgorithms', 'none'],
    ['roleMap', 'Admins=Owner'],
    ['requireMfa', 'yes'],
    ['purchaserRoles', 'contributor'],
    ['refundFees', '2020-01-01=120'],
    ['refundFees', '12@5'],
    ['poolMax', '0'],
    ['preparedStatements', '1'],
    ['rateLimitStore', 'memcached://redis.example'],
    ['rateLimitStore', 'redis://'],
    ['rateLimitStore', 'redis://redis.example:6379/one'],
    ['rateLimitStore', 'redis://redis.example:99999'],
    ['rateLimitStore', 'redis://cp:per%cent@redis.example'],
    ['rateLimitStore', 'redis://redis.example?password=secret'],
    ['quoteMinutes', '0'],
    ['checkpointMinutes', '0'],
    ['drainSeconds', '301'],
    ['logLevel', 'loud'],
  ];
  for (const [name, value] of wrong) {
    const message = refusal({ [variableOf(name)]: value });
    t.ok(message.startsWith(`${variableOf(name)} is not valid`), `${variableOf(name)}=${value}: ${message}`);
    t.notMatch(message, /\n/);
  }
});

t.test('what is missing or contradicts itself is named', async (t) => {
  const without = (name: string) => refusal({ ...PRODUCTION, [name]: undefined });
  for (const name of ['DATABASE_URL', 'SECRET_KEY', 'TOKEN_ISSUERS', 'TOKEN_AUDIENCES', 'TOKEN_ALGORITHMS']) {
    t.ok(without(name).startsWith(`${name} is missing`), `${name}: ${without(name)}`);
  }
  t.match(refusal({ ...PRODUCTION, TOKEN_ISSUERS: '', IDENTITY: 'built-in' }), /^TOKEN_ISSUERS is missing/);
  t.match(
    refusal({ ...PRODUCTION, NODE_ENV: '', IDENTITY: 'built-in' }),
    /IDENTITY=built-in contradicts TOKEN_ISSUERS/,
  );
  t.match(refusal({ IDENTITY: 'external' }), /^TOKEN_ISSUERS is missing/);
  t.match(refusal({ ...PRODUCTION, DEMO: 'true' }), /DEMO=true contradicts NODE_ENV=production/);
  t.match(refusal({ MIGRATION_DATABASE_URL: PRODUCTION.DATABASE_URL }), /^DATABASE_URL is missing/);
  t.match(refusal({ READ_REPLICA_URL: PRODUCTION.DATABASE_URL }), /^DATABASE_URL is missing/);
  t.match(refusal({ ...PRODUCTION, NODE_ENV: '', SECRET_KEY: '' }), /^SECRET_KEY is missing/);
  t.match(refusal({ ...PRODUCTION, CHECKPOINT_DIR: '/srv/checkpoints' }), /^CHECKPOINT_KEY is missing/);
  t.equal(refusal({ CHECKPOINT_DIR: '/srv/checkpoints' }), '');
  t.match(refusal({ REFUND_FEES: '2026-02-30=12' }), /2026-02-30, a day that does not exist/);
  t.match(refusal({ REFUND_FEES: '2026-01-01=12,2026-01-01=0@5' }), /2026-01-01 twice/);
});

t.test('a command that takes no tokens needs none of their settings, but a database all the same', async (t) => {
  const { NODE_ENV, DATABASE_URL } = PRODUCTION;
  t.equal(refusal({ NODE_ENV, DATABASE_URL }, {}, false), '');
  t.match(refusal({ NODE_ENV }, {}, false), /^DATABASE_URL is missing/);
});

t.test('no message repeats a secret', async (t) => {
  t.notMatch(refusal({ DATABASE_URL: 'mysql://user:hunter2@h/d' }), /hunter2/);
  t.notMatch(refusal({ READ_REPLICA_URL: 'mysql://user:hunter2@h/d' }), /hunter2/);
  t.notMatch(refusal({ DATABASE_URL: 'postgresql://user:hunter2%@h/d' }), /hunter2/);
  t.notMatch(refusal({ SECRET_KEY: 'hunter2' }), /hunter2/);
  t.notMatch(refusal({ RATE_LIMIT_STORE: 'redis://user:hunter2@' }), /hunter2/);
  t.notMatch(refusal({ RATE_LIMIT_STORE: 'redis://user:hunter2%@h' }), /hunter2/);
});

t.test("README's table is the one that src/config.ts makes", async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const table = /<!-- settings -->\n([\s\S]*?)\n<!-- end of settings -->/.exec(readme)?.[1];
  t.equal(table, settingsTable());
});

t.test('the container files set what there is to set', async (t) => {
  const known = new Set<string>(settingNames.map(variableOf));
  // Of the postgres image, and what compose itself puts into other values.
  for (const name of ['POSTGRES_PASSWORD', 'OWNER_PASSWORD', 'APP_PASSWORD', 'POSTGRES_INITDB_ARGS']) known.add(name);
  for (const [file, pattern] of [
    ['Dockerfile', /^(?:ENV| {3}) ([A-Z_]+)=/gm],
    ['docker-compose.yml', /^ {6}([A-Z_]+): /gm],
    ['docker-compose.dev.yml', /^ {6}([A-Z_]+): /gm],
    ['.env.example', /^([A-Z_]+)=/gm],
  ] as const) {
    const text = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
    const names = [...text.matchAll(pattern)].map((match) => match[1] ?? '');
    t.ok(names.length > 4, file);
    t.same(
      names.filter((name) => !known.has(name)),
      [],
      file,
    );
  }
});
