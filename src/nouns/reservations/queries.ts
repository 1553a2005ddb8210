import { type Selectable, type SqlBool, sql } from 'kysely';
import { insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { ReservationOrdersTable, ReservationsTable } from '../../db/tables.js';

export type ReservationOrderRow = Selectable<ReservationOrdersTable>;
export type ReservationRow = Selectable<ReservationsTable>;
/** With the date until which the purchase waits for the partner's approval; null: it does not wait. */
export type FoundOrder = ReservationOrderRow & { approval_expires_on: Date | null };

const insertOrder = insertOnce('reservation_orders', [
  'partner_id',
  'reservation_order_id',
  'customer_id',
  'order_id',
  'line_number',
  'origin',
  'display_name',
  'reserved_resource_type',
  'sku_name',
  'location',
  'term',
  'billing_plan',
  'original_quantity',
  'billing_subscription_id',
  'provisioning_state',
  'currency_code',
  'unit_minor',
  'total_minor',
  'retail_unit_price',
  'price_book_version',
  'payments',
  'requested_on',
  'created_on',
  'benefit_start_on',
  'expires_on',
  'review_on',
  'bought_by_id',
  'bought_by',
  'owner_ids',
  'version',
]);

export async function insertReservationOrder(tx: Tx, row: ReservationOrderRow): Promise<void> {
  await insertOrder(tx, { ...row, payments: JSON.stringify(row.payments) });
}

/** Inserts reservations, each with its first revision. */
export async function insertReservations(tx: Tx, rows: readonly ReservationRow[], changedBy: string): Promise<void> {
  await Promise.all([
    tx
      .insertInto('reservations')
      .values(
        rows.map((row) => ({ ...row, renew_properties: row.renew_properties && JSON.stringify(row.renew_properties) })),
      )
      .execute(),
    insertRevisions(tx, rows, changedBy),
  ]);
}

/** What the reservations became; `version` and `updated_on` are those of the rows. */
export async function insertRevisions(tx: Tx, rows: readonly ReservationRow[], changedBy: string): Promise<void> {
  await tx
    .insertInto('reservation_revisions')
    .values(
      rows.map((row) => ({
        partner_id: row.partner_id,
        reservation_order_id: row.reservation_order_id,
        reservation_id: row.reservation_id,
        version: row.version,
        customer_id: row.customer_id,
        content: JSON.stringify(row),
        changed_on: row.updated_on,
        changed_by: changedBy,
      })),
    )
    .execute();
}

/** `= any`, not `in`: one statement text, and so one plan, for any number of ids. */
export function anyOf(column: string, ids: readonly string[]) {
  return sql<SqlBool>`${sql.ref(column)} = any(${[...ids]}::uuid[])`;
}

/** Reservation orders with what the order of the purchase says of them. */
export function selectOrders(db: Reading, partnerId: string) {
  return db
    .selectFrom('reservation_orders as o')
    .innerJoin('orders as p', (join) =>
      join
        .onRef('p.partner_id', '=', 'o.partner_id')
        .onRef('p.customer_id', '=', 'o.customer_id')
        .onRef('p.order_id', '=', 'o.order_id'),
    )
    .selectAll('o')
    .select('p.approval_expires_on')
    .where('o.partner_id', '=', partnerId)
    .where('p.partner_id', '=', partnerId);
}

export async function findReservationOrder(
  db: Reading,
  partnerId: string,
  reservationOrderId: string,
): Promise<FoundOrder | undefined> {
  return selectOrders(db, partnerId).where('o.reservation_order_id', '=', reservationOrderId).executeTakeFirst();
}

/** Of one order, oldest first: those that were split, merged or returned too. */
export async function listReservationsOf(
  db: Reading,
  partnerId: string,
  reservationOrderId: string,
): Promise<ReservationRow[]> {
  return db
    .selectFrom('reservations')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('reservation_order_id', '=', reservationOrderId)
    .orderBy('reservation_id')
    .execute();
}

/** Writes the changed columns of a reservation and keeps them as a revision. The caller has raised `version`. */
export async function updateReservation(tx: Tx, row: ReservationRow, changedBy: string): Promise<void> {
  const { partner_id, reservation_order_id, reservation_id, customer_id: _, ...rest } = row;
  const {
    sku_name: _sku,
    location: _location,
    reserved_resource_type: _type,
    purchased_on: _purchased,
    ...columns
  } = rest;
  await Promise.all([
    tx
      .updateTable('reservations')
      .set({ ...columns, renew_properties: columns.renew_properties && JSON.stringify(columns.renew_properties) })
      .where('partner_id', '=', partner_id)
      .where('reservation_order_id', '=', reservation_order_id)
      .where('reservation_id', '=', reservation_id)
      .execute(),
    insertRevisions(tx, [row], changedBy),
  ]);
}

/** The reservation orders of what the reservations were renewed or exchanged from and to, by reservation id. */
export async function findOrderIds(
  db: Reading,
  partnerId: string,
  rows: readonly ReservationRow[],
): Promise<Map<string, string>> {
  const relatives = rows
    .flatMap((row) => [row.renew_source, row.renew_destination, row.swap_source, row.swap_destination])
    .filter((id) => id !== null);
  if (relatives.length === 0) return new Map();
  const found = await db
    .selectFrom('reservations')
    .select(['reservation_id', 'reservation_order_id'])
    .where('partner_id', '=', partnerId)
    .where(anyOf('customer_id', [...new Set(rows.map((row) => row.customer_id))]))
    .where(anyOf('reservation_id', relatives))
    .execute();
  return new Map(found.map((row) => [row.reservation_id, row.reservation_order_id]));
}

/** Of those named, the Azure subscriptions that this partner bought for the customer and that are active. */
export async function listScopeSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
  azureSubscriptionIds: readonly string[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('azure_subscriptions as a')
    .innerJoin('subscriptions as s', (join) =>
      join
        .onRef('s.partner_id', '=', 'a.partner_id')
        .onRef('s.customer_id', '=', 'a.customer_id')
        .onRef('s.subscription_id', '=', 'a.subscription_id'),
    )
    .select('a.azure_subscription_id')
    .where('a.partner_id', '=', partnerId)
    .where('s.partner_id', '=', partnerId)
    .where('a.customer_id', '=', customerId)
    .where(anyOf('a.azure_subscription_id', azureSubscriptionIds))
    .where('a.status', '=', 'active')
    .where('a.arm_state', '=', 'Enabled')
    .where('s.status', '=', 'active')
    .execute();
  return new Set(rows.map((row) => row.azure_subscription_id));
}

/** What a reservation was, newest first. */
export async function listRevisions(
  db: Reading,
  partnerId: string,
  reservation: Pick<ReservationRow, 'reservation_order_id' | 'reservation_id'>,
  page: { below: number | undefined; limit: number },
) {
  const { below } = page;
  return db
    .selectFrom('reservation_revisions')
    .select(['version', 'content'])
    .where('partner_id', '=', partnerId)
    .where('reservation_order_id', '=', reservation.reservation_order_id)
    .where('reservation_id', '=', reservation.reservation_id)
    .$if(below !== undefined, (query) => query.where('version', '<', below ?? 0))
    .orderBy('version', 'desc')
    .limit(page.limit)
    .execute();
}

/** Writes the columns of a reservation order that can change. The caller has raised `version`. */
export async function updateReservationOrder(tx: Tx, row: ReservationOrderRow): Promise<void> {
  await tx
    .updateTable('reservation_orders')
    .set({
      display_name: row.display_name,
      provisioning_state: row.provisioning_state,
      payments: JSON.stringify(row.payments),
      benefit_start_on: row.benefit_start_on,
      expires_on: row.expires_on,
      review_on: row.review_on,
      version: row.version,
    })
    .where('partner_id', '=', row.partner_id)
    .where('reservation_order_id', '=', row.reservation_order_id)
    .execute();
}
