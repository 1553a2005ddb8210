import type { Reading, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { shown } from '../../http/shown.js';
import { listAgreements } from '../agreements/queries.js';
import type { AgreementType } from '../agreements/templates.js';
import { NO_PRICE_BOOK } from '../prices/find-price.js';
import { findPriceBook, type PriceBookRow } from '../prices/queries.js';
import { OFFERS } from '../products/catalog-item.js';
import { type CatalogItem, findCatalogItem, listReservationItems } from '../products/service.js';
import { getSeller, listAllAzureSubscriptions, listSubscriptions, type Seller } from '../subscriptions/queries.js';
import type { LineFacts } from './judge-line.js';

/** All that an order of the partner is decided by, under the lock of the customer. */
export interface OrderingFacts extends LineFacts {
  customer: LockedCustomer;
  now: Date;
  seller: Seller;
  agreements: ReadonlySet<AgreementType>;
  priceBook: PriceBookRow | undefined;
}

/** @throws ApiError NoRelationship: nothing is bought for a customer of whom the partner is not the reseller */
export function demandReseller({ customer: { relationship } }: OrderingFacts): void {
  if (relationship === 'reseller') return;
  throw new ApiError('NoRelationship', {
    description: `The relationship to the customer is ${relationship}, not reseller. Ask the customer for a reseller relationship first.`,
  });
}

/**
 * Locks the customer that is bought for and reads what decides.
 * @throws ApiError CustomerNotFound
 */
export async function lockForOrdering(tx: Tx, partnerId: string, customerId: string): Promise<OrderingFacts> {
  const [{ customer, now }, subscriptions, azureSubscriptions, seller, agreements, priceBook] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    listSubscriptions(tx, partnerId, customerId),
    listAllAzureSubscriptions(tx, partnerId, customerId),
    getSeller(tx, partnerId),
    listAgreements(tx, partnerId, customerId, undefined),
    findPriceBook(tx, partnerId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  return {
    customer,
    now,
    country: customer.country,
    subscriptions,
    azureSubscriptions,
    seller,
    agreements: new Set(agreements.map((row) => row.agreement_type)),
    priceBook,
    currencyCode: (priceBook ?? NO_PRICE_BOOK).currency_code,
  };
}

const CATALOG_ITEM = /^[A-Z0-9]{1,20}:[A-Z0-9]{1,20}(?::[A-Z0-9]{1,20})?$/;

/** Why the catalogue has no such item. */
async function missing(db: Reading, partnerId: string, offerId: string, at: Date): Promise<ApiError> {
  const wanted = offerId.toUpperCase();
  if (!CATALOG_ITEM.test(wanted)) {
    return new ApiError('InvalidOfferId', {
      description: `${shown(offerId)} is neither a catalog item nor MS-AZR-0145P. Take one of the catalogue.`,
    });
  }
  const [productId = '', skuId] = wanted.split(':');
  const offers = OFFERS.filter((item) => item.productId === productId);
  const items = offers.length > 0 ? offers : await listReservationItems(db, partnerId, { at, productId });
  if (items.length === 0) return new ApiError('ProductNotFound');
  return new ApiError(items.some((item) => item.skuId === skuId) ? 'AvailabilityNotFound' : 'SkuNotFound');
}

/**
 * What a line names. The availability of the Azure plan can be left out: it can change.
 * @throws ApiError InvalidOfferId, ProductNotFound, SkuNotFound, AvailabilityNotFound
 */
export async function getItem(db: Reading, partnerId: string, offerId: string, at: Date): Promise<CatalogItem> {
  const wanted = offerId.toUpperCase();
  const offer = OFFERS.find((item) => wanted === `${item.productId}:${item.skuId}`);
  const item = offer ?? (await findCatalogItem(db, partnerId, offerId, at));
  if (!item) throw await missing(db, partnerId, offerId, at);
  return item;
}
