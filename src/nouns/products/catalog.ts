import type { Reading } from '../../db/connect.js';
import { toAmount } from '../../lib/money.js';
import { chooseEntry } from '../prices/choose-entry.js';
import { NO_PRICE_BOOK, toCustomerMinor } from '../prices/find-price.js';
import { findPriceBook } from '../prices/queries.js';
import { excludedMarketSource } from '../purchase-permissions/excluded-markets.js';
import { findMarket } from '../subscriptions/queries.js';
import type { CatalogCondition } from './catalog-filter.js';
import {
  type CatalogKey,
  type CatalogPrice,
  countCatalogKeys,
  listCatalogKeys,
  listCatalogPrices,
} from './catalog-queries.js';
import type { ReservationCatalog } from './catalog-schemas.js';
import { findReservationType } from './reservation-types.js';

export interface CatalogQuestion {
  /** In any letter case; one that is not known has nothing. */
  reservedResourceType?: string;
  location?: string;
  conditions: readonly CatalogCondition[];
  skip: number;
  take: number;
  at: Date;
}

interface CatalogPage {
  value: ReservationCatalog[];
  totalItems: number;
}

const EMPTY: CatalogPage = { value: [], totalItems: 0 };

/** What the customer can reserve, each SKU in each region with the customer's own prices. */
export async function listCatalog(
  db: Reading,
  partnerId: string,
  customerId: string,
  question: CatalogQuestion,
): Promise<CatalogPage> {
  const { reservedResourceType, location, conditions, at, skip, take } = question;
  const type = reservedResourceType === undefined ? undefined : findReservationType(reservedResourceType);
  if (reservedResourceType !== undefined && !type) return EMPTY;
  const [market, book = NO_PRICE_BOOK] = await Promise.all([
    findMarket(db, partnerId, customerId),
    findPriceBook(db, partnerId),
  ]);
  if (market === undefined || excludedMarketSource(market)) return EMPTY;
  const filter = {
    currencyCode: book.currency_code,
    at,
    ...(type && { reservedResourceType: type.reservedResourceType }),
    ...(location !== undefined && { location: location.toLowerCase() }),
    conditions,
  };
  const [keys, totalItems] = await Promise.all([
    listCatalogKeys(db, partnerId, filter, { skip, take }),
    countCatalogKeys(db, partnerId, filter),
  ]);
  const prices = await listCatalogPrices(db, partnerId, filter, keys);
  // Most of a large book is for other customers.
  const entries = book.entries.filter((entry) => entry.customerId === undefined || entry.customerId === customerId);
  const priceOf = (price: CatalogPrice) =>
    toCustomerMinor(price.unitPrice, book.currency_code, chooseEntry(entries, { ...price, customerId }));
  const bySku = new Map(keys.map((key) => [nameOf(key), [] as CatalogPrice[]]));
  for (const price of prices) {
    const type = findReservationType(price.reservedResourceType);
    if (type?.terms.includes(price.term)) bySku.get(nameOf(price))?.push(price);
  }
  return { value: [...bySku.values()].flatMap((own) => toCatalog(own, book.currency_code, priceOf)), totalItems };
}

const nameOf = ({ reservedResourceType, location, skuKey }: CatalogKey) =>
  JSON.stringify([reservedResourceType, location, skuKey]);

/** @param prices of one SKU in one region, one for each term */
function toCatalog(
  prices: readonly CatalogPrice[],
  currencyCode: string,
  priceOf: (price: CatalogPrice) => number,
): ReservationCatalog[] {
  const [first] = prices;
  if (!first) return [];
  const type = findReservationType(first.reservedResourceType);
  // Standard_D2s_v5: the tier, then the size, as virtual machines are named.
  const [, tier, size] = /^([A-Za-z]+)_(.+)$/.exec(first.skuName) ?? [];
  const isMachine = type?.reservedResourceType === 'VirtualMachines';
  const msrp = prices.map((price) => {
    const amount = toAmount(priceOf(price), currencyCode);
    return [price.term.replace('P', 'p'), { currencyCode, amount }] as const;
  });
  return [
    {
      resourceType: first.reservedResourceType.replace(/^[A-Z]/, (letter) => letter.toLowerCase()),
      name: first.skuName,
      billingPlans: Object.fromEntries(prices.map(({ term }) => [term, [...(type?.billingPlans ?? [])]])),
      terms: prices.map(({ term }) => term),
      locations: [first.location],
      skuProperties: [
        { name: 'ProductTitle', value: first.productName },
        { name: 'SkuTitle', value: first.skuTitle },
      ],
      msrp: Object.fromEntries(msrp),
      restrictions: [],
      ...(isMachine && tier !== undefined && size !== undefined && { tier, size }),
      capabilities: [],
    },
  ];
}
