import t from 'tap';
import type { PriceBookEntry } from '../../../src/db/purchase-tables.js';
import { chooseEntry } from '../../../src/nouns/prices/choose-entry.js';
import { toCustomerMinor } from '../../../src/nouns/prices/find-price.js';

const customerId = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const skuName = 'Standard_D2s_v5';
const location = 'westeurope';
const term = 'P1Y';
const reservedResourceType = 'VirtualMachines';
const wanted = { customerId, skuName, location, term, reservedResourceType } as const;

/** Each beats all that stand below it. */
const ORDER: readonly Omit<PriceBookEntry, 'marginPercent' | 'unitPrice'>[] = [
  wanted,
  { customerId, skuName },
  { customerId, location, term, reservedResourceType },
  { customerId, location },
  { customerId, term, reservedResourceType },
  { customerId, term },
  { customerId, reservedResourceType },
  { customerId },
  { skuName, location, term, reservedResourceType },
  { skuName, reservedResourceType },
  { skuName },
  { location, term, reservedResourceType },
  { location },
  { term, reservedResourceType },
  { term },
  { reservedResourceType },
  {},
];

t.test('the entry of the customer beats all, then SKU, location, term and product type decide', async (t) => {
  const entries = ORDER.map((entry, place) => ({ ...entry, marginPercent: String(place) }));
  for (const place of ORDER.keys()) {
    const rest = entries.slice(place);
    t.equal(chooseEntry(rest, wanted)?.marginPercent, String(place), JSON.stringify(ORDER[place]));
    t.equal(chooseEntry(rest.toReversed(), wanted)?.marginPercent, String(place), 'in whatever order they stand');
  }
});

t.test('an entry for something else does not match, whatever else it matches', async (t) => {
  const others: readonly PriceBookEntry[] = [
    { ...wanted, customerId: '1c3552fd-8ea6-4dbc-b3d4-7b0c6ad153e5' },
    { ...wanted, skuName: 'Standard_D4s_v5' },
    { ...wanted, location: 'eastus' },
    { ...wanted, term: 'P3Y' },
    { ...wanted, reservedResourceType: 'SqlDatabases' },
  ];
  for (const entry of others) t.equal(chooseEntry([entry], wanted), undefined, JSON.stringify(entry));
  t.equal(chooseEntry([], wanted), undefined);
});

t.test('letter case does not count', async (t) => {
  const shouted = { customerId: customerId.toUpperCase(), skuName: skuName.toUpperCase(), location: 'WestEurope' };
  t.equal(chooseEntry([shouted], wanted), shouted);
});

t.test('the price of a unit is rounded once, half up, in the minor unit of the currency', async (t) => {
  const table: readonly [string, string, Parameters<typeof toCustomerMinor>[2], number][] = [
    ['600', 'USD', undefined, 60_000],
    ['600', 'USD', { marginPercent: '10' }, 66_000],
    ['600', 'USD', { marginPercent: '-99.9999' }, 0],
    ['33.335', 'USD', undefined, 3334],
    ['33.334999', 'USD', undefined, 3333],
    ['0.1', 'USD', { marginPercent: '5' }, 11],
    ['1234.5', 'JPY', undefined, 1235],
    ['10.0005', 'KWD', undefined, 10_001],
    ['600', 'USD', { unitPrice: '499.99' }, 49_999],
    ['600', 'USD', { unitPrice: '0' }, 0],
  ];
  for (const [retail, currency, entry, minor] of table) {
    t.equal(toCustomerMinor(retail, currency, entry), minor, `${retail} ${currency} ${JSON.stringify(entry)}`);
  }
});
