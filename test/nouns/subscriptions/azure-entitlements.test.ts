import { randomUUID } from 'node:crypto';
import t from 'tap';
import { type MadeCustomer, startService } from '../../helpers/service.js';
import { addAzureGlobal, addAzureSubscription, addSubscription, logOf } from './insert.js';

const service = await startService(t);
const { request } = service;
const list = (customer: MadeCustomer, plan = customer.subscriptionId) =>
  `/v1/customers/${customer.customerId}/subscriptions/${plan}/azureEntitlements`;
const one = (customer: MadeCustomer) => `${list(customer)}/${customer.azureSubscriptionId}`;
const permission = (customer: MadeCustomer) =>
  `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`;
const compromised = { body: { cancellationReason: 'compromise' } };
const armState = async (customer: MadeCustomer) =>
  (
    await service.sql(
      'select arm_state, cancellation_reason from azure_subscriptions where azure_subscription_id = $1',
      [customer.azureSubscriptionId],
    )
  )[0];

t.test('the entitlements of an Azure plan are its Azure subscriptions, in a collection without links', async (t) => {
  const customer = await service.newCustomer();
  const { azure_subscription_id: further } = await addAzureSubscription(service, customer, customer.subscriptionId);
  const { status, body } = await request('GET', list(customer).toLowerCase());
  t.equal(status, 200);
  t.same(Object.keys(body).sort(), ['attributes', 'items', 'totalCount']);
  t.same(body.items.map((item: { id: string }) => item.id).sort(), [customer.azureSubscriptionId, further].sort());
  const uri = one(customer).slice('/v1'.length);
  const expected = {
    id: customer.azureSubscriptionId,
    friendlyName: 'Azure subscription 1',
    status: 'active',
    subscriptionId: customer.subscriptionId,
    links: { self: { uri, method: 'GET', headers: [] } },
    attributes: { objectType: 'AzureEntitlement' },
  };
  t.same((await request('GET', one(customer), { token: service.tokens.helpdesk })).body, expected);
});

t.test('another offer has no entitlements: that of MS-AZR-0145P is its entitlementId', async (t) => {
  const customer = await service.newCustomer();
  const { subscription, azure } = await addAzureGlobal(service, customer);
  const { subscription_id: licenses } = await addSubscription(service, customer);
  t.match(await request('GET', list(customer, subscription.subscription_id)), { status: 200, body: { totalCount: 0 } });
  t.match(await request('GET', list(customer, licenses)), { status: 200, body: { totalCount: 0 } });
  const path = `${list(customer, subscription.subscription_id)}/${azure.azure_subscription_id}`;
  t.match(await request('GET', path), { status: 404, body: { code: '800111' } });
  t.match(await request('POST', `${path}/cancel`, compromised), { status: 404, body: { code: '800111' } });
});

t.test('what is not there is 404, the customer first', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: otherPlan } = await addSubscription(service, customer, {
    offerId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
    billingType: 'usage',
  });
  const missing = { status: 404, body: { code: '800111' } };
  t.match(await request('GET', `${list(customer)}/${randomUUID()}`), missing);
  t.match(await request('POST', `${list(customer)}/${randomUUID()}/reactivate`), missing);
  t.match(await request('GET', `${list(customer, otherPlan)}/${customer.azureSubscriptionId}`), missing);
  t.match(await request('GET', list(customer, randomUUID())), { status: 404, body: { code: '20003' } });
  const token = service.tokens.fabrikamAdmin;
  for (const [method, path, options] of [
    ['GET', list(customer), {}],
    ['GET', one(customer), {}],
    ['POST', `${one(customer)}/cancel`, { body: { cancellationReason: 'boredom' } }],
    ['POST', `${one(customer)}/reactivate`, {}],
  ] as const) {
    const foreign = await request(method, path, { token, ...options });
    const absent = await request(method, path.replace(customer.customerId, randomUUID()), { token, ...options });
    t.match(foreign, { status: 404, body: { code: '60003' } });
    t.equal(foreign.text, absent.text);
  }
});

t.test('cancelling ends the permission and reactivating brings it back, each in its transaction', async (t) => {
  const customer = await service.newCustomer();
  t.equal((await request('PUT', permission(customer), { body: { state: 'on' } })).status, 201);

  const cancelled = await request('POST', `${one(customer)}/cancel`, compromised);
  t.match(cancelled, { status: 200, body: { id: customer.azureSubscriptionId, status: 'inactive' } });
  t.same(await armState(customer), { arm_state: 'Disabled', cancellation_reason: 'compromise' });
  t.match((await request('GET', permission(customer))).body, { state: 'on', effective: false });
  const again = await request('POST', `${one(customer)}/cancel`, compromised);
  t.same(again.body, cancelled.body);

  const back = await request('POST', `${one(customer)}/reactivate`, { body: 'null' });
  t.match(back, { status: 200, body: { status: 'active' } });
  t.same(await armState(customer), { arm_state: 'Enabled', cancellation_reason: null });
  t.match((await request('GET', permission(customer))).body, { state: 'on', effective: true });
  t.equal((await request('POST', `${one(customer)}/reactivate`)).status, 200);

  t.match(await logOf(service, customer), [
    { action: 'Create Customer Purchase Permissions' },
    {
      action: 'Update Subscription',
      type: 'azure_entitlement',
      id: customer.azureSubscriptionId,
      old: { Status: 'active' },
      new: { Status: 'inactive' },
    },
    { action: 'Lapse Customer Purchase Permissions' },
    { action: 'Update Subscription', type: 'azure_entitlement', new: { Status: 'active' } },
    { action: 'Restore Customer Purchase Permissions' },
  ]);
  t.equal((await logOf(service, customer)).length, 5);
});

t.test('only compromise is a reason, and only an AdminAgent cancels', async (t) => {
  const customer = await service.newCustomer();
  const cancel = (body: unknown, token = service.tokens.admin) =>
    request('POST', `${one(customer)}/cancel`, { body, token });
  t.match(await cancel({ cancellationReason: 'boredom' }), { status: 400, body: { code: '900307' } });
  t.match(await cancel({ cancellationReason: '' }), { status: 400, body: { code: '900307' } });
  t.match(await cancel({}), { status: 400, body: { code: '3000' } });
  t.match(await cancel({ CancellationReason: null }), { status: 400, body: { code: '3000' } });
  t.match(await request('POST', `${one(customer)}/cancel`), { status: 400 });
  for (const token of [service.tokens.sales, service.tokens.helpdesk]) {
    t.match(await cancel(compromised.body, token), { status: 403, body: { code: '900150' } });
    t.match(await request('POST', `${one(customer)}/reactivate`, { token }), { status: 403 });
  }
  t.equal((await request('GET', one(customer))).body.status, 'active');
  t.match(await cancel({ CancellationReason: 'Compromise' }), { status: 200, body: { status: 'inactive' } });
});

t.test('a deleted one, one of a suspended plan and one of a lost customer are not reactivated', async (t) => {
  const customer = await service.newCustomer();
  const reactivate = () => request('POST', `${one(customer)}/reactivate`);
  await request('POST', `${one(customer)}/cancel`, compromised);
  await service.sql("update subscriptions set status = 'suspended' where customer_id = $1", [customer.customerId]);
  t.match(await reactivate(), { status: 400, body: { code: '900337' } });
  await service.sql("update subscriptions set status = 'active' where customer_id = $1", [customer.customerId]);
  await service.sql("update customers set relationship = 'none' where customer_id = $1", [customer.customerId]);
  t.match(await reactivate(), { status: 403, body: { code: '20002' } });
  await service.sql("update customers set relationship = 'reseller' where customer_id = $1", [customer.customerId]);
  await service.sql("update azure_subscriptions set arm_state = 'Deleted' where customer_id = $1", [
    customer.customerId,
  ]);
  t.match(await reactivate(), { status: 400, body: { code: '900337' } });
});

t.test('an Azure subscription is added to a plan, with the partner and a home user as Owners', async (t) => {
  const customer = await service.newCustomer();
  await service.sql('delete from role_assignments where role_assignment_id = $1', [customer.roleAssignmentId]);
  await request('POST', `${one(customer)}/cancel`, compromised);
  const eligibility = `${permission(customer)}/eligibility`;
  t.match((await request('GET', eligibility)).body, { eligible: false });
  const made = await request('POST', list(customer), {
    body: { friendlyName: 'Production', ownerUserId: customer.ownerId.toUpperCase() },
  });
  t.match(made, {
    status: 201,
    body: { friendlyName: 'Production', status: 'active', subscriptionId: customer.subscriptionId },
  });
  t.same((await request('GET', `${list(customer)}/${made.body.id}`)).body, made.body);
  t.match((await request('GET', eligibility)).body, { eligible: true });
  t.match(
    await service.sql(
      `select principal_id, principal_type, created_by from role_assignments where azure_subscription_id = $1
        order by principal_type`,
      [made.body.id],
    ),
    [
      { principal_type: 'ForeignGroup', created_by: null },
      { principal_type: 'User', principal_id: customer.ownerId, created_by: /^[0-9a-f-]{36}$/ },
    ],
  );
  t.same(
    (await logOf(service, customer)).slice(1).map(({ action }) => action),
    ['Create Azure Entitlement', 'Create Role Assignment', 'Create Role Assignment'],
  );
  t.equal((await request('POST', list(customer), { body: { friendlyName: 'Test' } })).status, 201, 'without a user');
});

t.test('an added Azure subscription brings a lapsed permission back', async (t) => {
  const customer = await service.newCustomer();
  t.equal((await request('PUT', permission(customer), { body: { state: 'on' } })).status, 201);
  await request('POST', `${one(customer)}/cancel`, compromised);
  t.match((await request('GET', permission(customer))).body, { effective: false });
  const body = { friendlyName: 'New', ownerUserId: customer.ownerId };
  t.equal((await request('POST', list(customer), { body })).status, 201);
  t.match((await request('GET', permission(customer))).body, { effective: true });
});

t.test('an Azure subscription that cannot be added is refused and leaves nothing', async (t) => {
  const customer = await service.newCustomer();
  const { subscription: global } = await addAzureGlobal(service, customer);
  const post = (body: unknown, plan = customer.subscriptionId, token = service.tokens.admin) =>
    request('POST', list(customer, plan), { body, token });
  const ok = { friendlyName: 'Production' };
  const rows = () =>
    service.sql('select count(*)::int as n from azure_subscriptions where customer_id = $1', [customer.customerId]);
  const before = await rows();
  for (const body of [
    {},
    { friendlyName: '' },
    { friendlyName: ' ' },
    { friendlyName: 1 },
    { ...ok, status: 'active' },
  ]) {
    t.match(await post(body), { status: 400, body: { code: '3000' } }, JSON.stringify(body));
  }
  t.match(await post({ FriendlyName: 'x' }), { status: 400 }, 'names are exact on an own resource');
  t.match(await post({ ...ok, ownerUserId: null }), { status: 400, body: { code: '3000' } });
  t.match(await post({ ...ok, ownerUserId: randomUUID() }), { status: 400, body: { code: '990004' } });
  const { ownerId: foreignUser } = await service.newCustomer();
  t.match(await post({ ...ok, ownerUserId: foreignUser }), { status: 400, body: { code: '990004' } });
  const user = (set: string) => service.sql(`update users set ${set} where user_id = $1`, [customer.ownerId]);
  await user(`user_type = 'guest'`);
  t.match(await post({ ...ok, ownerUserId: customer.ownerId }), { status: 400, body: { code: '990201' } });
  await user(`user_type = 'member', account_state = 'inactive'`);
  t.match(await post({ ...ok, ownerUserId: customer.ownerId }), { status: 400, body: { code: '990201' } });
  await user(`account_state = 'active', deleted_on = now()`);
  t.match(await post({ ...ok, ownerUserId: customer.ownerId }), { status: 400, body: { code: '990004' } });
  t.match(await post(ok, global.subscription_id), { status: 400, body: { code: '800011' } });
  t.match(await post(ok, randomUUID()), { status: 404, body: { code: '20003' } });
  for (const token of [service.tokens.sales, service.tokens.helpdesk]) {
    t.match(await post(ok, customer.subscriptionId, token), { status: 403, body: { code: '900150' } });
  }
  t.match(await post(ok, customer.subscriptionId, service.tokens.fabrikamAdmin), { status: 404 });
  await service.sql(`update subscriptions set status = 'suspended' where subscription_id = $1`, [
    customer.subscriptionId,
  ]);
  t.match(await post(ok), { status: 400, body: { code: '800012', description: /Reactivate/ } });
  await service.sql(`update subscriptions set status = 'active' where subscription_id = $1`, [customer.subscriptionId]);
  await service.sql(`update customers set relationship = 'none' where customer_id = $1`, [customer.customerId]);
  t.match(await post(ok), { status: 403, body: { code: '20002' } });
  t.same(await rows(), before);
});
