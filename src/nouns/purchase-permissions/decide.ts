import {
  checkAzureSubscription,
  checkDenyAssignment,
  checkDevTest,
  checkMarket,
  checkOtherPurchasers,
  checkOwner,
  checkPropagation,
  checkRelationship,
  checkSubscription,
  checkTrial,
} from './checks.js';
import { indexOf } from './fact-index.js';
import type { Facts, Rules, Verdict } from './facts.js';
import { type Judgement, judge } from './judge-assignment.js';

export { CHECK_NAMES, type CheckName } from './checks.js';
export type * from './facts.js';
export { judgeAssignment } from './judge-assignment.js';

/** The last end among counting assignments; null where one counts without end. */
function latestEnd(counting: readonly Judgement[]): Date | null {
  let latest: Date | null = null;
  for (const { endsOn } of counting) {
    if (endsOn === null) return null;
    if (latest === null || endsOn > latest) latest = endsOn;
  }
  return latest;
}

/**
 * Whether the permission to buy `rules.resource` may be on: facts in, verdict out, nothing else. At least one Azure plan
 * or MS-AZR-0145P subscription of this partner with an active Azure subscription, and a user of the customer who holds
 * Owner there. https://learn.microsoft.com/partner-center/give-customers-permission; cases that page leaves open are
 * decided row by row in the tests.
 */
export function decide(facts: Facts, rules: Rules): Verdict {
  const index = indexOf(facts);
  const judgements = facts.roleAssignments.map((assignment) => judge(assignment, index, rules));
  const checks = [
    checkRelationship(facts.customer),
    checkSubscription(index),
    checkAzureSubscription(index),
    checkOwner(judgements, index),
    checkMarket(facts.customer, rules),
    checkPropagation(judgements),
    checkDenyAssignment(judgements),
    checkTrial(index),
    checkDevTest(index),
    checkOtherPurchasers(judgements),
  ];
  const eligible = checks.every((check) => check.result !== 'fail');
  const effectiveUntil = eligible ? latestEnd(judgements.filter((judgement) => judgement.counts)) : null;
  return { eligible, effectiveUntil, checks };
}

/** One text per failing check, what was found and what to do: `data[]` of the refusal, `ineligibilityReasons`. */
export function failingReasons(verdict: Verdict): string[] {
  return verdict.checks
    .filter((check) => check.result === 'fail')
    .map((check) => (check.remedy === undefined ? check.evidence : `${check.evidence} ${check.remedy}`));
}
