import type { Reading } from '../../db/connect.js';
import type { OrderLine } from '../../db/tables.js';
import type { ReservationOrderRow, ReservationRow } from '../reservations/queries.js';

/** A reservation order with the order that it was bought by. */
export type BoughtReservationOrder = ReservationOrderRow & { lines: OrderLine[]; approval_expires_on: Date | null };

/** All reservation orders of the customer, the oldest first: the original pages entitlements neither. */
export async function listBoughtOrders(
  db: Reading,
  partnerId: string,
  customerId: string,
  reservationOrderId?: string,
): Promise<BoughtReservationOrder[]> {
  return db
    .selectFrom('reservation_orders as r')
    .innerJoin('orders as o', (join) =>
      join
        .onRef('o.partner_id', '=', 'r.partner_id')
        .onRef('o.customer_id', '=', 'r.customer_id')
        .onRef('o.order_id', '=', 'r.order_id'),
    )
    .selectAll('r')
    .select(['o.lines', 'o.approval_expires_on'])
    .where('r.partner_id', '=', partnerId)
    .where('r.customer_id', '=', customerId)
    .where('o.partner_id', '=', partnerId)
    .where('o.customer_id', '=', customerId)
    .$if(reservationOrderId !== undefined, (query) =>
      query.where('r.reservation_order_id', '=', reservationOrderId ?? ''),
    )
    .orderBy('r.created_on')
    .orderBy('r.reservation_order_id')
    .execute();
}

/** All reservations of the customer, also those that are gone. */
export async function listReservations(db: Reading, partnerId: string, customerId: string): Promise<ReservationRow[]> {
  return db
    .selectFrom('reservations')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .orderBy('reservation_order_id')
    .orderBy('reservation_id')
    .execute();
}
