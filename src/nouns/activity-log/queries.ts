import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import type { LogRow } from './append.js';

const insertEntry = insertOnce('activity_log', [
  'partner_id',
  'customer_id',
  'seq',
  'entry_id',
  'occurred_on',
  'action',
  'operation_type',
  'operation_status',
  'resource_type',
  'resource_id',
  'customer_name',
  'actor_type',
  'actor_id',
  'user_principal_name',
  'application_id',
  'request_id',
  'correlation_id',
  'old_value',
  'new_value',
  'customized_data',
  'evidence',
  'hash_version',
  'previous_hash',
  'hash',
]);

export async function insertLogEntries(tx: Tx, rows: readonly LogRow[]): Promise<void> {
  await Promise.all(rows.map((row) => insertEntry(tx, row)));
}

const updateHead = compileOnce((db, $: { partnerId: string; customerId: string; seq: number; head: Buffer }) =>
  db
    .updateTable('customers')
    .set({ log_seq: $.seq, log_head: $.head })
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId),
);

export async function updateLogHead(tx: Tx, partnerId: string, customer: LockedCustomer): Promise<void> {
  const { customer_id: customerId, log_seq: seq, log_head: head } = customer;
  await updateHead(tx, { partnerId, customerId, seq, head });
}
