import { createHash } from 'node:crypto';
import type { Term } from '../../db/column-types.js';
import data from './catalogue/azure-offers.json' with { type: 'json' };
import { findReservationType } from './reservation-types.js';

export type BillingCycle = 'one_time' | 'monthly';

interface ItemType {
  id: string;
  displayName: string;
}

interface Item {
  productId: string;
  skuId: string;
  availabilityId: string;
  /** What an order line or a cart line names: `product:sku:availability`, or MS-AZR-0145P. */
  catalogItemId: string;
  title: string;
  description: string;
  subType: ItemType;
  billingCycles: readonly BillingCycle[];
  /** Terms it can be bought for; empty: it has none. */
  terms: readonly Term[];
  maximumQuantity: number;
  purchasePrerequisites: readonly string[];
}

/** An Azure plan or MS-AZR-0145P: what becomes a subscription. */
export interface OfferItem extends Item {
  kind: 'azure-plan' | 'ms-azr-0145p';
}

export interface ReservationItem extends Item {
  kind: 'reservation';
  productTitle: string;
  reservedResourceType: string;
  /** `armSkuName`. */
  skuName: string;
  /** ARM region name. */
  location: string;
}

/** What can be bought. */
export type CatalogItem = OfferItem | ReservationItem;

export const OFFERS = data.offers.map((offer) => ({ ...offer, terms: [] })) as readonly OfferItem[];

/** The int32 less one that the original answers for reservations. */
const MAX_QUANTITY = 999_999_999;
const TERM_TITLES: Readonly<Record<Term, string>> = { P1Y: '1 Year', P3Y: '3 Years', P5Y: '5 Years' };

export interface ReservationName {
  reservedResourceType: string;
  skuName: string;
  location: string;
}

/** `Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year`; without a term its part is left out. */
export function reservationTitle({ reservedResourceType, skuName, location }: ReservationName, term?: Term): string {
  const type = findReservationType(reservedResourceType);
  const parts = [type?.title ?? reservedResourceType, skuName, location, term && TERM_TITLES[term]];
  return parts.filter((part) => part !== undefined).join(', ');
}

/** A SKU that has a retail price, with one of its terms. */
export interface PricedSku extends ReservationName {
  productId: string;
  skuId: string;
  productName: string;
  term: Term;
}

type SkuKey = Pick<PricedSku, 'productId' | 'skuId' | 'reservedResourceType' | 'skuName' | 'location'>;

/** Twelve characters as Microsoft's, the same for the same SKU and region for ever. */
function availabilityIdOf({ productId, skuId, reservedResourceType, skuName, location }: SkuKey): string {
  const key = [productId, skuId, reservedResourceType, skuName, location].join('\n').toLowerCase();
  const digest = createHash('sha256').update(key).digest().readBigUInt64BE();
  return `DZH318Z${digest.toString(36).toUpperCase().padStart(5, '0').slice(-5)}`;
}

/** `product:sku:availability` of a reservation: the `offerId` of its order line. */
export function catalogItemIdOf(sku: SkuKey): string {
  return `${sku.productId}:${sku.skuId}:${availabilityIdOf(sku)}`;
}

/** The items that priced SKUs make: one for each SKU and region, with all its terms. */
export function reservationItems(skus: readonly PricedSku[]): ReservationItem[] {
  const byId = new Map<string, PricedSku[]>();
  for (const sku of skus) {
    if (!findReservationType(sku.reservedResourceType)?.terms.includes(sku.term)) continue;
    const id = catalogItemIdOf(sku);
    const same = byId.get(id);
    if (same) same.push(sku);
    else byId.set(id, [sku]);
  }
  return [...byId].flatMap(([catalogItemId, [first, ...others]]) => {
    if (first === undefined) return [];
    const { productId, skuId, productName, reservedResourceType, skuName, location } = first;
    const type = findReservationType(reservedResourceType);
    const terms = [first, ...others].map(({ term }) => term).sort();
    const title = reservationTitle(first, terms.length === 1 ? first.term : undefined);
    return {
      kind: 'reservation' as const,
      productId,
      skuId,
      availabilityId: availabilityIdOf(first),
      catalogItemId,
      title,
      description: title,
      productTitle: productName,
      subType: { id: reservedResourceType, displayName: type?.title ?? reservedResourceType },
      billingCycles: type?.billingPlans.includes('Monthly') ? ['one_time', 'monthly'] : ['one_time'],
      terms,
      maximumQuantity: MAX_QUANTITY,
      purchasePrerequisites: ['AzureSubscriptionRegistration', 'InventoryCheck'],
      reservedResourceType,
      skuName,
      location,
    };
  });
}
