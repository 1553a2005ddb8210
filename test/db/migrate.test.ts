import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { connect } from '../../src/db/connect.js';
import { APP_ROLE, listMigrations, migrate } from '../../src/db/migrate.js';
import { MIGRATOR_LOCK } from '../../src/db/migration-lock.js';
import { checkDatabase, usable } from '../../src/db/start-check.js';
import { createTestDatabase, type TestDatabase } from '../helpers/database.js';
import { CONTOSO } from '../helpers/service.js';

t.setTimeout(60_000);

async function open(t: Pick<Test, 'teardown'>, url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

/** Resolves when a session of the database waits for a lock. */
async function untilOneWaits(client: pg.Client): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await client.query(waiting)).rowCount === 0) await setTimeout(5);
}

/** Takes a database back to the schema that only the first migration has made. */
async function takeBack(superuser: pg.Client, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const text = await readFile(new URL(`../../../migrations/${name}.sql`, import.meta.url), 'utf8');
    for (const [, table] of text.matchAll(/^create table (\w+)/gm))
      await superuser.query(`drop table ${table} cascade`);
    await superuser.query('delete from kysely_migration where name = $1', [name]);
  }
}

const later = (await listMigrations()).slice(1);
const runIt = ({ ownerUrl }: TestDatabase) => migrate({ ownerUrl });

t.test('a migrator waits for another one that is at its grants', async (t) => {
  const database = await createTestDatabase(t);
  const other = await open(t, database.ownerUrl);
  await other.query('begin; select from kysely_migration_lock for update');
  await other.query(`grant select on kysely_migration to ${APP_ROLE}`);
  const migrated = runIt(database);
  await untilOneWaits(await open(t, database.superuserUrl));
  await other.query('commit');
  t.same(await migrated, { applied: [] });
});

t.test('databases of one server that have one login can be migrated at the same time', async (t) => {
  const database = await createTestDatabase(t);
  const appUser = { name: 'cp_login_of_two', password: 'of two databases' };
  const other = await open(t, database.superuserUrl);
  t.teardown(() => other.query(`drop role ${appUser.name}`));
  await other.query(`create role ${appUser.name} login in role ${APP_ROLE}`);
  await other.query(`alter role ${appUser.name} set lock_timeout = '1s'`);
  await other.query(`begin; alter role ${appUser.name} set statement_timeout = '2s'`);
  const migrated = migrate({ ownerUrl: database.superuserUrl, appUser });
  await untilOneWaits(await open(t, database.superuserUrl));
  await other.query('commit');
  t.same(await migrated, { applied: [] });
  const settings = 'select rolconfig from pg_roles where rolname = $1';
  const { rows } = await other.query<{ rolconfig: string[] }>(settings, [appUser.name]);
  t.ok(rows[0]?.rolconfig.includes('idle_in_transaction_session_timeout=5s'), 'the login has what it needs');
});

t.test('what is set for the login in one database is taken back where the service would refuse it', async (t) => {
  const database = await createTestDatabase(t);
  const appUser = { name: 'cp_login_in_database', password: 'in one database' };
  const superuser = await open(t, database.superuserUrl);
  t.teardown(() => superuser.query(`drop role ${appUser.name}`));
  await migrate({ ownerUrl: database.superuserUrl, appUser });
  const name = new URL(database.superuserUrl).pathname.slice(1);
  for (const setting of [
    'statement_timeout = 0',
    "datestyle = 'SQL'",
    'client_min_messages = error',
    "lock_timeout = '3s'",
  ]) {
    await superuser.query(`alter role ${appUser.name} in database ${name} set ${setting}`);
  }
  await migrate({ ownerUrl: database.superuserUrl, appUser });
  const { rows } = await superuser.query<{ kept: string[] }>(
    'select setconfig as kept from pg_db_role_setting where setrole = $1::regrole and setdatabase <> 0',
    [appUser.name],
  );
  t.ok(rows[0]?.kept.includes('lock_timeout=3s'), "what will do is the operator's");
  t.notMatch(rows[0]?.kept.join(), /statement_timeout|DateStyle|client_min_messages/);
});

t.test('a migration that has to wait for a lock lets requests through, and comes to its turn', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  await takeBack(superuser, later);
  const writer = await open(t, database.superuserUrl);
  await writer.query('begin; lock table customers in row exclusive mode');
  const migrated = runIt(database);
  migrated.catch(() => {});
  await untilOneWaits(superuser);
  const request = await open(t, database.superuserUrl);
  // As on the login of the service.
  await request.query(`set lock_timeout = '1s'`);
  for (let n = 0; n < 3; n++) {
    await t.resolves(request.query('update customers set version = version + 1'), 'a request is not held up for long');
    await untilOneWaits(superuser);
  }
  await writer.query('commit');
  t.same(await migrated, { applied: later });
});

t.test('a migrator that waits for another one keeps no index from being built', async (t) => {
  const database = await createTestDatabase(t);
  const other = await open(t, database.superuserUrl);
  await other.query('select pg_advisory_lock($1)', [MIGRATOR_LOCK]);
  const migrated = runIt(database);
  const superuser = await open(t, database.superuserUrl);
  const waiting = "select from pg_stat_activity where datname = current_database() and query ~ 'pg_try_advisory_lock'";
  while ((await superuser.query(`${waiting} and pid <> pg_backend_pid()`)).rowCount === 0) await setTimeout(5);
  await superuser.query(`set statement_timeout = '5s'`);
  await t.resolves(superuser.query('create index concurrently planted on customers (partner_id, domain)'));
  await other.query('select pg_advisory_unlock($1)', [MIGRATOR_LOCK]);
  t.same(await migrated, { applied: [] });
});

t.test('a migrator that is cut off from the lock of the migrators ends what it has begun', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  const other = await open(t, database.superuserUrl);
  await other.query('begin; lock table kysely_migration in access exclusive mode');
  const migrated = runIt(database);
  await untilOneWaits(superuser);
  const { rowCount } = await superuser.query(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = ${MIGRATOR_LOCK}
       and database = (select oid from pg_database where datname = current_database())`,
  );
  t.equal(rowCount, 1);
  await other.query('commit');
  t.same(await migrated, { applied: [] });
});

t.test('S25: each migration has a transaction of its own, and one that fails leaves those before it', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  await takeBack(superuser, later);
  const before = later.filter((name) => name < '0004');
  const applied = async () => {
    const text = 'select name, xmin::text as transaction from kysely_migration order by name';
    return (await superuser.query<{ name: string; transaction: string }>(text)).rows;
  };
  await superuser.query('alter table purchase_permissions rename to elsewhere');
  await t.rejects(runIt(database), /"purchase_permissions" does not exist/);
  const names = (await applied()).map(({ name }) => name);
  t.same(names.slice(1), before);

  await superuser.query('alter table elsewhere rename to purchase_permissions');
  t.same(await runIt(database), { applied: later.filter((name) => !before.includes(name)) });
  const transactions = (await applied()).map(({ transaction }) => transaction);
  t.same([...new Set(transactions)], transactions);
});

t.test('the tables are those of the schema public, whatever the database and the login look at first', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  const { pathname, username: owner } = new URL(database.ownerUrl);
  await superuser.query(
    `drop schema public cascade; create schema elsewhere authorization ${owner};
     alter database ${pathname.slice(1)} set search_path = elsewhere, public;
     alter database ${pathname.slice(1)} set statement_timeout = 1`,
  );
  await t.rejects(usable('MIGRATION_DATABASE_URL', runIt(database)), /^MIGRATION_DATABASE_URL .+ no schema public/);
  await superuser.query(`create schema public authorization ${owner}`);
  t.same(await runIt(database), { applied: await listMigrations() });
  const { rows } = await superuser.query(
    "select distinct relnamespace::regnamespace::text as name from pg_class where relname ~ '^(customers|kysely_.*)$'",
  );
  t.same(rows, [{ name: 'public' }]);
  const db = connect({ url: database.appUrl, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  t.teardown(() => db.close());
  await t.resolves(checkDatabase(db, false));
  await superuser.query(`alter database ${pathname.slice(1)} reset all`);
});

t.test('tables without statistics, as after a restore, have them afterwards', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  const known = async () =>
    (
      await superuser.query('select distinct tablename from pg_stats where schemaname = $1 order by 1', ['public'])
    ).rows.map(({ tablename }) => tablename);
  for (const table of ['filled', 'locked', 'empty']) {
    await superuser.query(`create table ${table} (n int);
      alter table ${table} owner to ${new URL(database.ownerUrl).username}`);
  }
  await superuser.query('insert into filled values (1); insert into locked values (1)');
  await superuser.query('begin; lock table locked in access exclusive mode');
  await runIt(database);
  await superuser.query('rollback');
  const found = await known();
  t.ok(found.includes('filled'));
  t.notOk(found.includes('locked'), 'what is locked is not waited for');
  await runIt(database);
  t.same(await known(), [...found, 'locked'].sort());
  await superuser.query('delete from pg_statistic');
  await runIt(database);
  t.same(await known(), [], 'a second time is for autovacuum');
  const { rows } = await superuser.query("select reltuples from pg_class where relname = 'empty'");
  t.same(rows, [{ reltuples: -1 }], 'what is empty stays unknown');
});

t.test('a version that is older than the schema leaves it as it is', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  await superuser.query(`insert into kysely_migration values ('9999_of_a_later_version', '2099-01-01T00:00:00.000Z')`);
  t.same(await runIt(database), { applied: [] });
});

t.test(
  'an index of a table with rows is built while they are written, also after a migrator was killed at it',
  async (t) => {
    const database = await createTestDatabase(t);
    const superuser = await open(t, database.superuserUrl);
    await takeBack(superuser, later);
    await superuser.query('drop index customers_listed');
    await superuser.query('create index customers_by_name on customers (partner_id, company_name_key, customer_id)');
    const writer = await open(t, database.superuserUrl);
    await writer.query('begin; lock table customers in row exclusive mode');
    const isThere = async () =>
      (
        await superuser.query(
          `select indisvalid as valid from pg_index where indexrelid = to_regclass('customers_listed')`,
        )
      ).rows[0];
    const killed = runIt(database);
    killed.catch(() => {});
    while (!(await isThere())) await setTimeout(5);
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'create index concurrently%'`,
    );
    await t.rejects(killed);
    t.match(await isThere(), { valid: false });

    const migrated = Promise.all([runIt(database), runIt(database)]);
    migrated.catch(() => {});
    await untilOneWaits(superuser);
    const request = await open(t, database.superuserUrl);
    await request.query(`set lock_timeout = '50ms'`);
    for (let n = 0; n < 20; n++) await request.query('update customers set version = version + 1');
    await writer.query('commit');
    t.same((await migrated).flatMap(({ applied }) => applied).sort(), later);
    t.match(await isThere(), { valid: true });
    t.equal((await superuser.query(`select to_regclass('customers_by_name') as index`)).rows[0].index, null);
  },
);

/** {@link takeBack}, with the indexes and storage parameters that a switch had before. */
async function takeBackSwitches(superuser: pg.Client): Promise<void> {
  await takeBack(superuser, later);
  await superuser.query('drop index purchase_permissions_ends');
  await superuser.query(
    `create index purchase_permissions_ending on purchase_permissions (partner_id, effective_until)
     where effective_until is not null and effective`,
  );
  for (const table of ['customers', 'purchase_permissions']) {
    await superuser.query(`alter table ${table} reset (fillfactor)`);
  }
}

t.test('a migration waits for a vacuum, however long that takes, and nobody waits behind it', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  await takeBackSwitches(superuser);
  const vacuum = await open(t, database.superuserUrl);
  await vacuum.query('begin; lock table purchase_permissions in share update exclusive mode');
  const migrated = runIt(database);
  migrated.catch(() => {});
  await untilOneWaits(superuser);
  const request = await open(t, database.superuserUrl);
  await request.query(`set lock_timeout = '50ms'`);
  for (let n = 0; n < 20; n++) {
    await request.query('update customers set version = version; update purchase_permissions set version = version');
    await setTimeout(50);
  }
  await vacuum.query('commit');
  t.same(await migrated, { applied: later });
  const { rows } = await superuser.query(
    `select relname, reloptions from pg_class where relname in ('customers', 'purchase_permissions') order by relname`,
  );
  t.same(rows, [
    { relname: 'customers', reloptions: ['fillfactor=90'] },
    { relname: 'purchase_permissions', reloptions: ['fillfactor=90'] },
  ]);
});

t.test('switches that are under way one after the other let a migration through', async (t) => {
  const database = await createTestDatabase(t);
  const superuser = await open(t, database.superuserUrl);
  await takeBackSwitches(superuser);
  const own = `partner_id = '${CONTOSO}'`;
  let over = false;
  const writing = Array.from({ length: 4 }, async () => {
    const writer = await open(t, database.superuserUrl);
    while (!over) {
      await writer.query(
        `begin; select from customers where ${own} for update;
         update purchase_permissions set version = version where ${own}`,
      );
      await setTimeout(20);
      await writer
        .query(`update customers set version = version where ${own}; commit`)
        .catch(() => writer.query('rollback'));
    }
  });
  const migrated = await Promise.race([runIt(database), setTimeout(20_000, 'still not done', { ref: false })]);
  over = true;
  await Promise.all(writing);
  t.same(migrated, { applied: later });
});
