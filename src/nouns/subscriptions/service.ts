import type { CommitWith, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { azureOffer } from '../purchase-permissions/judge-subscription.js';
import { type EligibilityChange, type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import { findSubscription, listAzureSubscriptions, updateArmStates, updateSubscription } from './queries.js';
import type { Subscription, SubscriptionUpdate } from './schemas.js';
import {
  type AzureSubscriptionRow,
  type SubscriptionRow,
  subscriptionEtag,
  toRegistrationStatus,
  toSubscription,
} from './wire.js';

/** Why a subscription is suspended that was suspended here; the original documents no values. */
const BY_PARTNER = 'PartnerRequest';

export interface SubscriptionKey {
  customerId: string;
  subscriptionId: string;
}

export interface LockedSubscription {
  customer: LockedCustomer;
  now: Date;
  subscription: SubscriptionRow;
  azureSubscriptions: AzureSubscriptionRow[];
}

/** @throws ApiError CustomerNotFound, SubscriptionNotFound */
export async function lockSubscription(tx: Tx, partnerId: string, key: SubscriptionKey): Promise<LockedSubscription> {
  const { customerId, subscriptionId } = key;
  const [{ customer, now }, subscription, azureSubscriptions] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    findSubscription(tx, partnerId, customerId, subscriptionId),
    listAzureSubscriptions(tx, partnerId, customerId, subscriptionId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (!subscription) throw new ApiError('SubscriptionNotFound');
  return { customer, now, subscription, azureSubscriptions };
}

export function offerOf(row: SubscriptionRow): ReturnType<typeof azureOffer> {
  return azureOffer({ offerId: row.offer_id, productTypeId: row.product_type_id, billingType: row.billing_type });
}

/** Azure entitlements are those of an Azure plan; the Azure subscription of MS-AZR-0145P is its `entitlementId`. */
export function entitlementsOf(row: SubscriptionRow, azure: readonly AzureSubscriptionRow[]): AzureSubscriptionRow[] {
  return offerOf(row) === 'MS-AZR-0145P' ? [] : [...azure];
}

/** @throws ApiError NoRelationship: nothing is switched on again for a customer that left the partner */
export function demandRelationship(customer: LockedCustomer): void {
  if (customer.relationship !== 'none') return;
  throw new ApiError('NoRelationship', {
    description: 'The reseller relationship with the customer has ended. Ask the customer for a new one first.',
  });
}

function demandCurrent(row: SubscriptionRow, body: SubscriptionUpdate, ifMatch: string | undefined): void {
  const current = subscriptionEtag(row);
  if (ifMatch !== undefined && !matches(parseIfMatch(ifMatch), quoted(current))) {
    throw new ApiError('PreconditionFailed');
  }
  const sent = body.attributes?.etag?.replace(/^"|"$/g, '');
  if (sent !== undefined && sent !== current) throw new ApiError('StaleEtag');
}

function statusAfter(row: SubscriptionRow, wanted: SubscriptionUpdate['status']): SubscriptionRow['status'] {
  // `none` is what the .NET SDK sends for a status that was not set.
  if (wanted === undefined || wanted === 'none' || wanted === row.status) return row.status;
  const possible =
    (row.status === 'active' && wanted === 'suspended') || (row.status === 'suspended' && wanted === 'active');
  if (possible) return wanted;
  throw new ApiError('UnsupportedOperation', {
    description: `The status cannot go from ${row.status} to ${wanted}. Suspend an active subscription or reactivate a suspended one.`,
  });
}

function quantityAfter(row: SubscriptionRow, status: SubscriptionRow['status'], wanted: number | undefined): number {
  // 0 likewise: an int that was not set.
  if (wanted === undefined || wanted === 0 || wanted === row.quantity) return row.quantity;
  if (row.billing_type !== 'license') {
    throw new ApiError('QuantityNotAllowed', {
      description: `The subscription is not billed by license: its quantity stays ${row.quantity}.`,
    });
  }
  if (status !== 'active') {
    throw new ApiError('QuantityNotAllowed', {
      description: `The quantity of a subscription that is ${status} cannot be changed. Reactivate it first.`,
    });
  }
  return wanted;
}

/** @throws ApiError PlanHasActiveSubscriptions, with the Azure subscriptions in `data` */
function demandNoActiveEntitlement(row: SubscriptionRow, azure: readonly AzureSubscriptionRow[]): void {
  const active = entitlementsOf(row, azure).filter((one) => one.status === 'active' && one.arm_state !== 'Deleted');
  if (active.length === 0) return;
  throw new ApiError('PlanHasActiveSubscriptions', {
    data: active.map(
      (one) => `Azure subscription ${one.azure_subscription_id} ("${one.friendly_name}") is active. Cancel it first.`,
    ),
  });
}

/** The columns a change sets, or undefined where nothing changes. */
function changedColumns(row: SubscriptionRow, body: SubscriptionUpdate) {
  const status = statusAfter(row, body.status);
  const after = {
    status,
    friendly_name: body.friendlyName ?? row.friendly_name,
    quantity: quantityAfter(row, status, body.quantity),
    auto_renew_enabled: body.autoRenewEnabled ?? row.auto_renew_enabled,
  };
  const changed =
    after.status !== row.status ||
    after.friendly_name !== row.friendly_name ||
    after.quantity !== row.quantity ||
    after.auto_renew_enabled !== row.auto_renew_enabled;
  if (!changed) return undefined;
  const reasons = status === 'suspended' ? [BY_PARTNER] : [];
  return {
    ...after,
    suspension_reasons: status === row.status ? row.suspension_reasons : reasons,
    version: row.version + 1,
  };
}

export interface SubscriptionResult {
  subscription: Subscription;
  changes: EligibilityChange[];
}

/**
 * Changes a subscription: lock, hold against its etag and rules, write, let its Azure subscriptions follow, log, decide
 * again about the permissions. Nothing is written when nothing changes.
 *
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, PreconditionFailed, StaleEtag, UnsupportedOperation,
 *   QuantityNotAllowed, PlanHasActiveSubscriptions, NoRelationship
 */
export async function changeSubscription(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  key: SubscriptionKey,
  body: SubscriptionUpdate,
  ifMatch: string | undefined,
): Promise<SubscriptionResult> {
  const { customer, now, subscription: before, azureSubscriptions } = await lockSubscription(tx, act.partnerId, key);
  demandCurrent(before, body, ifMatch);
  const change = changedColumns(before, body);
  const old = toSubscription(before, customer.country);
  if (!change) return { subscription: old, changes: [] };

  const moved = change.status !== before.status;
  if (moved && change.status === 'suspended') demandNoActiveEntitlement(before, azureSubscriptions);
  if (moved && change.status === 'active') demandRelationship(customer);
  const subscription = toSubscription({ ...before, ...change }, customer.country);
  commitWith(updateSubscription(tx, before, change));
  if (moved) commitWith(updateArmStates(tx, before, change.status === 'active' ? 'Enabled' : 'Disabled'));
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_subscription',
        resourceType: 'subscription',
        resourceId: before.subscription_id,
        oldValue: old,
        newValue: subscription,
      },
    ],
    commitWith,
  );
  const changes = moved ? await reevaluate(tx, act, commitWith, rules, customer, now) : [];
  return { subscription, changes };
}

/**
 * Registers an Azure plan or MS-AZR-0145P subscription for the purchase of reservations. One that is registered stays so.
 *
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, NotAnAzureSubscription, AzureSubscriptionNotActive
 */
export async function registerSubscription(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: SubscriptionKey,
): Promise<void> {
  const { customer, now, subscription: before } = await lockSubscription(tx, act.partnerId, key);
  if (offerOf(before) === undefined) throw new ApiError('NotAnAzureSubscription');
  if (before.status !== 'active') throw new ApiError('AzureSubscriptionNotActive');
  if (before.registration_status === 'registered') return;
  const change = { registration_status: 'registered' as const };
  commitWith(updateSubscription(tx, before, change));
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_subscription',
        resourceType: 'subscription',
        resourceId: before.subscription_id,
        oldValue: toRegistrationStatus(before),
        newValue: toRegistrationStatus({ ...before, ...change }),
      },
    ],
    commitWith,
  );
}
