import { matches } from '../purchase-permissions/deny-assignments.js';

export interface BuiltInRole {
  /** GUID, the last segment of every form of its id. */
  id: string;
  name: string;
  description: string;
  actions: readonly string[];
  notActions: readonly string[];
  /** Where it can be assigned. */
  assignableScope: '/' | '/providers/Microsoft.Capacity';
}

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
export const BUILT_IN_ROLES: readonly BuiltInRole[] = [
  {
    id: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    name: 'Owner',
    description: 'Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.',
    actions: ['*'],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
    name: 'Contributor',
    description:
      'Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.',
    actions: ['*'],
    notActions: [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
      'Microsoft.Blueprint/blueprintAssignments/write',
      'Microsoft.Blueprint/blueprintAssignments/delete',
      'Microsoft.Compute/galleries/share/action',
      'Microsoft.Purview/consents/write',
      'Microsoft.Purview/consents/delete',
      'Microsoft.Resources/deploymentStacks/manageDenySetting/action',
      'Microsoft.Subscription/cancel/action',
      'Microsoft.Subscription/enable/action',
    ],
    assignableScope: '/',
  },
  {
    id: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
    name: 'Reader',
    description: 'View all resources, but does not allow you to make any changes.',
    actions: ['*/read'],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
    name: 'User Access Administrator',
    description: 'Lets you manage user access to Azure resources.',
    actions: ['*/read', 'Microsoft.Authorization/*', 'Microsoft.Support/*'],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: 'f58310d9-a9f6-439a-9e8d-f62e7b41a168',
    name: 'Role Based Access Control Administrator',
    description:
      'Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage access using other ways, such as Azure Policy.',
    actions: [
      'Microsoft.Authorization/roleAssignments/write',
      'Microsoft.Authorization/roleAssignments/delete',
      '*/read',
      'Microsoft.Support/*',
    ],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: 'f7b75c60-3036-4b75-91c3-6b41c27c1689',
    name: 'Reservation Purchaser',
    description: 'Lets you purchase reservations',
    actions: [
      'Microsoft.Resources/subscriptions/read',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Capacity/register/action',
      'Microsoft.Capacity/catalogs/read',
      'Microsoft.Compute/register/action',
      'Microsoft.Consumption/register/action',
      'Microsoft.Consumption/reservationRecommendationDetails/read',
      'Microsoft.Consumption/reservationRecommendations/read',
      'Microsoft.SQL/register/action',
      'Microsoft.Support/supporttickets/write',
      'Microsoft.Authorization/roleAssignments/read',
    ],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: '3d24a3a0-c154-4f6f-a5ed-adc8e01ddb74',
    name: 'Savings plan Purchaser',
    description: 'Lets you purchase savings plans',
    actions: [
      'Microsoft.Resources/subscriptions/read',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Capacity/register/action',
      'Microsoft.Capacity/catalogs/read',
      'Microsoft.Authorization/roleAssignments/read',
      'Microsoft.BillingBenefits/savingsPlanOrders/write',
      'Microsoft.BillingBenefits/register/action',
      'Microsoft.Support/supporttickets/write',
      'Microsoft.Billing/billingProperty/read',
      'Microsoft.CostManagement/benefitRecommendations/read',
    ],
    notActions: [],
    assignableScope: '/',
  },
  {
    id: 'a8889054-8d42-49c9-bc1c-52486c10e7cd',
    name: 'Reservations Administrator',
    description: 'Lets one read and manage all the reservations in a tenant',
    actions: [
      'Microsoft.Capacity/*/read',
      'Microsoft.Capacity/*/action',
      'Microsoft.Capacity/*/write',
      'Microsoft.Authorization/roleAssignments/read',
      'Microsoft.Authorization/roleDefinitions/read',
      'Microsoft.Authorization/roleAssignments/write',
      'Microsoft.Authorization/roleAssignments/delete',
    ],
    notActions: [],
    assignableScope: '/providers/Microsoft.Capacity',
  },
  {
    id: '582fc458-8989-419f-a480-75249bc5db7e',
    name: 'Reservations Reader',
    description: 'Lets one read all the reservations in a tenant',
    actions: ['Microsoft.Capacity/*/read', 'Microsoft.Authorization/roleAssignments/read'],
    notActions: [],
    assignableScope: '/providers/Microsoft.Capacity',
  },
];

const BY_ID: ReadonlyMap<string, BuiltInRole> = new Map(BUILT_IN_ROLES.map((role) => [role.id, role]));

export const OWNER_ROLE_ID = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';

/** @param id GUID in lower case */
export function findBuiltInRole(id: string): BuiltInRole | undefined {
  return BY_ID.get(id);
}

/** Whether any pattern covers the action; names are compared without case. */
export function coversAction(patterns: readonly string[], action: string): boolean {
  const wanted = action.toLowerCase();
  return patterns.some((pattern) => matches(pattern, wanted));
}

/** Whether the role lets its holder do it. */
export function roleAllows(role: BuiltInRole, action: string): boolean {
  return coversAction(role.actions, action) && !coversAction(role.notActions, action);
}

/** The roles that make an Azure subscription visible to whoever holds one at, above or below it. */
export const SUBSCRIPTION_READER_ROLE_IDS: readonly string[] = BUILT_IN_ROLES.filter((role) =>
  roleAllows(role, 'Microsoft.Resources/subscriptions/read'),
).map((role) => role.id);
