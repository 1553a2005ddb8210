import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';

/** Of the session that migrates. */
export const MIGRATOR_LOCK = 7_214_003;
const LOOK_MS = 100;

/**
 * Runs `work`, with the session that has the lock, when no other migrator of the database is at it: one of them applies
 * all that is to be applied. Who waits looks now and then: whoever waits in the server has a snapshot, and an index that is
 * built concurrently waits for that.
 */
export async function asOnlyMigrator<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const isFree = async () =>
    (await client.query<{ free: boolean }>('select pg_try_advisory_lock($1) as free', [MIGRATOR_LOCK])).rows[0]?.free;
  // Without a listener a session that is cut off ends the process. Each migration still has the lock of Kysely's migrator.
  client.on('error', () => {});
  try {
    while (!(await isFree())) await setTimeout(LOOK_MS);
    return await work(client);
  } finally {
    // The lock ends with its session.
    client.release(true);
  }
}

/**
 * Runs `work` in a transaction that has to itself what is done after the migrations: two migrators at once would change
 * the same role (`tuple concurrently updated`) and distribute the same table.
 * @param pool of the owner of the tables, once the migrator's own tables are there
 */
export async function withMigrationLock<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select from kysely_migration_lock for update');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}
