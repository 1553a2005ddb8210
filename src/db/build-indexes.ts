import { setTimeout } from 'node:timers/promises';
import pg from 'pg';

/** Of the session that builds. A row lock does not do: whoever waits for one has a snapshot, and the build waits for that. */
const LOCK = 7_214_003;
const LOOK_MS = 100;

const CHANGE =
  /^(?:create index if not exists (?<made>\w+) on (?<table>\w+)\b[^;]*|drop index if exists (?<dropped>\w+));/gm;

/**
 * Builds the indexes that migrations add to tables which are there already, and drops those that they drop, before they
 * are applied and find it done. Inside a migration a build keeps all writers of its table waiting, and a drop takes the
 * strongest lock behind weaker ones: with writers waiting in between that is a deadlock at once. They are those written
 * `if not exists` and `if exists`.
 * @param texts of the migrations to come
 */
export async function buildIndexes(pool: pg.Pool, texts: readonly string[]): Promise<void> {
  const client = await pool.connect();
  try {
    const is = async (condition: string, name: string) =>
      (await client.query(`select ${condition} as holds`, [name])).rows[0].holds as boolean;
    const drop = (index: string) => client.query(`drop index concurrently if exists ${pg.escapeIdentifier(index)}`);
    for (const { 0: statement, groups } of texts.flatMap((text) => [...text.matchAll(CHANGE)])) {
      const { made = '', table = '', dropped } = groups ?? {};
      if (await is('to_regclass($1) is null', dropped ?? table)) continue;
      while (!(await is('pg_try_advisory_lock($1::int)', String(LOCK)))) await setTimeout(LOOK_MS);
      if (dropped) await drop(dropped);
      else {
        // What a migrator that was killed has left.
        if (await is('exists (select from pg_index where indexrelid = to_regclass($1) and not indisvalid)', made)) {
          await drop(made);
        }
        await client.query(statement.replace('create index', 'create index concurrently'));
      }
      await client.query('select pg_advisory_unlock($1)', [LOCK]);
    }
  } finally {
    // The lock ends with its session.
    client.release(true);
  }
}
