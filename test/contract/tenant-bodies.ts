import type { Ids } from './tenant-names.js';

// The bodies that name things: the own, foreign or absent ones.

const CAPACITY = '/providers/Microsoft.Capacity';

export function purchaseOf({ skuName, entitlement }: Pick<Ids, 'skuName' | 'entitlement'>) {
  return {
    sku: { name: skuName },
    location: 'westeurope',
    properties: {
      reservedResourceType: 'VirtualMachines',
      billingScopeId: `/subscriptions/${entitlement}`,
      term: 'P1Y',
      billingPlan: 'Upfront',
      quantity: 1,
      displayName: 'Web servers',
      appliedScopeType: 'Shared',
    },
  };
}

export function refundOf({ reservationOrder, reservation }: Pick<Ids, 'reservationOrder' | 'reservation'>) {
  return {
    properties: {
      scope: 'Reservation',
      reservationToReturn: {
        reservationId: `${CAPACITY}/reservationOrders/${reservationOrder}/reservations/${reservation}`,
        quantity: 1,
      },
    },
  };
}

export function exchangeOf(ids: Pick<Ids, 'reservationOrder' | 'reservation' | 'entitlement'>, skuName: string) {
  const { displayName, ...properties } = purchaseOf({ skuName, entitlement: ids.entitlement }).properties;
  return {
    properties: {
      reservationsToExchange: [refundOf(ids).properties.reservationToReturn],
      reservationsToPurchase: [
        { sku: { name: skuName }, location: 'westeurope', properties: { ...properties, quantity: 2 } },
      ],
    },
  };
}

export function lineOf({ catalogItem, subscription }: Pick<Ids, 'catalogItem' | 'subscription'>) {
  return {
    id: 0,
    catalogItemId: catalogItem,
    quantity: 1,
    billingCycle: 'one_time',
    provisioningContext: { subscriptionId: subscription },
  };
}
