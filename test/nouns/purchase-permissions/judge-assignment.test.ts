import t from 'tap';
import type { ScopeLevel } from '../../../src/db/tables.js';
import {
  type CheckResult,
  type DenyAssignmentFact,
  decide,
  type Facts,
  judgeAssignment,
  type RoleAssignmentFact,
  type Rules,
  type UserFact,
} from '../../../src/nouns/purchase-permissions/decide.js';
import { alex, azure, deny, factsOf, now, owner, plan, role, rules } from './facts-of.js';

interface Given {
  assignment?: Partial<RoleAssignmentFact>;
  facts?: Partial<Facts>;
  rules?: Partial<Rules>;
}

const rows = new Set<number>();

function judged(row: number, is: string, reason: RegExp, given: Given, counts: boolean, result: CheckResult): void {
  rows.add(row);
  t.test(`owner row ${row}: ${is} ${counts ? 'counts' : 'does not count'}`, (t) => {
    const assignment = { ...owner, ...given.assignment };
    const facts = factsOf({ roleAssignments: [assignment], ...given.facts });
    const applied = { ...rules, ...given.rules };
    const verdict = judgeAssignment(assignment, facts, applied);
    t.match(verdict, { roleAssignmentId: 'ra-1', counts, result, reason });
    t.same(Object.keys(verdict).sort(), ['azureSubscriptionId', 'counts', 'reason', 'result', 'roleAssignmentId']);
    const decision = decide(facts, applied);
    t.equal(decision.checks.find((check) => check.name === 'owner')?.result, counts ? 'pass' : 'fail');
    t.equal(decision.eligible, counts);
    t.end();
  });
}
const counts = (row: number, is: string, reason: RegExp, given: Given = {}) =>
  judged(row, is, reason, given, true, 'pass');
const countsWithWarning = (row: number, is: string, reason: RegExp, given: Given) =>
  judged(row, is, reason, given, true, 'warn');
const fails = (row: number, is: string, reason: RegExp, given: Given) => judged(row, is, reason, given, false, 'fail');
const failsWithHope = (row: number, is: string, reason: RegExp, given: Given) =>
  judged(row, is, reason, given, false, 'warn');

const minutes = (n: number) => new Date(now.getTime() + n * 60_000);
const roleOf = (roleDefinitionId: string) => ({ roleDefinitionId });
const user = (change: Partial<UserFact>) => ({ users: [{ ...alex, ...change }] });
const denied = (change: Partial<DenyAssignmentFact>) => ({ denyAssignments: [{ ...deny, ...change }] });
const above = (scope: string, scopeLevel: ScopeLevel) => ({ scope, scopeLevel, azureSubscriptionId: null });
const managementGroup = (name: string) =>
  above(`/providers/Microsoft.Management/managementGroups/${name}`, 'management_group');
const root = above('/', 'root');
const group = { principalType: 'Group', principalId: 'admins' } as const;
const membership = (userId: string) => ({ groupId: 'admins', userId });
const admins = { groupIds: ['admins'], groupMemberships: [membership('alex')] };
const bob = { ...alex, userId: 'bob', userPrincipalName: 'bob@fabrikam.com' };
const bothRoles: Partial<Rules> = { purchaserRoles: ['owner', 'reservation-purchaser'] };
const savingsPlan: Partial<Rules> = { resource: 'AzureSavingsPlan' };
const disabled = { ...azure, armState: 'Disabled' } as const;
const suspended = { ...plan, status: 'suspended' } as const;

counts(1, 'a home user', /^alex@fabrikam\.com holds Owner at \/subscriptions\/az-1, and can buy on .* az-1\.$/);
counts(1, 'Owner by a full id in upper case', /holds Owner/, {
  assignment: roleOf(`/providers/Microsoft.Authorization/roleDefinitions/${role.owner.toUpperCase()}`),
});
fails(1, 'Owner on a subscription that does not qualify', /Azure plan plan-1 is suspended, not active/, {
  facts: { subscriptions: [suspended] },
});
fails(1, 'Owner on an unknown subscription', /not known/, { assignment: { azureSubscriptionId: 'az-9' } });

counts(2, 'Owner at a management group, without case', /managementGroups\/ROOT-mg, and can buy on .* az-1/, {
  assignment: managementGroup('ROOT-mg'),
});
counts(2, 'Owner at the root', /Owner at \/, and can buy on Azure subscription az-1/, { assignment: root });
fails(2, 'Owner at a management group of other subscriptions', /no qualifying .* in the management group/, {
  assignment: managementGroup('other'),
});
fails(2, 'Owner at a management group of a disabled subscription', /no qualifying .* in the management group/, {
  assignment: managementGroup('Apps'),
  facts: { azureSubscriptions: [disabled] },
});
fails(2, 'Owner at the root of nothing that qualifies', /there is no qualifying/, {
  assignment: root,
  facts: { azureSubscriptions: [disabled] },
});

counts(3, 'a group with an enabled home user', /^Group admins holds Owner .* through alex@fabrikam\.com/, {
  assignment: group,
  facts: admins,
});
counts(3, 'a group with one enabled user among others', /through alex/, {
  assignment: group,
  facts: {
    groupIds: ['admins'],
    groupMemberships: [membership('bob'), membership('alex')],
    users: [{ ...bob, accountState: 'inactive' }, alex],
  },
});
failsWithHope(3, 'a group without known members', /no member of the group is known/, {
  assignment: group,
  facts: { groupIds: ['admins'] },
});
failsWithHope(3, 'a group with members that are not in the directory list', /no member of the group is known/, {
  assignment: group,
  facts: { groupIds: ['admins'], groupMemberships: [membership('gone')] },
});
fails(3, 'a group of disabled users', /none of its 1 known members/, {
  assignment: group,
  facts: { ...admins, ...user({ accountState: 'inactive' }) },
});
fails(3, 'a group of guests', /none of its 1 known members/, {
  assignment: group,
  facts: { ...admins, ...user({ userType: 'guest' }) },
});

fails(4, "the partner's foreign group", /never counts/, {
  assignment: { principalType: 'ForeignGroup', principalId: 'admin-agents' },
});
fails(4, 'a foreign group with a known member', /never counts/, {
  assignment: { principalType: 'ForeignGroup', principalId: 'admins' },
  facts: admins,
});

fails(5, 'a service principal', /a ServicePrincipal, not a user/, {
  assignment: { principalType: 'ServicePrincipal' },
});
fails(5, 'a device', /a Device, not a user/, { assignment: { principalType: 'Device' } });

failsWithHope(6, 'a guest', /the user is a guest/, { facts: user({ userType: 'guest' }) });
failsWithHope(6, 'a member of another tenant', /at home in adatum\.com/, { facts: user({ homeDomain: 'adatum.com' }) });
failsWithHope(6, 'a member with the name of an invited account', /at home in adatum\.com/, {
  facts: user({ userPrincipalName: 'a_b_adatum.com#EXT#@fabrikam.com' }),
});

fails(7, 'a partner employee as guest', /of the partner/, {
  facts: user({ userType: 'guest', homeDomain: 'Contoso.com' }),
});
fails(7, 'a partner employee as member', /of the partner/, {
  facts: { partnerDomain: 'Contoso.com', ...user({ homeDomain: 'contoso.com' }) },
});
fails(7, 'a partner employee by the name of the invited account alone', /of the partner/, {
  facts: user({ userPrincipalName: 'jo_contoso.com#EXT#@fabrikam.com' }),
});
fails(7, "a member with a name in the partner's domain", /of the partner/, {
  facts: user({ userPrincipalName: 'jo@CONTOSO.com' }),
});
fails(7, 'a group of partner employees', /none of its 1 known members/, {
  assignment: group,
  facts: { ...admins, ...user({ homeDomain: 'contoso.com' }) },
});

fails(8, 'a Lighthouse user of the managing tenant', /the user is not in the customer's directory/, {
  assignment: { principalId: 'managing-user' },
});
fails(8, 'a Lighthouse group of the managing tenant', /the group is not in the customer's directory/, {
  assignment: { principalType: 'Group', principalId: 'managing-group' },
  facts: admins,
});

fails(9, 'Owner on a resource group', /below the Azure subscription/, {
  assignment: { scope: '/subscriptions/az-1/resourceGroups/rg', scopeLevel: 'resource_group' },
});
fails(9, 'Owner on a resource', /below the Azure subscription/, {
  assignment: { scope: '/subscriptions/az-1/resourceGroups/rg/providers/a/b/c', scopeLevel: 'resource' },
});

fails(10, 'a custom role', /no custom role/, { assignment: roleOf(role.custom) });

counts(11, 'Reservation Purchaser where it is accepted', /holds Reservation Purchaser/, {
  assignment: roleOf(role.reservationPurchaser),
  rules: bothRoles,
});
counts(11, 'Savings plan Purchaser where it is accepted, for savings plans', /Savings plan Purchaser/, {
  assignment: roleOf(role.savingsPlanPurchaser),
  rules: { ...bothRoles, ...savingsPlan },
});
counts(11, 'Owner for savings plans', /holds Owner/, { rules: savingsPlan });
failsWithHope(11, 'Reservation Purchaser where only Owner is', /can buy on .* az-1, but only Owner counts here/, {
  assignment: roleOf(role.reservationPurchaser),
});
fails(11, 'Reservation Purchaser of a guest where only Owner is', /the user is a guest/, {
  assignment: roleOf(role.reservationPurchaser),
  facts: user({ userType: 'guest' }),
});
fails(11, 'Reservation Purchaser for savings plans', /only the built-in Owner role/, {
  assignment: roleOf(role.reservationPurchaser),
  rules: { ...bothRoles, ...savingsPlan },
});
fails(11, 'Savings plan Purchaser for reservations', /only the built-in Owner role/, {
  assignment: roleOf(role.savingsPlanPurchaser),
  rules: bothRoles,
});

failsWithHope(12, 'a PIM-eligible Owner', /may activate Owner .* has to be activated first/, {
  assignment: { assignmentState: 'eligible' },
});
fails(12, 'a PIM eligibility that has ended', /it ended on/, {
  assignment: { assignmentState: 'eligible', endsOn: minutes(-1) },
});

counts(13, 'an activated Owner until its end', /until 2026-03-01T12:01:00\.000Z/, {
  assignment: { endsOn: minutes(1) },
});
fails(13, 'one that ends at this instant', /it ended on 2026-03-01T12:00:00\.000Z/, { assignment: { endsOn: now } });

fails(14, 'a principal of no directory list', /not in the customer's directory/, { facts: { users: [] } });
fails(14, 'a deleted user', /the user is deleted/, { facts: user({ deleted: true }) });
fails(14, 'a group of no directory list', /not in the customer's directory/, {
  assignment: group,
  facts: { groupMemberships: admins.groupMemberships },
});

counts(15, 'Owner with a condition', /condition does not limit purchases/, {
  assignment: { condition: '@Resource[x]' },
});

counts(16, 'an Owner while another is denied', /can buy/, { facts: denied({ principalIds: ['bob'] }) });
counts(16, 'an Owner denied elsewhere', /can buy/, { facts: denied({ scope: '/subscriptions/az-2' }) });
counts(16, 'an Owner denied other actions', /can buy/, {
  facts: denied({ actions: ['*/read', 'Microsoft.Compute/*'] }),
});
counts(16, 'an Owner denied all but purchases', /can buy/, {
  facts: denied({ actions: ['*'], notActions: ['microsoft.capacity/*'] }),
});
counts(16, 'an Owner denied reservations, for savings plans', /can buy/, { facts: denied({}), rules: savingsPlan });
counts(16, 'a group with one denied and one free user', /through bob/, {
  assignment: group,
  facts: {
    groupIds: ['admins'],
    groupMemberships: [membership('alex'), membership('bob')],
    users: [alex, bob],
    ...denied({}),
  },
});
counts(16, 'an inherited Owner denied on one of two subscriptions', /can buy on Azure subscription az-2/, {
  assignment: root,
  facts: { azureSubscriptions: [azure, { ...azure, azureSubscriptionId: 'az-2' }], ...denied({}) },
});
fails(16, 'an Owner denied at the subscription', /"No capacity" at \/subscriptions\/AZ-1 blocks alex@fabrikam\.com/, {
  facts: denied({}),
});
fails(16, 'an Owner denied at a management group', /managementGroups\/apps\/ blocks/, {
  facts: denied({ scope: '/providers/Microsoft.Management/managementGroups/apps/' }),
});
fails(16, 'an Owner denied everything with everyone at the root', /at \/ blocks/, {
  facts: denied({ scope: '/', actions: ['*'], principalIds: [], everyone: true }),
});
fails(16, 'an Owner denied by a group', /blocks/, { facts: { ...admins, ...denied({ principalIds: ['admins'] }) } });
fails(16, 'an Owner denied all writes', /blocks/, { facts: denied({ actions: ['*/write'] }) });
fails(16, 'an Owner denied the order', /blocks/, {
  facts: denied({ actions: ['Microsoft.Capacity/reservation*/WRITE'] }),
});
fails(16, 'an Owner denied all but reads', /blocks/, { facts: denied({ actions: ['*'], notActions: ['*/read'] }) });
fails(16, 'an Owner denied billing benefits, for savings plans', /blocks/, {
  facts: denied({ actions: ['Microsoft.BillingBenefits/*'] }),
  rules: savingsPlan,
});

counts(17, 'the Owner that a classic administrator became', /holds Owner/, {
  assignment: { scope: '/subscriptions/AZ-1' },
});
fails(17, 'a classic administrator', /serviceadministrator/, { assignment: roleOf('ServiceAdministrator') });

for (const name of [
  'contributor',
  'userAccessAdministrator',
  'rbacAdministrator',
  'reservationsAdministrator',
] as const) {
  fails(18, name, /only the built-in Owner role counts/, { assignment: roleOf(role[name]), rules: bothRoles });
}

countsWithWarning(19, 'Owner granted less than 10 minutes ago', /still propagating/, {
  assignment: { createdOn: new Date(minutes(-10).getTime() + 1) },
});
counts(19, 'Owner granted 10 minutes ago', /can buy/, { assignment: { createdOn: minutes(-10) } });

fails(20, 'a disabled user', /the account is disabled/, { facts: user({ accountState: 'inactive' }) });

t.test('every row of the table of owners has a case', (t) => {
  t.same(
    [...rows],
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  t.end();
});

t.test('an assignment names the Azure subscription it counts on, or that of its scope where it does not count', (t) => {
  const inherited: RoleAssignmentFact = { ...owner, ...root };
  t.equal(judgeAssignment(inherited, factsOf(), rules).azureSubscriptionId, 'az-1');
  t.equal(judgeAssignment(inherited, factsOf({ users: [] }), rules).azureSubscriptionId, null);
  t.equal(judgeAssignment(owner, factsOf({ users: [] }), rules).azureSubscriptionId, 'az-1');
  t.end();
});
