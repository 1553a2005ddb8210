import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { findUser } from '../customers/user-queries.js';
import type { UserRow } from '../customers/user-view.js';
import { userFlaw } from '../purchase-permissions/judge-user.js';
import { type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import type { EntitlementResult } from './azure-entitlements.js';
import { addAzureSubscription } from './new-azure-subscription.js';
import { getSeller, type Seller } from './queries.js';
import type { AzureEntitlementCreate } from './schemas.js';
import { demandRelationship, lockSubscription, offerOf, type SubscriptionKey } from './service.js';
import { toAzureEntitlement } from './wire.js';

/** @throws ApiError PrincipalNotFound; NotAHomeUser for a guest, one of the partner's people or a disabled account */
function demandHomeUser(userId: string, user: UserRow | undefined, seller: Seller): void {
  if (!user || user.deleted_on !== null) {
    throw new ApiError('PrincipalNotFound', {
      description: `The customer has no user ${userId}. Create it first, or correct ownerUserId.`,
    });
  }
  const flaw = userFlaw(
    {
      userId,
      userPrincipalName: user.user_principal_name,
      userType: user.user_type,
      accountState: user.account_state,
      homeDomain: user.home_domain,
      deleted: false,
    },
    seller.domain.toLowerCase(),
  );
  if (!flaw) return;
  throw new ApiError('NotAHomeUser', {
    description: `${user.user_principal_name} cannot be the first Owner: ${flaw.text}. Name an active user of the customer's own.`,
  });
}

/**
 * Makes a further Azure subscription under an active Azure plan, with the partner's group as Owner, and a user of the
 * customer where one is named.
 * @throws ApiError CustomerNotFound, SubscriptionNotFound, NoRelationship, NotAnAzureSubscription,
 *   AzureSubscriptionNotActive, PrincipalNotFound, NotAHomeUser
 */
export async function createEntitlement(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  key: SubscriptionKey,
  wanted: AzureEntitlementCreate,
): Promise<EntitlementResult> {
  const { partnerId } = act;
  const { customerId, subscriptionId } = key;
  const userId = wanted.ownerUserId?.toLowerCase();
  const [{ customer, now, subscription }, seller, user] = await Promise.all([
    lockSubscription(tx, partnerId, key),
    getSeller(tx, partnerId),
    userId === undefined ? undefined : findUser(tx, partnerId, customerId, userId),
  ]);
  demandRelationship(customer);
  if (offerOf(subscription) !== 'Azure plan') {
    throw new ApiError('NotAnAzureSubscription', {
      description: 'Azure subscriptions are added to an Azure plan, and the subscription is none. Name the Azure plan.',
    });
  }
  if (subscription.status !== 'active') {
    throw new ApiError('AzureSubscriptionNotActive', {
      description: `The Azure plan is ${subscription.status}. Reactivate it first.`,
    });
  }
  if (userId !== undefined) demandHomeUser(userId, user, seller);
  const { row, entries } = addAzureSubscription(
    tx,
    commitWith,
    {
      partnerId,
      customerId,
      subscriptionId,
      azureSubscriptionId: uuidv4(),
      friendlyName: wanted.friendlyName,
      seller,
      ...(userId !== undefined && { owner: { userId, madeBy: act.actor.id } }),
    },
    now,
  );
  appendEntries(tx, act, customer, now, entries, commitWith);
  return {
    entitlement: toAzureEntitlement(row, subscriptionId),
    changes: await reevaluate(tx, act, commitWith, rules, customer, now),
  };
}
