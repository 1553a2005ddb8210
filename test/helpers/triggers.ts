import pg from 'pg';

/**
 * Makes or drops triggers, statement by statement, as a superuser. On a cluster they run on the workers, which Citus
 * allows by a setting that nobody else knows.
 */
export async function changeTriggers(superuserUrl: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  try {
    await client.query('set citus.enable_unsafe_triggers = on');
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
