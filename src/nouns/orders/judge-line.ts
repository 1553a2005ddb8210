import type { BillingPlan, QuotedRequest, Term } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { shown } from '../../http/shown.js';
import type { CatalogItem, OfferItem, ReservationItem } from '../products/service.js';
import { excludedMarketSource } from '../purchase-permissions/excluded-markets.js';
import { type AppliedScope, SHARED } from '../reservations/create.js';
import { offerOf } from '../subscriptions/service.js';
import type { AzureSubscriptionRow, SubscriptionRow } from '../subscriptions/wire.js';
import type { ProvisioningContext } from './schemas.js';

/** A line of an order or of a cart, as far as it decides what is bought. */
export interface WantedLine {
  offerId: string;
  friendlyName?: string;
  quantity: number;
  billingCycle?: string;
  termDuration?: string;
  currencyCode?: string;
  partnerIdOnRecord?: string;
  provisioningContext?: ProvisioningContext;
}

/** What a line is judged by; read under the customer's lock when something is bought. */
export interface LineFacts {
  /** Market, ISO 3166-1 alpha-2. */
  country: string;
  /** Of the partner's prices. */
  currencyCode: string;
  subscriptions: readonly SubscriptionRow[];
  azureSubscriptions: readonly AzureSubscriptionRow[];
}

export type BillingCycle = CatalogItem['billingCycles'][number];

interface Judged {
  line: WantedLine;
  billingCycle: BillingCycle;
}
export interface OfferLine extends Judged {
  kind: 'offer';
  item: OfferItem;
}
export interface ReservationLine extends Judged {
  kind: 'reservation';
  item: ReservationItem;
  /** What a price is asked for. */
  request: QuotedRequest;
  scope: AppliedScope;
}
export type JudgedLine = OfferLine | ReservationLine;

/** What the SDKs send for a billing cycle that was not set. */
const NOT_SET = ['unknown', 'none'];
/** `duration` of older clients, and the ISO form. */
const DURATIONS: Readonly<Record<string, Term>> = {
  '1year': 'P1Y',
  '3years': 'P3Y',
  '5years': 'P5Y',
  p1y: 'P1Y',
  p3y: 'P3Y',
  p5y: 'P5Y',
};
const PLANS: Readonly<Record<BillingCycle, BillingPlan>> = { one_time: 'Upfront', monthly: 'Monthly' };
/** A plan in one of these states is gone; any other one can be active again. */
const GONE: readonly SubscriptionRow['status'][] = ['deleted', 'expired', 'disabled'];

function billingCycleOf({ billingCycle }: WantedLine, item: CatalogItem): BillingCycle {
  const [first] = item.billingCycles;
  if (first !== undefined && (billingCycle === undefined || NOT_SET.includes(billingCycle))) return first;
  const found = item.billingCycles.find((cycle) => cycle === billingCycle);
  if (found) return found;
  throw new ApiError('BillingCycleInvalid', {
    description: `${item.title} is not billed ${shown(billingCycle)}. Its billing cycles: ${item.billingCycles.join(', ')}.`,
  });
}

function demandOfferAvailable(item: OfferItem, { subscriptions }: LineFacts): void {
  const plan = subscriptions.find((one) => offerOf(one) === 'Azure plan' && !GONE.includes(one.status));
  if (!plan) return;
  const what = `The Azure plan ${plan.subscription_id} is ${plan.status}.`;
  if (item.kind === 'ms-azr-0145p') {
    throw new ApiError('ItemNotEligible', {
      description: `${what} A customer with an Azure plan can buy no further MS-AZR-0145P. Add an Azure subscription to the plan.`,
    });
  }
  const remedy = plan.status === 'suspended' ? 'Reactivate it' : 'Add an Azure subscription to it';
  throw new ApiError('SubscriptionLimitReached', {
    description: `${what} A customer has one Azure plan of a partner. ${remedy}.`,
  });
}

function termOf({ termDuration, provisioningContext }: WantedLine, item: ReservationItem): Term {
  const sent = termDuration ?? provisioningContext?.duration;
  const [only, ...others] = item.terms;
  if (sent === undefined && only !== undefined && others.length === 0) return only;
  const term = DURATIONS[sent?.toLowerCase() ?? ''];
  if (term !== undefined && item.terms.includes(term)) return term;
  throw new ApiError('TermDurationInvalid', {
    description: `${item.title} cannot be bought for the term ${shown(sent ?? '')}. Send termDuration as one of ${item.terms.join(', ')}.`,
  });
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
const isLive = (one: AzureSubscriptionRow) =>
  one.status === 'active' && one.arm_state !== 'Disabled' && one.arm_state !== 'Deleted';

/** The subscription that a reservation is bought for, by its own id or by that of its Azure subscription. */
function soldSubscription(id: string, { subscriptions, azureSubscriptions }: LineFacts) {
  const azure = azureSubscriptions.find((one) => same(one.azure_subscription_id, id));
  const sold = subscriptions.find((one) => same(one.subscription_id, azure?.subscription_id ?? id));
  if (!sold || offerOf(sold) === undefined) {
    throw new ApiError('NotAnAzureSubscription', {
      description: `${shown(id)} is neither an Azure plan nor an Azure subscription that this partner sold to the customer. Name one that is.`,
    });
  }
  return { sold, azure };
}

/**
 * The Azure subscription that a reservation is billed to: the one that is named; of a plan with a shared scope, the
 * first that is active.
 */
function billingSubscription(context: ProvisioningContext, scope: 'shared' | 'single', facts: LineFacts): string {
  const { subscriptionId, entitlementId } = context;
  const id = subscriptionId ?? entitlementId;
  if (id === undefined) throw new ApiError('AzurePlanRequired');
  const { sold, azure } = soldSubscription(id, facts);
  if (sold.status !== 'active') throw new ApiError('AzureSubscriptionNotActive');
  if (sold.transition_in_progress) throw new ApiError('SubscriptionNotReady');
  if (sold.registration_status !== 'registered') {
    throw new ApiError('SubscriptionNotRegistered', {
      description: `The subscription ${sold.subscription_id} is not registered. Register it with POST …/subscriptions/${sold.subscription_id}/registrations.`,
    });
  }
  const bought = facts.azureSubscriptions.filter((one) => one.subscription_id === sold.subscription_id);
  const named = entitlementId ?? azure?.azure_subscription_id ?? sold.entitlement_id ?? undefined;
  if (named !== undefined) {
    const found = bought.find((one) => same(one.azure_subscription_id, named));
    if (!found) {
      throw new ApiError('ItemNotForSubscription', {
        description: `The Azure subscription ${shown(named)} is not one of the subscription ${sold.subscription_id}. Name one of its azureEntitlements.`,
      });
    }
    if (!isLive(found)) throw new ApiError('EntitlementNotActive');
    return found.azure_subscription_id;
  }
  if (scope === 'single') throw new ApiError('EntitlementRequired');
  const first = bought.find(isLive);
  if (!first) throw new ApiError('AzurePlanEmpty');
  return first.azure_subscription_id;
}

function scopeOf({ scope = 'shared' }: ProvisioningContext): 'shared' | 'single' {
  const key = scope.toLowerCase();
  if (key === 'shared' || key === 'single') return key;
  throw new ApiError('ScopeNotSupported', {
    description: `The scope ${shown(scope)} in the provisioning context is not supported. Send shared or single.`,
  });
}

function judgeReservation(line: WantedLine, item: ReservationItem, facts: LineFacts): Omit<ReservationLine, 'line'> {
  const billingCycle = billingCycleOf(line, item);
  const source = excludedMarketSource(facts.country);
  if (source !== undefined) {
    throw new ApiError('OfferNotInMarket', {
      description: `Azure reservations are not sold in ${facts.country.toUpperCase()} (${source}). Choose another product.`,
    });
  }
  const term = termOf(line, item);
  const context = line.provisioningContext ?? {};
  const scopeType = scopeOf(context);
  const azureSubscriptionId = billingSubscription(context, scopeType, facts);
  const { reservedResourceType, skuName, location } = item;
  return {
    kind: 'reservation',
    billingCycle,
    item,
    request: {
      azureSubscriptionId,
      reservedResourceType,
      skuName,
      location,
      term,
      billingPlan: PLANS[billingCycle],
      quantity: line.quantity,
    },
    scope:
      scopeType === 'shared'
        ? SHARED
        : { type: 'Single', scope: `/subscriptions/${azureSubscriptionId}`, tenantId: null, displayName: null },
  };
}

/**
 * Whether a line can be bought, and as what. Everything but the price and the agreement.
 * @throws ApiError QuantityNotInRange, CurrencyNotSupported, BillingCycleInvalid; for an offer SubscriptionLimitReached,
 *   ItemNotEligible; for a reservation OfferNotInMarket, TermDurationInvalid, ScopeNotSupported, AzurePlanRequired,
 *   NotAnAzureSubscription, AzureSubscriptionNotActive, SubscriptionNotReady, SubscriptionNotRegistered,
 *   EntitlementRequired, ItemNotForSubscription, EntitlementNotActive, AzurePlanEmpty
 */
export function judgeLine(line: WantedLine, item: CatalogItem, facts: LineFacts): JudgedLine {
  if (line.quantity < 1 || line.quantity > item.maximumQuantity) {
    throw new ApiError('QuantityNotInRange', {
      description: `The quantity of ${item.title} has to be 1${item.maximumQuantity === 1 ? '' : ` to ${item.maximumQuantity}`}, not ${line.quantity}.`,
    });
  }
  const { currencyCode } = line;
  if (currencyCode !== undefined && !same(currencyCode, facts.currencyCode)) {
    throw new ApiError('CurrencyNotSupported', {
      description: `Prices are in ${facts.currencyCode}, not in ${shown(currencyCode)}. Send ${facts.currencyCode} or leave it out.`,
    });
  }
  if (item.kind === 'reservation') return { line, ...judgeReservation(line, item, facts) };
  const billingCycle = billingCycleOf(line, item);
  demandOfferAvailable(item, facts);
  return { kind: 'offer', line, item, billingCycle };
}
