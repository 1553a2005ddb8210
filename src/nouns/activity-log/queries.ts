import type { Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import type { LogRow } from './append.js';

export async function insertLogEntries(tx: Tx, rows: readonly LogRow[]): Promise<void> {
  await tx.insertInto('activity_log').values(rows).execute();
}

export async function updateLogHead(tx: Tx, partnerId: string, customer: LockedCustomer): Promise<void> {
  await tx
    .updateTable('customers')
    .set({ log_seq: customer.log_seq, log_head: customer.log_head })
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customer.customer_id)
    .execute();
}
