import type { Guards, QuotedPrice, QuotedRequest } from '../../db/tables.js';
import type { Reason } from '../../errors/api-error.js';
import { judgeGuards, type Spend } from '../purchase-guards/judge-guards.js';
import type { Facts, PurchaserRole } from '../purchase-permissions/decide.js';
import { excludedMarketSource } from '../purchase-permissions/excluded-markets.js';
import { type FactIndex, indexOf } from '../purchase-permissions/fact-index.js';
import { type Judgement, judge, OUTCOMES, type OutcomeKind } from '../purchase-permissions/judge-assignment.js';
import { describeAzureSubscription, type Flaw } from '../purchase-permissions/judge-subscription.js';
import { userFlaw } from '../purchase-permissions/judge-user.js';

/** Who buys, as the access token says. */
export interface Buyer {
  kind: 'customer' | 'partner';
  objectId: string;
  userPrincipalName: string | null;
  /** A service principal, not a user. */
  appOnly: boolean;
  /** Every group it is in, directly or through groups. */
  groupIds: readonly string[];
}

/** All that a purchase depends on, read under the lock of the customer row. */
export interface PurchaseFacts {
  facts: Facts;
  buyer: Buyer;
  /** Of AzureReservedInstances; undefined: never switched. */
  permissionState: 'on' | 'off' | undefined;
  /** Undefined: there is none, or it is another customer's. */
  quote:
    | { request: QuotedRequest; price: Pick<QuotedPrice, 'currencyCode' | 'totalMinor'>; expiresOn: Date }
    | undefined;
  /** What is asked for now. */
  request: QuotedRequest;
  /** Automatic renewal is asked for. */
  renew: boolean;
  /** Azure subscription of a single scope. */
  scopeSubscriptionId: string | undefined;
  guards: Guards | undefined;
  spend: Spend;
}

export interface PurchaseRules {
  purchaserRoles: readonly PurchaserRole[];
  now: Date;
  /** The partner approves it now: its quote was live when it was asked for, and nothing has to wait any more. */
  approved: boolean;
}

/** The code of the reason that each failing condition gives; one of QuoteNotLive and QuoteMismatch for a quote. */
const CODES = {
  permission: 'PermissionOff',
  relationship: 'NoRelationship',
  buyer: 'BuyerNotOfCustomer',
  subscription: 'SubscriptionNotEligible',
  owner: 'BuyerNotOwner',
  market: 'NotSupportedCountry',
  quote: 'QuoteNotLive',
  scope: 'AppliedScopesNotAssociatedWithCommerceAccount',
  renewal: 'RenewIsThePartners',
} as const;

type ConditionName = keyof typeof CODES | 'guard';

/** One condition of a purchase. */
export interface Condition {
  name: ConditionName;
  result: 'pass' | 'fail';
  /** What was found; where it fails, followed by what to do. */
  evidence: string;
  /** Where it fails. */
  code?: string;
}

export interface PurchaseVerdict {
  allowed: boolean;
  /** Allowed, and waits for the partner's approval. */
  needsApproval: boolean;
  approvalHours: number;
  /** Each condition with what it rests on, for the log. */
  conditions: readonly Condition[];
  /** Of the conditions that fail. */
  reasons: readonly Reason[];
}

/** A quote that does not fit: the answer is the original's "session timed out" where nothing else is wrong. */
export const QUOTE_CODES: readonly string[] = ['QuoteNotLive', 'QuoteMismatch'];

const ASK = 'Ask the partner to switch it on.';
const pass = (name: ConditionName, evidence: string): Condition => ({ name, result: 'pass', evidence });
const fail = (name: keyof typeof CODES, evidence: string, remedy: string): Condition => ({
  name,
  result: 'fail',
  code: CODES[name],
  evidence: `${evidence}${evidence.endsWith('.') ? '' : '.'} ${remedy}`,
});
const failOf = (name: keyof typeof CODES, flaw: Flaw): Condition => fail(name, flaw.evidence, flaw.remedy);

function checkPermission({ permissionState: state }: PurchaseFacts): Condition {
  if (state === 'on') return pass('permission', 'The permission to buy Azure reservations is on.');
  const found = state === undefined ? 'was never switched on for this customer' : 'is off for this customer';
  return fail('permission', `The permission to buy Azure reservations ${found}`, ASK);
}

function checkRelationship({ facts: { customer } }: PurchaseFacts): Condition {
  if (customer.relationship === 'reseller') return pass('relationship', 'The customer has a reseller relationship.');
  const evidence = `The relationship to the partner is ${customer.relationship}, not reseller`;
  return fail('relationship', evidence, 'Establish a reseller relationship with the partner.');
}

/** A user at home in the customer's tenant, alive. */
function checkBuyer({ facts, buyer }: PurchaseFacts): Condition {
  const name = 'buyer' as const;
  if (buyer.kind === 'partner') {
    const evidence = 'The buyer is of the partner, not of the customer';
    return fail(name, evidence, 'Buy on behalf of the customer with a cart (POST /v1/customers/{id}/carts).');
  }
  const who = buyer.userPrincipalName ?? buyer.objectId;
  if (buyer.appOnly) {
    return fail(name, `${who} is an application`, "Buy as a user of the customer's own directory.");
  }
  const user = facts.users.find(({ userId }) => userId === buyer.objectId);
  if (!user) {
    const evidence = `The user ${who} is not known in the customer's directory here`;
    return fail(name, evidence, 'Ask the partner to add or import the user.');
  }
  const flaw = userFlaw(user, facts.partnerDomain.toLowerCase());
  if (!flaw) return pass(name, `${user.userPrincipalName} is a user of the customer.`);
  return fail(
    name,
    `${user.userPrincipalName} cannot buy: ${flaw.text}`,
    "Buy as an enabled user of the customer's own directory.",
  );
}

function checkSubscription(index: FactIndex, { request: { azureSubscriptionId } }: PurchaseFacts): Condition {
  const name = 'subscription';
  const judged = index.azureSubscriptions.get(azureSubscriptionId);
  if (!judged) {
    const evidence = `Azure subscription ${azureSubscriptionId} is not one of this customer`;
    return fail(name, evidence, 'Name an active Azure subscription that was bought through this partner.');
  }
  if (judged.flaw) return failOf(name, judged.flaw);
  return pass(name, `${describeAzureSubscription(judged.azure)} is active and was bought through this partner.`);
}

/** The assignments that make the buyer Owner of the billing subscription now; nearest miss first where none does. */
function checkOwner(judgements: readonly Judgement[], { request, buyer }: PurchaseFacts): Condition {
  const name = 'owner';
  const counting = judgements.find((one) => one.counts);
  if (counting) return pass(name, counting.reason);
  const who = buyer.userPrincipalName ?? buyer.objectId;
  const kinds = Object.keys(OUTCOMES) as OutcomeKind[];
  const [nearest] = [...judgements].sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  const evidence = `${who} is not Owner of Azure subscription ${request.azureSubscriptionId}`;
  if (!nearest) return fail(name, evidence, 'Have the Owner role granted to the buyer at that subscription.');
  return fail(name, `${evidence}: ${nearest.reason}`, OUTCOMES[nearest.kind].remedy);
}

function checkMarket({ facts: { customer } }: PurchaseFacts): Condition {
  const source = excludedMarketSource(customer.country);
  if (source === undefined) return pass('market', `Azure reservations are sold in ${customer.country}.`);
  const evidence = `Azure reservations are not sold in ${customer.country} (${source})`;
  return fail('market', evidence, 'They cannot be bought for this customer.');
}

/** In any letter case. */
export function isSameRequest(one: QuotedRequest, other: QuotedRequest): boolean {
  return asText(one) === asText(other);
}

const asText = (request: QuotedRequest) =>
  [
    request.azureSubscriptionId,
    request.reservedResourceType,
    request.skuName,
    request.location,
    request.term,
    request.billingPlan,
    String(request.quantity),
  ]
    .join(' ')
    .toLowerCase();

function checkQuote({ quote, request }: PurchaseFacts, { now, approved }: PurchaseRules): Condition {
  const remedy = 'Call CalculatePrice again and purchase under the reservation order id that it answers.';
  if (!quote) return fail('quote', 'There is no quote of this reservation order id', remedy);
  if (!approved && quote.expiresOn <= now) {
    return fail('quote', `The quote expired on ${quote.expiresOn.toISOString()}`, remedy);
  }
  if (!isSameRequest(quote.request, request)) {
    const evidence = `The quote is for ${asText(quote.request)}, the purchase for ${asText(request)}`;
    return { ...fail('quote', evidence, remedy), code: 'QuoteMismatch' };
  }
  return pass('quote', `The quote is live until ${quote.expiresOn.toISOString()}.`);
}

function checkScope(index: FactIndex, { scopeSubscriptionId: id }: PurchaseFacts): Condition[] {
  if (id === undefined) return [];
  const name = 'scope';
  const judged = index.azureSubscriptions.get(id);
  const remedy = 'Use a shared scope, or a subscription that was bought through this partner.';
  if (!judged)
    return [fail(name, `The scope is in Azure subscription ${id}, which is not one of this customer`, remedy)];
  if (judged.soldAs === undefined)
    return [
      fail(
        name,
        `The scope is in ${describeAzureSubscription(judged.azure)}, which was not bought through this partner`,
        remedy,
      ),
    ];
  return [pass(name, `The scope is in ${describeAzureSubscription(judged.azure)}.`)];
}

function checkRenew({ renew }: PurchaseFacts): Condition[] {
  if (!renew) return [];
  const evidence = 'Automatic renewal is switched by the partner, not by the customer';
  return [fail('renewal', evidence, 'Send renew: false, and ask the partner for renewal.')];
}

/** The facts with nothing in them but the buyer, its groups and the billing subscription. */
function factsOfBuyer({ facts, buyer, request }: PurchaseFacts): Facts {
  const groups = new Set(buyer.groupIds);
  const reaches = (principalId: string) => principalId === buyer.objectId || groups.has(principalId);
  return {
    ...facts,
    azureSubscriptions: facts.azureSubscriptions.filter(
      (one) => one.azureSubscriptionId === request.azureSubscriptionId,
    ),
    roleAssignments: facts.roleAssignments.filter((one) => reaches(one.principalId)),
    users: facts.users.filter(({ userId }) => userId === buyer.objectId),
    groupMemberships: buyer.groupIds.map((groupId) => ({ groupId, userId: buyer.objectId })),
  };
}

/**
 * Whether a purchase may be made: facts in, verdict out, nothing else. Every condition is judged, so that one refusal
 * says all that has to be done. Who may buy: https://learn.microsoft.com/partner-center/customers/give-customers-permission,
 * https://learn.microsoft.com/azure/cost-management-billing/reservations/prepare-buy-reservation.
 */
export function decidePurchase(purchase: PurchaseFacts, rules: PurchaseRules): PurchaseVerdict {
  const own = factsOfBuyer(purchase);
  const index = indexOf(own);
  const { purchaserRoles, now } = rules;
  const roleRules = { purchaserRoles, now, resource: 'AzureReservedInstances' } as const;
  const judgements = own.roleAssignments.map((one) => judge(one, index, roleRules));
  const conditions = [
    checkPermission(purchase),
    checkRelationship(purchase),
    checkBuyer(purchase),
    checkSubscription(index, purchase),
    checkOwner(judgements, purchase),
    checkMarket(purchase),
    checkQuote(purchase, rules),
    ...checkScope(indexOf(purchase.facts), purchase),
    ...checkRenew(purchase),
  ];
  const { quote, request, guards, spend } = purchase;
  const guarded = quote && { ...request, currencyCode: quote.price.currencyCode, totalMinor: quote.price.totalMinor };
  const verdict = guarded && judgeGuards(guards, guarded, spend, now);
  for (const { code, message } of verdict?.reasons ?? []) {
    conditions.push({ name: 'guard', result: 'fail', code, evidence: message });
  }
  const failing = conditions.filter(({ result }) => result === 'fail');
  const allowed = failing.length === 0;
  return {
    allowed,
    needsApproval: allowed && !rules.approved && verdict?.needsApproval === true,
    approvalHours: verdict?.approvalHours ?? 0,
    conditions,
    reasons: failing.map(({ name, code, evidence }) => ({ code: code ?? name, message: evidence })),
  };
}
