import { randomUUID } from 'node:crypto';
import t from 'tap';
import { FABRIKAM, startService } from '../../helpers/service.js';

const { request, tokens, newCustomer, newPrice, sql } = await startService(t);
const customer = await newCustomer();
const own = `/v1/customers/${customer.customerId}/products`;
const VM = 'DZH318Z0BQ35';
const SKU = 'RDD2SV5'.slice(-6);

await newPrice();
await newPrice({ location: 'eastus' });
await newPrice({ skuName: 'Standard_D4s_v5', term: 'P3Y' });
await newPrice({ skuName: 'Standard_X', effectiveOn: '2999-01-01T00:00:00Z' });
await sql(`insert into retail_prices
  select partner_id, currency_code, t.type, location, t.type, term, effective_on, t.type, unit_price, t.product, '0001',
    meter_id, t.title, sku_name, t.title
  from retail_prices, (values ('SqlDatabases', 'DZH318Z0SQL1', 'SQL Database'),
    ('CosmosDb', 'DZH318Z0COS1', 'Azure Cosmos DB'), ('Databricks', 'DZH318Z0DBX1', 'Azure Databricks')) t (type, product, title)
  where sku_key = 'standard_d2s_v5' and location = 'westeurope'`);

const idsOf = async (query: string, token = tokens.admin) => {
  const { status, body, text } = await request('GET', `/v1/products?${query}`, { token });
  t.equal(status, 200, text);
  return body.items.map((item: { id: string }) => item.id);
};

t.test('each view lists what it is named for', async (t) => {
  const offers = ['DZH318Z0BPS6', 'MS-AZR-0145P'];
  const [sqlDb, cosmos, databricks] = ['DZH318Z0SQL1', 'DZH318Z0COS1', 'DZH318Z0DBX1'];
  const all = [VM, cosmos, databricks, sqlDb];
  for (const [view, ids] of [
    ['Azure', [...offers, ...all]],
    ['MicrosoftAzure', offers],
    ['AzureReservations', all],
    ['azurereservationsvm', [VM]],
    ['AzureReservationsSQL', [sqlDb]],
    ['AzureReservationsCosmosDb', [cosmos]],
  ] as const) {
    t.same(await idsOf(`country=US&targetView=${view}`), ids, view);
    t.same(await idsOf(`country=us&targetView=${view}&targetSegment=commercial&reservationScope=AzurePlan`), ids);
  }
  t.same(await idsOf('country=US&targetView=Azure', tokens.fabrikamAdmin), offers, 'prices are of one partner');
  for (const [query, status, code] of [
    ['country=US&targetView=OnlineServices', 403, '400036'],
    ['country=US&targetView=Azure&targetSegment=education', 403, '400030'],
    ['country=US&targetView=Castles', 400, '3000'],
    ['country=US', 400, '3000'],
    ['targetView=Azure', 400, '3000'],
    ['country=USA&targetView=Azure', 400, '3000'],
  ] as const) {
    t.match(await request('GET', `/v1/products?${query}`), { status, body: { code } }, query);
  }
});

t.test('product, SKU and availability lead to a catalog item that can be ordered', async (t) => {
  const list = await request('GET', '/v1/products?country=US&targetView=AzureReservationsVM');
  t.match(list.body, {
    totalCount: 1,
    items: [
      {
        id: VM,
        title: 'Virtual Machines Dsv5 Series',
        productType: { id: 'Azure', displayName: 'Azure', subType: { id: 'VirtualMachines' } },
        isMicrosoftProduct: true,
        publisherName: 'Microsoft',
        links: { skus: { uri: `/products/${VM}/skus?country=US` }, self: { uri: `/products/${VM}?country=US` } },
        attributes: { objectType: 'Product' },
      },
    ],
    links: { self: { uri: '/products?country=US&targetView=AzureReservationsVM' } },
  });
  t.same((await request('GET', `/v1${list.body.items[0].links.self.uri}`)).body, list.body.items[0]);

  const skus = await request('GET', `/v1${list.body.items[0].links.skus.uri}`);
  t.equal(skus.body.totalCount, 2, skus.text);
  const [d2, d4] = skus.body.items;
  t.match(d2, {
    id: SKU,
    productId: VM,
    title: 'Reserved VM Instance, Standard_D2s_v5',
    supportedBillingCycles: ['one_time', 'monthly'],
    purchasePrerequisites: ['AzureSubscriptionRegistration', 'InventoryCheck'],
    inventoryVariables: ['CustomerId', 'AzureSubscriptionId', 'ArmRegionName'],
    provisioningVariables: ['Scope', 'SubscriptionId', 'Duration'],
    attributes: { objectType: 'Sku' },
  });
  t.same(d2.dynamicAttributes, { armSkuName: 'Standard_D2s_v5', duration: '1Year' }, 'two regions: none is named');
  t.match(d4, {
    title: 'Reserved VM Instance, Standard_D4s_v5, westeurope, 3 Years',
    dynamicAttributes: { armSkuName: 'Standard_D4s_v5', armRegionName: 'westeurope', duration: '3Years' },
  });
  t.same((await request('GET', `/v1${d2.links.self.uri}`)).body, d2);

  const { body } = await request('GET', `/v1${d2.links.availabilities.uri}`);
  t.equal(body.totalCount, 2);
  t.equal(body.links.self.uri, `/products/${VM}/skus/${SKU}/availabilities?country=US`);
  for (const item of body.items) {
    t.match(item, {
      catalogItemId: `${VM}:${SKU}:${item.id}`,
      defaultCurrency: { code: 'USD', symbol: '$' },
      segment: 'commercial',
      country: 'US',
      isPurchasable: true,
      terms: [{ duration: 'P1Y', description: '1 Year Prepaid' }],
      product: { id: VM },
      sku: { id: SKU },
      attributes: { objectType: 'Availability' },
    });
    t.same((await request('GET', `/v1${item.links.self.uri}`)).body, item);
  }
});

t.test('an Azure plan is found like any product', async (t) => {
  const answer = await request('GET', `${own}/dzh318z0bps6/skus/0001/availabilities/dzh318z0bml6`);
  t.match(answer, {
    status: 200,
    body: {
      catalogItemId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
      terms: [],
      sku: { purchasePrerequisites: ['MicrosoftCustomerAgreement'], supportedBillingCycles: ['one_time'] },
    },
  });
  const [item] = (await request('GET', `${own}/MS-AZR-0145P/skus/0001/availabilities`)).body.items;
  t.match(item, { catalogItemId: 'MS-AZR-0145P', sku: { supportedBillingCycles: ['monthly'] } });
});

t.test('a customer has the catalogue of its country', async (t) => {
  const list = await request('GET', `${own}?targetView=AzureReservationsVM`);
  const path = own.slice('/v1'.length);
  t.match(list, {
    status: 200,
    body: {
      items: [{ links: { skus: { uri: `${path}/${VM}/skus` } } }],
      links: { self: { uri: `${path}?targetView=AzureReservationsVM` } },
    },
  });
  const availabilities = await request('GET', `${own}/${VM}/skus/${SKU}/availabilities`);
  t.match(availabilities.body.items[0], { country: 'US', links: { self: { uri: new RegExp(`^${path}/`) } } });
  await sql(`update customers set country = 'BR' where customer_id = $1`, [customer.customerId]);
  t.match(await request('GET', `${own}?targetView=AzureReservations`), { status: 200, body: { totalCount: 0 } });
  t.match(await request('GET', `${own}?targetView=Azure`), { body: { totalCount: 2 } });
  t.match(await request('GET', `${own}/${VM}`), { status: 404, body: { code: '400013' } });
  await sql(`update customers set country = 'US' where customer_id = $1`, [customer.customerId]);
  t.match(await request('GET', `${own}?targetView=Azure&country=US`), { status: 400 });
  for (const id of [randomUUID(), (await newCustomer({ partnerId: FABRIKAM })).customerId]) {
    t.match(await request('GET', `/v1/customers/${id}/products?targetView=Azure`), {
      status: 404,
      body: { code: '60003' },
    });
  }
});

t.test('reservations are not sold in markets without them', async (t) => {
  t.same(await idsOf('country=br&targetView=AzureReservations'), []);
  t.match(await request('GET', `/v1/products/${VM}/skus?country=BR`), { status: 404, body: { code: '400013' } });
  t.match(await request('GET', '/v1/products/DZH318Z0BPS6?country=BR'), { status: 200 });
});

t.test('what is not there has the documented code', async (t) => {
  const sku = `${VM}/skus/${SKU}`;
  for (const [path, code] of [
    ['DZH318Z0NONE', '400013'],
    ['DZH318Z0NONE/skus', '400013'],
    ['DZH318Z0NONE/skus/0001', '400013'],
    [`${VM}/skus/NONE`, '400018'],
    [`${VM}/skus/NONE/availabilities`, '400018'],
    ['DZH318Z0BPS6/skus/0002', '400018'],
    [`${sku}/availabilities/DZH318Z00000`, '400019'],
    ['DZH318Z0BPS6/skus/0001/availabilities/DZH318Z00000', '400019'],
  ] as const) {
    t.match(await request('GET', `/v1/products/${path}?country=US`), { status: 404, body: { code } }, path);
  }
  t.match(await request('GET', `/v1/products/${VM}?country=US`, { token: tokens.fabrikamAdmin }), { status: 404 });
  t.match(await request('GET', '/v1/products/%00?country=US'), { status: 400 });
});

t.test('agents of the partner read the catalogue, customers do not', async (t) => {
  t.match(await request('GET', own.concat('?targetView=Azure'), { token: tokens.helpdesk }), { status: 200 });
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  for (const path of [own, '/v1/products']) {
    t.match(await request('GET', `${path}/${VM}?country=US`, { token }), { status: 403 });
  }
});

const check = (body: unknown, country = 'US', token = tokens.admin) =>
  request('POST', `/v1/extensions/product/checkInventory?country=${country}`, { token, body });
const context = { customerId: customer.customerId, azureSubscriptionId: customer.azureSubscriptionId };

t.test('the inventory is checked for each SKU, in the context of the customer', async (t) => {
  const free = [
    { productId: VM, skuId: SKU, isRestricted: false, restrictions: [] },
    { productId: VM, skuId: 'DD4SV5', isRestricted: false, restrictions: [] },
  ];
  const targetItems = [{ productId: VM }];
  t.same((await check({ TargetItems: [{ ProductId: VM }], InventoryContext: context })).body, free);
  const upper = {
    customerId: context.customerId.toUpperCase(),
    azureSubscriptionId: customer.subscriptionId.toUpperCase(),
  };
  t.same((await check({ targetItems, inventoryContext: upper })).body, free, 'the Azure plan will do');
  t.same((await check({ targetItems: [{ productId: VM, skuId: SKU }], inventoryContext: context })).body, [free[0]]);

  const east = await check({ targetItems, inventoryContext: { ...context, armRegionName: 'EastUS' } });
  t.match(east.body, [
    { skuId: SKU, isRestricted: false },
    {
      skuId: 'DD4SV5',
      isRestricted: true,
      restrictions: [{ reasonCode: 'NotAvailableForSubscription', properties: { type: 'Location', values: 'eastus' } }],
    },
  ]);
  const other = await newCustomer();
  const foreign = await check({
    targetItems,
    inventoryContext: { ...context, azureSubscriptionId: other.azureSubscriptionId },
  });
  t.match(foreign.body[0], { isRestricted: true, restrictions: [{ properties: { type: 'Subscription' } }] });
  await sql(`update azure_subscriptions set arm_state = 'Disabled' where azure_subscription_id = $1`, [
    other.azureSubscriptionId,
  ]);
  const disabled = { customerId: other.customerId, azureSubscriptionId: other.azureSubscriptionId };
  t.match((await check({ targetItems, inventoryContext: disabled })).body, [
    { isRestricted: true },
    { isRestricted: true },
  ]);
});

t.test('what the catalogue does not have is left out; what is missing of the context is asked for', async (t) => {
  t.same((await check({ targetItems: [{ productId: 'NONE' }, { productId: VM, skuId: 'NONE' }] })).body, []);
  t.same((await check({ targetItems: [{ productId: VM }], inventoryContext: context }, 'BR')).body, []);
  t.match((await check({ targetItems: [{ productId: 'DZH318Z0BPS6' }] })).body, [{ isRestricted: false }]);
  const targetItems = [{ productId: VM }];
  for (const inventoryContext of [undefined, {}, { customerId: context.customerId }]) {
    t.match(await check({ targetItems, inventoryContext }), { status: 400, body: { code: '400026' } });
  }
  t.match(await check({ targetItems, inventoryContext: { ...context, customerId: randomUUID() } }), { status: 404 });
  t.match(await check({ targetItems, inventoryContext: { ...context, customerId: 'x' } }), { status: 400 });
  t.match(await check({ targetItems, inventoryContext: context }, 'US', tokens.fabrikamAdmin), {
    status: 200,
    body: [],
  });
  for (const body of [undefined, {}, { targetItems: [] }, { targetItems: [{ productId: 1 }] }, []]) {
    t.match(await check(body), { status: 400 });
  }
});
