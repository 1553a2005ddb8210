import type { CommitWith, Tx } from '../../db/connect.js';
import { toDecimal } from '../../lib/money.js';
import { uuidv7 } from '../../lib/uuid.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import type { NewEntry } from '../activity-log/append.js';
import { changed, type Locked, type OrderRows, type ReservationKey } from '../reservations/change.js';
import {
  type ReservationOrderRow,
  type ReservationRow,
  updateReservation,
  updateReservationOrder,
} from '../reservations/queries.js';
import { cancelReturnedOrder, type RefundRow } from './queries.js';
import type { Refund } from './refund.js';

/** Some units of a reservation. */
export interface Units extends Omit<ReservationKey, 'customerId'> {
  quantity: number;
}

/** Units of the order that are neither returned nor exchanged. */
export function livingUnits({ reservations }: OrderRows): number {
  return reservations
    .filter(({ provisioning_state }) => provisioning_state === 'Succeeded')
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

/** What units given back make of a reservation and its order; the rest of the reservation lives on. */
export function giveBack(
  state: OrderRows,
  reservation: ReservationRow,
  refund: Refund,
  now: Date,
  swapDestination: string | null = null,
): { state: OrderRows; reservation: ReservationRow } {
  const { order } = state;
  const whole = refund.quantity === reservation.quantity;
  const ended = { renew: false, renew_properties: null, swap_destination: swapDestination };
  const given = changed(
    reservation,
    now,
    whole ? { ...ended, provisioning_state: 'Cancelled' } : { quantity: reservation.quantity - refund.quantity },
  );
  const reservations = state.reservations.map((one) => (one.reservation_id === given.reservation_id ? given : one));
  const over = livingUnits({ order, reservations }) === 0;
  return {
    state: {
      order: {
        ...order,
        provisioning_state: over ? 'Cancelled' : order.provisioning_state,
        payments: refund.payments,
        version: order.version + 1,
      },
      reservations,
    },
    reservation: given,
  };
}

/** What the log says of units given back, beside the reservation before and after. */
export function givenBackData(order: ReservationOrderRow, refund: Refund) {
  const money = (minor: number) => `${toDecimal(minor, refund.currencyCode)} ${refund.currencyCode}`;
  return [
    { key: 'ReservationOrderId', value: order.reservation_order_id },
    { key: 'OrderId', value: order.order_id },
    { key: 'Quantity', value: String(refund.quantity) },
    { key: 'Refund', value: money(refund.refundMinor) },
    { key: 'Fee', value: money(refund.feeMinor) },
    { key: 'CancelledCommitment', value: money(refund.commitmentMinor) },
  ];
}

export function refundRow(
  act: Act,
  { customer, now }: Locked,
  of: {
    kind: RefundRow['kind'];
    reservation: ReservationRow;
    refund: Refund;
    takenMinor: number;
    reason: string | null;
  },
): RefundRow {
  const { reservation, refund } = of;
  return {
    partner_id: customer.partner_id,
    customer_id: customer.customer_id,
    refund_id: uuidv7(now.getTime()),
    kind: of.kind,
    reservation_order_id: reservation.reservation_order_id,
    reservation_id: reservation.reservation_id,
    quantity: refund.quantity,
    currency_code: refund.currencyCode,
    refund_minor: refund.refundMinor,
    fee_minor: refund.feeMinor,
    cancelled_commitment_minor: refund.commitmentMinor,
    limit_usd_minor: of.takenMinor,
    reason: of.reason,
    created_on: now,
    created_by: nameOf(act.actor),
  };
}

/** Writes an order and those of its reservations that changed; answers what to log where that ended the whole purchase. */
export async function writeGivenBack(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  { order }: OrderRows,
  rows: readonly ReservationRow[],
): Promise<NewEntry[]> {
  for (const reservation of rows) commitWith(updateReservation(tx, reservation, nameOf(act.actor)));
  // Before the order of Partner Center is looked at: whether it ends depends on this row.
  await updateReservationOrder(tx, order);
  if (order.provisioning_state !== 'Cancelled') return [];
  const { partner_id: partnerId, customer_id: customerId, order_id: orderId } = order;
  if (!(await cancelReturnedOrder(tx, partnerId, customerId, orderId))) return [];
  return [
    {
      operationType: 'update_order',
      resourceType: 'order',
      resourceId: orderId,
      oldValue: { id: orderId, status: 'completed' },
      newValue: { id: orderId, status: 'cancelled' },
    },
  ];
}
