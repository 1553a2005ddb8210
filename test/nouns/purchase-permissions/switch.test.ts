import t from 'tap';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens } = service;
const path = (customerId: string, resource = 'AzureReservedInstances') =>
  `/v1/customers/${customerId}/purchasepermissions/${resource}`;
const switchOn = (customerId: string, headers = {}) =>
  request('PUT', path(customerId), { body: { state: 'on' }, headers });
const logOf = (customerId: string) =>
  service.sql('select seq, action, operation_type, evidence from activity_log where customer_id = $1 order by seq', [
    customerId,
  ]);

t.test('a permission is off until it is switched on, and repeating a switch changes and logs nothing', async (t) => {
  const { customerId } = await service.newCustomer();
  const before = await request('GET', path(customerId));
  t.match(before, { status: 200, body: { state: 'off', effective: false, version: 0 } });
  const on = await switchOn(customerId);
  t.match(on, { status: 201, body: { state: 'on', effective: true, version: 1, ineligibilityReasons: [] } });
  t.match(on.body, { changedBy: /^ada\.admin@/, changedOn: /^\d{4}-\d\d-\d\dT/ });
  t.equal(on.headers.get('etag'), '"1"');
  t.match(await switchOn(customerId), { status: 200, body: { version: 1 } });
  t.equal((await request('DELETE', path(customerId))).status, 204);
  t.equal((await request('DELETE', path(customerId))).status, 204);
  t.match(await request('PUT', path(customerId), { body: { state: 'off' } }), { status: 200, body: { version: 2 } });
  const log = await logOf(customerId);
  t.match(log, [
    { seq: 1, action: 'Create Customer Purchase Permissions', operation_type: 'create_self_serve_policy' },
    { seq: 2, action: 'Delete Customer Purchase Permissions', operation_type: 'delete_self_serve_policy' },
  ]);
  t.equal(log.length, 2);
  t.match(JSON.parse(log[0]?.evidence), { AzureReservedInstances: [{ name: 'relationship', result: 'pass' }] });
});

t.test('If-Match guards a switch: stale 412, unquoted 400, current or * accepted', async (t) => {
  const { customerId } = await service.newCustomer();
  t.equal((await switchOn(customerId, { 'if-match': '"7"' })).status, 412);
  t.equal((await switchOn(customerId, { 'if-match': 'W/"0"' })).status, 412);
  t.equal((await switchOn(customerId, { 'if-match': '0' })).status, 400);
  t.equal((await switchOn(customerId, { 'if-match': '"0"' })).status, 201);
  t.equal((await request('DELETE', path(customerId), { headers: { 'if-match': '"0"' } })).status, 412);
  t.equal((await request('DELETE', path(customerId), { headers: { 'if-match': '*' } })).status, 204);
});

t.test('of a hundred writers with one ETag one succeeds', async (t) => {
  const { customerId } = await service.newCustomer();
  const answers = await Promise.all(Array.from({ length: 100 }, () => switchOn(customerId, { 'if-match': '"0"' })));
  const statuses = answers.map(({ status }) => status).sort();
  t.strictSame([statuses[0], statuses.filter((status) => status === 412).length], [201, 99]);
  t.equal((await logOf(customerId)).length, 1);
});

t.test('a customer that is not eligible is refused with every failing reason, and nothing is written', async (t) => {
  const { customerId } = await service.newCustomer({ eligible: false });
  const refused = await switchOn(customerId);
  t.match(refused, { status: 403, body: { code: '600006' } });
  t.ok(refused.body.data.length >= 2, 'the missing subscription and the missing Owner are both named');
  const { body } = await request('GET', `${path(customerId)}/eligibility`);
  t.match(body, { eligible: false });
  for (const check of body.checks) t.ok(check.result === 'pass' || check.remedy, `${check.name} says what to do`);
  t.strictSame(await logOf(customerId), []);
  t.equal((await request('DELETE', path(customerId))).status, 204, 'switching off is always allowed');
});

t.test("the partner's own foreign group does not make an Owner", async (t) => {
  const { customerId, roleAssignmentId } = await service.newCustomer();
  await service.sql('delete from role_assignments where role_assignment_id = $1', [roleAssignmentId]);
  t.match(await switchOn(customerId), { status: 403, body: { code: '600006', data: [/Owner/] } });
});

t.test('bodies are never coerced: B1 to B5', async (t) => {
  const { customerId } = await service.newCustomer();
  for (const body of [
    { state: 'true' },
    { state: true },
    { state: 1 },
    { state: ['on'] },
    { state: null },
    { State: 'on' },
    { state: 'On' },
    { state: 'on', partnerId: FABRIKAM },
    { enabled: true },
    {},
    [],
    null,
    '"on"',
  ]) {
    const answer = await request('PUT', path(customerId), { body: body === null ? 'null' : body });
    t.match(answer, { status: 400, body: { code: /^(2000|3000)$/ } }, JSON.stringify(body));
  }
  t.match((await request('GET', path(customerId))).body, { state: 'off', version: 0 });
});

t.test("another partner's customer and none answer the same bytes on every path", async (t) => {
  const { customerId } = await service.newCustomer();
  const absent = '00000000-0000-4000-8000-000000000000';
  for (const [method, suffix, body] of [
    ['GET', '', undefined],
    ['GET', '/AzureReservedInstances', undefined],
    ['GET', '/AzureReservedInstances/eligibility', undefined],
    ['PUT', '/AzureReservedInstances', { state: 'on' }],
    ['PUT', '/AzureReservedInstances', { state: 'off' }],
    ['DELETE', '/AzureReservedInstances', undefined],
  ] as const) {
    const [foreign, none] = await Promise.all(
      [customerId, absent].map((id) =>
        request(method, `/v1/customers/${id}/purchasepermissions${suffix}`, { token: tokens.fabrikamAdmin, body }),
      ),
    );
    t.match(foreign, { status: 404, body: { code: '60003' } }, `${method} ${suffix}`);
    t.equal(foreign?.text, none?.text);
  }
});

t.test('the list over all customers filters by state and effect and pages by token', async (t) => {
  const partner = { partnerId: FABRIKAM };
  const made = await Promise.all([1, 2, 3].map(() => service.newCustomer(partner)));
  const token = tokens.fabrikamAdmin;
  for (const { customerId } of made) await request('PUT', path(customerId), { token, body: { state: 'on' } });
  await request('DELETE', path(made[0]?.customerId ?? ''), { token });
  const seen: string[] = [];
  let page = await request('GET', '/v1/purchasepermissions?State=on&effective=true&size=1', { token });
  for (;;) {
    seen.push(...page.body.items.map((item: { customerId: string }) => item.customerId));
    const next = page.body.links.next;
    if (!next) break;
    t.match(next, { uri: /^\/purchasepermissions\?/, headers: [{ key: 'MS-ContinuationToken' }] });
    page = await request('GET', '/v1/purchasepermissions?seekOperation=Next', {
      token,
      headers: { 'MS-ContinuationToken': next.headers[0].value },
    });
  }
  t.strictSame(
    seen,
    made
      .slice(1)
      .map(({ customerId }) => customerId)
      .sort(),
  );
  t.equal((await request('GET', '/v1/purchasepermissions?customerid=x', { token })).status, 400, 'a misspelt filter');
  t.equal((await request('GET', '/v1/purchasepermissions?effective=1', { token })).status, 400);
  for (const size of ['1e2', '0x10', '%205', '-1', '0', '501', '99999999999999999999', '']) {
    t.equal((await request('GET', `/v1/purchasepermissions?size=${size}`, { token })).status, 400, `size=${size}`);
  }
});

t.test('links.next leads on as it stands when no size was asked for', async (t) => {
  const own = await startService(t);
  await own.sql(
    `insert into customers select $1, gen_random_uuid(), 'c', 'c', 'd' || n, 'reseller', true, 'US', null, '{}', '{}', 1, 0,
       decode(repeat('00', 32), 'hex'), now(), null from generate_series(1, 101) n`,
    [CONTOSO],
  );
  await own.sql(
    `insert into purchase_permissions select partner_id, customer_id, 'AzureSavingsPlan', 'on', true, null, '[]', 1, now(), 'a'
       from customers`,
  );
  const first = await own.request('GET', '/v1/purchasepermissions');
  t.equal(first.body.items.length, 100);
  const { uri, headers } = first.body.links.next;
  const next = await own.request('GET', `/v1${uri}`, { headers: { [headers[0].key]: headers[0].value } });
  t.match(next, { status: 200, body: { totalCount: 1 } });
});

t.test('a continuation token of another partner, another list or edited is refused with the same text', async (t) => {
  await switchOn((await service.newCustomer()).customerId);
  await switchOn((await service.newCustomer()).customerId);
  const { body } = await request('GET', '/v1/purchasepermissions?size=1');
  const token: string = body.continuationToken;
  const send = (value: string, options = {}) =>
    request('GET', '/v1/purchasepermissions', { headers: { 'MS-ContinuationToken': value }, ...options });
  t.equal((await send(token)).status, 200);
  const foreign = await send(token, { token: tokens.fabrikamAdmin });
  const edited = await send(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`);
  const elsewhere = await request('GET', '/v1/SelfServePolicy', { headers: { 'MS-ContinuationToken': token } });
  t.strictSame([foreign.status, edited.status, elsewhere.status], [400, 400, 400]);
  t.equal(foreign.text, edited.text);
  t.equal(foreign.text, elsewhere.text);
  t.equal((await request('GET', `/v1/purchasepermissions?size=2&MS-ContinuationToken=${token}`)).status, 400);
});

t.test('a switch-on limit per partner answers 429 with Retry-After and never holds back a switch-off', async (t) => {
  const limited = await startService(t, { switchesPerMinute: '2' });
  const made = await Promise.all([1, 2, 3].map(() => limited.newCustomer()));
  const statuses: number[] = [];
  for (const { customerId } of made) {
    statuses.push((await limited.request('PUT', path(customerId), { body: { state: 'on' } })).status);
  }
  t.strictSame(statuses, [201, 201, 429]);
  const refused = await limited.request('PUT', path(made[2]?.customerId ?? ''), { body: { state: 'on' } });
  t.match(refused.headers.get('retry-after'), /^\d+$/);
  t.match(refused.body, { statusCode: 429, message: /Try again in \d+ seconds/ });
  t.equal((await limited.request('DELETE', path(made[0]?.customerId ?? ''))).status, 204);
  t.equal(
    (await limited.sql('select from activity_log where partner_id = $1', [CONTOSO])).length,
    3,
    'the refused switch is not logged',
  );
});
