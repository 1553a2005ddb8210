import pg from 'pg';
import type { Test } from 'tap';
import { holdRow, WAITING_FOR } from './locks.js';
import type { Service } from './service.js';

/**
 * Holds the lock of a customer while something is asked for, changes what it depends on, and lets go when the request
 * waits for the lock.
 * @param change statements of whoever came first, each with the customer's id as `$1`
 * @param ask sends the request that has to wait
 * @returns its answer
 */
export async function askBehindLock<T>(
  t: Test,
  { sql, urls }: Pick<Service, 'sql' | 'urls'>,
  customerId: string,
  change: readonly string[],
  ask: () => Promise<T>,
): Promise<T> {
  const holder = new pg.Client({ connectionString: urls.superuser });
  await holder.connect();
  t.teardown(() => holder.end());
  await holder.query('begin');
  const [row] = (await holder.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
  await holdRow(holder, customerId);
  for (const statement of change) await holder.query(statement, [customerId]);
  let answered = false;
  const asked = ask().finally(() => {
    answered = true;
  });
  asked.catch(() => {});
  let waits = false;
  while (!waits && !answered) {
    const waiting = await sql(WAITING_FOR, [row?.pid]);
    waits = waiting.length > 0;
  }
  t.ok(waits, 'it waits for whoever holds the customer');
  await holder.query('commit');
  return asked;
}
