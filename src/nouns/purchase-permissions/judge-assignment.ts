import type { ReachingDenials } from './deny-assignments.js';
import { type FactIndex, indexOf } from './fact-index.js';
import type {
  AssignmentVerdict,
  AzureSubscriptionFact,
  CheckResult,
  Facts,
  RoleAssignmentFact,
  Rules,
  UserFact,
} from './facts.js';
import { userFlaw } from './judge-user.js';
import { roleFor } from './purchaser-roles.js';

interface Outcome {
  result: CheckResult;
  /** What makes it count, one sentence. */
  remedy: string;
}

const GRANT_TO_USER = "Grant the role to an enabled user of the customer's own directory.";

/** What can come out for an assignment. Those that do not count stand nearest miss first: its remedy is the shortest way. */
export const OUTCOMES = {
  counts: { result: 'pass', remedy: '' },
  propagating: { result: 'warn', remedy: 'Wait, or have the user sign in again, before the first purchase.' },
  denied: { result: 'fail', remedy: 'Remove the deny assignment, or grant the role to a user it does not reach.' },
  'can-also-buy': {
    result: 'warn',
    remedy: 'Grant Owner instead, or accept the role with PURCHASER_ROLES=owner,reservation-purchaser.',
  },
  eligible: { result: 'warn', remedy: 'Have the user activate the role in Privileged Identity Management.' },
  ended: { result: 'fail', remedy: 'Have the role activated or granted again.' },
  'not-qualifying': {
    result: 'fail',
    remedy: 'Make that Azure subscription qualify, or grant the role on one that does.',
  },
  disabled: { result: 'fail', remedy: 'Enable the account, or grant the role to an enabled user.' },
  'unverified-group': { result: 'warn', remedy: 'Import the members of the group.' },
  'empty-group': { result: 'fail', remedy: 'Add an enabled user of the customer to the group.' },
  'below-subscription': { result: 'fail', remedy: 'Grant the role at the Azure subscription itself.' },
  guest: { result: 'warn', remedy: GRANT_TO_USER },
  'partner-employee': { result: 'fail', remedy: GRANT_TO_USER },
  'not-a-user': { result: 'fail', remedy: GRANT_TO_USER },
  orphan: { result: 'fail', remedy: GRANT_TO_USER },
  'foreign-group': { result: 'fail', remedy: GRANT_TO_USER },
  'other-role': { result: 'fail', remedy: 'Grant the built-in Owner role.' },
} as const satisfies Record<string, Outcome>;

export type OutcomeKind = keyof typeof OUTCOMES;

export interface Judgement extends AssignmentVerdict {
  kind: OutcomeKind;
  endsOn: Date | null;
}

/** "Azure role assignment changes can take up to 10 minutes to take effect", role-based-access-control/troubleshooting. */
const PROPAGATION_MS = 10 * 60_000;

interface Finding {
  kind: OutcomeKind;
  /** Continues "X holds Owner at S, but". */
  text: string;
}

/** The users through whom the assignment can work, or why there is none. */
function liveUsers(assignment: RoleAssignmentFact, index: FactIndex): readonly UserFact[] | Finding {
  switch (assignment.principalType) {
    case 'ForeignGroup':
      return { kind: 'foreign-group', text: "it is a group of the partner's directory, which never counts" };
    case 'ServicePrincipal':
    case 'Device':
      return { kind: 'not-a-user', text: `it is a ${assignment.principalType}, not a user` };
    case 'Group': {
      if (!index.groupIds.has(assignment.principalId)) {
        return { kind: 'orphan', text: "the group is not in the customer's directory" };
      }
      const known = index.membersOf(assignment.principalId).length;
      if (known === 0) return { kind: 'unverified-group', text: 'no member of the group is known' };
      const live = index.liveMembersOf(assignment.principalId);
      if (live.length > 0) return live;
      return { kind: 'empty-group', text: `none of its ${known} known members is an enabled user of the customer` };
    }
    case 'User': {
      const user = index.users.get(assignment.principalId);
      if (user === undefined) return { kind: 'orphan', text: "the user is not in the customer's directory" };
      return userFlaw(user, index.partnerDomain) ?? [user];
    }
  }
}

/** The qualifying Azure subscriptions at or below the scope, or why there is none. */
function reached(assignment: RoleAssignmentFact, index: FactIndex): readonly AzureSubscriptionFact[] | Finding {
  switch (assignment.scopeLevel) {
    case 'resource_group':
    case 'resource':
      return { kind: 'below-subscription', text: 'the scope is below the Azure subscription' };
    case 'subscription': {
      const judged = index.azureSubscriptions.get(assignment.azureSubscriptionId ?? '');
      if (judged === undefined) return { kind: 'not-qualifying', text: 'the Azure subscription is not known' };
      if (judged.flaw !== undefined) return { kind: 'not-qualifying', text: judged.flaw.evidence };
      return [judged.azure];
    }
    case 'management_group': {
      const azure = index.qualifyingIn(assignment.scope.slice(assignment.scope.lastIndexOf('/') + 1));
      if (azure.length > 0) return azure;
      return { kind: 'not-qualifying', text: 'no qualifying Azure subscription is in the management group' };
    }
    case 'root':
      if (index.qualifying.length > 0) return index.qualifying;
      return { kind: 'not-qualifying', text: 'there is no qualifying Azure subscription' };
  }
}

function isFinding<T>(value: readonly T[] | Finding): value is Finding {
  return 'kind' in value;
}

/** A user and an Azure subscription where no deny assignment stops it, or the deny assignment that stops the last one. */
function buyer(
  users: readonly UserFact[],
  azureSubscriptions: readonly AzureSubscriptionFact[],
  index: FactIndex,
  rules: Rules,
): { user: UserFact; azure: AzureSubscriptionFact } | Finding {
  const denials = index.denials(rules.resource);
  const tried = new Set<ReachingDenials>();
  let text = '';
  for (const azure of azureSubscriptions) {
    const reaching = denials.reaching(azure);
    if (tried.has(reaching)) continue;
    tried.add(reaching);
    for (const user of users) {
      const deny = reaching.blocking(() => index.principalIdsOf(user.userId));
      if (deny === undefined) return { user, azure };
      text = `deny assignment "${deny.displayName}" at ${deny.scope} blocks ${user.userPrincipalName}`;
    }
  }
  return { kind: 'denied', text };
}

/** Whether the assignment is in force at all: PIM, and time-bound assignments. */
function timeFinding(assignment: RoleAssignmentFact, now: Date): Finding | undefined {
  const { endsOn } = assignment;
  if (endsOn !== null && endsOn.getTime() <= now.getTime()) {
    return { kind: 'ended', text: `it ended on ${endsOn.toISOString()}` };
  }
  if (assignment.assignmentState === 'eligible') return { kind: 'eligible', text: 'it has to be activated first' };
  return undefined;
}

function describe(assignment: RoleAssignmentFact, roleName: string, index: FactIndex): string {
  const { principalId, principalType } = assignment;
  const known = principalType === 'User' ? index.users.get(principalId)?.userPrincipalName : undefined;
  const verb = assignment.assignmentState === 'eligible' ? 'may activate' : 'holds';
  return `${known ?? `${principalType} ${principalId}`} ${verb} ${roleName} at ${assignment.scope}`;
}

/** `judgeAssignment`, with what the checks need besides. */
export function judge(assignment: RoleAssignmentFact, index: FactIndex, rules: Rules): Judgement {
  const role = roleFor(assignment.roleDefinitionId, rules.resource);
  const subject = describe(assignment, role.name, index);
  const admitted = role.purchaser !== undefined && rules.purchaserRoles.includes(role.purchaser);

  function outcome(kind: OutcomeKind, reason: string, azureSubscriptionId = assignment.azureSubscriptionId): Judgement {
    const counts = kind === 'counts' || kind === 'propagating';
    const { roleAssignmentId, endsOn } = assignment;
    return { roleAssignmentId, azureSubscriptionId, counts, result: OUTCOMES[kind].result, reason, kind, endsOn };
  }
  function refuse(finding: Finding): Judgement {
    return outcome(admitted ? finding.kind : 'other-role', `${subject}, but ${finding.text}.`);
  }

  if (role.purchaser === undefined) {
    return refuse({ kind: 'other-role', text: 'only the built-in Owner role counts, no other and no custom role' });
  }
  const users = liveUsers(assignment, index);
  if (isFinding(users)) return refuse(users);
  const azureSubscriptions = reached(assignment, index);
  if (isFinding(azureSubscriptions)) return refuse(azureSubscriptions);
  const outOfTime = timeFinding(assignment, rules.now);
  if (outOfTime !== undefined) return refuse(outOfTime);
  const found = buyer(users, azureSubscriptions, index, rules);
  if ('kind' in found) return refuse(found);

  const { azureSubscriptionId } = found.azure;
  const through = assignment.principalType === 'Group' ? `, through ${found.user.userPrincipalName}` : '';
  const until = assignment.endsOn === null ? '' : `, until ${assignment.endsOn.toISOString()}`;
  const condition = assignment.condition === null ? '' : '; its condition does not limit purchases';
  const full = `${subject}${through}${until}, and can buy on Azure subscription ${azureSubscriptionId}${condition}`;
  if (!admitted) return outcome('can-also-buy', `${full}, but only Owner counts here.`, azureSubscriptionId);
  const worksFrom = assignment.createdOn.getTime() + PROPAGATION_MS;
  if (worksFrom > rules.now.getTime()) {
    const text = `${full}; granted less than 10 minutes ago, it is still propagating.`;
    return outcome('propagating', text, azureSubscriptionId);
  }
  return outcome('counts', `${full}.`, azureSubscriptionId);
}

/** Whether a role assignment counts as the customer's Owner, and why or why not. */
export function judgeAssignment(assignment: RoleAssignmentFact, facts: Facts, rules: Rules): AssignmentVerdict {
  const { roleAssignmentId, azureSubscriptionId, counts, result, reason } = judge(assignment, indexOf(facts), rules);
  return { roleAssignmentId, azureSubscriptionId, counts, result, reason };
}
