import type { Reading } from '../../db/connect.js';
import type { QuotedPrice } from '../../db/purchase-tables.js';
import { ApiError, type Reason } from '../../errors/api-error.js';
import { findPrice } from '../prices/find-price.js';
import { findReservationType } from '../products/reservation-types.js';
import { loadFacts } from '../purchase-permissions/facts-queries.js';
import { azureSubscriptionFlaw } from '../purchase-permissions/judge-subscription.js';
import { subscriptionOf } from '../reservations/applied-scope.js';
import { type Locked, type OrderRows, pickReservation, readOrder } from '../reservations/change.js';
import type { WantedPurchase } from '../reservations/purchase-request.js';
import type { ReservationRow } from '../reservations/queries.js';
import { giveBack, livingUnits, type Units } from './given-back.js';
import { type ExchangePurchase, judgeExchange } from './judge-exchange.js';
import { judgeQuantity } from './judge-return.js';
import { type Refund, refundOf } from './refund.js';

export interface WantedExchange {
  returns: readonly Units[];
  purchases: readonly WantedPurchase[];
}

/** Amounts that a session promised: they hold while the orders are as they were. */
export interface PromisedExchange {
  sessionId: string;
  pricedAt: Date;
  /** By reservation order id. */
  orderVersions: Readonly<Record<string, number>>;
  /** Of each purchase, with the id that its reservation order gets. */
  purchases: readonly { reservationOrderId: string; price: QuotedPrice }[];
}

/** One reservation given back: before and after. */
export interface AppraisedReturn {
  units: Units;
  before: OrderRows;
  reservation: ReservationRow;
  /** Undefined where so many cannot be given back. */
  refund: Refund | undefined;
}

export interface ExchangeAppraisal {
  returned: AppraisedReturn[];
  purchases: (ExchangePurchase & { wanted: WantedPurchase })[];
  /** Why it is refused; empty: it is not. */
  reasons: Reason[];
}

/**
 * Prices and judges an exchange, on rows read under the customer's lock. Of what is given back the purchase price
 * counts, not today's, and there is no fee.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound; RefundSessionOutdated where an order has changed since
 *   the amounts were promised
 */
export async function appraiseExchange(
  db: Reading,
  { customer, now }: Locked,
  { returns, purchases }: WantedExchange,
  promised?: PromisedExchange,
): Promise<ExchangeAppraisal> {
  const { partner_id: partnerId, customer_id: customerId } = customer;
  const at = promised?.pricedAt ?? now;
  const states = new Map<string, OrderRows>();
  for (const { reservationOrderId: id } of returns) {
    if (!states.has(id)) states.set(id, await readOrder(db, partnerId, { customerId, reservationOrderId: id }));
  }
  for (const [id, { order }] of states) {
    if (promised && promised.orderVersions[id] !== order.version) throw new ApiError('RefundSessionOutdated');
  }

  const reasons: Reason[] = [];
  const returned = returns.map((units): AppraisedReturn => {
    const before = states.get(units.reservationOrderId);
    if (!before) throw new Error('an order that was read is gone');
    const reservation = pickReservation(before.reservations, units.reservationId);
    const flaws = judgeQuantity(reservation, units.quantity, now);
    reasons.push(...flaws);
    if (flaws.length > 0) return { units, before, reservation, refund: undefined };
    const refund = refundOf(before.order, livingUnits(before), units.quantity, at, {
      currentUnitMinor: undefined,
      feePercent: '0',
    });
    // A second reservation of the same order is priced on what is left of it.
    states.set(units.reservationOrderId, giveBack(before, reservation, refund, now).state);
    return { units, before, reservation, refund };
  });

  const judgeBilling = await billingJudge(db, partnerId, customerId);
  const priced = await Promise.all(
    purchases.map(async (wanted, index) => {
      const { request } = wanted;
      const price =
        promised?.purchases[index]?.price ?? (await findPrice(db, partnerId, { ...request, customerId, at }));
      return { wanted, request, price, flaws: judgeBilling(wanted) };
    }),
  );
  const exchanged = returned.map(({ before: { order }, reservation, refund }) => ({
    reservationId: reservation.reservation_id,
    reservedResourceType: reservation.reserved_resource_type,
    boughtOn: reservation.purchased_on,
    currencyCode: order.currency_code,
    commitmentMinor: refund?.commitmentMinor ?? 0,
  }));
  reasons.push(...judgeExchange(exchanged, priced, findReservationType));
  return { returned, purchases: priced, reasons };
}

/** Judges whether new reservations can be billed to, and apply to, the subscriptions they name. */
async function billingJudge(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<(wanted: WantedPurchase) => Reason[]> {
  const facts = await loadFacts(db, partnerId, customerId, []);
  const flawOf = (azureSubscriptionId: string): string | undefined => {
    const azure = facts.azureSubscriptions.find((one) => one.azureSubscriptionId === azureSubscriptionId);
    if (!azure) {
      return `The customer has no Azure subscription ${azureSubscriptionId} of this partner. Name one that it has.`;
    }
    const soldAs = facts.subscriptions.find((one) => one.subscriptionId === azure.subscriptionId);
    const flaw = azureSubscriptionFlaw(azure, soldAs);
    return flaw && `${flaw.evidence}. ${flaw.remedy}`;
  };
  return ({ request, scope }) => {
    const billing = flawOf(request.azureSubscriptionId);
    const scopedTo = subscriptionOf(scope);
    const scoped = scopedTo === undefined ? undefined : flawOf(scopedTo);
    return [
      ...(billing === undefined ? [] : [{ code: 'InvalidSubscriptionId', message: billing }]),
      ...(scoped === undefined ? [] : [{ code: 'AppliedScopesNotAssociatedWithCommerceAccount', message: scoped }]),
    ];
  };
}
