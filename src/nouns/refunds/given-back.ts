import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { toDecimal } from '../../lib/money.js';
import { uuidv7 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import type { NewEntry } from '../activity-log/append.js';
import { changedBy } from '../purchase-permissions/service.js';
import {
  findReservationOrder,
  listReservationsOf,
  type ReservationOrderRow,
  type ReservationRow,
  updateReservation,
  updateReservationOrder,
} from '../reservations/queries.js';
import { cancelReturnedOrder, type RefundRow } from './queries.js';
import type { Refund } from './refund.js';

/** Some units of a reservation. */
export interface Units {
  reservationOrderId: string;
  reservationId: string;
  quantity: number;
}

/** The customer whose row this transaction has locked; its chain of the log moves on with every entry. */
export interface Locked {
  customer: LockedCustomer;
  now: Date;
}

/** A reservation order with all its reservations, as they stand in this transaction. */
export interface OrderState {
  order: ReservationOrderRow;
  reservations: ReservationRow[];
}

/**
 * @throws ApiError ReservationOrderNotFound: it is not there, or of another customer
 */
export async function getOrderState(
  db: Reading,
  partnerId: string,
  customerId: string,
  reservationOrderId: string,
): Promise<OrderState> {
  const [order, reservations] = await Promise.all([
    findReservationOrder(db, partnerId, reservationOrderId),
    listReservationsOf(db, partnerId, reservationOrderId),
  ]);
  if (order?.customer_id !== customerId) throw new ApiError('ReservationOrderNotFound');
  return { order, reservations };
}

/** @throws ApiError ReservationNotFound */
export function getReservation({ reservations }: OrderState, reservationId: string): ReservationRow {
  const reservation = reservations.find(({ reservation_id }) => reservation_id === reservationId);
  if (!reservation) throw new ApiError('ReservationNotFound');
  return reservation;
}

/** Units of the order that are neither returned nor exchanged. */
export function livingUnits({ reservations }: OrderState): number {
  return reservations
    .filter(({ provisioning_state }) => provisioning_state === 'Succeeded')
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

/** What units given back make of a reservation and its order; the rest of the reservation lives on. */
export function giveBack(
  state: OrderState,
  reservation: ReservationRow,
  refund: Refund,
  now: Date,
  swapDestination: string | null = null,
): { state: OrderState; reservation: ReservationRow } {
  const { order } = state;
  const whole = refund.quantity === reservation.quantity;
  const changed: ReservationRow = {
    ...reservation,
    ...(whole
      ? { provisioning_state: 'Cancelled', renew: false, swap_destination: swapDestination }
      : { quantity: reservation.quantity - refund.quantity }),
    updated_on: now,
    version: reservation.version + 1,
  };
  const reservations = state.reservations.map((one) => (one.reservation_id === changed.reservation_id ? changed : one));
  const ended = livingUnits({ order, reservations }) === 0;
  return {
    state: {
      order: {
        ...order,
        provisioning_state: ended ? 'Cancelled' : order.provisioning_state,
        payments: refund.payments,
        version: order.version + 1,
      },
      reservations,
    },
    reservation: changed,
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
    created_by: changedBy(act.actor),
  };
}

/** Writes an order and those of its reservations that changed; answers what to log where that ended the whole purchase. */
export async function writeGivenBack(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  { order }: OrderState,
  changed: readonly ReservationRow[],
): Promise<NewEntry[]> {
  for (const reservation of changed) commitWith(updateReservation(tx, reservation, changedBy(act.actor)));
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
