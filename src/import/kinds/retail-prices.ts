import Big from 'big.js';
import { Type } from 'typebox';
import type { Term } from '../../db/column-types.js';
import { isCurrency } from '../../lib/money.js';
import { findTypeOfPrice } from '../../nouns/products/reservation-types.js';
import { KEYS } from '../columns.js';
import { type Change, defineKind, type Kind, type Plan, type Row, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { OptionalText, timeOf } from '../wire.js';

const TERMS: ReadonlyMap<string, Term> = new Map([
  ['1 Year', 'P1Y'],
  ['3 Years', 'P3Y'],
  ['5 Years', 'P5Y'],
]);
/** No colon and no slash: both separate ids. */
const Id = Type.String({ pattern: '^[A-Za-z0-9-]{1,50}$' });
const Name = Type.String({ minLength: 1, maxLength: 300 });

type PriceRow = Row<'retail_prices'>;

/** Prices are the partner's own: the log, which is one of customers, has no entry of them. */
function priceChange(before: PriceRow | undefined, after: PriceRow): Change | undefined {
  const names = Object.keys(after) as (keyof PriceRow)[];
  // The database keeps the digits of a decimal, so equal prices are equal texts.
  if (before && names.every((name) => name === 'effective_on' || before[name] === after[name])) return undefined;
  const upserts = [{ table: 'retail_prices' as const, row: { ...after } }];
  return { created: !before, touches: [], upserts, deletes: [], entries: [] };
}

function isReservation(resource: object): boolean {
  const type = Object.entries(resource).find(([name]) => name.toLowerCase() === 'type')?.[1];
  return typeof type === 'string' && type.toLowerCase() === 'reservation';
}

/**
 * Items of the Azure Retail Prices API (https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices).
 * They are kept by the day they come into force; a price of the same day is replaced.
 */
const reservationPrices = defineKind(
  Type.Object({
    currencyCode: Type.String({ pattern: '^[A-Za-z]{3}$' }),
    reservationTerm: OptionalText,
    unitPrice: Type.Number({ minimum: 0, maximum: 1e12 }),
    armRegionName: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9-]{0,60}$' })),
    armSkuName: Type.Optional(Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{0,200}$' })),
    productId: Id,
    skuId: Type.String({ pattern: '^([A-Za-z0-9-]{1,50}/)?[A-Za-z0-9-]{1,50}$' }),
    meterId: Type.String({ minLength: 1, maxLength: 100 }),
    productName: Name,
    skuName: Name,
    serviceName: Name,
    effectiveStartDate: Type.String({ pattern: '^2\\d{3}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,7})?Z)?$' }),
    tierMinimumUnits: Type.Optional(Type.Number()),
  }),
  (wire, { partnerId }) => {
    const currencyCode = wire.currencyCode.toUpperCase();
    if (!isCurrency(currencyCode)) throw new RowRefused('/currencyCode', 'It is no currency of ISO 4217.');
    const term = TERMS.get(wire.reservationTerm ?? '');
    if (term === undefined) throw new RowRefused('/reservationTerm', 'It is none of 1 Year, 3 Years and 5 Years.');
    const type = findTypeOfPrice(wire.serviceName, wire.productName);
    if (!type) throw new RowRefused('/serviceName', 'No reservation type is sold by this service, or product, name.');
    const armSkuName = (wire.armSkuName ?? '').trim();
    if (armSkuName === '') {
      throw new RowRefused('/armSkuName', 'It is empty: a reservation is bought by this name. Leave the item out.');
    }
    if ((wire.tierMinimumUnits ?? 0) !== 0) {
      throw new RowRefused('/tierMinimumUnits', 'Prices that begin at a number of units are not known here.');
    }
    const effectiveOn = timeOf(wire.effectiveStartDate, '/effectiveStartDate');
    if (effectiveOn.toISOString().slice(0, 10) !== wire.effectiveStartDate.slice(0, 10)) {
      throw new RowRefused('/effectiveStartDate', 'There is no such day.');
    }
    const row: PriceRow = {
      partner_id: partnerId,
      currency_code: currencyCode,
      reserved_resource_type: type.reservedResourceType,
      // What is in no region has no name or `Global`; Microsoft.Capacity calls it `global`.
      location: (wire.armRegionName ?? '').toLowerCase() || 'global',
      sku_key: armSkuName.toLowerCase(),
      term,
      effective_on: effectiveOn,
      arm_sku_name: armSkuName,
      unit_price: Big(wire.unitPrice).toFixed(),
      product_id: wire.productId.toUpperCase(),
      sku_id: wire.skuId.toUpperCase().replace(/^.*\//, ''),
      meter_id: wire.meterId,
      product_name: wire.productName,
      sku_name: wire.skuName,
      service_name: wire.serviceName,
    };
    return { key: KEYS.retail_prices.map((name) => keyPart(row[name])).join(' '), row };
  },
  async (db, { partnerId }, rows): Promise<Plan> => {
    const found = await findRows(
      db,
      'retail_prices',
      partnerId,
      rows.map(({ draft: { row } }) => Object.fromEntries(KEYS.retail_prices.map((name) => [name, row[name]]))),
    );
    const known = new Map(
      found.map((row) => [KEYS.retail_prices.map((name) => keyPart(row[name])).join(' '), row] as const),
    );
    return rows.map(({ draft }) => priceChange(known.get(draft.key), draft.row));
  },
);

/** The same lists hold prices of consumption, which are of no interest. */
export const retailPrices: Kind = {
  ...reservationPrices,
  read: (resource, context) => (isReservation(resource) ? reservationPrices.read(resource, context) : undefined),
};

function keyPart(value: string | Date): string {
  return value instanceof Date ? value.toISOString() : value;
}
