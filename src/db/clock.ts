import { sql } from 'kysely';
import { compileOnce } from './compile-once.js';
import type { Reading } from './transaction.js';

const selectClock = compileOnce((db) => db.selectNoFrom(sql<Date>`clock_timestamp()`.as('now')), {});

/** The database's clock when the statement runs: the same for every instance of the service. */
export async function readClock(db: Reading): Promise<Date> {
  const [row] = await selectClock(db, {});
  const now = row?.now;
  if (!now) throw new Error('the database did not tell the time');
  return now;
}
