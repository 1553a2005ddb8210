import type { AzureSubscriptionFact, SubscriptionFact } from './facts.js';

/** Why something does not qualify, and what to do. */
export interface Flaw {
  evidence: string;
  remedy: string;
}

const AZURE_PLAN_PRODUCT = 'dzh318z0bps6';
/** Another SKU of the product is another offer; the third part, the availability, can change. */
const AZURE_PLAN_SKU = '0001';
const AZURE_GLOBAL_OFFER = 'ms-azr-0145p';
const BUY_PLAN = 'Buy the Azure plan for the customer.';

/**
 * Which of the two offers that qualify a subscription is of, by what Partner Center answers; undefined: of neither, like
 * the sovereign clouds' MS-AZR-USGOV-0145P and MS-AZR-DE-0145P, a licence, SaaS or software.
 */
export function azureOffer(
  subscription: Pick<SubscriptionFact, 'offerId' | 'productTypeId' | 'billingType'>,
): 'Azure plan' | 'MS-AZR-0145P' | undefined {
  if (subscription.billingType !== 'usage') return undefined;
  const offerId = subscription.offerId.toLowerCase();
  if (offerId === AZURE_GLOBAL_OFFER) return 'MS-AZR-0145P';
  const [product, sku = AZURE_PLAN_SKU] = offerId.split(':');
  if (product === AZURE_PLAN_PRODUCT) return sku === AZURE_PLAN_SKU ? 'Azure plan' : undefined;
  if (offerId.startsWith('ms-azr-')) return undefined;
  return subscription.productTypeId?.toLowerCase() === AZURE_PLAN_PRODUCT ? 'Azure plan' : undefined;
}

/** `Azure plan 1234…`, `MS-AZR-0145P 1234…`, or the offer's own name. */
export function describeSubscription(subscription: SubscriptionFact): string {
  return `${azureOffer(subscription) ?? `"${subscription.offerName}"`} ${subscription.subscriptionId}`;
}

/** Rows 1, 2, 4, 7, 9 and 11 of the table of subscriptions; undefined: it qualifies. */
export function subscriptionFlaw(subscription: SubscriptionFact): Flaw | undefined {
  const what = describeSubscription(subscription);
  if (azureOffer(subscription) === undefined) {
    const evidence = `${what} (offer ${subscription.offerId}, billing type ${subscription.billingType}) is neither an Azure plan nor MS-AZR-0145P`;
    return { evidence, remedy: BUY_PLAN };
  }
  if (subscription.status !== 'active') {
    return { evidence: `${what} is ${subscription.status}, not active`, remedy: remedyForStatus(subscription) };
  }
  if (subscription.transitionInProgress) {
    const remedy = `Wait until the transition or transfer of ${what} has ended, then try again.`;
    return { evidence: `${what} is in a transition or billing transfer`, remedy };
  }
  return undefined;
}

function remedyForStatus(subscription: SubscriptionFact): string {
  if (subscription.status === 'suspended') return `Reactivate ${describeSubscription(subscription)}.`;
  if (subscription.status === 'pending') return `Wait until ${describeSubscription(subscription)} is provisioned.`;
  return BUY_PLAN;
}

export function describeAzureSubscription(azure: AzureSubscriptionFact): string {
  return `Azure subscription ${azure.azureSubscriptionId} ("${azure.friendlyName}")`;
}

/** Rows 3, 5 and 6; `soldAs` is the subscription of this partner that it belongs to, if there is one. */
export function azureSubscriptionFlaw(
  azure: AzureSubscriptionFact,
  soldAs: SubscriptionFact | undefined,
): Flaw | undefined {
  const what = describeAzureSubscription(azure);
  if (soldAs === undefined) {
    const remedy = 'Use an Azure subscription under an Azure plan or MS-AZR-0145P that this partner sold.';
    return { evidence: `${what} was not bought through this partner`, remedy };
  }
  const flawOfSale = subscriptionFlaw(soldAs);
  if (flawOfSale !== undefined) {
    return { evidence: `${what} does not qualify: ${flawOfSale.evidence}`, remedy: flawOfSale.remedy };
  }
  if (azure.armState === 'Deleted') {
    const remedy = `Add an active Azure subscription to ${describeSubscription(soldAs)}.`;
    return { evidence: `${what} is in state Deleted`, remedy };
  }
  if (azure.status !== 'active') return { evidence: `${what} is inactive`, remedy: `Reactivate ${what}.` };
  if (azure.armState === 'Disabled') return { evidence: `${what} is in state Disabled`, remedy: `Reactivate ${what}.` };
  return undefined;
}

/** Quota of dev/test subscriptions; whether a reservation can be billed to one is not documented. */
export function isDevTest(azure: AzureSubscriptionFact): boolean {
  return azure.quotaId.toUpperCase().startsWith('CSPDEVTEST');
}
