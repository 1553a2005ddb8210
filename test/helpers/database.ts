import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { APP_ROLE, listMigrations, migrate } from '../../src/db/migrate.js';
import { checkStatements } from '../scale/check-statements.js';
import { recordStatements } from '../scale/statements.js';
import { citusUrl, createOnCluster, dropOnCluster } from './citus.js';
import { clusterUrl } from './cluster.js';
import { whileInUse } from './while-in-use.js';

export interface TestDatabase {
  /** As `cp_app_test`: the grants of the service, row-level security applies. */
  appUrl: string;
  /** As `cp_owner_test`: owns the database and its tables, may create roles. */
  ownerUrl: string;
  superuserUrl: string;
  /** Every connection has to be closed by then. Done at the end of the test by itself. */
  drop(): Promise<void>;
}

const OWNER = 'cp_owner_test';
const APP = 'cp_app_test';
// Any number, the same in every process that prepares a template on the server.
const TEMPLATE_LOCK = 7_215_001;

/** A tap test, or who else ends what it has started. */
export interface TestScope {
  teardown(work: () => unknown): void;
  /** A directory of its own. */
  testdir?(): string;
}

/**
 * A fresh, migrated, empty database for one test file.
 * @param icuLocale whose rules hold where a collation is not named, e.g. `tr-TR`. Default: the server's
 */
export async function createTestDatabase(
  t: TestScope,
  { icuLocale }: { icuLocale?: string } = {},
): Promise<TestDatabase> {
  const server = await clusterUrl();
  const name = `cp_test_${randomBytes(6).toString('hex')}`;
  if (citusUrl !== undefined) await makeOnCluster(server, name);
  else if (icuLocale !== undefined) await makeWithLocale(server, name, icuLocale);
  else await copyTemplate(server, name);
  recordStatements(name);
  let dropped: Promise<void> | undefined;
  const drop = () => {
    dropped ??= (async () => {
      // On a cluster plans are made on the workers and show nothing here.
      if (citusUrl !== undefined) return dropOnCluster(server, name);
      // So every test with a database is one of its statements.
      const breaches = await asSuperuser(urlOf(server, name), checkStatements);
      await asSuperuser(server, (client) => whileInUse(() => client.query(`drop database ${name}`)));
      if (breaches.length > 0) throw new Error(breaches.join('\n'));
    })();
    return dropped;
  };
  t.teardown(drop);
  return {
    appUrl: urlOf(server, name, APP),
    ownerUrl: urlOf(server, name, OWNER),
    superuserUrl: urlOf(server, name),
    drop,
  };
}

async function copyTemplate(server: string, name: string): Promise<void> {
  const template = await prepareTemplate(server);
  await asSuperuser(server, (client) =>
    whileInUse(() => client.query(`create database ${name} template ${template} owner ${OWNER}`)),
  );
}

async function makeOnCluster(server: string, name: string): Promise<void> {
  await asSuperuser(server, (client) => provisionOwner(client, server));
  await createOnCluster(server, name, OWNER);
  await migrateAsOwner(server, name);
}

async function makeWithLocale(server: string, name: string, icuLocale: string): Promise<void> {
  await asSuperuser(server, async (client) => {
    await provisionOwner(client, server);
    await whileInUse(() =>
      client.query(
        `create database ${name} owner ${OWNER} template template0 locale_provider icu icu_locale '${icuLocale}'`,
      ),
    );
  });
  await migrateAsOwner(server, name);
}

const migrateAsOwner = (server: string, name: string) =>
  migrate({ ownerUrl: urlOf(server, name, OWNER), appUser: { name: APP, password: passwordOf(server, APP) } });

/**
 * Makes the migrated database that the others are copied from (15 ms instead of a migration), once per server and state
 * of the migrations.
 * @returns its name
 */
export async function prepareTemplate(server: string): Promise<string> {
  const template = `cp_template_${await fingerprint(server)}`;
  await asSuperuser(server, async (client) => {
    const exists = async () => (await client.query('select from pg_database where datname = $1', [template])).rowCount;
    if (await exists()) return;
    await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    if (await exists()) return;
    await provisionOwner(client, server);
    const building = `${template}_building`;
    await client.query(`drop database if exists ${building}`);
    await client.query(`create database ${building} owner ${OWNER}`);
    await migrateAsOwner(server, building);
    await client.query(`alter role ${APP} login nobypassrls password ${pg.escapeLiteral(passwordOf(server, APP))}`);
    await whileInUse(() => client.query(`alter database ${building} rename to ${template}`));
  });
  return template;
}

/** The login a real deployment migrates with: not a superuser. */
async function provisionOwner(client: pg.Client, server: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [OWNER]);
  if (!rowCount) await client.query(`create role ${OWNER}`);
  const password = pg.escapeLiteral(passwordOf(server, OWNER));
  await client.query(`alter role ${OWNER} login createrole nobypassrls password ${password}`);
  // A given server may have the group from elsewhere; then its maker alone could grant it (PostgreSQL 16 on).
  const group = await client.query('select from pg_roles where rolname = $1', [APP_ROLE]);
  if (group.rowCount) await client.query(`grant ${APP_ROLE} to ${OWNER} with admin option`);
}

/** A template is out of date when a migration, what is set on the login or what the passwords are made from has changed. */
async function fingerprint(server: string): Promise<string> {
  const hash = createHash('sha256').update(passwordOf(server, APP));
  for (const name of ['migrate', 'login-settings']) {
    hash.update(await readFile(new URL(`../../src/db/${name}.js`, import.meta.url)));
  }
  for (const name of await listMigrations()) {
    hash.update(name).update(await readFile(new URL(`../../../migrations/${name}.sql`, import.meta.url)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The same in every test process, and not known to who does not know the superuser's password. */
function passwordOf(server: string, role: string): string {
  const { username, password } = new URL(server);
  return createHash('sha256').update(`${username}:${password}:${role}`).digest('hex');
}

function urlOf(server: string, database: string, role?: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (role) {
    url.username = role;
    url.password = passwordOf(server, role);
  }
  return url.href;
}

async function asSuperuser<T>(server: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
