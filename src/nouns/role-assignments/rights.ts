import { ApiError } from '../../errors/api-error.js';
import { coversAction, findBuiltInRole, roleAllows } from './built-in-roles.js';

/** What can be asked for here (https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance). */
export type Action =
  | 'Microsoft.Authorization/roleAssignments/read'
  | 'Microsoft.Authorization/roleAssignments/write'
  | 'Microsoft.Authorization/roleAssignments/delete'
  | 'Microsoft.Authorization/roleDefinitions/read'
  | 'Microsoft.Resources/subscriptions/read'
  | 'Microsoft.Capacity/catalogs/read'
  | 'Microsoft.Capacity/reservationOrders/read'
  | 'Microsoft.Capacity/reservationOrders/write';

/** A role that the caller or one of its groups holds. */
export interface HeldRole {
  /** GUID, lower case. */
  roleDefinitionId: string;
  scopeKey: string;
  /** `eligible` roles are not held until they are activated. */
  assignmentState: 'active' | 'eligible';
  endsOn: Date | null;
  condition: string | null;
}

export interface Denial {
  scopeKey: string;
  actions: readonly string[];
  notActions: readonly string[];
  principalIds: readonly string[];
  everyone: boolean;
}

export interface Rights {
  /** The caller's own id and its groups', as far as they count. */
  principalIds: readonly string[];
  roles: readonly HeldRole[];
  denials: readonly Denial[];
}

/**
 * Whether a role at the scope or above it allows the action and no deny assignment there takes it away. A role this
 * service does not know (a custom one) allows nothing, and one under a condition nothing but reading: conditions are
 * kept, not evaluated.
 * @param scopeKeys the scope and all above it
 */
export function mayPerform(action: Action, scopeKeys: readonly string[], rights: Rights, now: Date): boolean {
  const reached = new Set(scopeKeys);
  const denied = rights.denials.some(
    (denial) =>
      reached.has(denial.scopeKey) &&
      (denial.everyone || denial.principalIds.some((id) => rights.principalIds.includes(id))) &&
      coversAction(denial.actions, action) &&
      !coversAction(denial.notActions, action),
  );
  if (denied) return false;
  return rights.roles.some((held) => {
    const role = findBuiltInRole(held.roleDefinitionId);
    const inForce = held.assignmentState === 'active' && (held.endsOn === null || held.endsOn > now);
    const unconditional = held.condition === null || action.endsWith('/read');
    return role !== undefined && inForce && unconditional && reached.has(held.scopeKey) && roleAllows(role, action);
  });
}

/** The refusal of https://learn.microsoft.com/azure/role-based-access-control/troubleshooting. */
export function authorizationFailed(
  caller: { userPrincipalName: string | null; applicationId: string | null; objectId: string },
  action: Action,
  scopePath: string,
): ApiError {
  const client = caller.userPrincipalName ?? caller.applicationId ?? caller.objectId;
  return new ApiError('RoleLacksRights', {
    armCode: 'AuthorizationFailed',
    description: `The client '${client}' with object id '${caller.objectId}' does not have authorization to perform action '${action}' over scope '${scopePath}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  });
}
