import type { AssignmentVerdict } from '../purchase-permissions/decide.js';
import type { VisibleSubscription } from './access/queries.js';
import { type BuiltInRole, findBuiltInRole } from './built-in-roles.js';
import type { RoleAssignmentRow } from './queries.js';
import type { ArmSubscription, JudgedRoleAssignment, RoleAssignment, RoleDefinition } from './schemas.js';
import { ROOT } from './scopes.js';

const AUTHORIZATION = '/providers/Microsoft.Authorization';
const ASSIGNMENTS = `${AUTHORIZATION}/roleAssignments`;
const DEFINITIONS = `${AUTHORIZATION}/roleDefinitions`;

function under(scopePath: string, path: string): string {
  return scopePath === ROOT ? path : `${scopePath}${path}`;
}

export function assignmentsPath(scopePath: string): string {
  return under(scopePath, ASSIGNMENTS);
}

/** The assignment as Azure Resource Manager shows it. What has no value is left out. */
export function toRoleAssignment(row: RoleAssignmentRow): RoleAssignment {
  const { created_by: createdBy, updated_by: updatedBy, description, condition } = row;
  const definitions = row.azure_subscription_id === null ? '' : `/subscriptions/${row.azure_subscription_id}`;
  return {
    id: `${under(row.scope, ASSIGNMENTS)}/${row.role_assignment_id}`,
    type: 'Microsoft.Authorization/roleAssignments',
    name: row.role_assignment_id,
    properties: {
      scope: row.scope,
      roleDefinitionId: `${definitions}${DEFINITIONS}/${row.role_definition_id}`,
      principalId: row.principal_id,
      principalType: row.principal_type,
      createdOn: row.created_on.toISOString(),
      updatedOn: row.updated_on.toISOString(),
      ...(createdBy !== null && { createdBy }),
      ...(updatedBy !== null && { updatedBy }),
      ...(description !== null && { description }),
      ...(condition !== null && { condition }),
      ...(row.condition_version !== null && { conditionVersion: row.condition_version }),
    },
  };
}

/** @param scopePath the scope asked at: the id is qualified by it, as in Azure */
export function toRoleDefinition(role: BuiltInRole, scopePath: string): RoleDefinition {
  return {
    id: `${under(scopePath, DEFINITIONS)}/${role.id}`,
    type: 'Microsoft.Authorization/roleDefinitions',
    name: role.id,
    properties: {
      roleName: role.name,
      type: 'BuiltInRole',
      description: role.description,
      assignableScopes: [role.assignableScope],
      permissions: [
        { actions: [...role.actions], notActions: [...role.notActions], dataActions: [], notDataActions: [] },
      ],
    },
  };
}

export function toArmSubscription(row: VisibleSubscription): ArmSubscription {
  return {
    id: `/subscriptions/${row.azureSubscriptionId}`,
    subscriptionId: row.azureSubscriptionId,
    displayName: row.friendlyName,
    tenantId: row.customerId,
    state: row.armState,
    subscriptionPolicies: {
      locationPlacementId: 'Public_2014-09-01',
      quotaId: row.quotaId,
      spendingLimit: 'Off',
    },
    authorizationSource: 'RoleBased',
    managedByTenants: [],
  };
}

/** @param principalName user principal name, of a user that is known */
export function toJudgedRoleAssignment(
  row: RoleAssignmentRow,
  { counts, result, reason, azureSubscriptionId }: AssignmentVerdict,
  principalName: string | undefined,
): JudgedRoleAssignment {
  const roleName = findBuiltInRole(row.role_definition_id)?.name;
  return {
    id: `${under(row.scope, ASSIGNMENTS)}/${row.role_assignment_id}`,
    name: row.role_assignment_id,
    scope: row.scope,
    scopeLevel: row.scope_level,
    roleDefinitionId: row.role_definition_id,
    ...(roleName !== undefined && { roleName }),
    principalId: row.principal_id,
    principalType: row.principal_type,
    ...(principalName !== undefined && { principalName }),
    assignmentState: row.assignment_state,
    ...(row.ends_on !== null && { endsOn: row.ends_on.toISOString() }),
    ...(row.condition !== null && { condition: row.condition }),
    createdOn: row.created_on.toISOString(),
    verdict: { counts, result, reason, ...(azureSubscriptionId !== null && { azureSubscriptionId }) },
    attributes: { objectType: 'RoleAssignment' },
  };
}
