import type pg from 'pg';

/** Of the session that migrates. */
const LOCK = 7_214_004;

/** Runs `work` when no other migrator of the database is at it: one of them applies all that is to be applied. */
export async function asOnlyMigrator<T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    return await work();
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
