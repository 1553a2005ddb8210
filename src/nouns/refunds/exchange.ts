import type { CommitWith, Tx } from '../../db/connect.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries, type NewEntry } from '../activity-log/append.js';
import type { LogRow } from '../activity-log/queries.js';
import { insertOrder } from '../orders/queries.js';
import { orderRow } from '../purchases/purchase.js';
import type { Locked, OrderRows } from '../reservations/change.js';
import { insertReservation, type MadeReservation } from '../reservations/create.js';
import type { ReservationRow } from '../reservations/queries.js';
import { toReservation } from '../reservations/wire.js';
import {
  appraiseExchange,
  type ExchangeAppraisal,
  type PromisedExchange,
  type WantedExchange,
} from './appraise-exchange.js';
import { refusalOf } from './appraise-return.js';
import { createEntry, makePurchases } from './exchange-purchases.js';
import { giveBack, givenBackData, refundRow, writeGivenBack } from './given-back.js';
import { insertRefunds, type RefundRow } from './queries.js';

export interface Exchanged {
  appraisal: ExchangeAppraisal;
  /** In the order of the purchases. */
  made: MadeReservation[];
  entries: LogRow[];
}

/**
 * Exchanges reservations for others and logs it, in a transaction that has locked the customer: all of it or nothing.
 * Nothing of it counts in the limit of returns.
 * @param promised absent: it is priced now
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, ExchangeRefused, NotInThisState, RefundSessionOutdated
 */
export async function exchangeReservations(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  locked: Locked,
  wanted: WantedExchange,
  promised?: PromisedExchange,
): Promise<Exchanged> {
  const { customer, now } = locked;
  const appraisal = await appraiseExchange(tx, locked, wanted, promised);
  if (appraisal.reasons.length > 0) throw refusalOf('ExchangeRefused', appraisal.reasons);

  const made = makePurchases(act, locked, appraisal, promised);
  const created: NewEntry[] = [];
  for (const one of made) {
    const order = orderRow(one.made, one, null);
    commitWith(insertOrder(tx, order));
    insertReservation(tx, one.made, commitWith);
    created.push(createEntry(order, one.made, locked));
  }
  const given = giveBackAll(
    act,
    locked,
    appraisal,
    made.map((one) => one.made),
    promised?.sessionId,
  );
  commitWith(insertRefunds(tx, given.refunds));
  const entries = [...given.entries, ...created];
  for (const { state, changed } of given.orders.values()) {
    entries.push(...(await writeGivenBack(tx, act, commitWith, state, changed)));
  }
  return {
    appraisal,
    made: made.map((one) => one.made),
    entries: appendEntries(tx, act, customer, now, entries, commitWith),
  };
}

interface GivenBack {
  refunds: RefundRow[];
  /** By reservation order id: what it became, with the reservations of it that changed. */
  orders: Map<string, { state: OrderRows; changed: ReservationRow[] }>;
  entries: NewEntry[];
}

/** What becomes of the old reservations: each points to the new one in its place, those without one to the first. */
function giveBackAll(
  act: Act,
  locked: Locked,
  { returned }: ExchangeAppraisal,
  made: readonly MadeReservation[],
  sessionId: string | undefined,
): GivenBack {
  const orderIds = new Map(made.map(({ reservation: one }) => [one.reservation_id, one.reservation_order_id]));
  const all: GivenBack = { refunds: [], orders: new Map(), entries: [] };
  for (const [index, { before, reservation, refund }] of returned.entries()) {
    if (!refund) throw new Error('a return without a refund was judged good');
    const destination = (made[index] ?? made[0])?.reservation.reservation_id ?? null;
    const after = giveBack(before, reservation, refund, locked.now, destination);
    const orderId = before.order.reservation_order_id;
    const changed = all.orders.get(orderId)?.changed ?? [];
    all.orders.set(orderId, { state: after.state, changed: [...changed, after.reservation] });
    const row = refundRow(act, locked, { kind: 'exchange', reservation, refund, takenMinor: 0, reason: null });
    // The row of the session's own id says that the session was used.
    all.refunds.push(index === 0 && sessionId !== undefined ? { ...row, refund_id: sessionId } : row);
    all.entries.push({
      operationType: 'exchange_reservation',
      resourceType: 'reservation',
      resourceId: reservation.reservation_id,
      oldValue: toReservation(before.order, reservation, locked.now),
      newValue: toReservation(after.state.order, after.reservation, locked.now, { orderIds }),
      customizedData: [
        ...givenBackData(before.order, refund),
        { key: 'ExchangedFor', value: made.map((one) => one.order.reservation_order_id).join(',') },
      ],
    });
  }
  return all;
}
