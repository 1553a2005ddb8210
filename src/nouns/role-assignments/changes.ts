import type { CommitWith, Tx } from '../../db/connect.js';
import { type CustomerLock, type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import type { Caller } from '../../plugins/authentication.js';
import type { Act, Outcome } from '../../plugins/idempotency/plugin.js';
import type { OperationType } from '../activity-log/actions.js';
import { appendEntries } from '../activity-log/append.js';
import { type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import { demand, loadRights, subscriptionNotFound, type Target } from './access/access.js';
import { findBuiltInRole, OWNER_ROLE_ID } from './built-in-roles.js';
import { loadPrincipal, principalType } from './principals.js';
import {
  deleteEndedRoleAssignments,
  deleteRoleAssignment,
  findOtherHolder,
  findRoleAssignment,
  findSameGrant,
  hasAtLeast,
  insertRoleAssignment,
  type RoleAssignmentRow,
  updateRoleAssignment,
} from './queries.js';
import { authorizationFailed } from './rights.js';
import { readAssignableRole } from './role-definitions.js';
import type { RoleAssignmentCreateParameters } from './schemas.js';
import { toRoleAssignment } from './view.js';

/** https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits: the subscription and all in it. */
const ASSIGNMENTS_PER_SUBSCRIPTION = 4000;

/** One write: its transaction, who asked, and where. */
export interface Change {
  tx: Tx;
  act: Act;
  commitWith: CommitWith;
  caller: Caller;
  target: Target;
  /** Name of the role assignment: GUID, lower case. */
  name: string;
  rules: PermissionRules;
  events: Events;
}

/** The customer as locked. It was found before the lock, so it may be gone by now: then it never was. */
function demandCustomer(change: Change, lock: CustomerLock, action: Parameters<typeof demand>[0]): LockedCustomer {
  if (lock.customer) return lock.customer;
  const { scope } = change.target;
  throw scope.azureSubscriptionId === null
    ? authorizationFailed(change.caller, action, scope.path)
    : subscriptionNotFound(scope.azureSubscriptionId);
}

/** Logs the change, decides again for the customer's permissions, and answers; after the statements of the change. */
async function conclude(
  change: Change,
  customer: LockedCustomer,
  now: Date,
  entry: { operationType: OperationType; before?: RoleAssignmentRow; after?: RoleAssignmentRow },
  status: number,
): Promise<Outcome> {
  const { tx, act, commitWith, rules, events } = change;
  const { before, after } = entry;
  const shown = after ?? before;
  const role = shown && findBuiltInRole(shown.role_definition_id);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: entry.operationType,
        resourceType: 'role_assignment',
        resourceId: change.name,
        ...(before && { oldValue: toRoleAssignment(before) }),
        ...(after && { newValue: toRoleAssignment(after) }),
        customizedData: [
          { key: 'Role', value: role?.name ?? shown?.role_definition_id ?? null },
          { key: 'Principal', value: shown?.principal_id ?? null },
          { key: 'Scope', value: shown?.scope ?? null },
        ],
      },
    ],
    commitWith,
  );
  const lapses = await reevaluate(tx, act, commitWith, rules, customer, now);
  const { partnerId, customerId } = change.target;
  return {
    status,
    ...(shown && { body: toRoleAssignment(shown) }),
    committed: () => {
      for (const lapse of lapses) events.eligibilityChanged({ partnerId, customerId, ...lapse });
    },
  };
}

function hasEnded(row: RoleAssignmentRow, now: Date): boolean {
  return row.ends_on !== null && row.ends_on <= now;
}

/**
 * Creates the assignment (201), or answers the one of this name that says the same (200, nothing written); of an
 * existing one, description and condition can be changed.
 */
export async function putRoleAssignment(change: Change, body: RoleAssignmentCreateParameters): Promise<Outcome> {
  const { tx, act, commitWith, caller, target, name } = change;
  const { partnerId, customerId, scope } = target;
  const action = 'Microsoft.Authorization/roleAssignments/write';
  const wanted = body.properties;
  const principalId = wanted.principalId.toLowerCase();
  const [lock, rights, existing, principal] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    loadRights(tx, caller, target),
    findRoleAssignment(tx, partnerId, customerId, name),
    loadPrincipal(tx, target, principalId),
  ]);
  const customer = demandCustomer(change, lock, action);
  const { now } = lock;
  demand(action, caller, target, rights, now);
  const role = readAssignableRole(wanted.roleDefinitionId, scope.path);
  const description = wanted.description ?? null;
  const condition = wanted.condition ?? null;
  const conditionVersion = condition === null ? null : (wanted.conditionVersion ?? '2.0');

  if (existing && !hasEnded(existing, now)) {
    const same =
      existing.assignment_state === 'active' &&
      existing.scope_key === scope.key &&
      existing.role_definition_id === role.id &&
      existing.principal_id === principalId &&
      (wanted.principalType ?? existing.principal_type) === existing.principal_type;
    if (!same) throw new ApiError('RoleAssignmentUpdateNotPermitted');
    if (
      existing.description === description &&
      existing.condition === condition &&
      existing.condition_version === conditionVersion
    ) {
      return { status: 200, body: toRoleAssignment(existing) };
    }
    const after = {
      ...existing,
      description,
      condition,
      condition_version: conditionVersion,
      updated_on: now,
      updated_by: act.actor.id,
    };
    commitWith(updateRoleAssignment(tx, after));
    return conclude(change, customer, now, { operationType: 'update_role_assignment', before: existing, after }, 200);
  }

  const row: RoleAssignmentRow = {
    partner_id: partnerId,
    customer_id: customerId,
    role_assignment_id: name,
    scope: scope.path,
    scope_key: scope.key,
    scope_level: scope.level,
    azure_subscription_id: scope.azureSubscriptionId,
    role_definition_id: role.id,
    principal_id: principalId,
    principal_type: principalType(principal, wanted.principalType, customerId),
    assignment_state: 'active',
    ends_on: null,
    condition,
    condition_version: conditionVersion,
    description,
    created_on: now,
    updated_on: now,
    created_by: act.actor.id,
    updated_by: act.actor.id,
  };
  await insertNew(tx, row, now);
  return conclude(change, customer, now, { operationType: 'create_role_assignment', after: row }, 201);
}

/** The unique index judges whether the grant is there: no statement looks for it first. */
async function insertNew(tx: Tx, row: RoleAssignmentRow, now: Date): Promise<void> {
  const { partner_id, customer_id, azure_subscription_id: subscription } = row;
  const [full, , inserted] = await Promise.all([
    subscription !== null && hasAtLeast(tx, partner_id, customer_id, subscription, ASSIGNMENTS_PER_SUBSCRIPTION, now),
    deleteEndedRoleAssignments(tx, row, now),
    insertRoleAssignment(tx, row),
  ]);
  if (!inserted) {
    const other = await findSameGrant(tx, row);
    throw new ApiError('RoleAssignmentExists', {
      ...(other !== undefined && {
        description: `The role assignment already exists. The ID of the existing role assignment is ${other.replaceAll('-', '')}.`,
      }),
    });
  }
  if (full) throw new ApiError('RoleAssignmentLimitExceeded');
}

/** Deletes the assignment (200 with what it was); 204 when there is none of this name at this scope. */
export async function removeRoleAssignment(change: Change): Promise<Outcome> {
  const { tx, commitWith, caller, target, name } = change;
  const { partnerId, customerId, scope } = target;
  const action = 'Microsoft.Authorization/roleAssignments/delete';
  const [lock, rights, row] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    loadRights(tx, caller, target),
    findRoleAssignment(tx, partnerId, customerId, name),
  ]);
  const customer = demandCustomer(change, lock, action);
  const { now } = lock;
  demand(action, caller, target, rights, now);
  const there = row?.scope_key === scope.key && row.assignment_state === 'active' && !hasEnded(row, now);
  if (!row || !there) return { status: 204 };
  // "Removing the last Owner role assignment for a subscription isn't supported to avoid orphaning the subscription"
  // (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting); an inherited Owner is one, too.
  if (scope.level === 'subscription' && row.role_definition_id === OWNER_ROLE_ID) {
    const other = await findOtherHolder(tx, row, target.atAndAbove, now);
    if (other === undefined) throw new ApiError('LastOwner');
  }
  commitWith(deleteRoleAssignment(tx, row));
  return conclude(change, customer, now, { operationType: 'delete_role_assignment', before: row }, 200);
}
