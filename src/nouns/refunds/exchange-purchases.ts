import type { QuotedPrice, QuotedRequest } from '../../db/purchase-tables.js';
import { uuidv4 } from '../../lib/uuid.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import type { NewEntry } from '../activity-log/append.js';
import { orderDetails } from '../orders/order-details.js';
import type { OrderRow } from '../orders/queries.js';
import { toOrder } from '../orders/view.js';
import type { Locked } from '../reservations/change.js';
import { type MadeReservation, makeReservation } from '../reservations/create.js';
import type { ExchangeAppraisal, PromisedExchange } from './appraise-exchange.js';

export interface MadePurchase {
  made: MadeReservation;
  request: QuotedRequest;
  price: QuotedPrice;
}

/**
 * The rows of what is taken in exchange: bought by the partner, each under an order of its own, for whoever could read
 * the reservation in whose place it comes.
 */
export function makePurchases(
  act: Act,
  { customer, now }: Locked,
  { returned, purchases }: ExchangeAppraisal,
  promised: PromisedExchange | undefined,
): MadePurchase[] {
  return purchases.map(({ wanted, price }, index) => {
    const source = returned[index] ?? returned[0];
    if (!price || !source) throw new Error('an exchange without price or source was judged good');
    const made = makeReservation(
      {
        partnerId: customer.partner_id,
        customerId: customer.customer_id,
        reservationOrderId: promised?.purchases[index]?.reservationOrderId ?? uuidv4(),
        orderId: uuidv4(),
        lineNumber: 0,
        origin: 'partner',
        request: wanted.request,
        price,
        displayName: wanted.displayName ?? source.reservation.display_name,
        scope: wanted.scope,
        instanceFlexibility: wanted.instanceFlexibility,
        renew: wanted.renew,
        reviewOn: wanted.reviewOn,
        buyer: { id: act.actor.id, name: nameOf(act.actor) },
        ownerIds: source.before.order.owner_ids,
        pending: false,
        swapSource: source.reservation.reservation_id,
      },
      now,
    );
    return { made, request: wanted.request, price };
  });
}

/** What the log is told of it. */
export function createEntry(order: OrderRow, { reservation }: MadeReservation, { customer, now }: Locked): NewEntry {
  return {
    operationType: 'create_order',
    resourceType: 'order',
    resourceId: order.order_id,
    newValue: toOrder(order, customer.country, { includePrice: true, now }),
    customizedData: [...orderDetails(order, null), { key: 'SwapSource', value: reservation.swap_source }],
  };
}
