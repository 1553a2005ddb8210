import type { Insertable, Selectable } from 'kysely';
import type { Term } from '../../db/column-types.js';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
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

/** One version of the price book. */
export async function findPriceBookVersion(
  db: Reading,
  partnerId: string,
  version: number,
): Promise<PriceBookRow | undefined> {
  return db
    .selectFrom('price_books')
    .select(['partner_id', 'version', 'currency_code', 'entries', 'changed_on', 'changed_by'])
    .where('partner_id', '=', partnerId)
    .where('version', '=', version)
    .executeTakeFirst();
}

/** Versions without their entries, newest first. */
export async function listPriceBookVersions(
  db: Reading,
  partnerId: string,
  page: { before?: number; limit: number },
): Promise<Omit<PriceBookRow, 'entries'>[]> {
  const { before, limit } = page;
  return db
    .selectFrom('price_books')
    .select(['partner_id', 'version', 'currency_code', 'changed_on', 'changed_by'])
    .where('partner_id', '=', partnerId)
    .$if(before !== undefined, (query) => query.where('version', '<', before ?? 0))
    .orderBy('version', 'desc')
    .limit(limit)
    .execute();
}

/** @returns false where there is such a version already: of two that follow the same one, the first is in */
export async function insertPriceBook(tx: Tx, row: Insertable<PriceBooksTable>): Promise<boolean> {
  const inserted = await tx
    .insertInto('price_books')
    .values(row)
    .onConflict((conflict) => conflict.columns(['partner_id', 'version']).doNothing())
    .returning('version')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Which of the ids are live customers of the partner. */
export async function listKnownCustomers(db: Reading, partnerId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('customers')
    .select('customer_id')
    .where('partner_id', '=', partnerId)
    .where('customer_id', 'in', [...ids])
    .where('deleted_on', 'is', null)
    .execute();
  return rows.map((row) => row.customer_id);
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
