import type { Selectable } from 'kysely';
import { insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { OrdersTable } from '../../db/tables.js';

export type OrderRow = Selectable<OrdersTable>;

const insert = insertOnce('orders', [
  'partner_id',
  'customer_id',
  'order_id',
  'kind',
  'origin',
  'status',
  'billing_cycle',
  'currency_code',
  'total_minor',
  'lines',
  'bought_by_id',
  'bought_by',
  'created_on',
  'approval_expires_on',
  'decided_on',
  'decided_by',
  'version',
]);

export async function insertOrder(tx: Tx, row: OrderRow): Promise<void> {
  await insert(tx, { ...row, lines: JSON.stringify(row.lines) });
}

export async function findOrder(
  db: Reading,
  partnerId: string,
  customerId: string,
  orderId: string,
): Promise<OrderRow | undefined> {
  return db
    .selectFrom('orders')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('order_id', '=', orderId)
    .executeTakeFirst();
}

/** Partner's and customer's purchases together, oldest first; all of them: the original pages them neither. */
export async function listOrders(
  db: Reading,
  partnerId: string,
  customerId: string,
  filter: { billingCycle?: string },
): Promise<OrderRow[]> {
  const { billingCycle } = filter;
  return db
    .selectFrom('orders')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .$if(billingCycle !== undefined, (query) => query.where('billing_cycle', '=', billingCycle ?? ''))
    .orderBy('created_on')
    .orderBy('order_id')
    .execute();
}

/** Writes what became of a pending order. The caller has raised `version`. */
export async function updateOrderStatus(tx: Tx, row: OrderRow): Promise<void> {
  await tx
    .updateTable('orders')
    .set({
      status: row.status,
      approval_expires_on: row.approval_expires_on,
      decided_on: row.decided_on,
      decided_by: row.decided_by,
      version: row.version,
    })
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('order_id', '=', row.order_id)
    .execute();
}
