import type { Selectable } from 'kysely';
import { readClock } from './clock.js';
import { compileOnce } from './compile-once.js';
import type { CustomersTable } from './tables.js';
import type { Tx } from './transaction.js';

/** The locked customer row. `log_seq` and `log_head` move on with every entry appended in this transaction. */
export type LockedCustomer = Selectable<CustomersTable>;

export interface CustomerLock {
  customer: LockedCustomer | undefined;
  /** The database's clock, read after the lock was granted: entries of a customer are in order of seq and of time. */
  now: Date;
}

const selectForUpdate = compileOnce(
  (db, $: { partnerId: string; customerId: string }) =>
    db
      .selectFrom('customers')
      .selectAll()
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId)
      .where('deleted_on', 'is', null)
      .forUpdate(),
  { customerId: 'uuid' },
);

/**
 * Locks one customer, the lock of everything its eligibility depends on. Closes the race in which a permission is
 * switched on while the role or subscription that allows it goes away: both sides come through here first, so the later
 * one sees what the earlier one committed. A lock on the rows that were read does not do: a suspension may be a row that
 * is not there yet.
 */
export async function lockCustomer(tx: Tx, partnerId: string, customerId: string): Promise<CustomerLock> {
  const [[customer], now] = await Promise.all([selectForUpdate(tx, { partnerId, customerId }), readClock(tx)]);
  return { customer, now };
}
