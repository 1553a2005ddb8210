import Big from 'big.js';
import type { ScheduledPayment } from '../../db/reservation-tables.js';
import { split } from '../../lib/money.js';
import type { ReservationOrderRow } from '../reservations/queries.js';
import { DAY_MILLISECONDS } from './rules.js';

/** What returning some units of a reservation order comes to. Minor units of the order's currency. */
export interface Refund {
  quantity: number;
  currencyCode: string;
  /** Payments made so far, and of the whole schedule. */
  completedTransactions: number;
  totalTransactions: number;
  /** What was paid for the units; with `unpaidMinor` it is their whole price. */
  paidMinor: number;
  /** Payments of the units that will not be made. */
  unpaidMinor: number;
  /** Of what was paid, the part of the days not used, at the lower of both prices. */
  proratedMinor: number;
  feeMinor: number;
  /** What is paid back: `proratedMinor` less `feeMinor`. */
  refundMinor: number;
  /** What is left of the commitment, and ends: `proratedMinor` and `unpaidMinor`. */
  commitmentMinor: number;
  /** The schedule of the order afterwards. */
  payments: ScheduledPayment[];
}

export type RefundedOrder = Pick<
  ReservationOrderRow,
  'currency_code' | 'unit_minor' | 'payments' | 'benefit_start_on' | 'expires_on'
>;

export interface RefundTerms {
  /** The customer's price of one unit today, minor units; undefined: there is none to compare with. */
  currentUnitMinor: number | undefined;
  /** Percent of the refund, decimal text. */
  feePercent: string;
}

/** Days that have passed since the benefit began, and days of the whole term. The day of the purchase is not used yet. */
export function usedDays(
  { benefit_start_on: start, expires_on: end }: RefundedOrder,
  at: Date,
): { used: number; whole: number } {
  const whole = Math.round((end.getTime() - start.getTime()) / DAY_MILLISECONDS);
  const passed = Math.floor((at.getTime() - start.getTime()) / DAY_MILLISECONDS);
  return { used: Math.min(Math.max(passed, 0), whole), whole };
}

/**
 * Prices a return: daily pro rata of what was paid, at the lower of the purchase price and today's, less the fee; the
 * payments not due yet end (https://learn.microsoft.com/azure/cost-management-billing/reservations/exchange-and-refund-azure-reservations).
 *
 * A schedule always is the one of the units that live: what is left of it after a return is, to the cent, the unpaid
 * part of a purchase of that many.
 * @param living units of the order that are neither returned nor exchanged; at least `quantity`
 */
export function refundOf(
  order: RefundedOrder,
  living: number,
  quantity: number,
  at: Date,
  { currentUnitMinor, feePercent }: RefundTerms,
): Refund {
  const today = at.toISOString().slice(0, 10);
  const before = split(order.unit_minor * living, order.payments.length);
  const after = split(order.unit_minor * (living - quantity), order.payments.length);
  const isDue = ({ dueDate }: ScheduledPayment) => dueDate <= today;
  const unpaidMinor = order.payments.reduce(
    (sum, payment, index) => sum + (isDue(payment) ? 0 : (before[index] ?? 0) - (after[index] ?? 0)),
    0,
  );
  const payments = order.payments.map((payment, index): ScheduledPayment => {
    if (isDue(payment) || payment.cancelled) return payment;
    return living === quantity ? { ...payment, cancelled: true } : { ...payment, minor: after[index] ?? 0 };
  });

  const price = order.unit_minor * quantity;
  const paidMinor = price - unpaidMinor;
  const { used, whole } = usedDays(order, at);
  const lower = Math.min(currentUnitMinor ?? order.unit_minor, order.unit_minor);
  const notUsed = Big(paidMinor).minus(Big(price).times(used).div(whole));
  // In months shorter than the mean the days used can be worth a little more than what was paid.
  const prorated = notUsed.lt(0) || order.unit_minor === 0 ? Big(0) : notUsed.times(lower).div(order.unit_minor);
  const proratedMinor = prorated.round(0, Big.roundHalfUp).toNumber();
  const feeMinor = Big(proratedMinor).times(feePercent).div(100).round(0, Big.roundHalfUp).toNumber();
  return {
    quantity,
    currencyCode: order.currency_code,
    completedTransactions: order.payments.filter(isDue).length,
    totalTransactions: order.payments.length,
    paidMinor,
    unpaidMinor,
    proratedMinor,
    feeMinor,
    refundMinor: proratedMinor - feeMinor,
    commitmentMinor: proratedMinor + unpaidMinor,
    payments,
  };
}
