import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { APP_ROLE, migrate } from '../../src/db/migrate.js';
import { createTestDatabase, type TestDatabase } from '../helpers/database.js';

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
