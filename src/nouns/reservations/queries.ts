import type { Selectable } from 'kysely';
import { insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { ReservationOrdersTable, ReservationsTable } from '../../db/tables.js';

export type ReservationOrderRow = Selectable<ReservationOrdersTable>;
export type ReservationRow = Selectable<ReservationsTable>;

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

export async function findReservationOrder(
  db: Reading,
  partnerId: string,
  reservationOrderId: string,
): Promise<ReservationOrderRow | undefined> {
  return db
    .selectFrom('reservation_orders')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('reservation_order_id', '=', reservationOrderId)
    .executeTakeFirst();
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
