import { type ExpressionBuilder, sql } from 'kysely';
import type { Term } from '../../db/column-types.js';
import type { Reading } from '../../db/connect.js';
import { folded } from '../../db/folded.js';
import type { Database } from '../../db/tables.js';
import type { CatalogCondition } from './catalog-filter.js';

export interface CatalogFilter {
  currencyCode: string;
  at: Date;
  /** As the catalogue spells it. */
  reservedResourceType?: string;
  /** Lower case. */
  location?: string;
  conditions: readonly CatalogCondition[];
}

/** A SKU in a region. */
export interface CatalogKey {
  reservedResourceType: string;
  location: string;
  skuKey: string;
}

export interface CatalogPrice extends CatalogKey {
  skuName: string;
  term: Term;
  /** Decimal text, of one unit for the whole term. */
  unitPrice: string;
  productName: string;
  skuTitle: string;
}

type Builder = ExpressionBuilder<Database, 'retail_prices'>;

function conditionOf(eb: Builder, { name, resourceType, locations }: CatalogCondition) {
  return eb.and([
    ...(name === undefined ? [] : [eb('sku_key', '=', name)]),
    ...(locations === undefined ? [] : [eb('location', '=', locations)]),
    ...(resourceType === undefined ? [] : [eb(folded(sql`reserved_resource_type`), '=', resourceType)]),
  ]);
}

function priced(db: Reading, partnerId: string, filter: CatalogFilter) {
  const { currencyCode, at, reservedResourceType, location, conditions } = filter;
  const or = (eb: Builder) => eb.or(conditions.map((condition) => conditionOf(eb, condition)));
  return db
    .selectFrom('retail_prices')
    .where('partner_id', '=', partnerId)
    .where('currency_code', '=', currencyCode)
    .where('effective_on', '<=', at)
    .$if(reservedResourceType !== undefined, (query) =>
      query.where('reserved_resource_type', '=', reservedResourceType ?? ''),
    )
    .$if(location !== undefined, (query) => query.where('location', '=', location ?? ''))
    .$if(conditions.length > 0, (query) => query.where(or));
}

/**
 * A page of the SKUs that have a price. `$skip` and the total are in the contract, so there is an OFFSET and a count;
 * both are over the price list of one partner and currency.
 */
export async function listCatalogKeys(
  db: Reading,
  partnerId: string,
  filter: CatalogFilter,
  page: { skip: number; take: number },
): Promise<CatalogKey[]> {
  return priced(db, partnerId, filter)
    .select(['reserved_resource_type as reservedResourceType', 'location', 'sku_key as skuKey'])
    .groupBy(['reserved_resource_type', 'location', 'sku_key'])
    .orderBy('reserved_resource_type')
    .orderBy('location')
    .orderBy('sku_key')
    .limit(page.take)
    .offset(page.skip)
    .execute();
}

export async function countCatalogKeys(db: Reading, partnerId: string, filter: CatalogFilter): Promise<number> {
  const keys = priced(db, partnerId, filter)
    .select(['reserved_resource_type', 'location', 'sku_key'])
    .groupBy(['reserved_resource_type', 'location', 'sku_key']);
  const row = await db
    .selectFrom(keys.as('keys'))
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return row.count;
}

/** The prices in force of some SKUs, one for each term. */
export async function listCatalogPrices(
  db: Reading,
  partnerId: string,
  filter: Pick<CatalogFilter, 'currencyCode' | 'at'>,
  keys: readonly CatalogKey[],
): Promise<CatalogPrice[]> {
  if (keys.length === 0) return [];
  return db
    .selectFrom('retail_prices')
    .distinctOn(['reserved_resource_type', 'location', 'sku_key', 'term'])
    .select([
      'reserved_resource_type as reservedResourceType',
      'location',
      'sku_key as skuKey',
      'arm_sku_name as skuName',
      'term',
      'unit_price as unitPrice',
      'product_name as productName',
      'sku_name as skuTitle',
    ])
    .where('partner_id', '=', partnerId)
    .where('currency_code', '=', filter.currencyCode)
    .where('effective_on', '<=', filter.at)
    .where((eb) =>
      eb(
        eb.refTuple('reserved_resource_type', 'location', 'sku_key'),
        'in',
        keys.map((key) => eb.tuple(key.reservedResourceType, key.location, key.skuKey)),
      ),
    )
    .orderBy('reserved_resource_type')
    .orderBy('location')
    .orderBy('sku_key')
    .orderBy('term')
    .orderBy('effective_on', 'desc')
    .execute();
}
