import { CompiledQuery } from 'kysely';
import type { Reading } from './connect.js';

const CLOCK = CompiledQuery.raw('select clock_timestamp() as now') as CompiledQuery<{ now: Date }>;

/** The database's clock when the statement runs: the same for every instance of the service. */
export async function readClock(db: Reading): Promise<Date> {
  const { rows } = await db.executeQuery(CLOCK);
  const now = rows[0]?.now;
  if (!now) throw new Error('the database did not tell the time');
  return now;
}
