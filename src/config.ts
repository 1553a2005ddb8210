import { isIP } from 'node:net';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

/** A name or an address; not one with a zone, which no address of the API could be made of. */
const HOST = '^[\\w.:-]+$';

const port = (description: string, value: number) =>
  Type.Integer({ description, default: value, minimum: 0, maximum: 65535 });

/**
 * Every setting of the service. A setting is read from the flag `--name-in-kebab-case`, else from the environment variable
 * NAME_IN_UPPER_CASE, else it has the default; lists are comma-separated.
 */
export const Settings = Type.Object({
  databaseUrl: Type.Optional(
    Type.String({
      description: 'PostgreSQL 15 or newer, as the application login. Absent: the embedded server, for trying out.',
      pattern: '^postgres(ql)?://',
    }),
  ),
  migrationDatabaseUrl: Type.Optional(
    Type.String({
      description: 'The same database as the login that owns the tables, not through a pooler; `migrate` needs it.',
      pattern: '^postgres(ql)?://',
    }),
  ),
  readReplicaUrl: Type.Optional(
    Type.String({
      description:
        'A streaming standby of the same database, as the application login: lists and the log are read there. Absent: all is read from the primary.',
      pattern: '^postgres(ql)?://',
    }),
  ),
  readReplicaMaxLagSeconds: Type.Integer({
    description: 'How old lists from the replica may be; when it is older they come from the primary.',
    default: 10,
    minimum: 2,
    maximum: 3600,
  }),
  dataDir: Type.String({ description: 'Where the embedded server and generated keys are kept.', default: '.data' }),
  host: Type.String({ description: 'Address to listen on.', default: '127.0.0.1', pattern: HOST }),
  port: port('Port of the API.', 3000),
  metricsHost: Type.String({ description: 'Address of /metrics.', default: '127.0.0.1', pattern: HOST }),
  metricsPort: port('Port of /metrics; 0 takes any free one.', 9464),
  publicUrl: Type.Optional(
    Type.String({
      description:
        'Origin that absolute links (ARM nextLink, discovery, events) start with. Default: the address listened on.',
      pattern: '^https?://[^/]+$',
    }),
  ),
  trustProxy: Type.Array(Type.String(), {
    description: 'Addresses or CIDR ranges of proxies whose X-Forwarded-* headers are believed.',
    default: [],
  }),
  nodeEnv: Type.String({
    description: '`production` refuses everything meant for development.',
    default: 'development',
  }),
  secretKey: Type.Optional(
    Type.String({
      description:
        '32 random bytes in base64: signs continuation tokens, seals stored replies and keys. Needed with DATABASE_URL; the same on every instance.',
      pattern: '^[A-Za-z0-9+/]{43}=$',
    }),
  ),
  identity: Type.Optional(
    Type.Union([Type.Literal('built-in'), Type.Literal('external')], {
      description:
        'Who issues tokens. Default: `external` when TOKEN_ISSUERS is set, else `built-in` (development only).',
    }),
  ),
  tokenIssuers: Type.Array(Type.String({ pattern: '^https?://\\S+ https?://\\S+$' }), {
    description:
      'Accepted issuers, each as `issuer jwks-uri`; `{tenantid}` in the issuer stands for the tid of the token.',
    default: [],
  }),
  tokenAudiences: Type.Array(Type.String(), { description: 'Accepted `aud` values.', default: [] }),
  tokenAlgorithms: Type.Array(Type.Union([Type.Literal('RS256'), Type.Literal('ES256')]), {
    description: 'Accepted signature algorithms: RS256, ES256.',
    default: [],
  }),
  roleMap: Type.Array(Type.String({ pattern: '^[^=,]+=(AdminAgent|SalesAgent|HelpDeskAgent)$' }), {
    description: 'Values of the roles, groups or wids claim and the partner role each gives, as `value=Role`.',
    default: [
      'AdminAgents=AdminAgent',
      'SalesAgents=SalesAgent',
      'HelpdeskAgents=HelpDeskAgent',
      'HelpDeskAgents=HelpDeskAgent',
    ],
  }),
  requireMfa: Type.Boolean({
    description: 'Refuse App+User tokens of partners without `mfa` in `amr`.',
    default: false,
  }),
  demo: Type.Optional(
    Type.Boolean({ description: 'Load the demo tenant once. Default: only into the embedded server.' }),
  ),
  purchaserRoles: Type.Array(Type.Union([Type.Literal('owner'), Type.Literal('reservation-purchaser')]), {
    description: 'Built-in roles that make a customer user a buyer: owner, reservation-purchaser.',
    default: ['owner'],
    minItems: 1,
  }),
  refundFees: Type.Array(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}=\\d{1,2}(\\.\\d{1,2})?(@\\d{1,3})?$' }), {
    description:
      'What a return of a reservation costs, each as `yyyy-mm-dd=percent@days`: from that day on so much percent of the refund, later than so many days after the purchase. `2020-01-01=12@5` is the 12 % that Partner Center once named. Default: nothing.',
    default: [],
  }),
  sandbox: Type.Boolean({
    description: 'Integration sandbox: customers can be deleted.',
    default: false,
  }),
  poolMax: Type.Integer({
    description: 'Database connections per process.',
    default: 10,
    minimum: 1,
    maximum: 1000,
  }),
  preparedStatements: Type.Boolean({
    description: 'Use prepared statements; false behind PgBouncer before 1.21 in transaction mode.',
    default: true,
  }),
  requestsPerMinute: Type.Integer({
    description: 'Requests per partner and minute; 0: no limit.',
    default: 6000,
    minimum: 0,
  }),
  switchesPerMinute: Type.Integer({
    description: 'Permissions switched on per partner and minute; 0: no limit.',
    default: 60,
    minimum: 0,
  }),
  rateLimitStore: Type.Optional(
    Type.String({
      description:
        'Redis that the counts of both limits are kept in, as `redis://user:password@host:6379/0`, with TLS `rediss://`; the same on every instance. Absent: each instance counts for itself.',
      pattern: '^rediss?://([^\\s/@]*@)?([^\\s/@:?#]+|\\[[0-9a-fA-F:.]+\\])(:\\d{1,5})?(/\\d{0,3})?$',
    }),
  ),
  webhookAllowPrivateTargets: Type.Boolean({
    description: 'Webhooks may go to private and loopback addresses, and to plain http.',
    default: false,
  }),
  quoteMinutes: Type.Integer({
    description: 'How long a calculated price can be purchased at.',
    default: 30,
    minimum: 1,
    maximum: 1440,
  }),
  checkpointDir: Type.Optional(
    Type.String({
      description:
        'Where signed checkpoints of the activity log are written, out of reach of who owns the database. Absent: none are written.',
    }),
  ),
  checkpointMinutes: Type.Integer({
    description: 'Minutes from one checkpoint of a partner to the next.',
    default: 60,
    minimum: 1,
    maximum: 1440,
  }),
  checkpointKey: Type.Optional(
    Type.String({
      description:
        'Ed25519 private key that signs checkpoints: PEM, or PKCS#8 DER in base64; the same on every instance. Default: made in DATA_DIR, not in production.',
    }),
  ),
  drainSeconds: Type.Optional(
    Type.Integer({
      description: 'How long requests are still taken after SIGTERM. Default: 5 in production, else 0.',
      minimum: 0,
      maximum: 300,
    }),
  ),
  logLevel: Type.Union(
    [
      Type.Literal('fatal'),
      Type.Literal('error'),
      Type.Literal('warn'),
      Type.Literal('info'),
      Type.Literal('debug'),
      Type.Literal('silent'),
    ],
    { description: 'fatal, error, warn, info, debug or silent.', default: 'info' },
  ),
});

export type SettingName = keyof typeof Settings.properties;

export type Config = Readonly<
  Static<typeof Settings> & {
    production: boolean;
    identity: 'built-in' | 'external';
    demo: boolean;
    drainSeconds: number;
  }
>;

/** A setting is missing, wrong or contradicts another. The message is one sentence that names it. */
export class ConfigError extends Error {}

const kebab = (name: string) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** `databaseUrl` -> `--database-url`. */
export const flagOf = (name: SettingName) => `--${kebab(name)}`;
/** `databaseUrl` -> `DATABASE_URL`. */
export const variableOf = (name: SettingName) => kebab(name).replaceAll('-', '_').toUpperCase();
export const settingNames = Object.keys(Settings.properties) as SettingName[];

function parse(name: SettingName, text: string): unknown {
  const schema = Settings.properties[name] as { type?: string };
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (schema.type === 'integer') return /^\d{1,9}$/.test(text) ? Number(text) : text;
  if (schema.type === 'array')
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  return text;
}

/**
 * @param environment the variables of the process; an empty one counts as absent
 * @param flags values by setting name, as given on the command line
 * @param tokens whether tokens are taken or issued, so that issuers and the secret are needed
 * @throws ConfigError
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Partial<Record<SettingName, string>>> = {},
  tokens = true,
): Config {
  const given: Record<string, unknown> = {};
  for (const name of settingNames) {
    const text = flags[name] ?? (environment[variableOf(name)] || undefined);
    const schema = Settings.properties[name] as { default?: unknown };
    if (text !== undefined) given[name] = parse(name, text);
    else if (schema.default !== undefined) given[name] = schema.default;
  }
  for (const name of settingNames) {
    if (given[name] === undefined || Value.Check(Settings.properties[name], given[name])) continue;
    const shown = /secret|url|key|store/i.test(name) ? '' : ` (given: ${JSON.stringify(given[name])})`;
    throw new ConfigError(`${variableOf(name)} is not valid${shown}: ${describe(name)}`);
  }
  return Object.freeze(complete(given as Static<typeof Settings>, tokens));
}

/** The description of a setting, as README's table shows it. */
export function describe(name: SettingName): string {
  return (Settings.properties[name] as { description?: string }).description ?? '';
}

function checkTokenSettings(
  given: Static<typeof Settings>,
  identity: 'built-in' | 'external',
  production: boolean,
): void {
  if (identity === 'built-in') {
    if (production) {
      throw new ConfigError(
        'TOKEN_ISSUERS is missing: NODE_ENV=production does not run the built-in issuer, name the issuers whose tokens are accepted.',
      );
    }
    if (given.tokenIssuers.length > 0) {
      throw new ConfigError('IDENTITY=built-in contradicts TOKEN_ISSUERS: leave one of the two out.');
    }
  } else {
    for (const name of ['tokenIssuers', 'tokenAudiences', 'tokenAlgorithms'] as const) {
      if (given[name].length === 0) {
        throw new ConfigError(
          `${variableOf(name)} is missing: without it tokens could not be checked. ${describe(name)}`,
        );
      }
    }
  }
  if (given.databaseUrl && !given.secretKey && (production || identity === 'external')) {
    throw new ConfigError(
      'SECRET_KEY is missing: with DATABASE_URL set it has to be given, e.g. from `openssl rand -base64 32`.',
    );
  }
}

function checkRefundFees(fees: readonly string[]): void {
  const days = fees.map((fee) => fee.slice(0, 10));
  for (const [index, day] of days.entries()) {
    const date = new Date(`${day}T00:00:00Z`);
    const exists = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
    if (!exists) throw new ConfigError(`REFUND_FEES names ${day}, a day that does not exist.`);
    if (days.indexOf(day) !== index) throw new ConfigError(`REFUND_FEES names ${day} twice: give one fee per day.`);
  }
}

/** What the driver would guess, or stumble over. */
function checkDatabaseUrl(name: 'databaseUrl' | 'migrationDatabaseUrl' | 'readReplicaUrl', address: string): void {
  const wrong = (why: string) => new ConfigError(`${variableOf(name)} is not valid: ${why} ${describe(name)}`);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  // A comma: libpq's way to name several hosts.
  if (!url || url.username === '' || url.hostname === '' || url.hostname.includes(',')) {
    throw wrong(
      'it has to be postgresql://login:password@host/database with one host; the directory of a socket is written as %2Frun%2Fpostgresql.',
    );
  }
  try {
    for (const part of [url.username, url.password, url.hostname, url.pathname]) decodeURIComponent(part);
  } catch {
    throw wrong('a % in its password is written as %25.');
  }
}

function checkTrustProxy(ranges: readonly string[]): void {
  for (const range of ranges) {
    const [address = '', bits, ...more] = range.split('/');
    const most = { 4: 32, 6: 128 }[isIP(address)];
    const fits = bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (most ?? 0));
    if (most === undefined || !fits || more.length > 0 || address.includes('%')) {
      throw new ConfigError(
        `TRUST_PROXY is not valid: ${JSON.stringify(range)} is neither an address nor a CIDR range such as 10.0.0.0/8.`,
      );
    }
  }
}

function checkRateLimitStore(address: string): void {
  try {
    const { username, password } = new URL(address);
    decodeURIComponent(username + password);
  } catch {
    throw new ConfigError(
      `RATE_LIMIT_STORE is not valid: its password may need percent-encoding. ${describe('rateLimitStore')}`,
    );
  }
}

function complete(given: Static<typeof Settings>, tokens: boolean): Config {
  for (const name of ['databaseUrl', 'migrationDatabaseUrl', 'readReplicaUrl'] as const) {
    if (given[name] !== undefined) checkDatabaseUrl(name, given[name]);
  }
  const production = given.nodeEnv === 'production';
  const identity = given.identity ?? (given.tokenIssuers.length > 0 ? 'external' : 'built-in');
  if (tokens) checkTokenSettings(given, identity, production);
  if (production && !given.databaseUrl) {
    throw new ConfigError(
      'DATABASE_URL is missing: the embedded server is for trying out, NODE_ENV=production does not run it.',
    );
  }
  if (given.migrationDatabaseUrl && !given.databaseUrl) {
    throw new ConfigError('DATABASE_URL is missing: MIGRATION_DATABASE_URL alone does not name the application login.');
  }
  if (given.readReplicaUrl && !given.databaseUrl) {
    throw new ConfigError('DATABASE_URL is missing: READ_REPLICA_URL alone does not name the primary.');
  }
  if (production && given.demo) {
    throw new ConfigError('DEMO=true contradicts NODE_ENV=production: the demo tenant is for trying out.');
  }
  if (production && tokens && given.checkpointDir && !given.checkpointKey) {
    throw new ConfigError(
      'CHECKPOINT_KEY is missing: with CHECKPOINT_DIR set it has to be given, e.g. from `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0`.',
    );
  }
  checkTrustProxy(given.trustProxy);
  checkRefundFees(given.refundFees);
  if (given.rateLimitStore !== undefined) checkRateLimitStore(given.rateLimitStore);
  return {
    ...given,
    production,
    identity,
    demo: given.demo ?? !given.databaseUrl,
    drainSeconds: given.drainSeconds ?? (production ? 5 : 0),
  };
}
