import { isDeepStrictEqual } from 'node:util';
import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { findReservationType } from '../products/reservation-types.js';
import { readAppliedScope, subscriptionOf, type WantedScope } from './applied-scope.js';
import {
  changed,
  demandEtag,
  demandInForce,
  type Locked,
  type LockedOrder,
  lockOrder,
  pickReservation,
  type ReservationKey,
  underLock,
  writeChanges,
} from './change.js';
import { type PurchaseRequest, readPurchaseRequest, readReviewDate } from './purchase-request.js';
import { listScopeSubscriptions, type ReservationRow } from './queries.js';
import type { ReservationPatch, ReservationResponse } from './schemas.js';
import { toReservation } from './wire.js';

type Columns = Partial<ReservationRow>;

/** What a renewal buys instead of the same again. */
export interface RenewProperties {
  purchaseProperties?: PurchaseRequest | undefined;
}

/** Whether a patch asks for what the partner alone may do. */
export function isThePartners({ properties }: ReservationPatch): boolean {
  const { appliedScopeType, appliedScopes, appliedScopeProperties, renew, renewProperties } = properties;
  return [appliedScopeType, appliedScopes, appliedScopeProperties, renew, renewProperties].some(
    (one) => one !== undefined,
  );
}

/** @throws ApiError InvalidInput: a single scope that this partner did not buy for the customer, or that is not active */
async function scopeColumns(db: Reading, { customer }: Locked, wanted: WantedScope): Promise<Columns> {
  const scope = readAppliedScope(wanted);
  const subscription = subscriptionOf(scope);
  if (subscription !== undefined) {
    const { partner_id: partnerId, customer_id: customerId } = customer;
    if (!(await listScopeSubscriptions(db, partnerId, customerId, [subscription])).has(subscription)) {
      throw new ApiError('InvalidInput', {
        armCode: 'AppliedScopesNotAssociatedWithCommerceAccount',
        description: `The subscription ${subscription} is not an active one that this partner bought for the customer. Choose one that availableScopes calls valid.`,
      });
    }
  }
  return {
    applied_scope_type: scope.type,
    applied_scope: scope.scope,
    applied_scope_tenant_id: scope.tenantId,
    applied_scope_name: scope.displayName,
  };
}

/** @throws ApiError InvalidInput: what is to be renewed cannot be, or is billed to another subscription */
function renewColumns(
  { order }: LockedOrder,
  row: ReservationRow,
  renew: boolean,
  { purchaseProperties }: RenewProperties,
): Columns {
  if (!renew && purchaseProperties !== undefined) {
    throw new ApiError('InvalidInput', {
      description: 'properties.renewProperties says what a renewal buys: send properties.renew true with it.',
    });
  }
  if (!renew) return { renew, renew_properties: null };
  if (purchaseProperties === undefined) return { renew };
  const { request } = readPurchaseRequest(purchaseProperties);
  if (request.azureSubscriptionId !== order.billing_subscription_id) {
    throw new ApiError('InvalidInput', {
      armCode: 'BillingScopeIdCannotBeChanged',
      description: `A renewal is billed to the subscription of the reservation, /subscriptions/${order.billing_subscription_id}.`,
    });
  }
  const same =
    request.reservedResourceType.toLowerCase() === row.reserved_resource_type.toLowerCase() &&
    request.skuName.toLowerCase() === row.sku_name.toLowerCase() &&
    request.location === row.location;
  if (!same) {
    throw new ApiError('InvalidInput', {
      description: 'A renewal buys the same SKU in the same location; quantity, term and billing plan may differ.',
    });
  }
  return { renew, renew_properties: { purchaseProperties } };
}

function flexibilityColumns(row: ReservationRow, wanted: 'On' | 'Off'): Columns {
  if (wanted !== row.instance_flexibility && !findReservationType(row.reserved_resource_type)?.instanceFlexibility) {
    throw new ApiError('InvalidInput', {
      description: `Reservations of ${row.reserved_resource_type} have no instance size flexibility. Leave instanceFlexibility out.`,
    });
  }
  return { instance_flexibility: wanted };
}

async function write(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  locked: LockedOrder,
  row: ReservationRow,
  columns: Columns,
): Promise<ReservationResponse> {
  const { order, now } = locked;
  const asWanted = isDeepStrictEqual({ ...row, ...columns }, row);
  if (asWanted) return toReservation(order, row, now);
  const changes = [{ from: row, to: changed(row, now, columns) }];
  const [after] = await writeChanges(tx, act, commitWith, locked, changes);
  return after ?? toReservation(order, row, now);
}

/**
 * Changes a reservation in force. What is already so is not changed, and nothing is logged of it. Scope and renewal are
 * the partner's: the caller has been checked.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, NotInThisState, PreconditionFailed, InvalidInput
 */
export async function updateOne(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: ReservationKey,
  { properties }: ReservationPatch,
  ifMatch: string | undefined,
): Promise<ReservationResponse> {
  const locked = await lockOrder(tx, act, key);
  const row = pickReservation(locked.reservations, key.reservationId);
  demandEtag(row, ifMatch);
  demandInForce(locked, row);
  const { name, instanceFlexibility, reviewDateTime, renew, renewProperties } = properties;
  const { appliedScopes, appliedScopeProperties } = properties;
  const scoped = appliedScopes !== undefined || appliedScopeProperties !== undefined;
  const type = properties.appliedScopeType ?? (scoped ? 'Single' : undefined);
  const columns: Columns = {
    ...(name !== undefined && { display_name: name.trim() }),
    ...(instanceFlexibility !== undefined && flexibilityColumns(row, instanceFlexibility)),
    ...(reviewDateTime !== undefined && { review_on: readReviewDate(reviewDateTime) }),
    ...((renew !== undefined || renewProperties !== undefined) &&
      renewColumns(locked, row, renew ?? row.renew, renewProperties ?? {})),
    ...(type !== undefined &&
      (await scopeColumns(tx, locked, { appliedScopeType: type, appliedScopes, appliedScopeProperties }))),
  };
  return write(tx, act, commitWith, locked, row, columns);
}

/**
 * Changes where the discount of a reservation applies, and logs it, in a transaction that has locked the customer.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, NotInThisState, InvalidInput
 */
export async function rescopeReservation(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customer: Locked,
  key: ReservationKey,
  wanted: WantedScope,
): Promise<ReservationResponse> {
  const locked = await underLock(tx, act, customer, key);
  const row = pickReservation(locked.reservations, key.reservationId);
  demandInForce(locked, row);
  return write(tx, act, commitWith, locked, row, await scopeColumns(tx, locked, wanted));
}

/**
 * Turns the automatic renewal of a reservation on or off, and logs it, in a transaction that has locked the customer.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, NotInThisState, InvalidInput
 */
export async function setRenew(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customer: Locked,
  key: ReservationKey,
  renew: boolean,
  properties: RenewProperties = {},
): Promise<ReservationResponse> {
  const locked = await underLock(tx, act, customer, key);
  const row = pickReservation(locked.reservations, key.reservationId);
  demandInForce(locked, row);
  return write(tx, act, commitWith, locked, row, renewColumns(locked, row, renew, properties));
}
