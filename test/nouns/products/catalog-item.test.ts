import t from 'tap';
import { reservationItems } from '../../../src/nouns/products/catalog-item.js';
import { findCatalogItem, listReservationItems } from '../../../src/nouns/products/service.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const { db, newPrice } = await startService(t);
const find = (id: string, partnerId = CONTOSO) =>
  db.read(partnerId, (reading) => findCatalogItem(reading, partnerId, id));

await newPrice({ term: 'P1Y' });
await newPrice({ term: 'P3Y', unitPrice: '1200' });
await newPrice({ term: 'P1Y', effectiveOn: '2026-02-01T00:00:00Z' });
await newPrice({ location: 'eastus' });
await newPrice({ skuName: 'Standard_D8s_v5', effectiveOn: '2999-01-01T00:00:00Z' });
await newPrice({ reservedResourceType: 'Databricks', skuName: 'DBCU-100', location: 'global' });

t.test('an Azure plan and MS-AZR-0145P are found in any letter case', async (t) => {
  t.match(await find('dzh318z0bps6:0001:dzh318z0bml6'), { kind: 'azure-plan', billingCycles: ['one_time'], terms: [] });
  t.match(await find('ms-azr-0145p'), { kind: 'ms-azr-0145p', catalogItemId: 'MS-AZR-0145P' });
});

t.test('a reservation is an item for each SKU and region, with the terms it has a price for', async (t) => {
  const items = await db.read(CONTOSO, (reading) => listReservationItems(reading, CONTOSO, { at: new Date() }));
  const named = (skuName: string, location: string) =>
    items.find((item) => item.skuName === skuName && item.location === location);
  t.equal(items.length, 3, 'a price that comes into force later is not for sale yet');
  const west = named('Standard_D2s_v5', 'westeurope');
  const east = named('Standard_D2s_v5', 'eastus');
  t.match(west, {
    kind: 'reservation',
    reservedResourceType: 'VirtualMachines',
    terms: ['P1Y', 'P3Y'],
    billingCycles: ['one_time', 'monthly'],
    title: 'Reserved VM Instance, Standard_D2s_v5, westeurope',
  });
  t.match(east, { terms: ['P1Y'], title: 'Reserved VM Instance, Standard_D2s_v5, eastus, 1 Year' });
  t.match(named('DBCU-100', 'global'), { billingCycles: ['one_time'] }, 'no monthly billing plan');
  t.not(west?.catalogItemId, east?.catalogItemId);
  t.match(west?.availabilityId, /^DZH318Z[0-9A-Z]{5}$/);

  t.same(await find(west?.catalogItemId.toLowerCase() ?? ''), west);
  t.equal(await find(west?.catalogItemId ?? '', FABRIKAM), undefined, 'the prices are of one partner');
  for (const id of ['', ':', 'a:b', `${west?.catalogItemId}:x`, `${west?.productId}:${west?.skuId}:DZH318Z00000`]) {
    t.equal(await find(id), undefined, id);
  }
});

t.test('the id of an item stays the same', async (t) => {
  const sku = {
    productId: 'DZH318Z0BQ35',
    skuId: '00TG',
    productName: 'Virtual Machines Dsv5 Series',
    reservedResourceType: 'VirtualMachines',
    skuName: 'Standard_D2s_v5',
    location: 'westeurope',
    term: 'P1Y' as const,
  };
  t.equal(reservationItems([sku])[0]?.catalogItemId, 'DZH318Z0BQ35:00TG:DZH318ZI59L5');
});
