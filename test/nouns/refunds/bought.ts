import { randomUUID } from 'node:crypto';
import { insertOrder } from '../../../src/nouns/orders/queries.js';
import { orderRow } from '../../../src/nouns/purchases/purchase.js';
import { insertReservation, makeReservation, SHARED } from '../../../src/nouns/reservations/create.js';
import { reservationPath } from '../../../src/nouns/reservations/wire.js';
import type { MadeCustomer, Service } from '../../helpers/service.js';

export interface NewPurchase {
  /** Default 0: bought an hour ago. */
  daysAgo?: number;
  billingPlan?: 'Upfront' | 'Monthly';
  term?: 'P1Y' | 'P3Y';
  quantity?: number;
  /** Minor units. Default: 60000. */
  unitMinor?: number;
  currencyCode?: string;
  reservedResourceType?: string;
  skuName?: string;
}

export interface Bought {
  orderId: string;
  reservationOrderId: string;
  /** Resource id. */
  reservationId: string;
  /** Its name. */
  name: string;
}

/** A reservation that the customer's Owner bought for itself some time ago. */
export async function buy({ db }: Service, made: MadeCustomer, wanted: NewPurchase = {}): Promise<Bought> {
  const { daysAgo = 0, quantity = 1, unitMinor = 60_000, currencyCode = 'USD' } = wanted;
  const orderId = randomUUID();
  const request = {
    azureSubscriptionId: made.azureSubscriptionId,
    reservedResourceType: wanted.reservedResourceType ?? 'VirtualMachines',
    skuName: wanted.skuName ?? 'Standard_D2s_v5',
    location: 'westeurope',
    term: wanted.term ?? 'P1Y',
    billingPlan: wanted.billingPlan ?? 'Upfront',
    quantity,
  };
  const price = {
    currencyCode,
    unitMinor,
    totalMinor: unitMinor * quantity,
    retailUnitPrice: '600',
    retailEffectiveOn: '2026-01-01T00:00:00.000Z',
    priceBookVersion: 0,
    productId: 'DZH318Z0BQ35',
    skuId: '00D2',
    skuTitle: 'Reserved VM Instance',
    skuDescription: request.skuName,
  };
  const { reservation } = await db.write(made.partnerId, async (tx, commitWith) => {
    const row = makeReservation(
      {
        partnerId: made.partnerId,
        customerId: made.customerId,
        reservationOrderId: randomUUID(),
        orderId,
        lineNumber: 0,
        origin: 'customer',
        request,
        price,
        displayName: 'Web servers',
        scope: SHARED,
        instanceFlexibility: 'On',
        renew: true,
        reviewOn: null,
        buyer: { id: made.ownerId, name: made.ownerUpn },
        ownerIds: [made.ownerId],
        pending: false,
      },
      new Date(Date.now() - daysAgo * 86_400_000 - 3_600_000),
    );
    commitWith(insertOrder(tx, orderRow(row, { request, price }, null)));
    insertReservation(tx, row, commitWith);
    return row;
  });
  const { reservation_order_id: reservationOrderId, reservation_id: name } = reservation;
  return { orderId, reservationOrderId, reservationId: reservationPath(reservationOrderId, name), name };
}

export const VERSION = 'api-version=2022-11-01';
export const addressOf = ({ reservationOrderId }: Pick<Bought, 'reservationOrderId'>, action: string) =>
  `/providers/Microsoft.Capacity/reservationOrders/${reservationOrderId}/${action}?${VERSION}`;

type Token = { token?: string };

/** Asks for the refund of some units; answers the whole answer. */
export function calculate(service: Service, bought: Bought, quantity = 1, options: Token = {}) {
  const reservationToReturn = { reservationId: bought.reservationId, quantity };
  return service.request('POST', addressOf(bought, 'calculateRefund'), {
    ...options,
    body: { properties: { scope: 'Reservation', reservationToReturn } },
  });
}

/** Returns some units under a session. */
export function giveBack(service: Service, bought: Bought, sessionId: string, quantity = 1, options: Token = {}) {
  const reservationToReturn = { reservationId: bought.reservationId, quantity };
  return service.request('POST', addressOf(bought, 'return'), {
    ...options,
    body: { properties: { sessionId, scope: 'Reservation', reservationToReturn, returnReason: 'not needed' } },
  });
}
