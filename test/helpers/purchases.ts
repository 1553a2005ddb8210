import { randomUUID } from 'node:crypto';
import type { DatabaseHandle } from '../../src/db/connect.js';
import { insertOrder } from '../../src/nouns/orders/queries.js';
import { makeReservation } from '../../src/nouns/reservations/create.js';
import { insertReservationOrder, insertReservations } from '../../src/nouns/reservations/queries.js';
import type { MadeCustomer } from './service.js';

export interface Bought {
  /** Minor units. */
  total: number;
  /** Default: 1. */
  quantity?: number;
  /** Default: customer. */
  origin?: 'customer' | 'partner';
  /** Default: USD. */
  currencyCode?: string;
  /** Default: Upfront. */
  billingPlan?: 'Upfront' | 'Monthly';
  /** Default: now. */
  on?: Date;
  /** It waits for the partner. */
  pending?: boolean;
  orderState?: 'Cancelled';
  reservationState?: 'Cancelled' | 'Split' | 'Merged';
}

/** The rows of a purchase of one year of Standard_D2s_v5, made without buying. */
export async function insertPurchase(db: DatabaseHandle, customer: MadeCustomer, bought: Bought) {
  const { total, quantity = 1, origin = 'customer', currencyCode = 'USD', on = new Date(), pending = false } = bought;
  const { partnerId, customerId, azureSubscriptionId, ownerId, ownerUpn } = customer;
  const [orderId, reservationOrderId] = [randomUUID(), randomUUID()];
  const made = makeReservation(
    {
      partnerId,
      customerId,
      reservationOrderId,
      orderId,
      lineNumber: 0,
      origin,
      request: {
        azureSubscriptionId,
        reservedResourceType: 'VirtualMachines',
        skuName: 'Standard_D2s_v5',
        location: 'westeurope',
        term: 'P1Y',
        billingPlan: bought.billingPlan ?? 'Upfront',
        quantity,
      },
      price: {
        currencyCode,
        unitMinor: total / quantity,
        totalMinor: total,
        retailUnitPrice: '600',
        retailEffectiveOn: '2026-01-01T00:00:00.000Z',
        priceBookVersion: 0,
        productId: 'DZH318Z0BQ35',
        skuId: '0001',
        skuTitle: 'Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year',
        skuDescription: 'Standard_D2s_v5',
      },
      displayName: 'Web servers',
      scope: { type: 'Shared', scope: null, tenantId: null, displayName: null },
      instanceFlexibility: 'On',
      renew: false,
      reviewOn: null,
      buyer: { id: ownerId, name: ownerUpn },
      ownerIds: [ownerId],
      pending,
    },
    on,
  );
  const { orderState, reservationState } = bought;
  await db.write(partnerId, async (tx) => {
    await insertOrder(tx, {
      partner_id: partnerId,
      customer_id: customerId,
      order_id: orderId,
      kind: 'reservation',
      origin,
      status: pending ? 'pending' : 'completed',
      billing_cycle: 'one_time',
      currency_code: currencyCode,
      total_minor: total,
      lines: [],
      bought_by_id: ownerId,
      bought_by: ownerUpn,
      created_on: on,
      approval_expires_on: pending ? new Date(on.getTime() + 72 * 3_600_000) : null,
      decided_on: null,
      decided_by: null,
      version: 1,
    });
    await insertReservationOrder(tx, { ...made.order, ...(orderState && { provisioning_state: orderState }) });
    const reservation = { ...made.reservation, ...(reservationState && { provisioning_state: reservationState }) };
    await insertReservations(tx, [reservation], ownerUpn);
  });
  return { orderId, reservationOrderId, reservationId: made.reservation.reservation_id };
}
