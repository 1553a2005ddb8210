import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { appendEntries, type NewEntry } from '../activity-log/append.js';
import {
  type FoundOrder,
  findOrderIds,
  findReservationOrder,
  insertReservations,
  listReservationsOf,
  type ReservationRow,
  updateReservation,
} from './queries.js';
import type { ReservationResponse } from './schemas.js';
import { stateOf, toReservation } from './wire.js';

export interface ReservationOrderKey {
  customerId: string;
  reservationOrderId: string;
}

export interface ReservationKey extends ReservationOrderKey {
  reservationId: string;
}

/** The customer whose row this transaction has locked; its chain of the log moves on with every entry. */
export interface Locked {
  customer: LockedCustomer;
  now: Date;
}

/** A reservation order with all its reservations, read behind the lock of its customer. */
export interface LockedOrder extends Locked {
  order: FoundOrder;
  reservations: ReservationRow[];
}

/** A reservation order with all its reservations, as they stand in a transaction. */
export interface OrderRows {
  order: FoundOrder;
  reservations: ReservationRow[];
}

/** @throws ApiError ReservationOrderNotFound: it is not there, or another customer's */
export async function readOrder(db: Reading, partnerId: string, key: ReservationOrderKey): Promise<OrderRows> {
  const [order, reservations] = await Promise.all([
    findReservationOrder(db, partnerId, key.reservationOrderId),
    listReservationsOf(db, partnerId, key.reservationOrderId),
  ]);
  if (order?.customer_id !== key.customerId) throw new ApiError('ReservationOrderNotFound');
  return { order, reservations };
}

/** @throws ApiError CustomerNotFound, ReservationOrderNotFound */
export async function lockOrder(tx: Tx, act: Act, key: ReservationOrderKey): Promise<LockedOrder> {
  const [{ customer, now }, rows] = await Promise.all([
    lockCustomer(tx, act.partnerId, key.customerId),
    readOrder(tx, act.partnerId, key),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  return { ...rows, customer, now };
}

/** For a transaction that holds the lock already. @throws ApiError ReservationOrderNotFound */
export async function underLock(tx: Tx, act: Act, locked: Locked, key: ReservationOrderKey): Promise<LockedOrder> {
  return { ...(await readOrder(tx, act.partnerId, key)), ...locked };
}

/** @throws ApiError ReservationNotFound */
export function pickReservation(reservations: readonly ReservationRow[], reservationId: string): ReservationRow {
  const row = reservations.find(({ reservation_id }) => reservation_id === reservationId);
  if (!row) throw new ApiError('ReservationNotFound');
  return row;
}

const WHY_NOT: Readonly<Record<string, string>> = {
  PendingBilling: 'waits for the approval of the partner. Repeat this when it is approved.',
  Cancelled: 'is cancelled. Choose one that is in force.',
  Expired: 'has expired. Choose one that is in force.',
  Split: 'was split. Use those that it was split into.',
  Merged: 'was merged. Use the one that it was merged into.',
};

/** @throws ApiError NotInThisState for what is not in force */
export function demandInForce({ order, now }: LockedOrder, row: ReservationRow): void {
  const state = stateOf(order, row, now);
  if (state === 'Succeeded') return;
  throw new ApiError('NotInThisState', { description: `The reservation ${row.reservation_id} ${WHY_NOT[state]}` });
}

/**
 * Holds the `etag` number against `If-Match`, which may have it bare or in quotes.
 * @throws ApiError PreconditionFailed, InvalidInput
 */
export function demandEtag(row: ReservationRow, ifMatch: string | undefined): void {
  if (ifMatch === undefined) return;
  const wanted = parseIfMatch(/^\d+$/.test(ifMatch.trim()) ? quoted(ifMatch.trim()) : ifMatch);
  if (!matches(wanted, quoted(row.version))) throw new ApiError('PreconditionFailed');
}

/** The row after a change, as the next version. */
export function changed(row: ReservationRow, now: Date, columns: Partial<ReservationRow>): ReservationRow {
  return { ...row, ...columns, updated_on: now, version: row.version + 1 };
}

export interface Change {
  /** Undefined: the reservation is new. */
  from?: ReservationRow;
  to: ReservationRow;
}

/** Writes changed and new reservations, each with its revision and its entry in the log. */
export async function writeChanges(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  locked: LockedOrder,
  changes: readonly Change[],
): Promise<ReservationResponse[]> {
  const { order, customer, now } = locked;
  const orderIds = await findOrderIds(
    tx,
    act.partnerId,
    changes.map(({ to }) => to),
  );
  const by = nameOf(act.actor);
  const made = changes.filter(({ from }) => from === undefined).map(({ to }) => to);
  for (const { from, to } of changes) if (from) commitWith(updateReservation(tx, to, by));
  if (made.length > 0) commitWith(insertReservations(tx, made, by));
  const shown = changes.map(({ from, to }) => ({
    from: from && toReservation(order, from, now, { expand: 'renewProperties', orderIds }),
    to: toReservation(order, to, now, { expand: 'renewProperties', orderIds }),
  }));
  const entries = shown.map(
    ({ from, to }, index): NewEntry => ({
      operationType: 'update_reservation',
      resourceType: 'reservation',
      resourceId: changes[index]?.to.reservation_id ?? '',
      ...(from && { oldValue: from }),
      newValue: to,
      customizedData: [{ key: 'ReservationOrderId', value: order.reservation_order_id }],
    }),
  );
  appendEntries(tx, act, customer, now, entries, commitWith);
  return shown.map(({ to }) => to);
}
