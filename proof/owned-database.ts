import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { HarnessDatabase } from '../harness/database.js';
import { APP_ROLE } from '../src/db/migrate.js';

/** A database with the three logins of docs/operations.md, and no schema yet. */
export interface OwnedDatabase extends HarnessDatabase {
  name: string;
  /** The login that owns the tables. */
  owner: string;
  /** The settings of `migrate` beside DATABASE_URL. */
  ownership: { MIGRATION_DATABASE_URL: string };
  /** A further session of the superuser, which ends with the database. */
  connect(): Promise<pg.Client>;
}

const OWNER = 'upgrade_owner';
const APP = 'upgrade_app';
const password = randomBytes(18).toString('base64url');

/** @param superuserUrl of a server of the suite's own: the logins stay */
export async function createOwnedDatabase(superuserUrl: string, name: string): Promise<OwnedDatabase> {
  const urlOf = (user?: string) => {
    const url = new URL(superuserUrl);
    url.pathname = `/${name}`;
    if (user) [url.username, url.password] = [user, password];
    return url.href;
  };
  const server = new pg.Client({ connectionString: superuserUrl });
  server.on('error', () => {});
  await server.connect();
  const { rowCount } = await server.query('select from pg_roles where rolname = $1', [OWNER]);
  if (!rowCount) await server.query(`create role ${OWNER} login createrole password '${password}'`);
  const group = await server.query('select from pg_roles where rolname = $1', [APP_ROLE]);
  // Else its maker alone could grant it (PostgreSQL 16 on).
  if (group.rowCount) await server.query(`grant ${APP_ROLE} to ${OWNER} with admin option`);
  await server.query(`create database ${name} owner ${OWNER}`);
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = new pg.Client({ connectionString: urlOf() });
    // When a suite fails, the server goes first.
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
    return client;
  };
  const client = await connect();
  return {
    name,
    appUrl: urlOf(APP),
    superuserUrl: urlOf(),
    login: APP,
    owner: OWNER,
    ownership: { MIGRATION_DATABASE_URL: urlOf(OWNER) },
    sql: async (text, values) => (await client.query(text, values)).rows,
    connect,
    drop: async () => {
      for (const one of clients) await one.end();
      await server.query(`drop database ${name} with (force)`);
      await server.end();
    },
  };
}
