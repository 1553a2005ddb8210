import type { Reading } from '../../db/connect.js';
import type { PriceBookEntry, QuotedPrice } from '../../db/purchase-tables.js';
import { ApiError } from '../../errors/api-error.js';
import { toMinor, withMargin } from '../../lib/money.js';
import { reservationTitle } from '../products/catalog-item.js';
import { findReservationType } from '../products/reservation-types.js';
import { chooseEntry } from './choose-entry.js';
import type { PriceKey } from './price-key.js';
import { findPriceBook, findRetailPrice, type PriceBookRow } from './queries.js';

/** The price book of a partner that has none: retail as it is. */
export const NO_PRICE_BOOK = { version: 0, currency_code: 'USD', entries: [] as PriceBookEntry[] } as const;

export interface PriceQuestion extends PriceKey {
  customerId: string;
  quantity: number;
  at: Date;
}

/** The currency that the partner's price book, and so all its prices, are in. */
export async function findPriceCurrency(db: Reading, partnerId: string): Promise<string> {
  return ((await findPriceBook(db, partnerId)) ?? NO_PRICE_BOOK).currency_code;
}

async function findRetail(db: Reading, partnerId: string, key: PriceKey & { currencyCode: string; at: Date }) {
  const type = findReservationType(key.reservedResourceType);
  if (!type) return undefined;
  const { currencyCode, term, at } = key;
  const { reservedResourceType } = type;
  const location = key.location.toLowerCase();
  const skuKey = key.skuName.toLowerCase();
  return findRetailPrice(db, { partnerId, currencyCode, reservedResourceType, location, skuKey, term, at });
}

/**
 * What a customer pays: the retail price in force at `at`, in the currency of the partner's price book, with what the
 * price book says of it. Without a price book it is retail in USD.
 * @returns undefined where there is no retail price
 * @throws ApiError TotalTooLarge: the minor units would not be exact
 */
export async function findPrice(
  db: Reading,
  partnerId: string,
  question: PriceQuestion,
): Promise<QuotedPrice | undefined> {
  return findPriceUnder(db, partnerId, await findPriceBook(db, partnerId), question);
}

/** {@link findPrice} under a price book that was read before. */
export async function findPriceUnder(
  db: Reading,
  partnerId: string,
  book: Pick<PriceBookRow, 'version' | 'currency_code' | 'entries'> = NO_PRICE_BOOK,
  question: PriceQuestion,
): Promise<QuotedPrice | undefined> {
  const currencyCode = book.currency_code;
  const retail = await findRetail(db, partnerId, { ...question, currencyCode });
  if (!retail) return undefined;
  const entry = chooseEntry(book.entries, question);
  const unitMinor = toCustomerMinor(retail.unit_price, currencyCode, entry);
  const totalMinor = unitMinor * question.quantity;
  if (!Number.isSafeInteger(unitMinor) || !Number.isSafeInteger(totalMinor)) throw new ApiError('TotalTooLarge');
  const { reservedResourceType, term } = question;
  return {
    currencyCode,
    unitMinor,
    totalMinor,
    retailUnitPrice: retail.unit_price,
    retailEffectiveOn: retail.effective_on.toISOString(),
    priceBookVersion: book.version,
    productId: retail.product_id,
    skuId: retail.sku_id,
    skuTitle: reservationTitle({ reservedResourceType, skuName: retail.arm_sku_name, location: retail.location }, term),
    skuDescription: retail.arm_sku_name,
  };
}

/** The customer's price of one unit in minor units, rounded once. */
export function toCustomerMinor(
  retailUnitPrice: string,
  currencyCode: string,
  entry: Pick<PriceBookEntry, 'marginPercent' | 'unitPrice'> | undefined,
): number {
  if (entry?.unitPrice !== undefined) return toMinor(entry.unitPrice, currencyCode);
  return toMinor(withMargin(retailUnitPrice, entry?.marginPercent ?? '0'), currencyCode);
}

/** The retail price of one unit for the whole term, decimal text, in force at `at`. */
export async function findRetailUnitPrice(
  db: Reading,
  partnerId: string,
  key: PriceKey & { currencyCode: string; at: Date },
): Promise<string | undefined> {
  return (await findRetail(db, partnerId, key))?.unit_price;
}
