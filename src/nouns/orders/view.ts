import type { Static } from 'typebox';
import type { OrderLine } from '../../db/tables.js';
import { minorDigits, toAmount } from '../../lib/money.js';
import { BILLING_CYCLES } from '../subscriptions/schemas.js';
import { catalogLinks, link } from '../subscriptions/wire.js';
import type { OrderRow } from './queries.js';
import type { Order, OrderLineItem, OrderLineItemProvisioningStatus } from './schemas.js';

/** As Partner Center writes it: `$`, `€`. */
function symbolOf(currencyCode: string): string {
  const format = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currencyCode,
    currencyDisplay: 'narrowSymbol',
    maximumFractionDigits: minorDigits(currencyCode),
  });
  return format.formatToParts(0).find(({ type }) => type === 'currency')?.value ?? currencyCode;
}

function toLine(line: OrderLine, row: OrderRow, country: string, includePrice: boolean): Static<typeof OrderLineItem> {
  const { reservationOrderId, subscriptionId, pricing, provisioningContext: context } = line;
  const order = `/customers/${row.customer_id}/orders/${row.order_id}`;
  // Of a reservation the row names the Azure subscription it is billed to, which is no subscription of Partner Center.
  const madeSubscription = reservationOrderId === undefined ? subscriptionId : undefined;
  const amount = (minor: number) => toAmount(minor, row.currency_code);
  return {
    lineItemNumber: line.lineItemNumber,
    offerId: line.offerId,
    ...(madeSubscription !== undefined && { subscriptionId: madeSubscription }),
    ...(line.friendlyName !== undefined && { friendlyName: line.friendlyName }),
    quantity: line.quantity,
    ...(line.termDuration !== undefined && { termDuration: line.termDuration }),
    transactionType: 'New',
    ...(line.partnerIdOnRecord !== undefined && { partnerIdOnRecord: line.partnerIdOnRecord }),
    ...(reservationOrderId !== undefined && {
      provisioningContext: { ...context, ...(subscriptionId !== undefined && { entitlementId: subscriptionId }) },
      reservationOrderId,
    }),
    ...(includePrice &&
      pricing && {
        pricing: {
          listPrice: amount(pricing.listMinor),
          discountedPrice: amount(pricing.unitMinor),
          proratedPrice: amount(pricing.unitMinor),
          price: amount(pricing.unitMinor),
          extendedPrice: amount(pricing.extendedMinor),
        },
      }),
    links: {
      ...catalogLinks(line.offerId, country),
      ...(madeSubscription !== undefined && {
        subscription: link(`/customers/${row.customer_id}/subscriptions/${madeSubscription}`),
      }),
      provisioningStatus: link(`${order}/provisioningstatus`),
    },
  };
}

/** A pending order that nobody approved in time is cancelled, whether or not the row says so already. */
export function statusOf({ status, approval_expires_on: until }: OrderRow, now: Date): OrderRow['status'] {
  return status === 'pending' && until !== null && until <= now ? 'cancelled' : status;
}

/**
 * An order as it is answered, the partner's and the customer's alike.
 *
 * @param country market of the links, ISO 3166-1 alpha-2
 */
export function toOrder(
  row: OrderRow,
  country: string,
  { includePrice, now }: { includePrice: boolean; now: Date },
): Order {
  const order = `/customers/${row.customer_id}/orders/${row.order_id}`;
  return {
    id: row.order_id,
    referenceCustomerId: row.customer_id,
    billingCycle: BILLING_CYCLES.find((cycle) => cycle === row.billing_cycle) ?? 'unknown',
    transactionType: 'UserPurchase',
    currencyCode: row.currency_code,
    currencySymbol: symbolOf(row.currency_code),
    creationDate: row.created_on.toISOString(),
    status: statusOf(row, now),
    ...(includePrice && { totalPrice: toAmount(row.total_minor, row.currency_code) }),
    lineItems: row.lines.map((line) => toLine(line, row, country, includePrice)),
    purchasedBy: {
      origin: row.origin,
      userPrincipalName: row.bought_by,
      ...(row.bought_by_id !== null && { id: row.bought_by_id }),
    },
    links: { self: link(order), provisioningStatus: link(`${order}/provisioningstatus`) },
    attributes: {
      etag: Buffer.from(JSON.stringify({ id: row.order_id, version: row.version })).toString('base64'),
      objectType: 'Order',
    },
  };
}

const PROVISIONING = {
  completed: 'Fulfilled',
  pending: 'PrefulfillmentPending',
  cancelled: 'Unfulfilled',
} as const;

export function toProvisioningStatuses(row: OrderRow, now: Date): Static<typeof OrderLineItemProvisioningStatus>[] {
  const status = PROVISIONING[statusOf(row, now)];
  return row.lines.map(({ lineItemNumber, quantity }) => ({
    lineItemNumber,
    status,
    quantityProvisioningInformation: [{ quantity, status }],
  }));
}
