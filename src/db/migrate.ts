import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { packageRoot } from '../lib/package-root.js';
import { changeBeforehand } from './change-beforehand.js';
import { changeRolesOnWorkers, distributeTables, hasCitus } from './distribute.js';
import { LOGIN_SETTINGS } from './login-settings.js';
import { asOnlyMigrator, withMigrationLock } from './migration-lock.js';
import { analyzeUnknown } from './statistics.js';

/** The group role that holds every grant; the application logs in as a member of it. */
export const APP_ROLE = 'customer_permissions_app';

export interface MigrateOptions {
  /** A login that owns the tables and may create roles. Straight to PostgreSQL: the runner's lock is a session lock. */
  ownerUrl: string;
  /** The application's login, made when it does not exist. */
  appUser?: { name: string; password: string };
}

/** Requests queue behind a migration that waits for a lock, and give up after a second; it may have to wait for two. */
const LOCK_TIMEOUT = '300ms';
/** The tables are those of one schema, and an index takes as long as it takes, whatever the database or the login sets. */
const SESSION = 'set search_path = public; set statement_timeout = 0';
const PAUSE_MS = 300;
const PATIENCE_MS = 60_000;
const LOGIN_ATTEMPTS = 20;
const LOGIN_PAUSE_MS = 100;

const migrationsDir = join(packageRoot(), 'migrations');

/** Names of the migrations this version of the code needs, in order. */
export async function listMigrations(): Promise<string[]> {
  const files = await readdir(migrationsDir);
  return files
    .filter((file) => /^\d{4}_.+\.sql$/.test(file))
    .sort()
    .map((file) => file.replace(/\.sql$/, ''));
}

const readMigration = (name: string) => readFile(join(migrationsDir, `${name}.sql`), 'utf8');

/** The texts of those that the database does not have yet; none of a database without a schema, which has no rows either. */
async function readPending(pool: pg.Pool): Promise<string[]> {
  const table = await pool.query("select to_regclass('kysely_migration') is not null as there");
  if (!table.rows[0].there) return [];
  const { rows } = await pool.query<{ name: string }>('select name from kysely_migration');
  const applied = new Set(rows.map(({ name }) => name));
  return Promise.all((await listMigrations()).filter((name) => !applied.has(name)).map(readMigration));
}

/** @param done statements that are left out */
async function loadMigrations(pool: pg.Pool, done: ReadonlySet<string>): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  const names = await listMigrations();
  for (const name of names) {
    let text = await readMigration(name);
    for (const statement of done) text = text.replace(statement, '');
    migrations[name] = {
      up: async (db) => {
        await sql.raw(`set local lock_timeout = '${LOCK_TIMEOUT}'`).execute(db);
        // Citus refuses a table's change after a parallel one in the same transaction. Nobody else knows the setting.
        await sql`set local citus.multi_shard_modify_mode = 'sequential'`.execute(db);
        await sql.raw(text).execute(db);
      },
    };
  }
  // Of a later version, to which this one is the way back. The migrator would take them for lost.
  const { rows } = await pool.query<{ name: string }>('select name from kysely_migration where name > $1', [
    names.at(-1),
  ]);
  for (const { name } of rows) migrations[name] = { up: async () => {} };
  return migrations;
}

/**
 * Each in a transaction of its own: what one of them locks is free again before the next one begins.
 * @throws when a lock is not free for a minute: what was applied before stays
 * @returns the names of those applied
 */
async function applyAll(migrator: Migrator): Promise<string[]> {
  const applied: string[] = [];
  for (let deadline = Date.now() + PATIENCE_MS; ; ) {
    const { error, results = [] } = await migrator.migrateUp();
    if (error) {
      const isLocked = error instanceof pg.DatabaseError && error.code === '55P03';
      if (!isLocked || Date.now() > deadline) throw error;
      await setTimeout(PAUSE_MS);
      continue;
    }
    if (results.length === 0) return applied;
    applied.push(...results.map(({ migrationName }) => migrationName));
    deadline = Date.now() + PATIENCE_MS;
  }
}

/**
 * Brings the schema up to date and the roles into being, on Citus distributes the tables, and takes the statistics that
 * are missing. Two at once: one applies, the other waits and finds nothing. A schema of a later version stays as it is.
 * @returns the names of the migrations applied by this call
 */
export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  const onConnect = (client: pg.ClientBase) => client.query(SESSION);
  const pool = new pg.Pool({ connectionString: options.ownerUrl, max: 3, onConnect });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await ensureRole(pool, APP_ROLE, 'nologin');
    const applied = await asOnlyMigrator(pool, async (client) => {
      const done = await changeBeforehand(client, await readPending(pool));
      return applyAll(new Migrator({ db, provider: { getMigrations: () => loadMigrations(pool, done) } }));
    });
    await withMigrationLock(pool, (client) => client.query(`grant select on kysely_migration to ${APP_ROLE}`));
    const citus = await hasCitus(pool);
    if (citus) await distributeTables(pool);
    if (options.appUser) await provisionLogin(pool, options.appUser, citus);
    await analyzeUnknown(pool);
    return { applied };
  } finally {
    await db.destroy();
  }
}

async function ensureRole(pool: pg.Pool, role: string, attributes: string): Promise<void> {
  const { rowCount } = await pool.query('select from pg_roles where rolname = $1', [role]);
  if (rowCount) return;
  try {
    await pool.query(`create role ${pg.escapeIdentifier(role)} ${attributes}`);
  } catch (error) {
    // Roles belong to the cluster: another database's migration may have made it between the two statements.
    const code = error instanceof pg.DatabaseError ? error.code : undefined;
    if (code !== '42710' && code !== '23505') throw error;
  }
}

async function provisionLogin(pool: pg.Pool, user: { name: string; password: string }, citus: boolean): Promise<void> {
  const name = pg.escapeIdentifier(user.name);
  const attributes = `login password ${pg.escapeLiteral(user.password)}`;
  await ensureRole(pool, user.name, attributes);
  const changes = await changeLogin(pool, (client) => setUpLogin(client, user.name, citus));
  if (!citus) return;
  // Once the transaction above, which may do the same on the workers, has ended: neither would wait for the other for ever.
  const login = pg.escapeLiteral(user.name);
  await changeLogin(pool, (client) =>
    changeRolesOnWorkers(client, [
      `if not exists (select from pg_roles where rolname = ${login}) then create role ${name} ${attributes}; end if`,
      `if not pg_has_role(${login}, '${APP_ROLE}', 'usage') then grant ${APP_ROLE} to ${name}; end if`,
      ...changes,
    ]),
  );
}

async function changeLogin<T>(pool: pg.Pool, change: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withMigrationLock(pool, change);
    } catch (error) {
      // The migration of another database of the server changes the same login: "tuple concurrently updated", or the same
      // membership twice.
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      if ((code !== 'XX000' && code !== '23505') || attempt === LOGIN_ATTEMPTS) throw error;
      await setTimeout(LOGIN_PAUSE_MS);
    }
  }
}

/** Changes what is not yet so. @returns what makes the login's settings what they have to be */
async function setUpLogin(client: pg.PoolClient, login: string, citus: boolean): Promise<string[]> {
  const name = pg.escapeIdentifier(login);
  const {
    rows: [there],
  } = await client.query<{ member: boolean; version: number; database: string; settings: string[]; here: string[] }>(
    `select pg_has_role(rolname, $2, 'usage') as member, current_setting('server_version_num')::int as version,
       current_database() as database, coalesce(rolconfig, '{}') as settings,
       coalesce((select s.setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
         where s.setrole = r.oid and d.datname = current_database()), '{}') as here
     from pg_roles r where rolname = $1`,
    [login, APP_ROLE],
  );
  if (!there?.member) await client.query(`grant ${APP_ROLE} to ${name}`);
  // Generic plans: a custom plan is made anew at every execution of an array statement. Pages in any order, as of what is
  // in memory or on an SSD: with PostgreSQL's 4 a look-up of one customer among a thousand read all of their permissions
  // (0.40 ms, 0.17 with this).
  const settings: Record<string, string> = {
    ...Object.fromEntries(LOGIN_SETTINGS.map(({ name, value }) => [name, value])),
    idle_in_transaction_session_timeout: '5s',
    plan_cache_mode: 'force_generic_plan',
    random_page_cost: '1.1',
    ...((there?.version ?? 0) >= 170000 && { transaction_timeout: '5s' }),
    // What binds a transaction to its partner has to reach the workers.
    ...(citus && { 'citus.propagate_set_commands': 'local' }),
  };
  const changes: string[] = [];
  for (const [setting, value] of Object.entries(settings)) {
    const change = `alter role ${name} set ${setting} = ${pg.escapeLiteral(value)}`;
    changes.push(change);
    if (!there?.settings.includes(`${setting}=${value}`)) await client.query(change);
  }
  const inDatabase = `alter role ${name} in database ${pg.escapeIdentifier(there?.database ?? '')}`;
  for (const { name: setting, fault } of LOGIN_SETTINGS) {
    const found = there?.here.find((one) => one.startsWith(`${setting}=`))?.slice(setting.length + 1);
    // It goes before what is set above.
    if (found !== undefined && fault(found) !== undefined) await client.query(`${inDatabase} reset ${setting}`);
  }
  if (citus) {
    // Citus has no generic plan for what asks several shards: 0A000. Other databases of the server may have the same login.
    const change = `${inDatabase} set plan_cache_mode = 'auto'`;
    changes.push(change);
    await client.query(change);
  }
  return changes;
}
