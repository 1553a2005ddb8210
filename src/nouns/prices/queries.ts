import type { Selectable } from 'kysely';
import type { Term } from '../../db/column-types.js';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading } from '../../db/connect.js';
import type { PriceBooksTable, RetailPricesTable } from '../../db/purchase-tables.js';

export type PriceBookRow = Selectable<PriceBooksTable>;
export type RetailPriceRow = Selectable<RetailPricesTable>;

const selectPriceBook = compileOnce((db, $: { partnerId: string }) =>
  db
    .selectFrom('price_books')
    .select(['partner_id', 'version', 'currency_code', 'entries', 'changed_on', 'changed_by'])
    .where('partner_id', '=', $.partnerId)
    .orderBy('version', 'desc')
    .limit(1),
);

/** The price book in force; undefined: the partner never had one. */
export async function findPriceBook(db: Reading, partnerId: string): Promise<PriceBookRow | undefined> {
  const [row] = await selectPriceBook(db, { partnerId });
  return row;
}

type StoredKey = {
  partnerId: string;
  currencyCode: string;
  /** As the type is spelled in the catalogue. */
  reservedResourceType: string;
  location: string;
  skuKey: string;
  term: Term;
  at: Date;
};

const selectRetailPrice = compileOnce((db, $: StoredKey) =>
  db
    .selectFrom('retail_prices')
    .select(['unit_price', 'effective_on', 'arm_sku_name', 'location', 'product_id', 'sku_id', 'sku_name'])
    .where('partner_id', '=', $.partnerId)
    .where('currency_code', '=', $.currencyCode)
    .where('reserved_resource_type', '=', $.reservedResourceType)
    .where('location', '=', $.location)
    .where('sku_key', '=', $.skuKey)
    .where('term', '=', $.term)
    .where('effective_on', '<=', $.at)
    .orderBy('effective_on', 'desc')
    .limit(1),
);

/** The retail price in force at a time: the latest that had become effective. */
export async function findRetailPrice(db: Reading, key: StoredKey) {
  const [row] = await selectRetailPrice(db, key);
  return row;
}
