import t from 'tap';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens } = service;
const RESERVATIONS = { resource: 'AzureReservedInstances', action: 'Purchase' };
const SAVINGS_PLAN = { resource: 'AzureSavingsPlan', action: 'Purchase' };
const policy = (customerId: string, permissions = [RESERVATIONS], partnerId = CONTOSO) => ({
  selfServeEntity: { selfServeEntityType: 'customer', tenantID: customerId },
  grantor: { grantorType: 'billToPartner', tenantID: partnerId },
  permissions,
});
const logOf = (customerId: string) =>
  service.sql('select operation_type, action from activity_log where customer_id = $1 order by seq', [customerId]);

t.test('the flow of the .NET sample works with its PascalCase bodies, nulls and entity_Id', async (t) => {
  const { customerId } = await service.newCustomer();
  const list = () => request('GET', `/v1/SelfServePolicy?entity_Id=${customerId.toUpperCase()}`);
  t.strictSame((await list()).body, { totalCount: 0, items: [], attributes: { objectType: 'Collection' } });

  const created = await request('POST', '/v1//selfservepolicy/', {
    body: {
      Id: null,
      SelfServeEntity: { SelfServeEntityType: 'Customer', TenantID: customerId, Extra: 1 },
      Grantor: { GrantorType: 'BillToPartner', TenantID: CONTOSO.toUpperCase() },
      Permissions: [{ Resource: 'AzureReservedInstances', Action: 'Purchase' }],
      Attributes: null,
    },
  });
  t.equal(created.status, 201);
  t.match(created.body, { id: `${CONTOSO}_${customerId}`, ...policy(customerId) });
  t.match(created.body.attributes, { etag: /^"[0-9a-f-]{36}"$/, objectType: 'SelfServePolicy' });

  const updated = await request('PUT', `/v1/SelfServePolicy/${created.body.id}`, {
    body: { ...created.body, permissions: [RESERVATIONS, SAVINGS_PLAN] },
  });
  t.match(updated, { status: 200, body: { permissions: [RESERVATIONS, SAVINGS_PLAN] } });
  t.not(updated.body.attributes.etag, created.body.attributes.etag, 'a change gives a new etag');
  t.match((await list()).body, { totalCount: 1, items: [updated.body] });
  t.strictSame((await request('GET', `/v1/SelfServePolicy/${updated.body.id}`)).body, updated.body);

  t.equal((await request('DELETE', `/v1/SelfServePolicy/${updated.body.id}`)).status, 204);
  t.match((await list()).body, { totalCount: 0, items: [] });
  t.strictSame(await logOf(customerId), [
    { operation_type: 'create_self_serve_policy', action: 'Create Customer Purchase Permissions' },
    { operation_type: 'update_self_serve_policy', action: 'Create Customer Purchase Permissions' },
    { operation_type: 'delete_self_serve_policy', action: 'Delete Customer Purchase Permissions' },
  ]);
});

t.test('the documented refusals have their documented codes', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = `${CONTOSO}_${customerId}`;
  t.match(await request('GET', `/v1/SelfServePolicy/${id}`), { status: 404, body: { code: '600039' } });
  t.match(await request('DELETE', `/v1/SelfServePolicy/${id}`), { status: 404, body: { code: '600039' } });
  const created = await request('POST', '/v1/SelfServePolicy', { body: policy(customerId) });
  t.match(await request('POST', '/v1/SelfServePolicy', { body: policy(customerId) }), {
    status: 409,
    body: { code: '600041', data: [], source: /./ },
  });
  const other = (await service.newCustomer()).customerId;
  t.match(await request('PUT', `/v1/SelfServePolicy/${id}`, { body: { ...created.body, ...policy(other) } }), {
    status: 404,
    body: { code: '600040' },
  });
  t.match(
    await request('PUT', `/v1/SelfServePolicy/${CONTOSO}_${other}`, {
      body: { ...policy(other), attributes: created.body.attributes },
    }),
    {
      status: 404,
      body: { code: '600039' },
    },
  );
});

t.test('PUT takes the id from the body alone, and a stale etag is 400 with code 2055', async (t) => {
  const { customerId } = await service.newCustomer();
  const { body: first } = await request('POST', '/v1/SelfServePolicy', { body: policy(customerId) });
  const both = { ...first, permissions: [RESERVATIONS, SAVINGS_PLAN] };
  const second = await request('PUT', '/v1/SelfServePolicy', { body: both });
  t.equal(second.status, 200);
  const stale = await request('PUT', '/v1/SelfServePolicy', { body: { ...both, permissions: [SAVINGS_PLAN] } });
  t.match(stale, { status: 400, body: { code: '2055' } });
  const bare = second.body.attributes.etag.replaceAll('"', '');
  const unchanged = await request('PUT', '/v1/SelfServePolicy', {
    body: { ...second.body, attributes: { etag: bare, objectType: 'SelfServePolicy' } },
  });
  t.match(unchanged, { status: 200, body: second.body }, 'the etag is understood without its quotes; nothing changed');
  const ifMatch = { 'if-match': '"another"' };
  t.equal((await request('PUT', '/v1/SelfServePolicy', { body: second.body, headers: ifMatch })).status, 412);
  t.equal((await request('PUT', '/v1/SelfServePolicy', { body: policy(customerId) })).status, 400, 'no etag');
  t.equal((await logOf(customerId)).length, 2);
});

t.test('swapping one permission for the other is logged as a grant and a withdrawal', async (t) => {
  const { customerId } = await service.newCustomer();
  const { body } = await request('POST', '/v1/SelfServePolicy', { body: policy(customerId) });
  const swapped = await request('PUT', `/v1/SelfServePolicy/${body.id}`, {
    body: { ...body, permissions: [SAVINGS_PLAN] },
  });
  t.match(swapped, { status: 200, body: { permissions: [SAVINGS_PLAN] } });
  t.strictSame((await logOf(customerId)).slice(1), [
    { operation_type: 'update_self_serve_policy', action: 'Create Customer Purchase Permissions' },
    { operation_type: 'update_self_serve_policy', action: 'Delete Customer Purchase Permissions' },
  ]);
});

t.test('the policy and the purchase permissions are two views of the same rows', async (t) => {
  const { customerId } = await service.newCustomer();
  await request('PUT', `/v1/customers/${customerId}/purchasepermissions/AzureSavingsPlan`, { body: { state: 'on' } });
  t.match((await request('GET', `/v1/SelfServePolicy?entity_id=${customerId}`)).body, {
    items: [{ permissions: [SAVINGS_PLAN] }],
  });
  await request('DELETE', `/v1/SelfServePolicy/${CONTOSO}_${customerId}`);
  t.match((await request('GET', `/v1/customers/${customerId}/purchasepermissions`)).body.items, [
    { resource: 'AzureReservedInstances', state: 'off' },
    { resource: 'AzureSavingsPlan', state: 'off', version: 2 },
  ]);
});

t.test('a body that asks for what there is not is refused and changes nothing', async (t) => {
  const { customerId } = await service.newCustomer();
  const bad: [string, unknown, number][] = [
    ['unknown resource', policy(customerId, [{ resource: 'AzureVirtualMachines', action: 'Purchase' }]), 400],
    ['unknown action', policy(customerId, [{ resource: 'AzureReservedInstances', action: 'Refund' }]), 400],
    ['the same permission twice', policy(customerId, [RESERVATIONS, RESERVATIONS]), 400],
    ['a thousand permissions', policy(customerId, Array(1000).fill(RESERVATIONS)), 400],
    ['no permission', policy(customerId, []), 400],
    ['the partner as the customer', policy(CONTOSO), 400],
    ['another partner as the grantor', policy(customerId, [RESERVATIONS], FABRIKAM), 403],
  ];
  for (const [name, body, status] of bad) {
    const answer = await request('POST', '/v1/SelfServePolicy', { body });
    t.match(answer, { status, body: { code: /^\d+$/, description: /\w/ } }, name);
  }
  t.strictSame(await logOf(customerId), []);
});

t.test('app-only tokens are 403 with code 900329, and only an AdminAgent writes', async (t) => {
  const { customerId } = await service.newCustomer();
  const send = (token: string) => request('POST', '/v1/SelfServePolicy', { token, body: policy(customerId) });
  t.match(await send(tokens.appOnly), { status: 403, body: { code: '900329' } });
  t.match(await send(tokens.sales), { status: 403, body: { code: '900150' } });
  t.match(await send(tokens.helpdesk), { status: 403, body: { code: '900150' } });
  t.equal((await request('GET', `/v1/SelfServePolicy?entity_id=${customerId}`, { token: tokens.sales })).status, 200);
  const permission = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  t.equal((await request('PUT', permission, { token: tokens.appOnly, body: { state: 'on' } })).status, 201);
});

t.test("another partner's policy and one that does not exist answer the same bytes", async (t) => {
  const { customerId } = await service.newCustomer();
  await request('POST', '/v1/SelfServePolicy', { body: policy(customerId) });
  const absent = '00000000-0000-4000-8000-000000000000';
  const mask = (text: string) => text.replaceAll(customerId, 'ID').replaceAll(absent, 'ID');
  const token = tokens.fabrikamAdmin;
  for (const partnerId of [CONTOSO, FABRIKAM]) {
    for (const [method, path, body] of [
      ['GET', (c: string) => `/v1/SelfServePolicy/${partnerId}_${c}`, undefined],
      ['DELETE', (c: string) => `/v1/SelfServePolicy/${partnerId}_${c}`, undefined],
      ['GET', (c: string) => `/v1/SelfServePolicy?entity_id=${c}`, undefined],
      ['POST', () => '/v1/SelfServePolicy', (c: string) => policy(c, [RESERVATIONS], FABRIKAM)],
    ] as const) {
      const [foreign, none] = await Promise.all(
        [customerId, absent].map((c) => request(method, path(c), { token, ...(body && { body: body(c) }) })),
      );
      t.equal(foreign?.status, none?.status, `${method} ${path('…')}`);
      t.equal(mask(foreign?.text ?? 'a'), mask(none?.text ?? 'b'));
    }
  }
});

t.test('without entity_id every policy of the partner is listed and of no other', async (t) => {
  const mine = await service.newCustomer();
  const theirs = await service.newCustomer({ partnerId: FABRIKAM });
  await request('POST', '/v1/SelfServePolicy', { body: policy(mine.customerId) });
  await request('POST', '/v1/SelfServePolicy', {
    token: tokens.fabrikamAdmin,
    body: policy(theirs.customerId, [RESERVATIONS], FABRIKAM),
  });
  const ids = (await request('GET', '/v1/SelfServePolicy')).body.items.map((item: { id: string }) => item.id);
  t.ok(ids.includes(`${CONTOSO}_${mine.customerId}`));
  t.notOk(ids.some((id: string) => id.startsWith(FABRIKAM)));
});
