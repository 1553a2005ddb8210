import { randomUUID } from 'node:crypto';
import t from 'tap';
import { parseCatalogFilter } from '../../../src/nouns/products/catalog-filter.js';
import { all, reservationClient } from '../../helpers/azure-clients.js';
import { FABRIKAM, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens, newCustomer, newPrice, sql } = service;
const customer = await newCustomer();
const user = await tokens.customerUser(customer.customerId, customer.ownerUpn);
const path = `/subscriptions/${customer.azureSubscriptionId}/providers/Microsoft.Capacity/catalogs`;
const get = (query = '', token = user) => request('GET', `${path}?api-version=2022-11-01${query}`, { token });

await newPrice({ unitPrice: '600' });
await newPrice({ term: 'P3Y', unitPrice: '1200' });
await newPrice({ unitPrice: '500', effectiveOn: '2025-01-01T00:00:00Z' });
await newPrice({ unitPrice: '9999', effectiveOn: '2999-01-01T00:00:00Z' });
await newPrice({ location: 'eastus', unitPrice: '500' });
await newPrice({ reservedResourceType: 'Databricks', skuName: 'DBCU-100', location: 'global', unitPrice: '9.995' });
await newPrice({ skuName: 'Standard_Future', effectiveOn: '2999-01-01T00:00:00Z' });
await newPrice({ skuName: 'Standard_Euro', currencyCode: 'EUR' });
await newPrice({ skuName: 'Standard_Foreign', partnerId: FABRIKAM });

const namesIn = (body: { value: { name: string; locations: string[] }[] }) =>
  body.value.map(({ name, locations }) => `${name} ${locations}`);

t.test('the catalogue has each SKU in each region with the price in force', async (t) => {
  const { status, body, text } = await get();
  t.equal(status, 200, text);
  t.same(namesIn(body), ['DBCU-100 global', 'Standard_D2s_v5 eastus', 'Standard_D2s_v5 westeurope']);
  t.equal(body.totalItems, 3);
  t.equal(body.nextLink, undefined);
  t.same(body.value[2], {
    resourceType: 'virtualMachines',
    name: 'Standard_D2s_v5',
    billingPlans: { P1Y: ['Upfront', 'Monthly'], P3Y: ['Upfront', 'Monthly'] },
    terms: ['P1Y', 'P3Y'],
    locations: ['westeurope'],
    skuProperties: [
      { name: 'ProductTitle', value: 'Virtual Machines Dsv5 Series' },
      { name: 'SkuTitle', value: 'Standard_D2s_v5' },
    ],
    msrp: { p1Y: { currencyCode: 'USD', amount: 600 }, p3Y: { currencyCode: 'USD', amount: 1200 } },
    restrictions: [],
    tier: 'Standard',
    size: 'D2s_v5',
    capabilities: [],
  });
  t.match(body.value[0], { billingPlans: { P1Y: ['Upfront'] }, msrp: { p1Y: { amount: 10 } } });
});

t.test('type, location and $filter choose; what is not known has nothing', async (t) => {
  for (const [query, names] of [
    ['&reservedResourceType=virtualmachines&location=WestEurope', ['Standard_D2s_v5 westeurope']],
    ['&reservedResourceType=Databricks', ['DBCU-100 global']],
    ['&reservedResourceType=Castles', []],
    ['&location=atlantis', []],
    ['&publisherId=contoso', []],
    [
      `&$filter=${encodeURIComponent("name eq 'STANDARD_d2s_v5' and locations eq 'eastus'")}`,
      ['Standard_D2s_v5 eastus'],
    ],
    [
      `&$filter=${encodeURIComponent("resourceType eq 'databricks' or locations eq 'westeurope'")}`,
      ['DBCU-100 global', 'Standard_D2s_v5 westeurope'],
    ],
  ] as const) {
    const { status, body } = await get(query);
    t.equal(status, 200, query);
    t.same(namesIn(body), names, query);
    t.equal(body.totalItems, names.length);
  }
});

t.test('pages lead on by nextLink, $skip and $take', async (t) => {
  const first = await get('&$take=2&reservedResourceType=VirtualMachines&location=eastus');
  t.match(first.body, { totalItems: 1, nextLink: undefined });
  const two = await get('&$take=2');
  t.match(two.body, { totalItems: 3, value: [{ name: 'DBCU-100' }, { locations: ['eastus'] }] });
  t.match(two.body.nextLink, /^http:\/\/127\.0\.0\.1:\d+\/subscriptions\//);
  const next = await request('GET', two.body.nextLink.slice(service.url.length), { token: user });
  t.same(namesIn(next.body), ['Standard_D2s_v5 westeurope']);
  t.equal(next.body.nextLink, undefined);
  t.match((await get('&$skip=7')).body, { value: [], totalItems: 3, nextLink: undefined });
  for (const query of [
    '&$take=0',
    '&$take=1001',
    '&$skip=-1',
    '&$skip=x',
    '&$take=1e3',
    '&$filter=1',
    '&location=%00',
  ]) {
    t.match(await get(query), { status: 400, body: { error: { code: String } } }, query);
  }
});

t.test('the published client lists the catalogue', async (t) => {
  const client = reservationClient(service.url, user);
  const items = await all(client.listCatalog(customer.azureSubscriptionId, { take: 1 }));
  t.same(
    items.map(({ name }) => name),
    ['DBCU-100', 'Standard_D2s_v5', 'Standard_D2s_v5'],
    'over every page',
  );
  t.match(items[2], {
    msrp: { p3Y: { currencyCode: 'USD', amount: 1200 } },
    billingPlans: { P1Y: ['Upfront', 'Monthly'] },
  });
});

t.test('whoever may read the subscription sees its catalogue, nobody else', async (t) => {
  t.match(await get('', tokens.admin), { status: 200, body: { totalItems: 3 } });
  t.match(await get('', tokens.helpdesk), { status: 403, body: { error: { code: 'AuthorizationFailed' } } });
  t.match(await get('', tokens.fabrikamAdmin), { status: 404, body: { error: { code: 'SubscriptionNotFound' } } });
  const other = await newCustomer();
  const stranger = await tokens.customerUser(other.customerId, other.ownerUpn);
  t.match(await get('', stranger), { status: 404, body: { error: { code: 'SubscriptionNotFound' } } });
  await sql('update role_assignments set ends_on = now() where role_assignment_id = $1', [customer.roleAssignmentId]);
  t.match(await get(), { status: 403, body: { error: { code: 'AuthorizationFailed' } } });
  await sql('update role_assignments set ends_on = null where role_assignment_id = $1', [customer.roleAssignmentId]);
  t.match(await request('GET', path, { token: user }), {
    status: 400,
    body: { error: { code: 'MissingApiVersionParameter' } },
  });
  const nobody = path.replace(customer.azureSubscriptionId, randomUUID());
  t.match(await request('GET', `${nobody}?api-version=2022-11-01`, { token: user }), { status: 404 });
  t.match(await request('GET', `${path.replace(/\/[0-9a-f-]{36}\//, '/x/')}?api-version=2022-11-01`, { token: user }), {
    status: 400,
  });
});

t.test('a customer sees its own price and currency, never retail or the price of another', async (t) => {
  const entries = [{ marginPercent: '20' }, { customerId: customer.customerId, term: 'P3Y', unitPrice: '1000' }];
  await request('PUT', '/v1/pricebook', { body: { currencyCode: 'USD', entries } });
  const one = "&$filter=name eq 'Standard_D2s_v5' and locations eq 'westeurope'";
  const answer = await get(one);
  t.match(answer.body.value[0].msrp, { p1Y: { amount: 720 }, p3Y: { amount: 1000 } });
  t.notMatch(answer.text, /600|1200|margin/i);
  const other = await newCustomer();
  const theirs = await request(
    'GET',
    `${path.replace(customer.azureSubscriptionId, other.azureSubscriptionId)}?api-version=2022-11-01${one}`,
    {
      token: await tokens.customerUser(other.customerId, other.ownerUpn),
    },
  );
  t.match(theirs.body.value[0].msrp, { p1Y: { amount: 720 }, p3Y: { amount: 1440 } });
  await request('PUT', '/v1/pricebook', { body: { currencyCode: 'EUR', entries: [] }, headers: { 'if-match': '"1"' } });
  const euro = await get();
  t.same(namesIn(euro.body), ['Standard_Euro westeurope']);
  t.match(euro.body.value[0].msrp, { p1Y: { currencyCode: 'EUR' } });
});

t.test('in a market without reservations the catalogue is empty', async (t) => {
  await sql(`update customers set country = 'BR' where customer_id = $1`, [customer.customerId]);
  t.match(await get(), { status: 200, body: { value: [], totalItems: 0 } });
});

t.test('$filter: and binds closer than or; anything else is refused', async (t) => {
  t.same(parseCatalogFilter("name eq 'A' and locations eq 'B' OR resourceType eq 'C'"), [
    { name: 'a', locations: 'b' },
    { resourceType: 'c' },
  ]);
  for (const text of [
    '',
    'name',
    "name ne 'a'",
    "(name eq 'a')",
    "name eq 'a' and name eq 'b'",
    "size eq 'a'",
    "name eq ''",
    "constructor eq 'a'",
    `name eq '${'a'.repeat(2000)}'`,
  ]) {
    t.throws(() => parseCatalogFilter(text), { message: /not supported/ }, text);
  }
});
