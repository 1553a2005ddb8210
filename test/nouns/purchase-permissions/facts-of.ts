import type {
  AzureSubscriptionFact,
  DenyAssignmentFact,
  Facts,
  RoleAssignmentFact,
  Rules,
  SubscriptionFact,
  UserFact,
} from '../../../src/nouns/purchase-permissions/decide.js';

export const now = new Date('2026-03-01T12:00:00.000Z');
export const rules: Rules = { purchaserRoles: ['owner'], resource: 'AzureReservedInstances', now };

export const role = {
  owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
  reservationPurchaser: 'f7b75c60-3036-4b75-91c3-6b41c27c1689',
  savingsPlanPurchaser: '3d24a3a0-c154-4f6f-a5ed-adc8e01ddb74',
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  userAccessAdministrator: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  rbacAdministrator: 'f58310d9-a9f6-439a-9e8d-f62e7b41a168',
  reservationsAdministrator: 'a8889054-8d42-49c9-bc1c-52486c10e7cd',
  custom: '0c0c0c0c-0000-4000-8000-00000000c0de',
};

export const plan: SubscriptionFact = {
  subscriptionId: 'plan-1',
  offerId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
  productTypeId: 'Azure',
  offerName: 'Azure plan',
  billingType: 'usage',
  status: 'active',
  isTrial: false,
  transitionInProgress: false,
  entitlementId: null,
};
export const azureGlobal: SubscriptionFact = {
  ...plan,
  subscriptionId: 'global-1',
  offerId: 'MS-AZR-0145P',
  productTypeId: null,
  offerName: 'Microsoft Azure',
  entitlementId: 'az-1',
};
export const azure: AzureSubscriptionFact = {
  azureSubscriptionId: 'az-1',
  subscriptionId: 'plan-1',
  friendlyName: 'Production',
  status: 'active',
  armState: 'Enabled',
  quotaId: 'CSP_2015-05-01',
  managementGroups: ['Root-MG', 'Apps'],
};
export const alex: UserFact = {
  userId: 'alex',
  userPrincipalName: 'alex@fabrikam.com',
  userType: 'member',
  accountState: 'active',
  homeDomain: null,
  deleted: false,
};
export const owner: RoleAssignmentFact = {
  roleAssignmentId: 'ra-1',
  scope: '/subscriptions/az-1',
  scopeLevel: 'subscription',
  azureSubscriptionId: 'az-1',
  roleDefinitionId: role.owner,
  principalId: 'alex',
  principalType: 'User',
  assignmentState: 'active',
  endsOn: null,
  createdOn: new Date('2026-01-01T00:00:00Z'),
  condition: null,
};
export const deny: DenyAssignmentFact = {
  displayName: 'No capacity',
  scope: '/subscriptions/AZ-1',
  actions: ['Microsoft.Capacity/*'],
  notActions: [],
  principalIds: ['alex'],
  everyone: false,
};

/** An eligible customer, but for what is given. */
export function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    customer: { relationship: 'reseller', country: 'DE', deleted: false },
    partnerDomain: 'contoso.com',
    subscriptions: [plan],
    azureSubscriptions: [azure],
    roleAssignments: [owner],
    users: [alex],
    groupIds: [],
    groupMemberships: [],
    denyAssignments: [],
    ...change,
  };
}
