import type { BillingPlan, Guards, Term } from '../../db/tables.js';
import type { Reason } from '../../errors/api-error.js';
import { toDecimal, toMinor } from '../../lib/money.js';

/** How long a purchase waits for the partner where the guards do not say. */
export const DEFAULT_APPROVAL_HOURS = 72;

export interface GuardedPurchase {
  azureSubscriptionId: string;
  reservedResourceType: string;
  term: Term;
  billingPlan: BillingPlan;
  currencyCode: string;
  totalMinor: number;
}

/** What the customer has bought itself in the currency of the purchase, without that purchase. Minor units. */
export interface Spend {
  /** Of the calendar month, UTC. */
  monthMinor: number;
  /** The part of it that is still to run, pro rata. */
  outstandingMinor: number;
}

export interface GuardVerdict {
  /** Empty: the guards let the purchase pass. */
  reasons: Reason[];
  /** It passes and waits for the partner. */
  needsApproval: boolean;
  approvalHours: number;
}

const list = (values: readonly string[]) => values.join(', ');

function choiceReasons(guards: Guards, purchase: GuardedPurchase): Reason[] {
  const { allowedSubscriptions, allowedProductTypes, allowedTerms, allowedBillingPlans } = guards;
  const reasons: Reason[] = [];
  if (allowedSubscriptions && !allowedSubscriptions.includes(purchase.azureSubscriptionId)) {
    reasons.push({
      code: 'GuardSubscriptionNotAllowed',
      message: `Nothing may be bought for the subscription ${purchase.azureSubscriptionId}. Buy for one of ${list(allowedSubscriptions)}, or ask the partner to allow it.`,
    });
  }
  if (allowedProductTypes && !allowedProductTypes.includes(purchase.reservedResourceType)) {
    reasons.push({
      code: 'GuardProductTypeNotAllowed',
      message: `Reservations of ${purchase.reservedResourceType} may not be bought. Buy one of ${list(allowedProductTypes)}, or ask the partner to allow it.`,
    });
  }
  if (allowedTerms && !allowedTerms.includes(purchase.term)) {
    reasons.push({
      code: 'GuardTermNotAllowed',
      message: `The term ${purchase.term} may not be bought. Choose one of ${list(allowedTerms)}, or ask the partner to allow it.`,
    });
  }
  if (allowedBillingPlans && !allowedBillingPlans.includes(purchase.billingPlan)) {
    reasons.push({
      code: 'GuardBillingPlanNotAllowed',
      message: `The billing plan ${purchase.billingPlan} may not be chosen. Choose one of ${list(allowedBillingPlans)}, or ask the partner to allow it.`,
    });
  }
  return reasons;
}

function nextMonth(now: Date): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
}

/** The caps, in the currency they and the purchase are in. */
function capReasons(guards: Guards, purchase: GuardedPurchase, spend: Spend, now: Date): Reason[] {
  const { currencyCode, totalMinor } = purchase;
  const money = (minor: number) => `${toDecimal(minor, currencyCode)} ${currencyCode}`;
  const figures = (cap: number, used: number) =>
    `${money(used)} of them are used, ${money(Math.max(cap - used, 0))} are left and this purchase costs ${money(totalMinor)}`;
  const exceeded = (cap: string | undefined, used: number): number | undefined => {
    if (cap === undefined) return undefined;
    const minor = toMinor(cap, currencyCode);
    return used + totalMinor > minor ? minor : undefined;
  };
  const perPurchase = exceeded(guards.capPerPurchase, 0);
  const perMonth = exceeded(guards.capPerMonth, spend.monthMinor);
  const outstanding = exceeded(guards.capOutstanding, spend.outstandingMinor);
  const reasons: Reason[] = [];
  if (perPurchase !== undefined) {
    reasons.push({
      code: 'GuardCapPerPurchase',
      message: `One purchase may cost ${money(perPurchase)} at the most and this one costs ${money(totalMinor)}, ${money(totalMinor - perPurchase)} too much. Buy less, or ask the partner to raise the limit.`,
    });
  }
  if (perMonth !== undefined) {
    reasons.push({
      code: 'GuardCapPerMonth',
      message: `Purchases of one calendar month may cost ${money(perMonth)} at the most: ${figures(perMonth, spend.monthMinor)}. Buy less, wait for ${nextMonth(now)} (UTC), or ask the partner to raise the limit.`,
    });
  }
  if (outstanding !== undefined) {
    reasons.push({
      code: 'GuardCapOutstanding',
      message: `What is still to run of all purchases may be worth ${money(outstanding)} at the most: ${figures(outstanding, spend.outstandingMinor)}. Buy less, or ask the partner to raise the limit.`,
    });
  }
  return reasons;
}

/**
 * Holds a purchase of the customer's own against the partner's guards. To reach a cap exactly is allowed. Every sentence
 * is for the customer: it has the customer's limits and prices, never the partner's cost.
 * @param spend of the same currency, read under the lock of the customer
 */
export function judgeGuards(
  guards: Guards | undefined,
  purchase: GuardedPurchase,
  spend: Spend,
  now: Date,
): GuardVerdict {
  if (!guards) return { reasons: [], needsApproval: false, approvalHours: DEFAULT_APPROVAL_HOURS };
  const reasons = choiceReasons(guards, purchase);
  if (guards.expiresOn !== undefined && new Date(guards.expiresOn) <= now) {
    reasons.unshift({
      code: 'GuardExpired',
      message: `Purchases were allowed until ${guards.expiresOn}. Ask the partner for a later date.`,
    });
  }
  const { currencyCode, approvalAbove, approvalHours = DEFAULT_APPROVAL_HOURS } = guards;
  let needsApproval = false;
  if (currencyCode === undefined || currencyCode === purchase.currencyCode) {
    reasons.push(...capReasons(guards, purchase, spend, now));
    needsApproval = approvalAbove !== undefined && purchase.totalMinor > toMinor(approvalAbove, purchase.currencyCode);
  } else {
    reasons.push({
      code: 'GuardCurrency',
      message: `The limits are in ${currencyCode} and the purchase is in ${purchase.currencyCode}, so they cannot be compared. Ask the partner to set limits in ${purchase.currencyCode}.`,
    });
  }
  return { reasons, needsApproval: needsApproval && reasons.length === 0, approvalHours };
}
