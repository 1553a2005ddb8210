import type pg from 'pg';

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
