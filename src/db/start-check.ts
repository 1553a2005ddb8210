import { reasonOf } from '../errors/from-postgres.js';
import { isUntrusted } from '../lib/untrusted.js';
import type { DatabaseHandle } from './connect.js';
import { LOGIN_SETTINGS } from './login-settings.js';
import { listMigrations } from './migrate.js';

/** The database is not one that the service may run on. The message is one sentence that says what to do. */
export class UnfitDatabase extends Error {}

const UNTRUSTED = "the server's certificate is not trusted; name its host, and in sslrootcert who has signed it";

const UNUSABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at its address',
  ENOTFOUND: 'its host is not known',
  EAI_AGAIN: 'its host cannot be looked up now',
  EHOSTUNREACH: 'its host cannot be reached',
  ETIMEDOUT: 'its host does not answer',
  '28P01': 'the password is wrong or the login does not exist',
  '28000': 'the server refuses the login',
  '3D000': 'there is no such database',
  '3F000': 'it has no schema public; make one that belongs to the owner of the database',
  '53300': 'the server has no connection left',
  '57P03': 'the server is starting up or shutting down',
  '42501': 'the login lacks a right that it needs',
  '55P03': 'somebody holds a lock that it needs; try again',
  ENOENT: 'a file that it names is missing',
};

/** Errors of the driver itself. */
const WITHOUT_CODE: readonly (readonly [RegExp, string])[] = [
  [/timeout/, 'the server does not answer'],
  [/does not support SSL/, 'the server does not speak TLS'],
];

/**
 * Says in one sentence what keeps the database named by a setting from being used; other failures pass unchanged.
 * @param setting e.g. `DATABASE_URL`
 * @throws UnfitDatabase
 */
export async function usable<T>(setting: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (failure) {
    const error = reasonOf(failure);
    const { code = '', message } = error as { code?: string; message: string };
    const why = isUntrusted(error)
      ? UNTRUSTED
      : (UNUSABLE[code] ?? (code ? undefined : WITHOUT_CODE.find(([text]) => text.test(message))?.[1]));
    throw why === undefined ? error : new UnfitDatabase(`${setting} cannot be used: ${why} (${message}).`);
  }
}

interface Settings {
  role: string;
  superuser: boolean;
  bypasses: boolean;
  owns: boolean;
  version: number;
  encoding: string;
  icu: boolean;
  fsync: string;
  synchronous_commit: string;
  of_login: Record<string, string>;
  citus: string | null;
  connections: number;
}

export interface CheckedDatabase {
  /** E.g. `18.4`. */
  version: string;
  /** How many the login may have open at a time, of all instances together and without a pooler. */
  connections: number;
}

/** Why requests cannot be served on this schema, or undefined when its migrations are those of this version. */
export async function findSchemaFault(db: DatabaseHandle): Promise<string | undefined> {
  const [table] = await db.query<{ there: boolean }>("select to_regclass('kysely_migration') is not null as there");
  if (!table?.there) return 'the database has no schema yet; run `customer-permissions migrate`';
  const rows = await db.query<{ name: string }>('select name from kysely_migration');
  const applied = new Set(rows.map((row) => row.name));
  const missing = (await listMigrations()).filter((name) => !applied.has(name));
  return missing.length === 0
    ? undefined
    : `the database lacks the migrations ${missing.join(', ')}; run \`customer-permissions migrate\``;
}

async function readSettings(db: DatabaseHandle): Promise<Settings> {
  const [settings] = await db.query<Settings>(`
    select current_user as role, r.rolsuper as superuser, r.rolbypassrls as bypasses,
      exists (select from pg_class c where c.relname = 'activity_log' and pg_has_role(current_user, c.relowner, 'member')) as owns,
      current_setting('server_version_num')::int as version, current_setting('fsync') as fsync,
      current_setting('server_encoding') as encoding,
      exists (select from pg_collation where collname = 'und-x-icu') as icu, current_setting('synchronous_commit') as synchronous_commit,
      (select json_object_agg(name, current_setting(name)) from unnest(array[${LOGIN_SETTINGS.map(({ name }) => `'${name}'`).join(', ')}]) as name) as of_login,
      (select coalesce(current_setting('citus.propagate_set_commands', true), 'none') from pg_extension
        where extname = 'citus') as citus,
      least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
          - coalesce(current_setting('reserved_connections', true)::int, 0),
        nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)) as connections
    from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()`);
  if (!settings) throw new UnfitDatabase('The database did not answer the start check.');
  return settings;
}

/** @param setting what names the login, e.g. `DATABASE_URL` */
function refuseUnbound({ role, superuser, bypasses, owns }: Settings, setting: string): void {
  if (!superuser && !bypasses && !owns) return;
  throw new UnfitDatabase(
    `The login ${role} of ${setting} is not bound by row-level security (superuser, BYPASSRLS or owner of the tables); name the one that \`customer-permissions migrate\` provisions.`,
  );
}

function refuseUnset({ role, of_login: settings }: Settings): void {
  for (const { name, value, fault } of LOGIN_SETTINGS) {
    const found = fault(settings[name] ?? '');
    if (found === undefined) continue;
    throw new UnfitDatabase(
      `The login ${role} ${found}; run \`customer-permissions migrate\`, which sets it, or ALTER ROLE ${role} SET ${name} = '${value}'.`,
    );
  }
}

/**
 * Refuses a database on which a promise would not hold: a login that row-level security does not bind, a server that
 * loses acknowledged commits, a login without the settings it needs, names that cannot be written, a Citus that does not
 * hand the partner on to its workers.
 * @throws UnfitDatabase
 */
export async function checkDatabase(db: DatabaseHandle, production: boolean): Promise<CheckedDatabase> {
  const settings = await readSettings(db);
  if (settings.version < 150000) throw new UnfitDatabase('The server is older than PostgreSQL 15; run a newer one.');
  if (settings.encoding !== 'UTF8') {
    throw new UnfitDatabase(
      `The database has the encoding ${settings.encoding}; make one with UTF8, for names of every language.`,
    );
  }
  if (!settings.icu) {
    throw new UnfitDatabase(
      'The server was built without ICU, by which letters are compared; run one that has it, as its packages and images do.',
    );
  }
  const fault = await findSchemaFault(db);
  if (fault) throw new UnfitDatabase(`DATABASE_URL is not ready: ${fault}.`);
  refuseUnbound(settings, 'DATABASE_URL');
  if (settings.citus !== null && settings.citus !== 'local') {
    throw new UnfitDatabase(
      `On Citus the partner does not reach the workers; run \`customer-permissions migrate\`, which sets it for its login, or ALTER ROLE ${settings.role} SET citus.propagate_set_commands = 'local'.`,
    );
  }
  refuseUnset(settings);
  if (production && (settings.fsync !== 'on' || settings.synchronous_commit === 'off')) {
    throw new UnfitDatabase('The server can lose acknowledged commits; set fsync = on and synchronous_commit = on.');
  }
  const version = `${Math.floor(settings.version / 10000)}.${settings.version % 10000}`;
  return { version, connections: settings.connections };
}

/**
 * Refuses a replica whose login could see more than a partner's rows, or could not be told how old it is.
 * @returns false while the replica does not have the migrations yet
 * @throws UnfitDatabase
 */
export async function checkReplica(db: DatabaseHandle): Promise<boolean> {
  const settings = await readSettings(db);
  refuseUnbound(settings, 'READ_REPLICA_URL');
  refuseUnset(settings);
  if (settings.citus !== null) {
    throw new UnfitDatabase(
      'READ_REPLICA_URL cannot be used with Citus: how old the replicas of its workers are is not known. Leave it out.',
    );
  }
  return (await findSchemaFault(db)) === undefined;
}
