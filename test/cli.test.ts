import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { commands, run } from '../src/commands/index.js';
import { settingNames, variableOf } from '../src/config.js';
import { isRunning } from '../src/db/embedded/process-lock.js';
import { readVersion } from '../src/version.js';
import { createTestDatabase } from './helpers/database.js';
import { settledStatusOf, startProcess } from './helpers/process.js';

/** The command line inside this process. */
async function call(argv: string[], environment: Record<string, string> = {}) {
  const text = { stdout: '', stderr: '' };
  const into = (name: keyof typeof text) => ({
    write: (part: string) => {
      text[name] += part;
    },
  });
  const code = await run({
    argv,
    environment,
    stdout: into('stdout'),
    stderr: into('stderr'),
    commands,
  });
  return { code, ...text };
}

const isOneSentence = (t: Test, text: string) => t.match(text, /^\S[^\n]+\n$/, text);

t.test('help names every command; the help of each names its flags, every setting and the exit codes', async (t) => {
  const overview = await call(['--help']);
  t.equal(overview.code, 0);
  for (const [name, command] of Object.entries(commands)) {
    t.match(overview.stdout, `  ${name} `);
    const help = await call([name, '--help'], { PORT: 'wrong, and not looked at' });
    t.equal(help.code, 0, name);
    t.equal(help.stderr, '');
    t.match(help.stdout, `Usage: customer-permissions ${name}`);
    t.match(help.stdout, 'Exit codes: 0 done, 1 failed, 2');
    for (const flag of Object.keys(command.flags)) t.match(help.stdout, `--${flag}`);
    for (const setting of settingNames) t.match(help.stdout, `[${variableOf(setting)}]`);
  }
  t.equal((await call(['--version'])).stdout, `${readVersion()}\n`);
});

t.test('a wrong call ends with 2 and one sentence', async (t) => {
  for (const argv of [
    ['nope'],
    ['constructor'],
    ['serve', '--nope'],
    ['serve', 'extra'],
    ['serve', '--port'],
    ['serve', '--port', 'abc'],
    ['migrate'],
    ['token'],
    ['token', '--partner', 'contoso', '--role', 'Owner'],
    ['token', '--partner', 'contoso', '--lifetime', 'long'],
  ]) {
    const { code, stderr, stdout } = await call(argv);
    t.equal(code, 2, argv.join(' '));
    t.equal(stdout, '');
    isOneSentence(t, stderr);
  }
  t.equal((await call([])).code, 2, 'no command at all');
});

t.test('a missing setting ends with 2 and names it', async (t) => {
  const missing = await call(['serve'], { NODE_ENV: 'production' });
  t.equal(missing.code, 2);
  t.match(missing.stderr, /^TOKEN_ISSUERS is missing/);
  isOneSentence(t, missing.stderr);
  t.match(
    (await call(['migrate', '--database-url', 'postgres://a:b@h/d'])).stderr,
    /^MIGRATION_DATABASE_URL is missing/,
  );
});

t.test('a token is printed for the built-in issuer and refused where it may not run', async (t) => {
  const dataDir = t.testdir();
  const { code, stdout } = await call(['token', '--partner', 'contoso', '--data-dir', dataDir]);
  t.equal(code, 0);
  t.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  t.equal((await call(['token', '--partner', 'contoso'], { NODE_ENV: 'production' })).code, 2);
});

t.test('the OpenAPI description is written to a file', async (t) => {
  const file = join(t.testdir(), 'openapi.json');
  t.match(await call(['openapi', '--output', file]), { code: 0, stdout: '' });
  t.equal(JSON.parse(await readFile(file, 'utf8')).openapi, '3.1.0');
});

t.test('a database that cannot be used ends with 1 and one sentence that keeps the password', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = new URL(database.superuserUrl);
  const wrongPassword = new URL(database.appUrl);
  wrongPassword.password = 'hunter2';
  const elsewhere = new URL(database.appUrl);
  elsewhere.pathname = '/cp_no_such_database';
  for (const [url, sentence] of [
    ['postgres://cp_app:hunter2@127.0.0.1:1/cp', /^DATABASE_URL cannot be used: nothing listens/],
    [wrongPassword.href, /^DATABASE_URL cannot be used: the password is wrong/],
    [elsewhere.href, /^DATABASE_URL cannot be used: there is no such database/],
    [superuser.href, /is not bound by row-level security/],
  ] as const) {
    const { code, stderr } = await call(['serve'], { DATABASE_URL: url, DATA_DIR: t.testdir() });
    t.equal(code, 1, String(sentence));
    t.match(stderr, sentence);
    isOneSentence(t, stderr);
    t.notMatch(stderr, /hunter2/);
  }
  const weak = await call(['migrate'], { DATABASE_URL: elsewhere.href, MIGRATION_DATABASE_URL: elsewhere.href });
  t.match(weak, { code: 1, stderr: /^MIGRATION_DATABASE_URL cannot be used: there is no such database/ });
});

t.test('an embedded server that cannot start ends with 1 and one sentence', async (t) => {
  // A cluster whose password is lost.
  const dataDir = t.testdir({ postgres: {} });
  const { code, stderr } = await call(['serve'], { DATA_DIR: dataDir });
  t.equal(code, 1);
  t.match(stderr, /postgres\.json with the password of the cluster .* is missing/);
  isOneSentence(t, stderr);
});

t.test('migrate makes schema and login once, and says so', async (t) => {
  const database = await createTestDatabase(t);
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  // Not the schema itself: on a cluster Citus would go with it.
  await client.query(`do $$ begin
    execute (select 'drop table ' || string_agg(oid::regclass::text, ', ') || ' cascade' from pg_class
      where relnamespace = 'public'::regnamespace and relkind = 'r');
  end $$`);
  await client.end();
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: database.appUrl,
    MIGRATION_DATABASE_URL: database.ownerUrl,
  };
  t.match(await call(['serve'], { DATABASE_URL: database.appUrl, DATA_DIR: t.testdir() }), {
    code: 1,
    stderr: /^DATABASE_URL is not ready: the database has no schema yet; run `customer-permissions migrate`/,
  });
  t.match(await call(['migrate'], environment), { code: 0, stdout: /^Applied 0001_initial/ });
  t.match(await call(['migrate'], environment), { code: 0, stdout: 'The schema is up to date.\n' });
});

t.test('a port that is taken ends with 2 and names the setting', async (t) => {
  const database = await createTestDatabase(t);
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const { port } = other.address() as { port: number };
  const environment = { DATABASE_URL: database.appUrl, DATA_DIR: t.testdir(), LOG_LEVEL: 'silent', METRICS_PORT: '0' };
  const { code, stderr } = await call(['serve', '--port', String(port)], environment);
  t.equal(code, 2);
  t.match(stderr, new RegExp(`^PORT=${port} is in use`));
  isOneSentence(t, stderr);
});

t.test('a host that is not of this machine ends with 2 and names the setting', async (t) => {
  const database = await createTestDatabase(t);
  const environment = {
    DATABASE_URL: database.appUrl,
    DATA_DIR: t.testdir(),
    LOG_LEVEL: 'silent',
    PORT: '0',
    METRICS_PORT: '0',
  };
  // RFC 5737: an address of nobody.
  for (const name of ['HOST', 'METRICS_HOST']) {
    const { code, stderr } = await call(['serve'], { ...environment, [name]: '192.0.2.1' });
    t.equal(code, 2);
    t.match(stderr, new RegExp(`^${name}=192.0.2.1 is no address of this machine: set one that is`));
    isOneSentence(t, stderr);
  }
});

t.test('a data directory that is a file ends with 2, with and without a secret of its own', async (t) => {
  const DATA_DIR = join(t.testdir({ file: '' }), 'file');
  for (const given of [{}, { SECRET_KEY: Buffer.alloc(32, 1).toString('base64') }]) {
    const { code, stderr } = await call(['serve'], {
      DATA_DIR,
      LOG_LEVEL: 'silent',
      PORT: '0',
      METRICS_PORT: '0',
      ...given,
    });
    t.equal(code, 2);
    t.match(stderr, /^DATA_DIR cannot be used: /);
    isOneSentence(t, stderr);
  }
});

t.test('with no setting at all it serves from an embedded server, and Ctrl-C leaves no process', async (t) => {
  // Where also the user of the server gets to when this runs as root.
  const place = await mkdtemp(join(tmpdir(), 'customer-permissions-cli-'));
  await chmod(place, 0o755);
  t.teardown(() => rm(place, { recursive: true, force: true }));
  const dataDir = join(place, 'data');
  const { child, url, metricsUrl, output, exited } = await startProcess(t, { DATA_DIR: dataDir });
  t.match(output(), `Interactive API page ${url}/docs`);
  t.match(output(), /Database +embedded PostgreSQL 1\d/);
  t.match(output(), /for trying out. For production set DATABASE_URL/);
  for (const path of ['/livez', '/readyz', '/docs/']) t.equal(await settledStatusOf(`${url}${path}`), 200, path);
  t.match(await (await fetch(metricsUrl)).text(), 'http_request_duration_seconds_bucket');
  const { owner, movedTo } = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
  t.ok(isRunning(owner), 'the server is owned by the process');
  t.equal(movedTo, undefined, 'the cluster is in the data directory, whoever runs it');
  const postmaster = Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  child.kill('SIGINT');
  t.same(await exited, [0, null]);
  t.throws(() => process.kill(postmaster, 0), { code: 'ESRCH' });
});
