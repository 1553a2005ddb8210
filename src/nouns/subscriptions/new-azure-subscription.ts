import type { CommitWith, Tx } from '../../db/connect.js';
import type { PrincipalType } from '../../db/tables.js';
import { uuidv4 } from '../../lib/uuid.js';
import { type NewEntry, SYSTEM } from '../activity-log/append.js';
import { OWNER_ROLE_ID } from '../role-assignments/built-in-roles.js';
import { insertRoleAssignment, type RoleAssignmentRow } from '../role-assignments/queries.js';
import { toRoleAssignment } from '../role-assignments/view.js';
import { insertAzureSubscription, type Seller } from './queries.js';
import { type AzureSubscriptionRow, toAzureEntitlement, toAzureSubscriptionRow } from './wire.js';

export interface NewAzureSubscription {
  partnerId: string;
  customerId: string;
  /** The Partner Center subscription it is bought under. */
  subscriptionId: string;
  azureSubscriptionId: string;
  friendlyName: string;
  seller: Seller;
  /** A user of the customer who becomes Owner too, made so by the caller. */
  owner?: { userId: string; madeBy: string | null };
}

function ownerRow(
  azure: AzureSubscriptionRow,
  principalId: string,
  principalType: PrincipalType,
  madeBy: string | null,
): RoleAssignmentRow {
  const scope = `/subscriptions/${azure.azure_subscription_id}`;
  return {
    partner_id: azure.partner_id,
    customer_id: azure.customer_id,
    role_assignment_id: uuidv4(),
    scope,
    scope_key: scope,
    scope_level: 'subscription',
    azure_subscription_id: azure.azure_subscription_id,
    role_definition_id: OWNER_ROLE_ID,
    principal_id: principalId,
    principal_type: principalType,
    assignment_state: 'active',
    ends_on: null,
    condition: null,
    condition_version: null,
    description: null,
    created_on: azure.created_on,
    updated_on: azure.created_on,
    created_by: madeBy,
    updated_by: madeBy,
  };
}

function roleEntry(row: RoleAssignmentRow): NewEntry {
  return {
    operationType: 'create_role_assignment',
    resourceType: 'role_assignment',
    resourceId: row.role_assignment_id,
    ...(row.principal_type === 'ForeignGroup' && { actor: SYSTEM }),
    newValue: toRoleAssignment(row),
    customizedData: [
      { key: 'Role', value: 'Owner' },
      { key: 'Principal', value: row.principal_id },
      { key: 'Scope', value: row.scope },
    ],
  };
}

/**
 * Makes an Azure subscription as Azure makes it for a partner: the partner's AdminAgents group is Owner, as a foreign
 * group. A partner whose group is not known gets none.
 * @returns its row, and the entries for the log, which the caller appends behind those of its cause
 */
export function addAzureSubscription(
  tx: Tx,
  commitWith: CommitWith,
  wanted: NewAzureSubscription,
  now: Date,
): { row: AzureSubscriptionRow; entries: NewEntry[] } {
  const { azureSubscriptionId: id, friendlyName, subscriptionId, seller, owner } = wanted;
  const row = toAzureSubscriptionRow({ id, friendlyName, status: 'active', subscriptionId }, wanted, now);
  commitWith(insertAzureSubscription(tx, row));
  const roles = [
    ...(seller.adminAgentsGroupId === null ? [] : [ownerRow(row, seller.adminAgentsGroupId, 'ForeignGroup', null)]),
    ...(owner ? [ownerRow(row, owner.userId, 'User', owner.madeBy)] : []),
  ];
  for (const role of roles) commitWith(insertRoleAssignment(tx, role));
  return {
    row,
    entries: [
      {
        operationType: 'create_azure_entitlement',
        resourceType: 'azure_entitlement',
        resourceId: id,
        newValue: toAzureEntitlement(row, subscriptionId),
      },
      ...roles.map(roleEntry),
    ],
  };
}
