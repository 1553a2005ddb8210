import { toMinor } from '../../lib/money.js';
import data from './rules/refund-rules.json' with { type: 'json' };

export const DAY_MILLISECONDS = 86_400_000;
/** How long the amounts of calculateRefund and calculateExchange can be had. Azure publishes no lifetime. */
export const SESSION_MINUTES = 30;

/** What a return costs, from a date on: `percent` of the pro-rata refund, more than `afterDays` days after the purchase. */
export interface RefundFee {
  /** `2020-01-01`, UTC. */
  effectiveFrom: string;
  /** Decimal text. */
  percent: string;
  afterDays: number;
}

/** How much commitment a customer may cancel by returns, and how long one counts. */
export interface RefundLimit {
  maxMinor: number;
  currencyCode: string;
  windowDays: number;
}

const dayOf = (at: Date) => at.toISOString().slice(0, 10);

/** The last of dated rules that has begun. */
function inForce<Rule extends { effectiveFrom: string }>(rules: readonly Rule[], at: Date): Rule | undefined {
  return rules
    .filter(({ effectiveFrom }) => effectiveFrom <= dayOf(at))
    .sort((a, b) => a.effectiveFrom.localeCompare(b.effectiveFrom))
    .at(-1);
}

export function refundLimit(at: Date): RefundLimit {
  const rule = inForce(data.limits, at);
  if (!rule) throw new Error('no refund limit is in force');
  const { amount, currencyCode } = rule.maxRefundLimit;
  return { maxMinor: toMinor(amount, currencyCode), currencyCode, windowDays: rule.windowDays };
}

/** Percent of the refund, decimal text, of what was bought at `boughtOn` and is returned at `at`. */
export function feePercent(fees: readonly RefundFee[], boughtOn: Date, at: Date): string {
  const fee = inForce(fees, at);
  if (!fee) return '0';
  return at.getTime() - boughtOn.getTime() > fee.afterDays * DAY_MILLISECONDS ? fee.percent : '0';
}

/** `2020-01-01=12@5`: from 2020 on 12 %, more than 5 days after the purchase; without `@` at once. */
export function readRefundFee(text: string): RefundFee {
  const [effectiveFrom = '', rule = ''] = text.split('=');
  const [percent = '', days = '0'] = rule.split('@');
  return { effectiveFrom, percent, afterDays: Number(days) };
}

/** Why what was bought at `boughtOn` cannot be exchanged any more; undefined: it can. */
export function exchangeSunset(
  reservedResourceType: string,
  boughtOn: Date,
): { purchasedAfter: string; coveredBy: string } | undefined {
  return data.exchangeSunsets.find(
    ({ purchasedAfter, reservedResourceTypes }) =>
      reservedResourceTypes.includes(reservedResourceType) && dayOf(boughtOn) > purchasedAfter,
  );
}
