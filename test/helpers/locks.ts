import type pg from 'pg';
import { RowLocked } from '../../src/errors/from-postgres.js';
import { citusUrl } from './citus.js';

/** Has a row for every session of the database that waits for a lock; on a cluster that is one on a worker as well. */
export const WAITING = `select pid from ${citusUrl === undefined ? 'pg_stat_activity' : 'citus_stat_activity'}
  where datname = current_database() and wait_event_type = 'Lock'`;

/** Has a row for every session that waits for the one whose process on the server asked is `$1`. */
export const WAITING_FOR =
  citusUrl === undefined
    ? 'select 1 from pg_stat_activity where $1::int = any (pg_blocking_pids(pid))'
    : 'select 1 from citus_lock_waits where blocking_gpid % 10000000000 = $1::int';

/** Takes the lock of a customer's row in the transaction. Citus has to be told the partner: it locks on one shard. */
export async function holdRow(client: pg.ClientBase, customerId: string): Promise<void> {
  const { rows } = await client.query('select partner_id from customers where customer_id = $1', [customerId]);
  await client.query('select from customers where partner_id = $1 and customer_id = $2 for update', [
    rows[0]?.partner_id,
    customerId,
  ]);
}

/**
 * Runs again what waited too long for a lock that many want, as a client does that is told so by a 503: how many are
 * served in time depends on the machine.
 */
export async function untilServed<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RowLocked)) throw error;
    }
  }
}
