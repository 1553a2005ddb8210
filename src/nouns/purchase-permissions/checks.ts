import { excludedMarketSource } from './excluded-markets.js';
import type { FactIndex } from './fact-index.js';
import type { Check, CustomerFact, Rules } from './facts.js';
import { type Judgement, OUTCOMES, type OutcomeKind } from './judge-assignment.js';
import {
  azureOffer,
  describeAzureSubscription,
  describeSubscription,
  type Flaw,
  isDevTest,
} from './judge-subscription.js';

/** Names of the checks, in the order of every answer. */
export const CHECK_NAMES = [
  'relationship',
  'subscription',
  'azure_subscription',
  'owner',
  'market',
  'propagation',
  'deny_assignment',
  'trial',
  'dev_test',
  'other_purchasers',
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];

/** Evidence goes into a reply and the log: a customer with thousands of assignments still gets a sentence. */
const LISTED = 5;

function list(items: readonly string[]): string {
  const shown = items
    .slice(0, LISTED)
    .map((item) => item.replace(/\.$/, ''))
    .join('; ');
  return items.length > LISTED ? `${shown}; and ${items.length - LISTED} more` : shown;
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

function pass(name: CheckName, evidence: string): Check {
  return { name, result: 'pass', evidence: sentence(evidence) };
}

function warn(name: CheckName, evidence: string, remedy: string): Check {
  return { name, result: 'warn', evidence: sentence(evidence), remedy };
}

function fail(name: CheckName, evidence: string, remedy: string): Check {
  return { name, result: 'fail', evidence: sentence(evidence), remedy };
}

/** Passes where nothing was found, else warns of what was. */
function warnOf(name: CheckName, found: readonly string[], none: string, remedy: string): Check {
  return found.length === 0 ? pass(name, none) : warn(name, list(found), remedy);
}

export function checkRelationship(customer: CustomerFact): Check {
  if (customer.deleted) {
    return fail(
      'relationship',
      'The customer is deleted',
      'Establish a reseller relationship with the customer again.',
    );
  }
  if (customer.relationship !== 'reseller') {
    const evidence = `The relationship to the customer is ${customer.relationship}, not reseller`;
    return fail('relationship', evidence, 'Establish a reseller relationship with the customer.');
  }
  return pass('relationship', 'The customer has a reseller relationship with this partner');
}

/** The flaw to name first is the one of an Azure offer: a licence has no way to qualify. */
export function checkSubscription(index: FactIndex): Check {
  const qualifying = index.subscriptions.filter((one) => one.flaw === undefined);
  if (qualifying.length > 0) {
    return pass('subscription', `Active: ${list(qualifying.map((one) => describeSubscription(one.subscription)))}`);
  }
  const azure = index.subscriptions.filter((one) => azureOffer(one.subscription) !== undefined);
  const flaws = (azure.length > 0 ? azure : index.subscriptions).flatMap((one) => one.flaw ?? []);
  return failOf(
    'subscription',
    'There is no active Azure plan or MS-AZR-0145P subscription bought through this partner',
    flaws,
    'Buy the Azure plan for the customer.',
  );
}

function failOf(name: CheckName, evidence: string, flaws: readonly Flaw[], remedy: string): Check {
  if (flaws.length === 0) return fail(name, evidence, remedy);
  return fail(name, `${evidence}: ${list(flaws.map((flaw) => flaw.evidence))}`, flaws[0]?.remedy ?? remedy);
}

export function checkAzureSubscription(index: FactIndex): Check {
  const troubled = index.qualifying.filter((azure) => azure.armState !== 'Enabled');
  if (troubled.length > 0) {
    const evidence = list(troubled.map((azure) => `${describeAzureSubscription(azure)} is in state ${azure.armState}`));
    return warn('azure_subscription', evidence, 'Settle what is due before it is disabled.');
  }
  if (index.qualifying.length > 0) {
    return pass('azure_subscription', `Enabled: ${list(index.qualifying.map(describeAzureSubscription))}`);
  }
  const plan = index.subscriptions.find((one) => one.flaw === undefined)?.subscription;
  const remedy =
    plan === undefined
      ? 'Buy the Azure plan for the customer and add an Azure subscription to it.'
      : `Add an active Azure subscription to ${describeSubscription(plan)}.`;
  const judged = [...index.azureSubscriptions.values()];
  // Those sold here first: what another seller sold cannot be repaired by this partner.
  const flaws = [...judged.filter((one) => one.soldAs), ...judged.filter((one) => !one.soldAs)];
  const evidence = 'There is no active Azure subscription under an active Azure plan or MS-AZR-0145P of this partner';
  return failOf(
    'azure_subscription',
    evidence,
    flaws.flatMap((one) => one.flaw ?? []),
    remedy,
  );
}

const NEARNESS = new Map((Object.keys(OUTCOMES) as OutcomeKind[]).map((kind, rank) => [kind, rank]));

function byNearness(a: Judgement, b: Judgement): number {
  return (NEARNESS.get(a.kind) ?? 0) - (NEARNESS.get(b.kind) ?? 0);
}

export function checkOwner(judgements: readonly Judgement[], index: FactIndex): Check {
  const counting = judgements.filter((judgement) => judgement.counts);
  if (counting.length > 0) return pass('owner', list(counting.map((judgement) => judgement.reason)));
  const misses = judgements.filter((judgement) => judgement.kind !== 'other-role').sort(byNearness);
  const nobody = 'No user of the customer holds Owner on a qualifying Azure subscription';
  const nearest = misses[0];
  if (nearest !== undefined) {
    return fail('owner', `${nobody}: ${list(misses.map((miss) => miss.reason))}`, OUTCOMES[nearest.kind].remedy);
  }
  const target = index.qualifying[0];
  const where = target === undefined ? 'a qualifying Azure subscription' : describeAzureSubscription(target);
  const found = judgements.length === 0 ? 'no role is assigned' : `${judgements.length} assignments of other roles`;
  return fail(
    'owner',
    `${nobody}: ${found}`,
    `Grant Owner on ${where} to an enabled user of the customer's own directory.`,
  );
}

/** Never fails: the permission may go on, the purchase would be refused. */
export function checkMarket(customer: CustomerFact, rules: Rules): Check {
  if (rules.resource !== 'AzureReservedInstances') {
    return pass('market', 'No list of markets without savings plans is published');
  }
  const source = excludedMarketSource(customer.country);
  if (source === undefined) return pass('market', `Azure reservations are sold in ${customer.country}`);
  return warn(
    'market',
    `Azure reservations are not sold in ${customer.country}, says ${source}`,
    'Expect purchases to be refused, or correct the country of the billing profile.',
  );
}

function reasonsOf(judgements: readonly Judgement[], kind: OutcomeKind): string[] {
  return judgements.filter((judgement) => judgement.kind === kind).map((judgement) => judgement.reason);
}

export function checkPropagation(judgements: readonly Judgement[]): Check {
  const found = reasonsOf(judgements, 'propagating');
  return warnOf(
    'propagation',
    found,
    'No counting role was granted in the last 10 minutes',
    OUTCOMES.propagating.remedy,
  );
}

export function checkDenyAssignment(judgements: readonly Judgement[]): Check {
  const found = reasonsOf(judgements, 'denied');
  const check = warnOf(
    'deny_assignment',
    found,
    'No deny assignment stops an Owner from buying',
    OUTCOMES.denied.remedy,
  );
  const isLast = !judgements.some((judgement) => judgement.counts);
  return check.result === 'warn' && isLast ? { ...check, result: 'fail' } : check;
}

export function checkTrial(index: FactIndex): Check {
  const found = index.subscriptions
    .filter((one) => one.flaw === undefined && one.subscription.isTrial)
    .map((one) => `${describeSubscription(one.subscription)} is a trial`);
  return warnOf('trial', found, 'No qualifying subscription is a trial', 'Convert the trial to a paid subscription.');
}

export function checkDevTest(index: FactIndex): Check {
  const found = index.qualifying
    .filter(isDevTest)
    .map((azure) => `${describeAzureSubscription(azure)} has the dev/test quota ${azure.quotaId}`);
  const remedy = 'Use an Azure subscription without dev/test quota for purchases.';
  return warnOf('dev_test', found, 'No qualifying Azure subscription has a dev/test quota', remedy);
}

/** The partner pays for what these buy, too. */
export function checkOtherPurchasers(judgements: readonly Judgement[]): Check {
  const found = reasonsOf(judgements, 'can-also-buy');
  const remedy =
    'Remove the role from whoever should not buy, or accept it with PURCHASER_ROLES=owner,reservation-purchaser.';
  return warnOf('other_purchasers', found, 'Nobody can buy by a role that does not count here', remedy);
}
