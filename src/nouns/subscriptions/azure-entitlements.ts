import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { type EligibilityChange, type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import { updateAzureSubscription } from './queries.js';
import type { AzureEntitlement } from './schemas.js';
import { demandRelationship, entitlementsOf, type LockedSubscription, lockSubscription } from './service.js';
import { type AzureSubscriptionRow, toAzureEntitlement } from './wire.js';

/** The one reason that the SDKs of Partner Center send and let through. */
const REASON = 'compromise';

export interface EntitlementKey {
  customerId: string;
  subscriptionId: string;
  entitlementId: string;
}

export interface EntitlementResult {
  entitlement: AzureEntitlement;
  changes: EligibilityChange[];
}

/** @throws ApiError EntitlementNotFound */
export function entitlementOf(
  { subscription, azureSubscriptions }: Pick<LockedSubscription, 'subscription' | 'azureSubscriptions'>,
  entitlementId: string,
): AzureSubscriptionRow {
  const found = entitlementsOf(subscription, azureSubscriptions).find(
    (one) => one.azure_subscription_id === entitlementId,
  );
  if (!found) throw new ApiError('EntitlementNotFound');
  return found;
}

type StateColumns = Pick<AzureSubscriptionRow, 'status' | 'arm_state' | 'cancellation_reason'>;

/** Brings the entitlement into a state, logs it and decides again about the permissions. */
async function setState(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  { customer, now, subscription }: LockedSubscription,
  before: AzureSubscriptionRow,
  state: StateColumns,
): Promise<EntitlementResult> {
  const change = { ...state, version: before.version + 1 };
  const entitlement = toAzureEntitlement({ ...before, ...change }, subscription.subscription_id);
  commitWith(updateAzureSubscription(tx, before, change));
  const { cancellation_reason: reason } = state;
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_subscription',
        resourceType: 'azure_entitlement',
        resourceId: before.azure_subscription_id,
        oldValue: toAzureEntitlement(before, subscription.subscription_id),
        newValue: entitlement,
        ...(reason !== null && { customizedData: [{ key: 'CancellationReason', value: reason }] }),
      },
    ],
    commitWith,
  );
  return { entitlement, changes: await reevaluate(tx, act, commitWith, rules, customer, now) };
}

/**
 * Cancels an Azure subscription. It is inactive at once; one that is inactive already is not touched.
 *
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, EntitlementNotFound, InvalidCancellationReason
 */
export async function cancelEntitlement(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  key: EntitlementKey,
  reason: string,
): Promise<EntitlementResult> {
  const locked = await lockSubscription(tx, act.partnerId, key);
  const before = entitlementOf(locked, key.entitlementId);
  if (reason.toLowerCase() !== REASON) {
    throw new ApiError('InvalidCancellationReason', { description: `The cancellation reason has to be ${REASON}.` });
  }
  if (before.status === 'inactive') {
    return { entitlement: toAzureEntitlement(before, key.subscriptionId), changes: [] };
  }
  const armState = before.arm_state === 'Deleted' ? 'Deleted' : 'Disabled';
  return setState(tx, act, commitWith, rules, locked, before, {
    status: 'inactive',
    arm_state: armState,
    cancellation_reason: REASON,
  });
}

/**
 * Reactivates a cancelled Azure subscription; one that is active is not touched.
 *
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, EntitlementNotFound, NoRelationship,
 *   EntitlementNotReactivated when it is deleted or its Azure plan is not active
 */
export async function reactivateEntitlement(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  key: EntitlementKey,
): Promise<EntitlementResult> {
  const locked = await lockSubscription(tx, act.partnerId, key);
  const before = entitlementOf(locked, key.entitlementId);
  if (before.status === 'active') return { entitlement: toAzureEntitlement(before, key.subscriptionId), changes: [] };
  demandRelationship(locked.customer);
  const { status } = locked.subscription;
  if (before.arm_state === 'Deleted') {
    throw new ApiError('EntitlementNotReactivated', {
      description: 'The Azure subscription is deleted and cannot be reactivated. Create another one.',
    });
  }
  if (status !== 'active') {
    throw new ApiError('EntitlementNotReactivated', {
      description: `The Azure plan of the Azure subscription is ${status}. Reactivate the plan first.`,
    });
  }
  return setState(tx, act, commitWith, rules, locked, before, {
    status: 'active',
    arm_state: 'Enabled',
    cancellation_reason: null,
  });
}
