import { toAmount } from '../../lib/money.js';
import type { PurchaseRequest } from '../reservations/purchase-request.js';
import type { ReservationRow } from '../reservations/queries.js';
import { orderPath, reservationPath } from '../reservations/wire.js';
import type { ExchangeAppraisal } from './appraise-exchange.js';
import type { Appraisal } from './appraise-return.js';
import type { RefundRow } from './queries.js';
import type { Refund } from './refund.js';
import { DAY_MILLISECONDS, type RefundLimit as LimitRule } from './rules.js';
import type { CalculateExchangeResult, ExchangeResult, RefundLimit, RefundResponse } from './schemas.js';

const price = (minor: number, currencyCode: string) => ({ currencyCode, amount: toAmount(minor, currencyCode) });

function billingOf({ paidMinor, proratedMinor, unpaidMinor, currencyCode }: Refund) {
  return {
    billingCurrencyTotalPaidAmount: price(paidMinor, currencyCode),
    billingCurrencyProratedAmount: price(proratedMinor, currencyCode),
    billingCurrencyRemainingCommitmentAmount: price(unpaidMinor, currencyCode),
  };
}

/** What calculateRefund answers. */
export function toRefundResponse(
  { state: { order }, refund, limitUse, reasons }: Appraisal,
  quantity: number,
  sessionId: string | undefined,
): RefundResponse {
  const { limit, consumedMinor } = limitUse;
  const amount = refund && price(refund.refundMinor, refund.currencyCode);
  return {
    id: orderPath(order.reservation_order_id),
    properties: {
      ...(sessionId !== undefined && { sessionId }),
      quantity,
      ...(amount && { billingRefundAmount: amount, pricingRefundAmount: amount }),
      policyResult: {
        properties: {
          consumedRefundsTotal: price(consumedMinor, limit.currencyCode),
          maxRefundLimit: price(limit.maxMinor, limit.currencyCode),
          policyErrors: reasons,
        },
      },
      ...(refund && {
        billingInformation: {
          billingPlan: order.billing_plan,
          completedTransactions: refund.completedTransactions,
          totalTransactions: refund.totalTransactions,
          ...billingOf(refund),
        },
      }),
    },
  };
}

export function operationPath(sessionId: string): string {
  return `/providers/Microsoft.Capacity/operationResults/${sessionId}`;
}

/** The totals of an exchange; undefined where a part has no price, or not all have one currency. */
function totalsOf({ returned, purchases }: ExchangeAppraisal) {
  const refunds = returned.map(({ refund }) => refund && { minor: refund.refundMinor, code: refund.currencyCode });
  const prices = purchases.map(({ price }) => price && { minor: price.totalMinor, code: price.currencyCode });
  const all = [...refunds, ...prices];
  const [code = 'USD', ...others] = new Set(all.map((one) => one?.code));
  if (others.length > 0 || code === undefined) return undefined;
  const sum = (parts: typeof all) => parts.reduce((total, one) => total + (one?.minor ?? 0), 0);
  return {
    netPayable: price(sum(prices) - sum(refunds), code),
    refundsTotal: price(sum(refunds), code),
    purchasesTotal: price(sum(prices), code),
  };
}

/**
 * What calculateExchange answers.
 * @param requests the purchases as they were sent
 */
export function toCalculateExchangeResult(
  appraisal: ExchangeAppraisal,
  requests: readonly PurchaseRequest[],
  operationId: string,
): CalculateExchangeResult {
  const { returned, purchases, reasons } = appraisal;
  const [error] = reasons;
  return {
    id: operationPath(operationId),
    name: operationId,
    status: error ? 'Failed' : 'Succeeded',
    properties: {
      ...(!error && { sessionId: operationId }),
      ...totalsOf(appraisal),
      reservationsToPurchase: requests.map((properties, index) => {
        const found = purchases[index]?.price;
        return { properties, ...(found && { billingCurrencyTotal: price(found.totalMinor, found.currencyCode) }) };
      }),
      reservationsToExchange: returned.map(({ units, refund }) => ({
        reservationId: reservationPath(units.reservationOrderId, units.reservationId),
        quantity: units.quantity,
        ...(refund && {
          billingRefundAmount: price(refund.refundMinor, refund.currencyCode),
          billingInformation: billingOf(refund),
        }),
      })),
      policyResult: { policyErrors: reasons },
    },
    ...(error && { error: { ...error } }),
  };
}

export function toRefundLimit(
  customerId: string,
  limit: LimitRule,
  consumedMinor: number,
  refunds: readonly RefundRow[],
): RefundLimit {
  const { currencyCode, maxMinor, windowDays } = limit;
  return {
    customerId,
    maxRefundLimit: price(maxMinor, currencyCode),
    windowDays,
    consumed: price(consumedMinor, currencyCode),
    remaining: price(Math.max(maxMinor - consumedMinor, 0), currencyCode),
    refills: refunds.map((row) => ({
      date: new Date(row.created_on.getTime() + windowDays * DAY_MILLISECONDS).toISOString(),
      amount: price(row.limit_usd_minor, currencyCode),
      reservationOrderId: row.reservation_order_id,
      reservationId: row.reservation_id,
      returnedOn: row.created_on.toISOString(),
    })),
    attributes: { objectType: 'RefundLimit' },
  };
}

/**
 * What exchange answers: what was calculated, with what was made of it.
 * @param bought in the order of the purchases
 */
export function toExchangeResult(
  calculated: CalculateExchangeResult,
  bought: readonly Pick<ReservationRow, 'reservation_order_id' | 'reservation_id'>[],
): ExchangeResult {
  const { reservationsToPurchase, reservationsToExchange, ...totals } = calculated.properties;
  return {
    id: calculated.id,
    name: calculated.name,
    status: 'Succeeded',
    properties: {
      ...totals,
      reservationsToPurchase: bought.map((row, index) => {
        const purchase = reservationsToPurchase[index];
        if (!purchase) throw new Error('more was bought than calculated');
        return {
          reservationOrderId: orderPath(row.reservation_order_id),
          reservationId: reservationPath(row.reservation_order_id, row.reservation_id),
          ...purchase,
          status: 'Succeeded',
        };
      }),
      reservationsToExchange: reservationsToExchange.map((one) => ({ ...one, status: 'Succeeded' })),
    },
  };
}
