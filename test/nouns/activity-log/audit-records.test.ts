import { randomUUID } from 'node:crypto';
import t from 'tap';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';
import { generateLog } from './generated-log.js';

const service = await startService(t);
const { request, tokens } = service;
const DAY = 86_400_000;
const CLASSIC = '/v1/auditrecords';
const SECOND = '/auditactivity/v1/auditrecords';

const relecloud = await service.newCustomer({ name: 'Relecloud 100% _AG' });
const permission = `/v1/customers/${relecloud.customerId}/purchasepermissions/AzureReservedInstances`;
const started = Date.now();
await request('PUT', permission, { body: { state: 'on' } });
await request('DELETE', permission);
const others = await Promise.all([1, 2, 3].map(() => service.newCustomer({ eligible: false })));
await generateLog(service.sql, {
  partnerId: CONTOSO,
  customers: others.map((customer) => customer.customerId),
  entries: 1200,
  days: 120,
});
const foreign = await service.newCustomer({ partnerId: FABRIKAM, name: 'Fabrikam customer' });
const foreignPermission = `/v1/customers/${foreign.customerId}/purchasepermissions/AzureSavingsPlan`;
await request('PUT', foreignPermission, { body: { state: 'on' }, token: tokens.fabrikamAdmin });

const day = (daysAgo: number) => new Date(Date.now() - daysAgo * DAY).toISOString().slice(0, 10);
const filter = (Field: string, Value: string, Operator: string) =>
  `filter=${encodeURIComponent(JSON.stringify({ Field, Value, Operator }))}`;
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
type Item = any;

t.test('a switch is a record in the original shape, values as PascalCase JSON text, nothing null', async (t) => {
  const { status, body } = await request('GET', `${CLASSIC}?${filter('CustomerId', relecloud.customerId, 'equals')}`);
  t.equal(status, 200);
  t.equal(body.totalCount, 2);
  const [off, on] = body.items;
  const policy = `${CONTOSO}_${relecloud.customerId}`;
  t.match(on, {
    partnerId: CONTOSO,
    participants: [CONTOSO],
    customerId: relecloud.customerId,
    customerName: 'Relecloud 100% _AG',
    userPrincipalName: /@/,
    resourceType: 'self_serve_policy',
    operationType: 'create_self_serve_policy',
    operationStatus: 'succeeded',
    customizedData: [{ key: 'Permission', value: 'AzureReservedInstances' }],
    attributes: { objectType: 'AuditRecord' },
  });
  t.match(on.operationDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
  t.ok(Math.abs(Date.parse(on.operationDate) - started) < 60_000);
  t.notOk('resourceOldValue' in on, 'there was nothing before');
  t.match(JSON.parse(on.resourceNewValue), {
    Id: policy,
    SelfServeEntity: { TenantID: relecloud.customerId },
    Permissions: [{ Resource: 'AzureReservedInstances', Action: 'Purchase' }],
  });
  t.equal(off.operationType, 'delete_self_serve_policy');
  t.match(JSON.parse(off.resourceOldValue), { Id: policy });
  t.notOk('resourceNewValue' in off);
  t.notMatch(JSON.stringify(body.items), /null/);
});

t.test('a record is found again by its id in any case, and no other partner finds it', async (t) => {
  const { body } = await request('GET', `${CLASSIC}?${filter('CustomerId', relecloud.customerId, 'equals')}`);
  for (const record of body.items) {
    t.match(record.id, /_(create|delete)selfservepolicy_\d{18}$/);
    t.ok(record.id.startsWith(`${CONTOSO}_${relecloud.customerId}_${CONTOSO}_${relecloud.customerId}_`));
    t.same((await request('GET', `${SECOND}/${record.id}`)).body, record);
    t.same((await request('GET', `${SECOND}/${record.id.toUpperCase()}`)).body, record);
  }
  const ticks = body.items.map(({ id }: Item) => BigInt(id.slice(-18)));
  const milliseconds = (ticks[1] - 621_355_968_000_000_000n) / 10_000n;
  t.equal(new Date(Number(milliseconds)).toISOString(), body.items[1].operationDate.replace('0000Z', 'Z'));
  const { id } = body.items[0];
  const absent = [
    id.replace(/\d{4}$/, '9999'),
    id.replace('delete', 'create'),
    id.replace(relecloud.customerId, randomUUID()),
    'x',
    `${CONTOSO}_${relecloud.customerId}_x_${'9'.repeat(18)}`,
  ];
  for (const other of absent) {
    const answer = await request('GET', `${SECOND}/${other}`);
    t.match(answer, { status: 404, body: { code: '990011' } }, other);
  }
  const theirs = await request('GET', `${SECOND}/${id}`, { token: tokens.fabrikamAdmin });
  t.equal(theirs.text, (await request('GET', `${SECOND}/x`, { token: tokens.fabrikamAdmin })).text);
});

t.test('two entries of one customer in one millisecond have two ids, each leading to its own', async (t) => {
  const customer = await service.newCustomer({ eligible: false });
  await generateLog(service.sql, { partnerId: CONTOSO, customers: [customer.customerId], entries: 2, days: 1 });
  await service.sql('update activity_log set occurred_on = date_trunc($2, now()) where customer_id = $1', [
    customer.customerId,
    'milliseconds',
  ]);
  await service.sql("update activity_log set resource_id = 'same' where customer_id = $1", [customer.customerId]);
  const { body } = await request('GET', `${CLASSIC}?${filter('CustomerId', customer.customerId, 'equals')}`);
  const [a, b] = body.items;
  t.not(a.id, b.id);
  for (const record of [a, b]) t.same((await request('GET', `${SECOND}/${record.id}`)).body.id, record.id);
});

t.test('dates come in every published form and are held to 90 and 30 days', async (t) => {
  const [y, m, d] = day(20).split('-').map(Number);
  const dayOfYear = Math.floor((Date.UTC(y ?? 0, (m ?? 1) - 1, d) - Date.UTC(y ?? 0, 0, 0)) / DAY);
  const forms = [
    day(20),
    `${String(m).padStart(2, '0')}/${String(d).padStart(2, '0')}/${y} 00:00:00`,
    `${m}/${d}/${y} 12:00:00 AM`,
    `${day(20)}T00:00:00Z`,
    `${day(20)}T00:00:00.0000000+00:00`,
    `${y}-${String(m).padStart(2, '0')}-${dayOfYear}`,
  ];
  const ids = new Set<string>();
  for (const form of forms) {
    const { status, body } = await request(
      'GET',
      `${CLASSIC}?startDate=${encodeURIComponent(form)}&endDate=${day(10)}`,
    );
    t.equal(status, 200, form);
    ids.add(JSON.stringify(body.items.map(({ id }: Item) => id)));
    const inside = ({ operationDate }: Item) => operationDate >= day(20) && operationDate < day(9);
    t.ok(body.items.length > 0 && body.items.every(inside), form);
  }
  t.equal(ids.size, 1, 'all of them mean the same day');
  const oneDay = await request('GET', `${CLASSIC}?startDate=${day(5)}&endDate=${day(5)}`);
  t.equal(oneDay.body.totalCount, 10);
  t.ok(oneDay.body.items.every(({ operationDate }: Item) => operationDate.startsWith(day(5))));
  const refused = [
    `startDate=${day(91)}`,
    `startDate=${day(10)}&endDate=${day(11)}`,
    `startDate=${day(40)}&endDate=${day(9)}`,
    'startDate=2023-02-30',
    'startDate=0000-01-01',
    'startDate=soon',
    `startDate=${day(3)}&endDate=x`,
  ];
  for (const query of refused) {
    t.match(await request('GET', `${CLASSIC}?${query}`), { status: 400, body: { code: '990002' } }, query);
    const second = query.replaceAll(/(start|end)Date/g, 'auditRequest.$1Date');
    t.equal((await request('GET', `${SECOND}?${second}`)).status, 400, second);
  }
  t.equal((await request('GET', `${CLASSIC}?startDate=${day(90)}`)).status, 200);
  const unlimited = await request('GET', `${CLASSIC}`);
  t.ok(
    unlimited.body.items.every(({ operationDate }: Item) => operationDate >= day(30)),
    'the default is 30 days',
  );
});

t.test('an entry of a clock a little ahead is listed as soon as it is written', async (t) => {
  const customer = await service.newCustomer({ eligible: false });
  await generateLog(service.sql, { partnerId: CONTOSO, customers: [customer.customerId], entries: 1, days: 1 });
  await service.sql("update activity_log set occurred_on = now() + interval '2 seconds' where customer_id = $1", [
    customer.customerId,
  ]);
  const query = `startDate=${day(0)}&${filter('CustomerId', customer.customerId, 'equals')}`;
  t.equal((await request('GET', `${CLASSIC}?${query}`)).body.totalCount, 1);
});

t.test('filters: company name by part, customer and resource type by equality, nothing else', async (t) => {
  const count = async (query: string, token?: string) => {
    const { status, body } = await request('GET', `${CLASSIC}?${query}`, token ? { token } : {});
    t.equal(status, 200, query);
    return body.totalCount;
  };
  t.equal(await count(filter('CompanyName', 'rELEcl', 'substring')), 2, 'case is ignored');
  t.equal(await count(filter('CompanyName', '100% _', 'substring')), 2);
  for (const wild of ['%', '_', '\\']) {
    const found = await count(filter('CompanyName', `Rele${wild}`, 'substring'));
    t.equal(found, 0, `${wild} stands for itself`);
  }
  t.equal(await count(filter('CompanyName', "' OR 1=1 --", 'substring')), 0);
  t.equal(await count(filter('CustomerId', relecloud.customerId.toUpperCase(), 'equals')), 2);
  t.equal(await count(filter('CustomerId', "' OR 1=1 --", 'equals')), 0);
  t.equal(await count(filter('CustomerId', foreign.customerId, 'equals')), 0, 'of another partner');
  t.equal(await count(filter('CustomerId', foreign.customerId, 'equals'), tokens.fabrikamAdmin), 1);
  for (const spelling of ['SelfServePolicy', 'self_serve_policy', 'selfServePolicy']) {
    const { body } = await request(
      'GET',
      `${CLASSIC}?startDate=${day(1)}&${filter('resourceType', spelling, 'Equals')}`,
    );
    t.ok(body.totalCount >= 2, spelling);
    t.ok(body.items.every(({ resourceType }: Item) => resourceType === 'self_serve_policy'));
  }
  t.equal(await count(filter('ResourceType', 'NoSuchType', 'equals')), 0);
  t.equal(await count(`filter={"Field":"CompanyName","Value":"relecloud","Operator":"substring"}`), 2, 'raw JSON');
  const refused = [
    filter('CompanyName', 'x', 'or'),
    filter('CompanyName', 'x', 'starts_with'),
    filter('__proto__', 'x', 'equals'),
    filter('partnerId', 'x', 'equals'),
    'filter=x',
    'filter=[]',
    `filter={"Field":"CustomerId","Field":"CompanyName","Value":"x","Operator":"equals"}`,
    'customerid=x',
    'size=501',
    'size=1e2',
    'size=5&size=6',
  ];
  for (const query of refused) t.equal((await request('GET', `${CLASSIC}?${query}`)).status, 400, query);
});

t.test('pages link to the next one until the last, by header, query or link, under both addresses', async (t) => {
  const addresses = [
    [CLASSIC, `startDate=${day(29)}&endDate=${day(2)}&size=100`],
    [SECOND, `auditRequest.startDate=${day(29)}&auditRequest.endDate=${day(2)}&auditRequest.size=100`],
  ] as const;
  for (const [address, query] of addresses) {
    const whole = await request('GET', `${address}?${query.replace('100', '0')}`);
    const expected = whole.body.items.map(({ id }: Item) => id);
    t.equal(expected.length, 280);
    t.notOk(whole.body.links.next);
    t.match(whole.body.links.self.uri, /^\/auditrecords\?.*[sS]ize=500$/);
    const dates = whole.body.items.map(({ operationDate }: Item) => operationDate);
    t.same(dates, dates.toSorted().toReversed(), 'newest first');

    const first = await request('GET', `${address}?${query}`);
    const token = first.body.continuationToken;
    t.same(first.body.links.next.headers, [{ key: 'MS-ContinuationToken', value: token }]);
    const base = address.replace('/auditrecords', '');
    const ways = [
      request('GET', `${base}${first.body.links.next.uri}`, { headers: { 'MS-ContinuationToken': token } }),
      request('GET', `${address}?${query}`, { headers: { 'MS-ContinuationToken': token } }),
      request('GET', `${address}?MS-ContinuationToken=${token}`),
      request('GET', `${address}?seekOperation=Next`, { headers: { 'ms-continuationtoken': token } }),
    ];
    const pages = await Promise.all(ways);
    for (const page of pages) t.same(page.body.items, pages[0]?.body.items);
    const last = await request('GET', `${address}?MS-ContinuationToken=${pages[0]?.body.continuationToken}`);
    const all = [first, pages[0], last].flatMap((page) => page?.body.items.map(({ id }: Item) => id));
    t.same(all, expected);
    t.notOk(last.body.continuationToken);

    const elsewhere = { headers: { 'MS-ContinuationToken': token } };
    t.equal((await request('GET', `${address}?${query.replace('100', '99')}`, elsewhere)).status, 400);
    t.equal((await request('GET', `${address}`, { ...elsewhere, token: tokens.fabrikamAdmin })).status, 400);
    t.equal((await request('GET', `${address === CLASSIC ? SECOND : CLASSIC}`, elsewhere)).status, 400);
    t.equal((await request('GET', `${address}?MS-ContinuationToken=${token.slice(0, -2)}AA`)).status, 400);
  }
  const first = await request('GET', CLASSIC, {});
  t.match(first.body.links.self.uri, /size=500/, 'the default size is shown');
});

t.test('the second address takes its own parameter names and filter in parts', async (t) => {
  const query = `auditRequest.filter.field=CompanyName&auditRequest.filter.operator=substring&auditRequest.filter.value=relecloud`;
  const { status, body } = await request('GET', `${SECOND}?${query}`);
  t.equal(status, 200);
  t.equal(body.totalCount, 2);
  t.equal((await request('GET', `${SECOND}?auditrequest.filter.field=CompanyName`)).status, 400);
  t.equal((await request('GET', `${SECOND}?startDate=${day(1)}`)).status, 400);
});

t.test('every agent reads, with or without a user; customers and strangers do not', async (t) => {
  for (const token of [tokens.admin, tokens.sales, tokens.helpdesk, tokens.appOnly]) {
    for (const path of [CLASSIC, SECOND, '/v1/activitylog']) {
      t.equal((await request('GET', path, { token })).status, 200);
    }
  }
  const customer = await tokens.customerUser(relecloud.customerId, relecloud.ownerUpn);
  for (const path of [CLASSIC, SECOND, `${SECOND}/x`, '/v1/activitylog']) {
    t.equal((await request('GET', path, { token: customer })).status, 403, path);
    t.equal((await request('GET', path, { token: null })).status, 401, path);
  }
});
