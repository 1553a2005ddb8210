import { BILLING_CYCLES } from '../subscriptions/schemas.js';
import { link } from '../subscriptions/wire.js';
import type { CartRow } from './queries.js';
import type { Cart } from './schemas.js';

export function cartEtag(row: CartRow): string {
  return String(row.version);
}

export function toCart(row: CartRow): Cart {
  return {
    id: row.cart_id,
    creationTimestamp: row.created_on.toISOString(),
    lastModifiedTimestamp: row.last_modified_on.toISOString(),
    expirationTimestamp: row.expires_on.toISOString(),
    lastModifiedUser: row.last_modified_by,
    status: row.status,
    lineItems: row.lines.map((line) => ({
      ...line,
      billingCycle: BILLING_CYCLES.find((cycle) => cycle === line.billingCycle) ?? 'unknown',
    })),
    links: { self: link(`/customers/${row.customer_id}/carts/${row.cart_id}`) },
    attributes: { etag: cartEtag(row), objectType: 'Cart' },
  };
}
