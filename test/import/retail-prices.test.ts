import t from 'tap';
import { FABRIKAM, startService } from '../helpers/service.js';
import { importsInto } from './exports.js';

const service = await startService(t);
const { sql } = service;
const { runOne } = importsInto(service);

function item(over: Record<string, unknown> = {}) {
  return {
    currencyCode: 'USD',
    tierMinimumUnits: 0,
    reservationTerm: '1 Year',
    retailPrice: 523.25,
    unitPrice: 523.25,
    armRegionName: 'westeurope',
    location: 'EU West',
    effectiveStartDate: '2026-01-01T00:00:00Z',
    meterId: 'c0970000-0001-4000-8000-00000000e0a1',
    meterName: 'D2s v5',
    productId: 'DZH318Z0BQ35',
    skuId: 'DZH318Z0BQ35/00TG',
    productName: 'Virtual Machines Dsv5 Series',
    skuName: 'D2s v5',
    serviceName: 'Virtual Machines',
    unitOfMeasure: '1 Hour',
    type: 'Reservation',
    armSkuName: 'Standard_D2s_v5',
    ...over,
  };
}
const page = (...items: object[]) => ({
  BillingCurrency: 'USD',
  CustomerEntityId: 'Default',
  CustomerEntityType: 'Retail',
  Items: items,
  NextPageLink: null,
  Count: items.length,
});
const prices = (sku: string) =>
  sql('select * from retail_prices where sku_key = $1 order by partner_id, effective_on', [sku.toLowerCase()]);

t.test('an item of the Retail Prices API becomes a price, its decimal as it was printed', async (t) => {
  t.match(await runOne(page(item())), { kind: 'retail-prices', created: 1, refused: [], notes: [] });
  t.match(await prices('Standard_D2s_v5'), [
    {
      currency_code: 'USD',
      reserved_resource_type: 'VirtualMachines',
      location: 'westeurope',
      arm_sku_name: 'Standard_D2s_v5',
      term: 'P1Y',
      unit_price: '523.25',
      product_id: 'DZH318Z0BQ35',
      sku_id: '00TG',
      effective_on: new Date('2026-01-01T00:00:00Z'),
    },
  ]);
  await runOne(page(item({ armSkuName: 'tiny', unitPrice: 1e-7 }), item({ armSkuName: 'long', unitPrice: 0.1 + 0.2 })));
  t.match(await prices('tiny'), [{ unit_price: '0.0000001' }]);
  t.match(await prices('long'), [{ unit_price: '0.30000000000000004' }]);
});

t.test('the same price again changes nothing, another of the same day replaces it, an older day stays', async (t) => {
  const sku = 'Standard_D4s_v5';
  const of = (over: object) => page(item({ armSkuName: sku, ...over }));
  t.match(await runOne(of({})), { created: 1 });
  t.match(await runOne(of({})), { created: 0, changed: 0, unchanged: 1 });
  t.match(await runOne(of({ unitPrice: 600 })), { created: 0, changed: 1 });
  t.match(await runOne(of({ unitPrice: 700, effectiveStartDate: '2026-07-01T00:00:00Z' })), { created: 1 });
  t.match(await runOne(of({ unitPrice: 650, effectiveStartDate: '2026-04-01' })), { created: 1 });
  t.same(
    (await prices(sku)).map((row) => row.unit_price),
    ['600', '650', '700'],
  );
  t.match(await runOne(of({}), undefined, FABRIKAM), { created: 1 }, 'each partner has its own');
  t.equal((await prices(sku)).length, 4);
  t.same(await sql('select * from activity_log'), [], 'the log is one of customers');
});

t.test('what is no reservation is ignored; further pages are told of', async (t) => {
  const consumption = {
    type: 'Consumption',
    unitPrice: -1,
    reservationTerm: undefined,
    serviceName: 'Load Balancer',
    armSkuName: '',
  };
  const report = await runOne({
    ...page(
      item({ armSkuName: 'Standard_E2s_v5' }),
      item(consumption),
      item({ ...consumption, type: 'DevTestConsumption' }),
    ),
    NextPageLink: 'https://prices.azure.com/api/retail/prices?$skip=1000',
  });
  t.match(report, { created: 1, ignored: 2, refused: [], notes: [/further pages/] });
});

t.test('types of one service are told apart by their product, what is in no region is global', async (t) => {
  const at = (serviceName: string, productName: string, armRegionName = 'westeurope') =>
    item({ armSkuName: `${serviceName} ${productName}`, serviceName, productName, armRegionName });
  t.match(
    await runOne(
      page(
        at('Virtual Machines', 'Dsv3 Series Dedicated Host'),
        at('Storage', 'Premium SSD Managed Disks'),
        at('Storage', 'Blob Storage'),
        at('SQL Managed Instance', 'SQL Managed Instance General Purpose'),
        at('Azure Databricks', 'Azure Databricks', 'Global'),
        at('Microsoft Defender for Cloud', 'Commit units', ''),
      ),
    ),
    { created: 6, refused: [] },
  );
  const rows = await sql(`select reserved_resource_type as type, location from retail_prices
    where arm_sku_name like '% %' order by type`);
  t.same(
    rows.map(({ type, location }) => `${type} ${location}`),
    [
      'BlockBlob westeurope',
      'Databricks global',
      'DedicatedHost westeurope',
      'MDC global',
      'ManagedDisk westeurope',
      'SqlDatabases westeurope',
    ],
  );
});

t.test('a bad item is refused with place and reason, and nothing of its file is imported', async (t) => {
  const bad: readonly [Record<string, unknown>, string][] = [
    [{ serviceName: 'Castles' }, '/serviceName'],
    [{ armSkuName: '' }, '/armSkuName'],
    [{ armSkuName: '  ' }, '/armSkuName'],
    [{ reservationTerm: '1 Month' }, '/reservationTerm'],
    [{ reservationTerm: 'constructor' }, '/reservationTerm'],
    [{ currencyCode: 'XQX' }, '/currencyCode'],
    [{ currencyCode: 'DOLLAR' }, '/currencyCode'],
    [{ unitPrice: -1 }, '/unitPrice'],
    [{ unitPrice: '523.25' }, '/unitPrice'],
    [{ unitPrice: 1e300 }, '/unitPrice'],
    [{ effectiveStartDate: '2026-02-30T00:00:00Z' }, '/effectiveStartDate'],
    [{ effectiveStartDate: '0000-01-01T00:00:00Z' }, '/effectiveStartDate'],
    [{ effectiveStartDate: '2026-01-01T25:00:00Z' }, '/effectiveStartDate'],
    [{ productId: 'a:b' }, '/productId'],
    [{ skuId: 'a/b/c' }, '/skuId'],
    [{ armRegionName: 'west europe' }, '/armRegionName'],
    [{ tierMinimumUnits: 10 }, '/tierMinimumUnits'],
  ];
  const report = await runOne(
    page(item({ armSkuName: 'Standard_Good' }), ...bad.map(([over], i) => item({ meterId: `${i}`, ...over }))),
  );
  t.match(report, { created: 0, changed: 0 });
  t.same(
    report.refused.map(({ index, pointer }) => [index, pointer]),
    bad.map(([, pointer], i) => [i + 1, `/Items/${i + 1}${pointer}`]),
  );
  for (const { reason } of report.refused) t.match(reason, /^It .*|^No |^There |^Prices /);
  t.same(await prices('Standard_Good'), []);
  const huge = JSON.stringify(page(item())).replaceAll('523.25', '1e400');
  t.match(await runOne(huge), { created: 0, refused: [{ index: 0 }] });
});

t.test('two prices of one SKU for the same day in a file are refused', async (t) => {
  const sku = { armSkuName: 'Standard_Twice' };
  t.match(await runOne(page(item(sku), item({ ...sku, unitPrice: 1 }))), { refused: [{ index: 1, reason: /twice/ }] });
});
