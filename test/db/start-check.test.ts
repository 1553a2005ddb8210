import pg from 'pg';
import t from 'tap';
import { connect } from '../../src/db/connect.js';
import { checkDatabase, checkReplica } from '../../src/db/start-check.js';
import { citusUrl } from '../helpers/citus.js';
import { createTestDatabase } from '../helpers/database.js';

const database = await createTestDatabase(t);
const superuser = new pg.Client(database.superuserUrl);
await superuser.connect();
t.teardown(() => superuser.end());

/** What a start check says of the application's login, whose sessions have other settings than it has. */
async function said(check: typeof checkDatabase | typeof checkReplica, settings: string, name?: string) {
  const url = new URL(database.appUrl);
  if (name !== undefined) url.pathname = `/${name}`;
  if (settings !== '') url.searchParams.set('options', `-c ${settings}`);
  const db = connect({ url: url.href, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  return check(db, settings.startsWith('synchronous_commit'))
    .then(
      () => 'fit',
      ({ message }: Error) => message,
    )
    .finally(() => db.close());
}

t.test('a setting on which a promise would not hold is refused with one sentence that says what to do', async (t) => {
  const login = 'cp_app_test';
  for (const harmless of [
    'TimeZone=Asia/Kolkata',
    'bytea_output=escape',
    'client_min_messages=debug1',
    'search_path="$user",public',
  ]) {
    t.equal(await said(checkDatabase, harmless), 'fit', harmless);
  }
  for (const [settings, sentence] of [
    ['lock_timeout=0', /^The login cp_app_test has no lock_timeout; run `customer-permissions migrate`/],
    ['statement_timeout=0', /^The login cp_app_test has no statement_timeout; run `customer-permissions migrate`/],
    ['synchronous_commit=off', /^The server can lose acknowledged commits; set /],
    [
      'DateStyle=German',
      new RegExp(`^The login ${login} is told dates as German, .+ ALTER ROLE ${login} SET DateStyle = 'ISO'`),
    ],
    [
      'default_transaction_isolation=repeatable\\ read',
      new RegExp(
        `^The login ${login} begins transactions as repeatable read, .+ ALTER ROLE ${login} SET default_transaction_isolation = 'read committed'`,
      ),
    ],
    [
      'client_min_messages=error',
      new RegExp(`^The login ${login} is not told that .+ SET client_min_messages = 'warning'`),
    ],
    ['row_security=off', new RegExp(`^The login ${login} is refused every row.+ SET row_security = 'on'`)],
    ['array_nulls=off', new RegExp(`^The login ${login} has array_nulls off.+ SET array_nulls = 'on'`)],
    [
      'search_path=billing,public',
      new RegExp(`^The login ${login} looks for tables in billing,public.+ SET search_path = 'public'`),
    ],
  ] as const) {
    t.match(await said(checkDatabase, settings), sentence, settings);
  }
  t.match(await said(checkReplica, 'DateStyle=SQL'), /^The login cp_app_test is told dates as SQL, /);
});

t.test('what the database sets does not reach the login that `migrate` has provisioned', async (t) => {
  const name = new URL(database.superuserUrl).pathname.slice(1);
  const foreign = [
    "datestyle = 'German'",
    "default_transaction_isolation = 'serializable'",
    "lock_timeout = '0'",
    "statement_timeout = '0'",
    'client_min_messages = error',
    'row_security = off',
    'array_nulls = off',
    'search_path = billing',
  ];
  for (const setting of foreign) await superuser.query(`alter database ${name} set ${setting}`);
  t.equal(await said(checkDatabase, ''), 'fit');
  await superuser.query(`alter database ${name} reset all`);
});

t.test('a server that cannot compare letters of every language is refused', async (t) => {
  await superuser.query('alter collation "und-x-icu" rename to elsewhere');
  t.teardown(() => superuser.query('alter collation elsewhere rename to "und-x-icu"'));
  t.match(await said(checkDatabase, ''), /^The server was built without ICU.+; run one that has it/);
});

t.test('a database that cannot hold every name is refused', { skip: citusUrl !== undefined }, async (t) => {
  const name = `${new URL(database.superuserUrl).pathname.slice(1)}_ascii`;
  await superuser.query(
    `create database ${name} encoding 'SQL_ASCII' locale_provider libc locale 'C' template template0`,
  );
  t.teardown(() => superuser.query(`drop database ${name}`));
  t.match(await said(checkDatabase, '', name), /^The database has the encoding SQL_ASCII; make one with UTF8/);
});
