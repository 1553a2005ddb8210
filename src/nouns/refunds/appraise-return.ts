import type { Reading } from '../../db/connect.js';
import { ApiError, type Reason } from '../../errors/api-error.js';
import { findPrice, findRetailUnitPrice } from '../prices/find-price.js';
import { findReservationType } from '../products/reservation-types.js';
import { type Locked, type OrderRows, pickReservation, readOrder } from '../reservations/change.js';
import type { ReservationOrderRow, ReservationRow } from '../reservations/queries.js';
import { livingUnits, type Units } from './given-back.js';
import { judgeQuantity, judgeReturn, type LimitUse } from './judge-return.js';
import { limitTaken } from './limit.js';
import { getConsumedLimit } from './queries.js';
import { type Refund, refundOf } from './refund.js';
import { DAY_MILLISECONDS, feePercent, type RefundFee, refundLimit } from './rules.js';

/** Amounts that a session promised: they hold while the order is as it was. */
export interface Promised {
  sessionId: string;
  pricedAt: Date;
  orderVersion: number;
  /** The customer's price of a unit at that time; null: there was none to compare with. */
  currentUnitMinor: number | null;
}

export interface Appraisal {
  state: OrderRows;
  reservation: ReservationRow;
  /** Undefined where so many cannot be given back. */
  refund: Refund | undefined;
  currentUnitMinor: number | undefined;
  limitUse: LimitUse;
  /** Why it is refused; empty: it is not. */
  reasons: Reason[];
}

/** The customer's price of one more unit, in the currency of the order. */
async function findCurrentUnit(db: Reading, order: ReservationOrderRow, at: Date): Promise<number | undefined> {
  const price = await findPrice(db, order.partner_id, { ...priceKeyOf(order), quantity: 1, at });
  return price?.currencyCode === order.currency_code ? price.unitMinor : undefined;
}

const priceKeyOf = (order: ReservationOrderRow) => ({
  customerId: order.customer_id,
  reservedResourceType: order.reserved_resource_type,
  skuName: order.sku_name,
  location: order.location,
  term: order.term,
});

/** What the return would take of the customer's limit, and what is taken of it. */
async function appraiseLimit(
  db: Reading,
  order: ReservationOrderRow,
  commitmentMinor: number,
  now: Date,
): Promise<LimitUse> {
  const { partner_id: partnerId, customer_id: customerId, currency_code: currencyCode } = order;
  const limit = refundLimit(now);
  const consumed = getConsumedLimit(db, partnerId, customerId, windowStart(now));
  if (currencyCode === limit.currencyCode) {
    return { limit, consumedMinor: await consumed, takenMinor: commitmentMinor };
  }
  const retailIn = (code: string) =>
    findRetailUnitPrice(db, partnerId, { ...priceKeyOf(order), currencyCode: code, at: now });
  const [consumedMinor, inOrderCurrency, inLimitCurrency] = await Promise.all([
    consumed,
    retailIn(currencyCode),
    retailIn(limit.currencyCode),
  ]);
  const takenMinor = limitTaken(commitmentMinor, currencyCode, limit.currencyCode, {
    inOrderCurrency,
    inLimitCurrency,
  });
  return { limit, consumedMinor, takenMinor };
}

/** A return counts until its window has passed: 365 days after it was made it comes back. */
export function windowStart(now: Date): Date {
  return new Date(now.getTime() - refundLimit(now).windowDays * DAY_MILLISECONDS);
}

/**
 * Prices and judges a return, on rows read under the customer's lock.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound; RefundSessionOutdated where the order has changed since
 *   the amounts were promised
 */
export async function appraiseReturn(
  db: Reading,
  fees: readonly RefundFee[],
  { customer, now }: Locked,
  units: Units,
  promised?: Promised,
): Promise<Appraisal> {
  const { partner_id: partnerId, customer_id: customerId } = customer;
  const state = await readOrder(db, partnerId, { customerId, reservationOrderId: units.reservationOrderId });
  const reservation = pickReservation(state.reservations, units.reservationId);
  const { order } = state;
  if (promised && promised.orderVersion !== order.version) throw new ApiError('RefundSessionOutdated');
  const at = promised?.pricedAt ?? now;
  const currentUnitMinor = promised ? (promised.currentUnitMinor ?? undefined) : await findCurrentUnit(db, order, at);
  const possible = judgeQuantity(reservation, units.quantity, now).length === 0;
  const refund = possible
    ? refundOf(order, livingUnits(state), units.quantity, at, {
        currentUnitMinor,
        feePercent: feePercent(fees, order.benefit_start_on, at),
      })
    : undefined;
  const limitUse = await appraiseLimit(db, order, refund?.commitmentMinor ?? 0, now);
  const type = findReservationType(reservation.reserved_resource_type);
  const reasons = judgeReturn(reservation, type, units.quantity, limitUse, now);
  return { state, reservation, refund, currentUnitMinor, limitUse, reasons };
}

/** The refusal of a return or exchange: its code is the first reason's. */
export function refusalOf(name: 'ReturnRefused' | 'ExchangeRefused', reasons: readonly Reason[]): ApiError {
  const [first] = reasons;
  const state = reasons.some(({ code }) => code === 'OperationCannotBePerformedInCurrentState');
  return new ApiError(state ? 'NotInThisState' : name, {
    reasons,
    ...(first && { description: first.message, ...(!state && { armCode: first.code }) }),
  });
}
