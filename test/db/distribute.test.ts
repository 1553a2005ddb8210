import pg from 'pg';
import t from 'tap';
import { connect } from '../../src/db/connect.js';
import { migrate } from '../../src/db/migrate.js';
import { checkDatabase, checkReplica } from '../../src/db/start-check.js';
import { createTestDatabase } from '../helpers/database.js';
import { CONTOSO } from '../helpers/service.js';

/** There the one server is its own worker. */
const RUN_COMMAND = `create function run_command_on_workers(command text) returns table (nodename text, nodeport int, success boolean, result text)
    language plpgsql as $body$
    begin
      execute command;
      return query select 'worker', 5432, true, 'DO';
    exception when others then return query select 'worker', 5432, false, 'ERROR:  ' || sqlerrm;
    end $body$;`;

/** The part of Citus that a migration speaks to; it refuses what Citus 13.2 refuses. */
const STAND_IN = `
  set allow_system_table_mods = on;
  insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    values (99999, 'citus', 10, 'pg_catalog'::regnamespace, false, '13.2-1');
  create table pg_dist_partition (nth bigint generated always as identity, logicalrelid regclass primary key);
  create function create_distributed_table(wanted regclass, by text, colocate_with text) returns void
    language plpgsql security definer as $body$
    begin
      if current_setting('citus.multi_shard_modify_mode', true) is distinct from 'sequential' then
        raise exception 'cannot modify table because there was a parallel operation on a distributed table in the transaction';
      elsif (select relforcerowsecurity from pg_class where oid = wanted) then
        raise exception using errcode = '0A000', message = 'COPY FROM not supported with row-level security';
      elsif exists (select from pg_constraint k where k.conrelid = wanted and k.contype = 'f'
          and k.confrelid not in (select logicalrelid from pg_dist_partition)) then
        raise exception using errcode = '0A000', message = 'referenced table must be a distributed table or a reference table';
      elsif by <> 'partner_id' or not exists (select from pg_dist_partition where logicalrelid::text = colocate_with)
          and colocate_with <> 'none' then
        raise exception using errcode = '42P01', message = 'cannot colocate';
      end if;
      insert into pg_dist_partition (logicalrelid) values (wanted);
    end $body$;
  grant select on pg_dist_partition to public;`;

const database = await createTestDatabase(t);
const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 1 });
const { username, password } = new URL(database.appUrl);
const appUser = { name: username, password };
const SETTING = 'citus.propagate_set_commands';
const owner = new URL(database.ownerUrl).username;
t.teardown(async () => {
  // Rights and settings of roles are the server's.
  await superuser.query(
    `revoke set on parameter ${SETTING} from ${owner}; alter role ${appUser.name} reset ${SETTING}`,
  );
  await superuser.end();
});
const column = async (text: string) => (await superuser.query({ text, rowMode: 'array' })).rows.map(([value]) => value);
const distributed = () => column('select logicalrelid::text from pg_dist_partition order by nth');
const allTables = () =>
  column(`select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    and relname !~ '^(kysely|pg_dist)' order by 1`);
const unforced = () =>
  column(`select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    and relname !~ '^(kysely|pg_dist)' and not (relrowsecurity and relforcerowsecurity)`);

const migrateAgain = () => migrate({ ownerUrl: database.ownerUrl, appUser });
/** What the start check says of the application's login. */
async function startCheck(): Promise<string> {
  const db = connect({ url: database.appUrl, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  return checkDatabase(db, false)
    .then(
      () => 'fit',
      ({ message }: Error) => message,
    )
    .finally(() => db.close());
}

t.test('plain PostgreSQL is left as it is', async (t) => {
  await migrateAgain();
  t.same(await column("select to_regclass('pg_dist_partition')::text"), [null]);
  t.equal(await startCheck(), 'fit');
});

t.test('on Citus a migration distributes every table, parents first, also when they hold rows', async (t) => {
  await superuser.query(`${STAND_IN}; ${RUN_COMMAND}`);
  // Citus lets everybody set it; a setting that PostgreSQL does not know has to be granted.
  await superuser.query(`grant set on parameter ${SETTING} to ${owner}`);
  await superuser.query(
    "insert into partners (partner_id, company_name, domain, created_on) values ($1, 'contoso', 'contoso.com', now())",
    [CONTOSO],
  );
  await Promise.all([migrateAgain(), migrateAgain()]);
  const tables = await distributed();
  t.same([...tables].sort(), await allTables(), 'each once, by two migrations at the same time');
  t.equal(tables[0], 'partners');
  t.same(await unforced(), [], 'row-level security is in force again');
  t.same(await column('select company_name from partners'), ['contoso']);
});

t.test('on Citus the login is provisioned on the workers, or the migration says why not', async (t) => {
  // Of a login that was made before the extension Citus tells them nothing.
  const setting = `select split_part(s, '=', 2) from pg_roles r, unnest(r.rolconfig) s where r.rolname = '${appUser.name}'
    and s like 'lock_timeout=%'`;
  await superuser.query(`create or replace function run_command_on_workers(command text)
    returns table (nodename text, nodeport int, success boolean, result text) language sql
    as $$ select 'worker', 5432, false, 'ERROR:  permission denied' $$`);
  await t.rejects(migrateAgain(), {
    message: /^The worker worker:5432 does not provision the login: ERROR: {2}permission denied$/,
  });
  await superuser.query('drop function run_command_on_workers');
  await superuser.query(RUN_COMMAND);
  await migrateAgain();
  t.same(await column(setting), ['1s']);
});

t.test('on Citus a table of a later migration is distributed too', async (t) => {
  const client = new pg.Client(database.ownerUrl);
  await client.connect();
  await client.query(`create table later (partner_id uuid primary key references partners (partner_id));
    alter table later enable row level security; alter table later force row level security`);
  await client.end();
  await migrateAgain();
  t.equal((await distributed()).at(-1), 'later');
  t.same(await unforced(), []);
});

t.test('on Citus no replica is read', async (t) => {
  const db = connect({ url: database.appUrl, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  t.teardown(() => db.close());
  await t.rejects(checkReplica(db), { message: /^READ_REPLICA_URL cannot be used with Citus/ });
});

t.test('on Citus nothing is half done when a table cannot be distributed', async (t) => {
  await superuser.query('truncate pg_dist_partition; create table local (id uuid primary key)');
  await superuser.query('alter table refunds add constraint planted foreign key (refund_id) references local (id)');
  await t.rejects(migrateAgain(), { message: /referenced table must be a distributed table/ });
  t.same(await distributed(), []);
  t.same(await unforced(), ['local']);
});

t.test('on Citus the service starts only where the partner reaches the workers', async (t) => {
  t.equal(await startCheck(), 'fit', 'the migration has set it for its login');
  const name = pg.escapeIdentifier(new URL(database.appUrl).pathname.slice(1));
  for (const value of ['none', 'session']) {
    await superuser.query(`alter role ${appUser.name} in database ${name} set ${SETTING} = ${value}`);
    t.match(await startCheck(), /^On Citus the partner does not reach the workers; .* = 'local'\.$/, value);
  }
  await superuser.query(`alter role ${appUser.name} in database ${name} reset ${SETTING}`);
  await superuser.query(`alter role ${appUser.name} reset ${SETTING}`);
  t.match(await startCheck(), /^On Citus the partner does not reach the workers/, 'not set at all');
});
