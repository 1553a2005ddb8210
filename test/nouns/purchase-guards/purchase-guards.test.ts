import { randomUUID } from 'node:crypto';
import t from 'tap';
import { loadSpend } from '../../../src/nouns/purchase-guards/queries.js';
import { askBehindLock } from '../../helpers/hold-customer.js';
import { type Bought, insertPurchase } from '../../helpers/purchases.js';
import { CONTOSO, type MadeCustomer, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens, newCustomer, sql, db } = service;

const address = (customerId: string, resource = 'AzureReservedInstances') =>
  `/v1/customers/${customerId}/purchasepermissions/${resource}/guards`;
const put = (customerId: string, body: unknown, headers: Record<string, string> = {}) =>
  request('PUT', address(customerId), { body, headers });
const logOf = (customerId: string) =>
  sql('select * from activity_log where customer_id = $1 order by seq', [customerId]);

t.test('guards that were never set are empty with the etag "0", and unknown customers are not there', async (t) => {
  const { customerId } = await newCustomer();
  const answer = await request('GET', address(customerId));
  t.equal(answer.status, 200);
  t.same(answer.body, { attributes: { etag: '"0"', objectType: 'PurchaseGuards' } });
  t.equal(answer.headers.get('etag'), '"0"');
  t.equal((await request('GET', address(customerId.toUpperCase(), 'azuresavingsplan'))).status, 200);
  t.equal((await request('GET', address(customerId, 'Licenses'))).status, 400);

  const foreign = await request('GET', address(customerId), { token: tokens.fabrikamAdmin });
  const absent = await request('GET', address(randomUUID()));
  t.match(foreign, { status: 404, body: { code: '60003' } });
  t.equal(foreign.text, absent.text);
  const write = await request('PUT', address(customerId), { token: tokens.fabrikamAdmin, body: {} });
  t.match(write, { status: 404, body: { code: '60003' } });
});

t.test('guards are replaced as a whole, kept in one spelling and logged as an update', async (t) => {
  const { customerId, azureSubscriptionId } = await newCustomer();
  const first = await put(customerId, {
    allowedSubscriptions: [azureSubscriptionId.toUpperCase(), azureSubscriptionId],
    allowedProductTypes: ['VirtualMachines', 'CosmosDb'],
    allowedTerms: ['P3Y', 'P1Y'],
    allowedBillingPlans: ['Upfront'],
    currencyCode: 'USD',
    capPerPurchase: '2500',
    capPerMonth: '0.5',
    capOutstanding: '100000.00',
    approvalAbove: '1000',
    expiresOn: '2099-12-31T23:30:00+01:00',
  });
  const kept = {
    allowedSubscriptions: [azureSubscriptionId],
    allowedProductTypes: ['CosmosDb', 'VirtualMachines'],
    allowedTerms: ['P1Y', 'P3Y'],
    allowedBillingPlans: ['Upfront'],
    currencyCode: 'USD',
    capPerPurchase: '2500.00',
    capPerMonth: '0.50',
    capOutstanding: '100000.00',
    approvalAbove: '1000.00',
    approvalHours: 72,
    expiresOn: '2099-12-31T22:30:00.000Z',
  };
  t.equal(first.status, 200, first.text);
  t.same(first.body, { ...kept, attributes: { etag: '"1"', objectType: 'PurchaseGuards' } });
  t.equal(first.headers.get('etag'), '"1"');
  for (const token of [tokens.admin, tokens.sales, tokens.helpdesk, tokens.appOnly]) {
    t.same((await request('GET', address(customerId), { token })).body, first.body);
  }
  t.same((await request('GET', address(customerId, 'AzureSavingsPlan'))).body.attributes.etag, '"0"');

  t.equal((await put(customerId, first.body)).body.attributes.etag, '"1"', 'what was read can be sent back');
  t.equal((await logOf(customerId)).length, 1, 'and is not logged');

  const second = await put(customerId, { allowedTerms: ['P1Y'] }, { 'if-match': '"1"' });
  t.same(second.body, { allowedTerms: ['P1Y'], attributes: { etag: '"2"', objectType: 'PurchaseGuards' } });
  const third = await put(customerId, {}, { 'if-match': '*' });
  t.same(third.body, { attributes: { etag: '"3"', objectType: 'PurchaseGuards' } });

  const log = await logOf(customerId);
  t.match(log, [
    {
      action: 'Update Customer Purchase Permissions',
      operation_type: 'update_self_serve_policy',
      resource_type: 'self_serve_policy',
      resource_id: `${CONTOSO}_${customerId}`,
      user_principal_name: /@/,
    },
    {},
    {},
  ]);
  const values = log.map((entry) => [JSON.parse(String(entry.old_value)), JSON.parse(String(entry.new_value))]);
  t.match(values, [
    [{ Resource: 'AzureReservedInstances', Guards: {} }, { Guards: { CapPerPurchase: '2500.00' } }],
    [{ Guards: { CapPerPurchase: '2500.00' } }, { Guards: { AllowedTerms: ['P1Y'] } }],
    [{ Guards: { AllowedTerms: ['P1Y'] } }, { Guards: {} }],
  ]);
});

t.test('a first set of nothing changes nothing', async (t) => {
  const { customerId } = await newCustomer();
  const answer = await put(customerId, {});
  t.match(answer, { status: 200, body: { attributes: { etag: '"0"' } } });
  t.same(await logOf(customerId), []);
});

t.test('an AdminAgent alone sets guards, and customers do not see them', async (t) => {
  const { customerId, ownerUpn } = await newCustomer();
  const owner = await tokens.customerUser(customerId, ownerUpn);
  for (const token of [tokens.sales, tokens.helpdesk, owner]) {
    t.match(await request('PUT', address(customerId), { token, body: {} }), { status: 403, body: { code: '900150' } });
  }
  t.match(await request('GET', address(customerId), { token: owner }), { status: 403 });
  t.match(await request('GET', address(customerId), { token: null }), { status: 401 });
  t.equal(
    (await request('PUT', address(customerId), { token: tokens.appOnly, body: { allowedTerms: ['P1Y'] } })).status,
    200,
  );
});

t.test('a change of set guards needs their etag', async (t) => {
  const { customerId } = await newCustomer();
  t.match(await put(customerId, { allowedTerms: ['P1Y'] }, { 'if-match': '"1"' }), { status: 412 });
  t.match(await put(customerId, { allowedTerms: ['P1Y'] }, { 'if-match': '"0"' }), { status: 200 });
  t.match(await put(customerId, { allowedTerms: ['P3Y'] }), { status: 428, body: { code: '990023' } });
  t.match(await put(customerId, { allowedTerms: ['P3Y'] }, { 'if-match': '"0"' }), { status: 412 });
  t.match(await put(customerId, { allowedTerms: ['P3Y'] }, { 'if-match': 'W/"1"' }), { status: 412 });
  t.match(await put(customerId, { allowedTerms: ['P3Y'] }, { 'if-match': '1' }), { status: 400 });
  t.match(await put(customerId, { allowedTerms: ['P3Y'], attributes: { etag: '"0"' } }), {
    status: 400,
    body: { code: '2055' },
  });
  t.match(await put(customerId, { allowedTerms: ['P3Y'], attributes: { etag: '1' } }), {
    status: 200,
    body: { attributes: { etag: '"2"' } },
  });
  t.equal((await logOf(customerId)).length, 2);
});

t.test('of two changes with one etag one is made', async (t) => {
  const { customerId } = await newCustomer();
  await put(customerId, { allowedTerms: ['P1Y'] });
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      put(customerId, { currencyCode: 'USD', capPerPurchase: String(index + 1) }, { 'if-match': '"1"' }),
    ),
  );
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412]);
  const made = answers.find(({ status }) => status === 200)?.body;
  t.same((await request('GET', address(customerId))).body, made);
  t.equal((await logOf(customerId)).length, 2);
});

t.test('a change waits for whoever holds the customer, and is judged by what was left', async (t) => {
  const { customerId } = await newCustomer();
  await put(customerId, { allowedTerms: ['P1Y'] });
  const changed = 'update purchase_guards set version = 2 where customer_id = $1';
  const change = () => put(customerId, { allowedTerms: ['P3Y'] }, { 'if-match': '"1"' });
  t.match(await askBehindLock(t, service, customerId, [changed], change), { status: 412 });
});

t.test('what cannot be meant is refused with the place and the reason', async (t) => {
  const { customerId } = await newCustomer();
  const stranger = await newCustomer();
  const usd = { currencyCode: 'USD' };
  const cases: [object, RegExp][] = [
    [{ capPerYear: '1' }, /capPerYear/],
    [{ attributes: { etag: '"0"', extra: 1 } }, /extra/],
    [{ attributes: { objectType: 'Other' } }, /objectType/],
    [{ allowedSubscriptions: [] }, /allowedSubscriptions/],
    [{ allowedSubscriptions: 'all' }, /allowedSubscriptions/],
    [{ allowedSubscriptions: ['x'] }, /allowedSubscriptions\/0/],
    [{ allowedSubscriptions: [stranger.azureSubscriptionId] }, new RegExp(stranger.azureSubscriptionId)],
    [{ allowedSubscriptions: [null] }, /allowedSubscriptions\/0/],
    [{ allowedProductTypes: ['virtualmachines'] }, /allowedProductTypes\/0/],
    [{ allowedTerms: ['P2Y'] }, /allowedTerms\/0/],
    [{ allowedBillingPlans: [] }, /allowedBillingPlans/],
    [{ capPerPurchase: '1' }, /currencyCode is missing.*capPerPurchase/],
    [{ approvalAbove: '1' }, /currencyCode is missing/],
    [usd, /currencyCode/],
    [{ ...usd, approvalHours: 5, capPerMonth: '1' }, /approvalHours/],
    [{ currencyCode: 'usd', capPerMonth: '1' }, /currencyCode/],
    [{ currencyCode: 'UDS', capPerMonth: '1' }, /UDS.*ISO 4217/],
    [{ ...usd, capPerMonth: 1 }, /capPerMonth/],
    [{ ...usd, capPerMonth: '-1' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '1e3' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '01' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '1,000' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '1234567890123' }, /capPerMonth/],
    [{ ...usd, capPerMonth: '1.005' }, /capPerMonth.*2 of USD/],
    [{ currencyCode: 'JPY', capPerMonth: '1.5' }, /capPerMonth.*0 of JPY/],
    [{ ...usd, approvalAbove: '1', approvalHours: 0 }, /approvalHours/],
    [{ ...usd, approvalAbove: '1', approvalHours: 721 }, /approvalHours/],
    [{ ...usd, approvalAbove: '1', approvalHours: 1.5 }, /approvalHours/],
    [{ ...usd, approvalAbove: '1', approvalHours: 2 ** 53 }, /approvalHours/],
    [{ ...usd, approvalAbove: '1', approvalHours: '24' }, /approvalHours/],
    [{ expiresOn: '2099-02-30T00:00:00Z' }, /expiresOn/],
    [{ expiresOn: '2099-12-31' }, /expiresOn/],
    [{ expiresOn: '2099-12-31T23:59:60Z' }, /expiresOn/],
    [{ expiresOn: '2020-01-01T00:00:00Z' }, /expiresOn is in the past/],
    [{ expiresOn: '' }, /expiresOn/],
  ];
  for (const [body, says] of cases) {
    const answer = await put(customerId, body);
    t.match(answer, { status: 400, body: { code: '3000' } }, JSON.stringify(body));
    t.match(answer.body.data.join('\n'), says);
  }
  for (const body of [
    '[]',
    'null',
    '"x"',
    '{"capPerMonth":',
    '{"allowedTerms":["P1Y"],"allowedTerms":["P3Y"]}',
    '1e400',
  ]) {
    t.equal((await put(customerId, body)).status, 400, body);
  }
  t.same(await logOf(customerId), []);
});

t.test('an end that has passed can be sent back with another change', async (t) => {
  const { customerId } = await newCustomer();
  const set = await put(customerId, { expiresOn: '2099-01-01T00:00:00Z' });
  const passed = '2026-01-01T00:00:00.000Z';
  await sql(`update purchase_guards set guards = jsonb_build_object('expiresOn', $2::text) where customer_id = $1`, [
    customerId,
    passed,
  ]);
  const answer = await put(customerId, { ...set.body, expiresOn: passed, allowedTerms: ['P1Y'] });
  t.match(answer, { status: 200, body: { expiresOn: passed, allowedTerms: ['P1Y'] } });
});

const DAY = 86_400_000;
const NOW = new Date('2026-11-21T12:00:00Z');

t.test("what counts as spent: the customer's own purchases in the currency that stand or wait", async (t) => {
  const spendOf = (customer: MadeCustomer, except?: string, now = NOW) =>
    db.read(CONTOSO, (reading) => loadSpend(reading, CONTOSO, customer.customerId, 'USD', now, except));
  const spentOn = async (...all: Bought[]) => {
    const customer = await newCustomer();
    for (const one of all) await insertPurchase(db, customer, { on: NOW, ...one });
    return spendOf(customer);
  };
  const back = (days: number) => new Date(NOW.getTime() - days * DAY);

  t.same(await spentOn(), { monthMinor: 0, outstandingMinor: 0 });
  t.same(await spentOn({ total: 1000 }, { total: 234, pending: true }), { monthMinor: 1234, outstandingMinor: 1234 });
  t.same(await spentOn({ total: 1000, origin: 'partner' }), { monthMinor: 0, outstandingMinor: 0 });
  t.same(await spentOn({ total: 1000, currencyCode: 'EUR' }), { monthMinor: 0, outstandingMinor: 0 });
  t.same(await spentOn({ total: 1000, orderState: 'Cancelled' }), { monthMinor: 0, outstandingMinor: 0 });
  for (const reservationState of ['Cancelled', 'Split', 'Merged'] as const) {
    t.same(await spentOn({ total: 1000, reservationState }), { monthMinor: 1000, outstandingMinor: 0 });
  }
  const quarter = { total: 400, on: back(91.25) };
  t.same(await spentOn(quarter), { monthMinor: 0, outstandingMinor: 300 }, 'a quarter of the term has run');
  t.same(await spentOn({ total: 401, on: back(91.25) }), { monthMinor: 0, outstandingMinor: 301 }, 'rounded up');
  t.same(await spentOn({ total: 400, quantity: 4, on: back(91.25) }), { monthMinor: 0, outstandingMinor: 300 });
  t.same(await spentOn({ total: 1000, on: back(365) }), { monthMinor: 0, outstandingMinor: 0 }, 'it has ended');
  t.match(await spentOn({ total: 1000, on: new Date('2026-11-01T00:00:00Z') }), { monthMinor: 1000 });
  t.match(await spentOn({ total: 1000, on: new Date('2026-10-31T23:59:59.999Z') }), { monthMinor: 0 });

  const customer = await newCustomer();
  const waiting = await insertPurchase(db, customer, { total: 600, pending: true, on: NOW });
  await insertPurchase(db, customer, { total: 100, on: NOW });
  t.same(
    await spendOf(customer, waiting.reservationOrderId),
    { monthMinor: 100, outstandingMinor: 100 },
    'the one judged again is left out',
  );
  const lapsed = new Date(NOW.getTime() + 72 * 3_600_000);
  t.match(await spendOf(customer, undefined, new Date(lapsed.getTime() - 1)), { monthMinor: 700 });
  t.match(await spendOf(customer, undefined, lapsed), { monthMinor: 100, outstandingMinor: 100 }, 'it has lapsed');
  const december = new Date('2026-12-01T00:00:00Z');
  t.match(await spendOf(customer, undefined, december), { monthMinor: 0 });
});
