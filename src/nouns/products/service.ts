import type { Reading } from '../../db/connect.js';
import { findPriceCurrency } from '../prices/find-price.js';
import { type CatalogItem, OFFERS, type ReservationItem, reservationItems } from './catalog-item.js';
import { listPricedSkus } from './queries.js';

export type { CatalogItem, OfferItem, ReservationItem } from './catalog-item.js';

/** The reservations that have a price in the partner's currency now. */
export async function listReservationItems(
  db: Reading,
  partnerId: string,
  filter: { at: Date; productId?: string; skuId?: string },
): Promise<ReservationItem[]> {
  const currencyCode = await findPriceCurrency(db, partnerId);
  return reservationItems(await listPricedSkus(db, partnerId, { ...filter, currencyCode }));
}

/**
 * What an order line or a cart line names.
 * @param catalogItemId `product:sku:availability`, or MS-AZR-0145P, in any letter case
 * @returns undefined when the catalogue has no such item
 */
export async function findCatalogItem(
  db: Reading,
  partnerId: string,
  catalogItemId: string,
  at = new Date(),
): Promise<CatalogItem | undefined> {
  const wanted = catalogItemId.toUpperCase();
  const offer = OFFERS.find((item) => item.catalogItemId === wanted);
  if (offer) return offer;
  const [productId, skuId, availabilityId, ...rest] = wanted.split(':');
  if (!productId || !skuId || !availabilityId || rest.length > 0) return undefined;
  const items = await listReservationItems(db, partnerId, { at, productId, skuId });
  return items.find((item) => item.availabilityId === availabilityId);
}
