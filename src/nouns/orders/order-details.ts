import { toDecimal } from '../../lib/money.js';
import type { OrderRow } from './queries.js';

/**
 * The documented details of a `create_order` record, who bought, and of a reservation what it costs.
 * @param mpnId the partner of record where a line names none
 */
export function orderDetails(order: OrderRow, mpnId: string | null): { key: string; value: string | null }[] {
  return [
    { key: 'OrderId', value: order.order_id },
    { key: 'BillingCycle', value: order.billing_cycle },
    { key: 'PurchasedBy', value: order.bought_by },
    ...order.lines.flatMap((line, index) => [
      { key: `OfferId-${index}`, value: line.offerId },
      { key: `SubscriptionId-${index}`, value: line.subscriptionId ?? null },
      { key: `SubscriptionName-${index}`, value: line.friendlyName ?? null },
      { key: `Quantity-${index}`, value: String(line.quantity) },
      { key: `PartnerOnRecord-${index}`, value: line.partnerIdOnRecord ?? mpnId },
      ...(line.pricing
        ? [
            { key: `ReservationOrderId-${index}`, value: line.reservationOrderId ?? null },
            { key: `Term-${index}`, value: line.termDuration ?? null },
            { key: `Total-${index}`, value: toDecimal(line.pricing.extendedMinor, order.currency_code) },
            { key: `Currency-${index}`, value: order.currency_code },
          ]
        : []),
    ]),
  ];
}
