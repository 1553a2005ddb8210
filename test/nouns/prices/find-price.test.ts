import { randomUUID } from 'node:crypto';
import t from 'tap';
import { findPrice, findRetailUnitPrice } from '../../../src/nouns/prices/find-price.js';
import { findReservationType, listReservationTypes } from '../../../src/nouns/products/reservation-types.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const { db, newPrice, sql } = await startService(t);

const question = {
  customerId: randomUUID(),
  reservedResourceType: 'VirtualMachines',
  skuName: 'Standard_D2s_v5',
  location: 'westeurope',
  term: 'P1Y' as const,
  quantity: 1,
  at: new Date('2026-06-01T00:00:00Z'),
};
const ask = (over: Partial<typeof question> = {}, partnerId = CONTOSO) =>
  db.read(partnerId, (reading) => findPrice(reading, partnerId, { ...question, ...over }));

t.test('the price in force on the day counts: the same question on two days has two answers', async (t) => {
  await newPrice({ unitPrice: '600', effectiveOn: '2026-01-01T00:00:00Z' });
  await newPrice({ unitPrice: '700.5', effectiveOn: '2026-07-01T00:00:00Z' });
  t.match(await ask({ at: new Date('2026-06-30T23:59:59.999Z') }), { unitMinor: 60_000, retailUnitPrice: '600' });
  t.match(await ask({ at: new Date('2026-07-01T00:00:00Z') }), { unitMinor: 70_050, retailUnitPrice: '700.5' });
  t.equal(await ask({ at: new Date('2025-12-31T23:59:59Z') }), undefined, 'before the first there is none');
  const key = { ...question, currencyCode: 'USD' };
  const retail = (at: string) =>
    db.read(CONTOSO, (reading) => findRetailUnitPrice(reading, CONTOSO, { ...key, at: new Date(at) }));
  t.equal(await retail('2026-06-30T00:00:00Z'), '600');
  t.equal(await retail('2026-07-02T00:00:00Z'), '700.5');
});

t.test('without a price book a customer pays retail in USD', async (t) => {
  t.same(await ask({ quantity: 3 }), {
    currencyCode: 'USD',
    unitMinor: 60_000,
    totalMinor: 180_000,
    retailUnitPrice: '600',
    retailEffectiveOn: '2026-01-01T00:00:00.000Z',
    priceBookVersion: 0,
    productId: 'DZH318Z0BQ35',
    skuId: 'RDD2SV5'.slice(-6),
    skuTitle: 'Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year',
    skuDescription: 'Standard_D2s_v5',
  });
});

t.test('letter case does not count; another SKU, location, term, type or partner has no price', async (t) => {
  t.match(await ask({ reservedResourceType: 'virtualmachines', skuName: 'STANDARD_d2s_V5', location: 'WestEurope' }), {
    unitMinor: 60_000,
  });
  t.equal(await ask({ skuName: 'Standard_D4s_v5' }), undefined);
  t.equal(await ask({ location: 'eastus' }), undefined);
  t.equal(await ask({ term: 'P3Y' as 'P1Y' }), undefined);
  t.equal(await ask({ reservedResourceType: 'SqlDatabases' }), undefined);
  t.equal(await ask({ reservedResourceType: 'Castles' }), undefined);
  t.equal(await ask({}, FABRIKAM), undefined);
});

t.test('the newest version of the price book decides on currency and margin', async (t) => {
  await newPrice({ unitPrice: '500', currencyCode: 'EUR' });
  const book = (version: number, currency: string, entries: object[]) =>
    sql(`insert into price_books values ($1, $2, $3, $4, now(), 'test')`, [
      CONTOSO,
      version,
      currency,
      JSON.stringify(entries),
    ]);
  await book(1, 'USD', [{ marginPercent: '100' }]);
  t.match(await ask(), { currencyCode: 'USD', unitMinor: 120_000, priceBookVersion: 1 });
  await book(2, 'EUR', [{ marginPercent: '10' }, { customerId: question.customerId, unitPrice: '333.33' }]);
  t.match(await ask({ quantity: 3 }), { currencyCode: 'EUR', unitMinor: 33_333, totalMinor: 99_999 });
  t.match(await ask({ customerId: randomUUID() }), { unitMinor: 55_000, retailUnitPrice: '500', priceBookVersion: 2 });
});

t.test('a total that would not be exact is refused', async (t) => {
  await t.rejects(ask({ quantity: Number.MAX_SAFE_INTEGER }), { code: '990101' });
  await newPrice({ skuName: 'Standard_Gold', currencyCode: 'EUR', unitPrice: '90071992547410' });
  await t.rejects(ask({ skuName: 'Standard_Gold', customerId: randomUUID() }), { code: '990101' });
});

t.test('reservation types are found in any letter case, each name once', async (t) => {
  t.equal(findReservationType('cosmosdb')?.reservedResourceType, 'CosmosDb');
  t.match(findReservationType('VIRTUALMACHINES'), { kind: 'Microsoft.Compute', instanceFlexibility: true });
  t.match(findReservationType('Databricks'), { refundable: false, billingPlans: ['Upfront'] });
  t.equal(findReservationType('constructor'), undefined);
  const names = listReservationTypes().map((type) => type.reservedResourceType.toLowerCase());
  t.equal(new Set(names).size, names.length);
  t.equal(names.length, 29);
});
