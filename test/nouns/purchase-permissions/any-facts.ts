import fc from 'fast-check';
import type { DenyAssignmentFact, Facts, RoleAssignmentFact } from '../../../src/nouns/purchase-permissions/decide.js';
import { alex, azure, azureGlobal, deny, now, owner, plan, role } from './facts-of.js';

// Small sets of ids, so that facts meet; the usual value more often, so that enough customers are eligible.
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 9 }, { arbitrary: fc.constantFrom(usual, ...others), weight: 1 });

const userIds = ['alex', 'bob', 'guest', 'gone'];
const groupIds = ['admins', 'staff', 'unknown'];
const times = fc.constantFrom(-60, -1, 0, 1, 60).map((minutes) => new Date(now.getTime() + minutes * 60_000));

const scope = fc.constantFrom<Pick<RoleAssignmentFact, 'scope' | 'scopeLevel' | 'azureSubscriptionId'>>(
  { scope: '/subscriptions/az-1', scopeLevel: 'subscription', azureSubscriptionId: 'az-1' },
  { scope: '/subscriptions/az-2', scopeLevel: 'subscription', azureSubscriptionId: 'az-2' },
  {
    scope: '/providers/Microsoft.Management/managementGroups/Apps',
    scopeLevel: 'management_group',
    azureSubscriptionId: null,
  },
  { scope: '/', scopeLevel: 'root', azureSubscriptionId: null },
  { scope: '/subscriptions/az-1/resourceGroups/rg', scopeLevel: 'resource_group', azureSubscriptionId: 'az-1' },
);

const assignment: fc.Arbitrary<RoleAssignmentFact> = fc
  .record({
    roleAssignmentId: fc.uuid(),
    scope,
    roleDefinitionId: mostly(role.owner, role.reservationPurchaser, role.contributor, role.custom),
    principal: fc.oneof(
      fc.record({ principalType: fc.constant('User' as const), principalId: fc.constantFrom(...userIds) }),
      fc.record({ principalType: fc.constant('Group' as const), principalId: fc.constantFrom(...groupIds) }),
    ),
    assignmentState: mostly<'active' | 'eligible'>('active', 'eligible'),
    endsOn: fc.option(times),
    createdOn: times,
    condition: mostly<string | null>(null, '@Resource[x]'),
  })
  .map(({ scope, principal, ...rest }) => ({ ...rest, ...scope, ...principal }));

/** Assignments that count for nobody, whatever the other facts are. */
export const neverCounting: fc.Arbitrary<RoleAssignmentFact> = fc
  .tuple(assignment, fc.constantFrom('foreign', 'service', 'device', 'resource-group', 'custom', 'contributor'))
  .map(([fact, kind]) => {
    switch (kind) {
      case 'foreign':
        return { ...fact, principalType: 'ForeignGroup' };
      case 'service':
        return { ...fact, principalType: 'ServicePrincipal' };
      case 'device':
        return { ...fact, principalType: 'Device' };
      case 'resource-group':
        return { ...owner, scope: '/subscriptions/az-1/resourceGroups/rg', scopeLevel: 'resource_group' };
      case 'custom':
        return { ...fact, roleDefinitionId: role.custom };
      default:
        return { ...fact, roleDefinitionId: role.contributor };
    }
  });

const denyAssignment: fc.Arbitrary<DenyAssignmentFact> = fc.record({
  displayName: fc.constant('Deny'),
  scope: fc.constantFrom('/', '/subscriptions/az-1', '/subscriptions/az-2'),
  actions: fc.constantFrom(['*'], deny.actions, ['*/read']),
  notActions: fc.constantFrom([], ['*/write']),
  principalIds: fc.subarray([...userIds, ...groupIds]),
  everyone: mostly(false, true),
});

export const anyFacts: fc.Arbitrary<Facts> = fc.record({
  customer: fc.record({
    relationship: mostly<'reseller' | 'none'>('reseller', 'none'),
    country: mostly('DE', 'BR'),
    deleted: mostly(false, true),
  }),
  partnerDomain: fc.constant('contoso.com'),
  subscriptions: fc
    .tuple(mostly<'active' | 'suspended'>('active', 'suspended'), mostly(false, true), fc.boolean())
    .map(([status, transitionInProgress, isTrial]) => [
      { ...plan, status, transitionInProgress, isTrial },
      { ...azureGlobal, status },
    ]),
  azureSubscriptions: fc
    .tuple(
      mostly<string | null>('plan-1', null),
      fc.constantFrom('Enabled' as const, 'PastDue' as const, 'Disabled' as const),
      fc.constantFrom('CSP_2015-05-01', 'CSPDEVTEST_2018-05-01'),
    )
    .map(([subscriptionId, armState, quotaId]) => [
      { ...azure, subscriptionId, quotaId },
      { ...azure, azureSubscriptionId: 'az-2', subscriptionId: 'global-1', armState, managementGroups: [] },
    ]),
  roleAssignments: fc.array(assignment, { maxLength: 6 }),
  users: fc
    .tuple(mostly<'active' | 'inactive'>('active', 'inactive'), mostly<string | null>(null, 'contoso.com'))
    .map(([accountState, homeDomain]) => [
      { ...alex, accountState },
      { ...alex, userId: 'bob', userPrincipalName: 'bob@fabrikam.com', homeDomain },
      { ...alex, userId: 'guest', userType: 'guest' as const },
      { ...alex, userId: 'gone', deleted: true },
    ]),
  groupIds: fc.constant(['admins', 'staff']),
  groupMemberships: fc.array(
    fc.record({ groupId: fc.constantFrom(...groupIds), userId: fc.constantFrom(...userIds) }),
    { maxLength: 6 },
  ),
  denyAssignments: fc.oneof(fc.constant([]), fc.array(denyAssignment, { maxLength: 2 })),
});
