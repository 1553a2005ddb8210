import type { Term } from '../../db/column-types.js';
import type { WireLink } from '../../http/paging.js';
import type { CatalogItem } from './catalog-item.js';
import { findReservationType } from './reservation-types.js';
import type { Availability, Product, Sku } from './schemas.js';

/** How items are shown: to whom, in which country. */
export interface Catalogue {
  /** ISO 3166-1 alpha-2, upper case. */
  country: string;
  currencyCode: string;
  /** Address of the products without /v1: `/products`, `/customers/{id}/products`. */
  path: string;
  /** What the links have to repeat: empty, or `?country=US`. */
  query: string;
}

const DURATIONS: Readonly<Record<Term, { attribute: string; prepaid: string }>> = {
  P1Y: { attribute: '1Year', prepaid: '1 Year Prepaid' },
  P3Y: { attribute: '3Years', prepaid: '3 Years Prepaid' },
  P5Y: { attribute: '5Years', prepaid: '5 Years Prepaid' },
};

function symbolOf(currencyCode: string): string {
  const format = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currencyCode,
    currencyDisplay: 'narrowSymbol',
  });
  return format.formatToParts(0).find((part) => part.type === 'currency')?.value ?? currencyCode;
}

const link = (uri: string): WireLink => ({ uri, method: 'GET', headers: [] });

export interface ProductName {
  productId: string;
  title: string;
  description: string;
  subType: { id: string; displayName: string };
}

export function productNameOf(item: CatalogItem): ProductName {
  const { productId, subType } = item;
  if (item.kind !== 'reservation') return item;
  return { productId, subType, title: item.productTitle, description: item.productTitle };
}

/** The product of a retail price. */
export function pricedProduct(row: {
  productId: string;
  productName: string;
  reservedResourceType: string;
}): ProductName {
  const { productId, productName, reservedResourceType } = row;
  const displayName = findReservationType(reservedResourceType)?.title ?? reservedResourceType;
  return {
    productId,
    title: productName,
    description: productName,
    subType: { id: reservedResourceType, displayName },
  };
}

export function toProduct(
  { productId, title, description, subType }: ProductName,
  { path, query }: Catalogue,
): Product {
  const uri = `${path}/${productId}`;
  return {
    id: productId,
    title,
    description,
    productType: { id: 'Azure', displayName: 'Azure', subType: { ...subType } },
    isMicrosoftProduct: true,
    publisherName: 'Microsoft',
    links: { skus: link(`${uri}/skus${query}`), self: link(`${uri}${query}`) },
    attributes: { objectType: 'Product' },
  };
}

function dynamicAttributesOf(items: readonly CatalogItem[]): Record<string, string> {
  const reservations = items.filter((item) => item.kind === 'reservation');
  const [first] = reservations;
  if (!first) return {};
  const [term, ...terms] = new Set(reservations.flatMap((item) => item.terms));
  return {
    armSkuName: first.skuName,
    ...(reservations.length === 1 && { armRegionName: first.location }),
    ...(term && terms.length === 0 && { duration: DURATIONS[term].attribute }),
  };
}

/** @param items of one SKU: one for each region it is sold in */
export function toSku(items: readonly [CatalogItem, ...CatalogItem[]], { path, query }: Catalogue): Sku {
  const [first] = items;
  const { productId, skuId, subType } = first;
  const isReservation = first.kind === 'reservation';
  const title = isReservation && items.length > 1 ? `${subType.displayName}, ${first.skuName}` : first.title;
  const uri = `${path}/${productId}/skus/${skuId}`;
  return {
    id: skuId,
    productId,
    title,
    description: isReservation ? title : first.description,
    minimumQuantity: 1,
    maximumQuantity: first.maximumQuantity,
    isTrial: false,
    supportedBillingCycles: [...first.billingCycles],
    purchasePrerequisites: [...first.purchasePrerequisites],
    inventoryVariables: isReservation ? ['CustomerId', 'AzureSubscriptionId', 'ArmRegionName'] : [],
    provisioningVariables: isReservation ? ['Scope', 'SubscriptionId', 'Duration'] : [],
    dynamicAttributes: dynamicAttributesOf(items),
    links: { availabilities: link(`${uri}/availabilities${query}`), self: link(`${uri}${query}`) },
    attributes: { objectType: 'Sku' },
  };
}

export function toAvailability(item: CatalogItem, catalogue: Catalogue): Availability {
  const { productId, skuId, availabilityId, catalogItemId, terms } = item;
  const { country, currencyCode, path, query } = catalogue;
  return {
    id: availabilityId,
    productId,
    skuId,
    catalogItemId,
    defaultCurrency: { code: currencyCode, symbol: symbolOf(currencyCode) },
    segment: 'commercial',
    country,
    isPurchasable: true,
    isRenewable: item.kind === 'reservation',
    terms: terms.map((term) => ({ duration: term, description: DURATIONS[term].prepaid })),
    product: toProduct(productNameOf(item), catalogue),
    sku: toSku([item], catalogue),
    links: { self: link(`${path}/${productId}/skus/${skuId}/availabilities/${availabilityId}${query}`) },
    attributes: { objectType: 'Availability' },
  };
}
