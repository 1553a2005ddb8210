import t from 'tap';
import { type Action, type HeldRole, mayPerform, type Rights } from '../../../src/nouns/role-assignments/rights.js';
import {
  listRoleDefinitions,
  parseRoleDefinitionFilter,
} from '../../../src/nouns/role-assignments/role-definitions.js';
import {
  type Coverage,
  coverageOf,
  type ScopeParams,
  scopeKeysAtAndAbove,
  scopeOf,
} from '../../../src/nouns/role-assignments/scopes.js';

const OWNER = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const CONTRIBUTOR = 'b24988ac-6180-42a0-ab88-20f7382dd24c';
const READER = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';
const USER_ACCESS_ADMINISTRATOR = '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9';
const RBAC_ADMINISTRATOR = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168';
const RESERVATION_PURCHASER = 'f7b75c60-3036-4b75-91c3-6b41c27c1689';
const CUSTOM = '99999999-0000-4000-8000-000000000001';

const SUB = '11111111-0000-4000-8000-000000000001';
const TENANT = '22222222-0000-4000-8000-000000000001';
const ME = '33333333-0000-4000-8000-000000000001';
const now = new Date('2026-11-21T12:00:00Z');
const chains = [{ azureSubscriptionId: SUB, managementGroups: [TENANT, 'Corp', 'Online'] }];
const keysOf = (params: ScopeParams) => scopeKeysAtAndAbove(scopeOf(params), chains, TENANT);
const atSubscription = keysOf({ subscriptionId: SUB }) ?? [];

const READ: Action = 'Microsoft.Authorization/roleAssignments/read';
const WRITE: Action = 'Microsoft.Authorization/roleAssignments/write';
const DELETE: Action = 'Microsoft.Authorization/roleAssignments/delete';
const held = (roleDefinitionId: string, more: Partial<HeldRole> = {}): HeldRole => ({
  roleDefinitionId,
  scopeKey: `/subscriptions/${SUB}`,
  assignmentState: 'active',
  endsOn: null,
  condition: null,
  ...more,
});
const rights = (roles: HeldRole[], denials: Rights['denials'] = []): Rights => ({
  principalIds: [ME],
  roles,
  denials,
});

t.test('each built-in role allows what its actions say', async (t) => {
  for (const [role, read, write, remove] of [
    [OWNER, true, true, true],
    [CONTRIBUTOR, true, false, false],
    [READER, true, false, false],
    [USER_ACCESS_ADMINISTRATOR, true, true, true],
    [RBAC_ADMINISTRATOR, true, true, true],
    [RESERVATION_PURCHASER, true, false, false],
    [CUSTOM, false, false, false],
  ] as const) {
    const mine = rights([held(role)]);
    t.same(
      [READ, WRITE, DELETE].map((action) => mayPerform(action, atSubscription, mine, now)),
      [read, write, remove],
      role,
    );
  }
  t.equal(mayPerform(READ, atSubscription, rights([]), now), false, 'who holds nothing may do nothing');
});

t.test('a role counts at its scope and below, not above or beside', async (t) => {
  for (const [scopeKey, allowed] of [
    ['/', true],
    [`/providers/microsoft.management/managementgroups/${TENANT}`, true],
    ['/providers/microsoft.management/managementgroups/corp', true],
    ['/providers/microsoft.management/managementgroups/online', true],
    ['/providers/microsoft.management/managementgroups/other', false],
    [`/subscriptions/${SUB}`, true],
    [`/subscriptions/${SUB}/resourcegroups/app`, false],
  ] as const) {
    t.equal(mayPerform(WRITE, atSubscription, rights([held(OWNER, { scopeKey })]), now), allowed, scopeKey);
  }
  const resource = { subscriptionId: SUB, resourceGroup: 'App', namespace: 'Microsoft.Sql' };
  const atDatabase = keysOf({
    ...resource,
    resourceType: 'servers',
    resourceName: 'S1',
    childType: 'databases',
    childName: 'D1',
  });
  t.same(atDatabase, [
    `/subscriptions/${SUB}/resourcegroups/app/providers/microsoft.sql/servers/s1/databases/d1`,
    `/subscriptions/${SUB}/resourcegroups/app/providers/microsoft.sql/servers/s1`,
    `/subscriptions/${SUB}/resourcegroups/app`,
    `/subscriptions/${SUB}`,
    '/providers/microsoft.management/managementgroups/online',
    '/providers/microsoft.management/managementgroups/corp',
    `/providers/microsoft.management/managementgroups/${TENANT}`,
    '/',
  ]);
});

t.test('a role that is not in force, or under a condition, does not write', async (t) => {
  const may = (action: Action, more: Partial<HeldRole>) =>
    mayPerform(action, atSubscription, rights([held(OWNER, more)]), now);
  t.equal(may(WRITE, { assignmentState: 'eligible' }), false, 'to be activated first');
  t.equal(may(WRITE, { endsOn: now }), false, 'ended');
  t.equal(may(WRITE, { endsOn: new Date(now.getTime() + 1) }), true, 'ends later');
  t.equal(may(WRITE, { condition: '@Resource[…]' }), false);
  t.equal(may(DELETE, { condition: '@Resource[…]' }), false);
  t.equal(may(READ, { condition: '@Resource[…]' }), true);
});

t.test('a deny assignment at the scope or above takes away what a role gives', async (t) => {
  const denial = {
    scopeKey: '/providers/microsoft.management/managementgroups/corp',
    actions: ['Microsoft.Authorization/*/write'],
    notActions: [],
    principalIds: [ME],
    everyone: false,
  };
  const may = (action: Action, more: Partial<typeof denial>) =>
    mayPerform(action, atSubscription, rights([held(OWNER)], [{ ...denial, ...more }]), now);
  t.equal(may(WRITE, {}), false);
  t.equal(may(WRITE, { principalIds: [], everyone: true }), false);
  t.equal(may(DELETE, {}), true, 'another action');
  t.equal(may(WRITE, { principalIds: [] }), true, 'another principal');
  t.equal(may(WRITE, { scopeKey: `/subscriptions/${SUB}/resourcegroups/app` }), true, 'a scope below');
  t.equal(may(WRITE, { notActions: [WRITE] as never[] }), true, 'excepted');
});

t.test('a management group is known by the subscriptions below it or as the root group of the tenant', async (t) => {
  const chain = (managementGroup: string) => keysOf({ managementGroup });
  t.same(chain('CORP'), [
    '/providers/microsoft.management/managementgroups/corp',
    `/providers/microsoft.management/managementgroups/${TENANT}`,
    '/',
  ]);
  t.equal(chain('nowhere'), undefined);
  t.same(scopeKeysAtAndAbove(scopeOf({ managementGroup: TENANT.toUpperCase() }), [], TENANT), [
    `/providers/microsoft.management/managementgroups/${TENANT}`,
    '/',
  ]);
});

t.test('a list covers the scope, what is above it and, without atScope(), what is below', async (t) => {
  const cover = (params: ScopeParams, atScope: boolean): Coverage => {
    const scope = scopeOf(params);
    return coverageOf(scope, scopeKeysAtAndAbove(scope, chains, TENANT) ?? [], chains, atScope);
  };
  t.same(cover({ subscriptionId: SUB }, true), { keys: atSubscription, azureSubscriptionIds: [] });
  t.same(cover({ subscriptionId: SUB }, false), { keys: atSubscription, azureSubscriptionIds: [SUB] });
  t.match(cover({ managementGroup: 'Corp' }, false), { azureSubscriptionIds: [SUB] });
  t.ok(
    cover({ managementGroup: 'Corp' }, false).keys.includes('/providers/microsoft.management/managementgroups/online'),
  );
  t.notOk(
    cover({ managementGroup: 'Corp' }, true).keys.includes('/providers/microsoft.management/managementgroups/online'),
  );
  t.match(cover({ subscriptionId: SUB, resourceGroup: 'App' }, false), {
    below: `/subscriptions/${SUB}/resourcegroups/app`,
  });
  t.match(cover({}, false), { everything: true });
});

t.test('role definitions are found by name and type', async (t) => {
  const names = (filter: string) => listRoleDefinitions(parseRoleDefinitionFilter(filter)).map((role) => role.name);
  t.same(names("roleName eq 'owner'"), ['Owner']);
  t.same(names("atScopeAndBelow() and type eq 'BuiltInRole' and roleName eq 'Reader'"), ['Reader']);
  t.same(names("type eq 'CustomRole'"), []);
  t.same(names("roleName eq 'O''Brien'"), []);
  t.equal(names('atScopeAndBelow()').length, 7);
  t.notOk(names('atScopeAndBelow()').includes('Reservations Reader'), 'which is assigned at reservations only');
  for (const filter of [
    '',
    'roleName',
    "roleName eq 'a' or 1 eq 1",
    "roleName eq 'a' and ",
    "type eq 'a' and type eq 'b'",
  ]) {
    t.throws(() => names(filter), { armCode: 'InvalidFilter' } as unknown as Error, filter);
  }
});
