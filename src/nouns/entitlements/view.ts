import type { Static } from 'typebox';
import type { ReservationRow } from '../reservations/queries.js';
import { stateOf } from '../reservations/wire.js';
import { link } from '../subscriptions/wire.js';
import type { BoughtReservationOrder } from './queries.js';
import type { EntitledReservation, Entitlement, ReservedInstanceArtifactDetails } from './schemas.js';

type FulfillmentState = Entitlement['fulfillmentState'];

/** What a reservation's units are; of one that was split or merged they live on in others of its order. */
const FULFILLMENT: Readonly<Record<ReturnType<typeof stateOf>, FulfillmentState | undefined>> = {
  Succeeded: 'Fulfilled',
  PendingBilling: 'PrefulfillmentPending',
  Cancelled: 'Cancelled',
  Expired: 'Expired',
  Split: undefined,
  Merged: undefined,
};
/** The first one that there are units of is the state of the whole. */
const STATES: readonly FulfillmentState[] = ['Fulfilled', 'PrefulfillmentPending', 'Expired', 'Cancelled'];

/** The documented examples have the reservation order as resource, and the order and its line as group and line item. */
function artifactPath(order: BoughtReservationOrder): string {
  return `/customers/${order.customer_id}/artifacts/reservedinstance/groups/${order.order_id}/lineitems/${order.line_number}/resource/${order.reservation_order_id}`;
}

export function toEntitlement(
  order: BoughtReservationOrder,
  reservations: readonly ReservationRow[],
  now: Date,
  showExpiry: boolean,
): Entitlement {
  const quantityDetails = STATES.flatMap((status) => {
    const quantity = reservations
      .filter((one) => FULFILLMENT[stateOf(order, one, now)] === status)
      .reduce((sum, one) => sum + one.quantity, 0);
    return quantity > 0 ? [{ quantity, status }] : [];
  });
  const living = quantityDetails.filter(({ status }) => status === 'Fulfilled' || status === 'PrefulfillmentPending');
  const line = order.lines.find(({ lineItemNumber }) => lineItemNumber === order.line_number);
  const [productId = '', skuId = ''] = line?.offerId.split(':') ?? [];
  return {
    includedEntitlements: [],
    referenceOrder: { id: order.order_id, lineItemId: String(order.line_number) },
    productId,
    skuId,
    quantity: living.reduce((sum, { quantity }) => sum + quantity, 0),
    quantityDetails,
    entitledArtifacts: [
      {
        artifactType: 'reservedinstance',
        resourceId: order.reservation_order_id,
        link: link(artifactPath(order)),
        dynamicAttributes: { reservationType: order.reserved_resource_type.toLowerCase() },
      },
    ],
    entitlementType: 'reservedinstance',
    fulfillmentState: quantityDetails[0]?.status ?? 'Cancelled',
    ...(showExpiry && { expiryDate: order.expires_on.toISOString() }),
  };
}

function toReservation(
  order: BoughtReservationOrder,
  row: ReservationRow,
  now: Date,
): Static<typeof EntitledReservation> {
  return {
    reservationId: row.reservation_id,
    scopeType: row.applied_scope_type,
    displayName: row.display_name,
    appliedScopes: row.applied_scope === null ? [] : [row.applied_scope],
    quantity: row.quantity,
    expiryDateTime: row.expires_on.toISOString(),
    effectiveDateTime: row.effective_on.toISOString(),
    provisioningState: stateOf(order, row, now),
  };
}

export function toArtifactDetails(
  order: BoughtReservationOrder,
  rows: readonly ReservationRow[],
  now: Date,
): ReservedInstanceArtifactDetails {
  const reservations = rows.map((row) => toReservation(order, row, now));
  return {
    type: 'reservedinstance',
    virtualMachineReservations: reservations,
    reservations,
    attributes: { objectType: 'ReservedInstanceArtifactDetails' },
  };
}
