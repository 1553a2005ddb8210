import type { Reading } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { findPriceCurrency } from '../prices/find-price.js';
import { excludedMarketSource } from '../purchase-permissions/excluded-markets.js';
import { type CatalogItem, OFFERS, type ReservationItem, reservationItems } from './catalog-item.js';
import { listPricedProducts, listPricedSkus } from './queries.js';
import { listReservationTypes } from './reservation-types.js';
import type { TARGET_VIEWS } from './schemas.js';
import { type ProductName, pricedProduct } from './view.js';

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

/** One SKU: its items, one for each region. */
export type OneSku = [CatalogItem, ...CatalogItem[]];

export type TargetView = (typeof TARGET_VIEWS)[number];

/** Names of the reservation types that a view lists; undefined: a view of what is not sold here. */
function typesIn(view: TargetView): string[] | undefined {
  const types = listReservationTypes();
  const names = (chosen: typeof types) => chosen.map((type) => type.reservedResourceType);
  switch (view) {
    case 'Azure':
    case 'AzureReservations':
      return names(types);
    case 'AzureReservationsVM':
    case 'AzureReservationsSQL':
    case 'AzureReservationsCosmosDb':
      return names(types.filter((type) => type.targetViews.includes(view)));
    case 'MicrosoftAzure':
      return [];
    default:
      return undefined;
  }
}

/** Products of a view, in a country. @throws ApiError TargetViewNotAllowed */
export async function listProducts(
  db: Reading,
  partnerId: string,
  question: { view: TargetView; country: string; at: Date },
): Promise<ProductName[]> {
  const { view, country, at } = question;
  const types = typesIn(view);
  if (!types) throw new ApiError('TargetViewNotAllowed');
  const offers = view === 'Azure' || view === 'MicrosoftAzure' ? OFFERS : [];
  if (types.length === 0 || excludedMarketSource(country)) return [...offers];
  const currencyCode = await findPriceCurrency(db, partnerId);
  const rows = await listPricedProducts(db, partnerId, { currencyCode, at, types });
  return [...offers, ...rows.map(pricedProduct)];
}

/** Everything that is sold of a product in a country, by SKU. @throws ApiError ProductNotFound */
export async function listSkus(
  db: Reading,
  partnerId: string,
  question: { productId: string; country: string; at: Date },
): Promise<[OneSku, ...OneSku[]]> {
  const productId = question.productId.toUpperCase();
  const offers = OFFERS.filter((item) => item.productId === productId);
  const isSold = offers.length === 0 && !excludedMarketSource(question.country);
  const items = isSold ? await listReservationItems(db, partnerId, { at: question.at, productId }) : offers;
  const bySku = new Map<string, OneSku>();
  for (const item of items) {
    const same = bySku.get(item.skuId);
    if (same) same.push(item);
    else bySku.set(item.skuId, [item]);
  }
  const [first, ...others] = bySku.values();
  if (!first) throw new ApiError('ProductNotFound');
  return [first, ...others];
}

/** @throws ApiError ProductNotFound, SkuNotFound */
export async function getSku(
  db: Reading,
  partnerId: string,
  question: { productId: string; skuId: string; country: string; at: Date },
): Promise<OneSku> {
  const skuId = question.skuId.toUpperCase();
  const sku = (await listSkus(db, partnerId, question)).find(([item]) => item.skuId === skuId);
  if (!sku) throw new ApiError('SkuNotFound');
  return sku;
}
