import { type Selectable, sql } from 'kysely';
import { insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import { deleteExpired } from '../../db/forget.js';
import type { QuotesTable } from '../../db/tables.js';

export type QuoteRow = Selectable<QuotesTable>;

const insert = insertOnce('quotes', [
  'partner_id',
  'quote_id',
  'customer_id',
  'request',
  'price',
  'created_on',
  'created_by',
  'expires_on',
]);

export async function insertQuote(tx: Tx, row: QuoteRow): Promise<void> {
  await insert(tx, { ...row, request: JSON.stringify(row.request), price: JSON.stringify(row.price) });
}

/** Of that customer; a quote of another one is none. */
export async function findQuote(
  db: Reading,
  partnerId: string,
  customerId: string,
  quoteId: string,
): Promise<QuoteRow | undefined> {
  return db
    .selectFrom('quotes')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('quote_id', '=', quoteId)
    .where('customer_id', '=', customerId)
    .executeTakeFirst();
}

/** Forgets quotes that have expired; the price of a purchase is kept with its order. @returns whether more may wait */
export const deleteExpiredQuotes = (tx: Tx, partnerId: string, now: Date): Promise<boolean> =>
  deleteExpired(tx, 'quotes', partnerId, now);

/**
 * The customer and id of orders whose approval has not come in time. The status is a literal, as a generic plan would not
 * use the index `where status = 'pending'` for a parameter.
 */
export async function listLapsedOrders(
  db: Reading,
  partnerId: string,
  now: Date,
): Promise<{ customer_id: string; order_id: string }[]> {
  return db
    .selectFrom('orders')
    .select(['customer_id', 'order_id'])
    .where('partner_id', '=', partnerId)
    .where('status', '=', sql.lit('pending'))
    .where('approval_expires_on', '<=', now)
    .orderBy('approval_expires_on')
    .limit(500)
    .execute();
}
