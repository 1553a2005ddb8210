import { type Selectable, sql } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import { deleteExpired } from '../../db/forget.js';
import type { RefundSessionsTable, RefundsTable } from '../../db/reservation-tables.js';

export type RefundRow = Selectable<RefundsTable>;
export type RefundSessionRow = Selectable<RefundSessionsTable>;

/** A session that was used answers the same again, as long as the reply to a request is kept. */
const KEPT_MILLISECONDS = 24 * 60 * 60 * 1000;

export async function insertRefundSession(tx: Tx, row: RefundSessionRow): Promise<void> {
  await tx
    .insertInto('refund_sessions')
    .values({ ...row, request: JSON.stringify(row.request), result: JSON.stringify(row.result) })
    .execute();
}

export async function findRefundSession(
  db: Reading,
  partnerId: string,
  sessionId: string,
  kind: RefundSessionRow['kind'],
): Promise<RefundSessionRow | undefined> {
  return db
    .selectFrom('refund_sessions')
    .select(['partner_id', 'session_id', 'customer_id', 'kind', 'request', 'result', 'created_on', 'expires_on'])
    .where('partner_id', '=', partnerId)
    .where('session_id', '=', sessionId)
    .where('kind', '=', kind)
    .executeTakeFirst();
}

/** @returns whether more may wait */
export const deleteExpiredRefundSessions = (tx: Tx, partnerId: string, now: Date): Promise<boolean> =>
  deleteExpired(tx, 'refund_sessions', partnerId, new Date(now.getTime() - KEPT_MILLISECONDS));

const REFUND_COLUMNS = [
  'partner_id',
  'customer_id',
  'refund_id',
  'kind',
  'reservation_order_id',
  'reservation_id',
  'quantity',
  'currency_code',
  'refund_minor',
  'fee_minor',
  'cancelled_commitment_minor',
  'limit_usd_minor',
  'reason',
  'created_on',
  'created_by',
] as const;

export async function insertRefunds(tx: Tx, rows: readonly RefundRow[]): Promise<void> {
  await tx.insertInto('refunds').values(rows).execute();
}

export async function findRefund(
  db: Reading,
  partnerId: string,
  customerId: string,
  refundId: string,
): Promise<RefundRow | undefined> {
  return db
    .selectFrom('refunds')
    .select(REFUND_COLUMNS)
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('refund_id', '=', refundId)
    .executeTakeFirst();
}

/** What returns after a time took of the limit, in its minor units. */
export async function getConsumedLimit(
  db: Reading,
  partnerId: string,
  customerId: string,
  after: Date,
): Promise<number> {
  const { consumed } = await db
    .selectFrom('refunds')
    .select(sql<number>`coalesce(sum(limit_usd_minor), 0)::bigint`.as('consumed'))
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('created_on', '>', after)
    .executeTakeFirstOrThrow();
  return consumed;
}

/** Those after a time that take of the limit, oldest first. */
export async function listLimitedRefunds(
  db: Reading,
  partnerId: string,
  customerId: string,
  after: Date,
  limit: number,
): Promise<RefundRow[]> {
  return db
    .selectFrom('refunds')
    .select(REFUND_COLUMNS)
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('created_on', '>', after)
    .where('limit_usd_minor', '>', 0)
    .orderBy('created_on')
    .orderBy('refund_id')
    .limit(limit)
    .execute();
}

/**
 * Cancels a completed order that was of reservations alone when none of them lives any more.
 * @returns whether it was cancelled now
 */
export async function cancelReturnedOrder(
  tx: Tx,
  partnerId: string,
  customerId: string,
  orderId: string,
): Promise<boolean> {
  const rows = await tx
    .updateTable('orders')
    .set((eb) => ({ status: 'cancelled', version: eb('version', '+', 1) }))
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('order_id', '=', orderId)
    .where('kind', '=', 'reservation')
    .where('status', '=', 'completed')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('reservation_orders as r')
            .select('r.reservation_order_id')
            .where('r.partner_id', '=', partnerId)
            .where('r.customer_id', '=', customerId)
            .where('r.order_id', '=', orderId)
            .where('r.provisioning_state', '<>', 'Cancelled'),
        ),
      ),
    )
    .returning('order_id')
    .execute();
  return rows.length > 0;
}
