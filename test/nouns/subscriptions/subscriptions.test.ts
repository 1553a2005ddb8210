import { randomUUID } from 'node:crypto';
import t from 'tap';
import { type MadeCustomer, startService } from '../../helpers/service.js';
import { addAzureGlobal, addAzureSubscription, addSubscription, logOf } from './insert.js';

const service = await startService(t);
const { request } = service;
const list = (customer: MadeCustomer) => `/v1/customers/${customer.customerId}/subscriptions`;
const one = (customer: MadeCustomer, id: string) => `${list(customer)}/${id}`;
const permission = (customer: MadeCustomer) =>
  `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`;
const stateOf = async (id: string) =>
  (await service.sql('select status, arm_state from azure_subscriptions where azure_subscription_id = $1', [id]))[0];

t.test('a list has all subscriptions of the customer, or those of an order or a reseller', async (t) => {
  const customer = await service.newCustomer();
  const licenses = await addSubscription(service, customer, { partnerId: '7654321' });
  const all = await request('GET', list(customer));
  t.equal(all.status, 200);
  t.match(all.body, {
    totalCount: 2,
    links: { self: { uri: `/customers/${customer.customerId}/subscriptions`, method: 'GET', headers: [] } },
    attributes: { objectType: 'Collection' },
  });
  t.notOk(all.body.links.next);
  const ids = async (query: string) => {
    const { body } = await request('GET', `${list(customer)}?${query}`);
    return body.items.map((item: { id: string }) => item.id);
  };
  t.same(await ids('order_id=rl2m7s0IxMl5'), [licenses.subscription_id]);
  t.same(await ids('MPN_ID=1234567'), [customer.subscriptionId]);
  t.same(await ids('order_id=rl2m7s0IxMl5&mpn_id=1234567'), []);
  t.equal((await request('GET', `${list(customer)}?orderid=x`)).status, 400, 'a misspelt filter is refused');
});

t.test('every agent reads a subscription, and no member of it is null', async (t) => {
  const customer = await service.newCustomer();
  const { subscription } = await addAzureGlobal(service, customer);
  for (const token of [service.tokens.admin, service.tokens.sales, service.tokens.helpdesk, service.tokens.appOnly]) {
    const { status, headers, body } = await request('GET', one(customer, subscription.subscription_id), { token });
    t.equal(status, 200);
    t.equal(headers.get('etag'), `"${body.attributes.etag}"`);
    t.match(body, {
      offerId: 'MS-AZR-0145P',
      entitlementId: subscription.entitlement_id,
      commitmentEndDate: '9999-12-10T00:00:00Z',
      contractType: 'subscription',
    });
    t.notOk(JSON.stringify(body).includes('null'));
  }
  t.equal((await request('GET', one(customer, subscription.subscription_id.toUpperCase()))).status, 200);
});

t.test('what is not there is 404, and another partner’s customer is told from an absent one by nothing', async (t) => {
  const customer = await service.newCustomer();
  const token = service.tokens.fabrikamAdmin;
  const absent = { ...customer, customerId: randomUUID() };
  const answers = async (method: string, end = '', body?: object) => {
    const call = async (of: MadeCustomer) => {
      const { status, text } = await request(method, `${one(of, customer.subscriptionId)}${end}`, { token, body });
      return { status, text };
    };
    const [foreign, missing] = [await call(customer), await call(absent)];
    t.same(foreign, missing);
    t.match(JSON.parse(foreign.text), { code: '60003' });
  };
  await answers('GET');
  await answers('PATCH', '', { status: 'suspended', attributes: { etag: 'stale' } });
  await answers('POST', '/registrations');
  await answers('GET', '/registrationstatus');
  t.match(await request('GET', list(customer), { token }), { status: 404, body: { code: '60003' } });
  const missing = one(customer, randomUUID());
  t.match(await request('GET', missing), { status: 404, body: { code: '20003' } });
  t.match(await request('PATCH', missing, { body: { status: 'active' } }), { status: 404, body: { code: '20003' } });
  const elsewhere = await service.newCustomer();
  t.match(await request('GET', one(elsewhere, customer.subscriptionId)), { status: 404, body: { code: '20003' } });
});

t.test('only an AdminAgent changes a subscription', async (t) => {
  const customer = await service.newCustomer();
  for (const token of [service.tokens.sales, service.tokens.helpdesk]) {
    const renamed = await request('PATCH', one(customer, customer.subscriptionId), {
      token,
      body: { friendlyName: 'x' },
    });
    t.match(renamed, { status: 403, body: { code: '900150' } });
    const registered = await request('POST', `${one(customer, customer.subscriptionId)}/registrations`, { token });
    t.match(registered, { status: 403, body: { code: '900150' } });
  }
});

t.test('the whole resource goes back as it was read, with one change, which is logged once', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: id } = await addSubscription(service, customer);
  const { body: read } = await request('GET', one(customer, id));
  const sent = { ...read, quantity: 12, friendlyName: 'Second floor', autoRenewEnabled: false, offerName: 'forged' };
  const changed = await request('PATCH', one(customer, id), { body: sent });
  t.match(changed, {
    status: 200,
    body: { quantity: 12, friendlyName: 'Second floor', autoRenewEnabled: false, offerName: read.offerName },
  });
  t.not(changed.body.attributes.etag, read.attributes.etag);
  t.same((await request('GET', one(customer, id))).body, changed.body);

  const again = await request('PATCH', one(customer, id), { body: changed.body });
  t.same(again.body, changed.body, 'nothing changed, the etag neither');
  const log = await logOf(service, customer);
  t.equal(log.length, 1);
  t.match(log[0], {
    action: 'Update Subscription',
    type: 'subscription',
    id,
    old: { Quantity: 10, FriendlyName: 'Microsoft 365 Business Basic', Attributes: { Etag: read.attributes.etag } },
    new: { Quantity: 12, FriendlyName: 'Second floor', Attributes: { Etag: changed.body.attributes.etag } },
  });
});

t.test('the .NET form is read: names in PascalCase, nulls, and defaults that mean "not set"', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: id } = await addSubscription(service, customer);
  const body = {
    Id: null,
    FriendlyName: null,
    Quantity: 0,
    UnitType: null,
    CreationDate: '0001-01-01T00:00:00',
    Status: 'none',
    AutoRenewEnabled: true,
    BillingType: 'none',
    SuspensionReasons: null,
    Links: null,
    Attributes: { Etag: null, ObjectType: 'Subscription' },
  };
  t.match(await request('PATCH', one(customer, id), { body }), {
    status: 200,
    body: { quantity: 10, status: 'active', billingType: 'license', creationDate: '2025-03-01T09:00:00Z' },
  });
  t.match(await request('PATCH', one(customer, id), { body: { ...body, Status: 'Suspended' } }), {
    status: 200,
    body: { quantity: 10, status: 'suspended', suspensionReasons: ['PartnerRequest'] },
  });
});

t.test(
  'a stale etag is 412 in If-Match and 400 with code 2055 in the body; without one the change is made',
  async (t) => {
    const customer = await service.newCustomer();
    const { subscription_id: id } = await addSubscription(service, customer);
    const etagOf = async () => (await request('GET', one(customer, id))).body.attributes.etag;
    const patch = (friendlyName: string, ifMatch?: string, etag?: string) =>
      request('PATCH', one(customer, id), {
        body: { friendlyName, ...(etag && { attributes: { etag } }) },
        headers: ifMatch ? { 'if-match': ifMatch } : {},
      });
    const first = await etagOf();
    t.equal((await patch('a', `"${first}"`)).status, 200);
    t.equal((await patch('b', undefined, await etagOf())).status, 200);
    t.equal((await patch('c', undefined, `"${await etagOf()}"`)).status, 200, 'quotes around it are the header’s');
    t.match(await patch('d', `"${first}"`), { status: 412, body: { code: '990019' } });
    t.match(await patch('d', `W/"${await etagOf()}"`), { status: 412 });
    t.match(await patch('d', first), { status: 400 }, 'without quotes it is no ETag');
    t.match(await patch('d', undefined, first), { status: 400, body: { code: '2055' } });
    t.equal((await patch('e')).body.friendlyName, 'e');
    const etag = await etagOf();
    const racing = await Promise.all(['f', 'g', 'h', 'i'].map((name) => patch(name, undefined, etag)));
    t.same(
      racing.map((answer) => answer.status).sort(),
      [200, 400, 400, 400],
      'one of several with the same etag wins',
    );
  },
);

t.test('a quantity is that of licenses of an active subscription; where usage is billed it stays 1', async (t) => {
  const customer = await service.newCustomer();
  const patch = (id: string, body: object) => request('PATCH', one(customer, id), { body });
  t.match(await patch(customer.subscriptionId, { quantity: 2 }), { status: 400, body: { code: '2001' } });
  t.equal((await patch(customer.subscriptionId, { quantity: 1 })).status, 200);
  const { subscription_id: id } = await addSubscription(service, customer);
  t.match(await patch(id, { quantity: 11, status: 'suspended' }), { status: 400, body: { code: '2001' } });
  t.equal((await patch(id, { status: 'suspended' })).status, 200);
  t.match(await patch(id, { quantity: 11 }), { status: 400, body: { code: '2001' } });
  t.match(await patch(id, { quantity: 11, status: 'active' }), { status: 200, body: { quantity: 11 } });
  for (const quantity of [-1, 1.5, '11', 2 ** 31]) {
    t.match(await patch(id, { quantity }), { status: 400, body: { code: '3000' } });
  }
  t.match(await patch(id, { id: randomUUID() }), { status: 400, body: { code: '3000' } });
  t.match(await patch(id, { friendlyName: '' }), { status: 400, body: { code: '3000' } });
  t.match(await patch(id, { status: 'frozen' }), { status: 400, body: { code: '3000' } });
});

t.test('suspending and reactivating are the only changes of status', async (t) => {
  const customer = await service.newCustomer();
  const patch = (id: string, body: object) => request('PATCH', one(customer, id), { body });
  const refused = { status: 400, body: { code: '900141' } };
  const { subscription_id: active } = await addSubscription(service, customer);
  for (const status of ['deleted', 'expired', 'pending', 'disabled']) t.match(await patch(active, { status }), refused);
  for (const status of ['deleted', 'expired', 'pending', 'disabled'] as const) {
    const { subscription_id: id } = await addSubscription(service, customer, { status });
    t.match(await patch(id, { status: 'active' }), refused);
    t.match(await patch(id, { status: 'suspended' }), refused);
    t.match(await patch(id, { status, friendlyName: 'kept' }), { status: 200, body: { status, friendlyName: 'kept' } });
  }
  t.match(await patch(active, { status: 'suspended' }), { body: { suspensionReasons: ['PartnerRequest'] } });
  const back = await patch(active, { status: 'active' });
  t.equal(back.body.status, 'active');
  t.notOk('suspensionReasons' in back.body);
});

t.test('nothing is reactivated for a customer whose relationship has ended', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: id } = await addSubscription(service, customer, { status: 'suspended' });
  await service.sql("update customers set relationship = 'none' where customer_id = $1", [customer.customerId]);
  const answer = await request('PATCH', one(customer, id), { body: { status: 'active' } });
  t.match(answer, { status: 403, body: { code: '20002' } });
});

t.test('an Azure plan with an active Azure subscription cannot be suspended', async (t) => {
  const customer = await service.newCustomer();
  const path = one(customer, customer.subscriptionId);
  const refused = await request('PATCH', path, { body: { status: 'suspended' } });
  t.match(refused, { status: 403, body: { code: '900115' } });
  t.match(refused.body.data[0], customer.azureSubscriptionId);
  t.equal((await request('GET', path)).body.status, 'active');
  t.equal((await logOf(service, customer)).length, 0);
  await service.sql("update azure_subscriptions set status = 'inactive' where customer_id = $1", [customer.customerId]);
  const deleted = await addAzureSubscription(service, customer, customer.subscriptionId, { arm_state: 'Deleted' });
  for (const status of ['suspended', 'active']) {
    t.match(await request('PATCH', path, { body: { status } }), { status: 200, body: { status } });
    t.match(await stateOf(deleted.azure_subscription_id), { arm_state: 'Deleted' });
  }
});

t.test(
  'the Azure subscription of MS-AZR-0145P follows it, and so does the permission, in one transaction',
  async (t) => {
    const customer = await service.newCustomer();
    const { subscription, azure } = await addAzureGlobal(service, customer);
    const cancelled = await addAzureGlobal(service, customer, { status: 'inactive', arm_state: 'Disabled' });
    await service.sql(
      `update role_assignments set scope = $2, scope_key = $2, azure_subscription_id = $3 where customer_id = $1`,
      [customer.customerId, `/subscriptions/${azure.azure_subscription_id}`, azure.azure_subscription_id],
    );
    t.equal((await request('PUT', permission(customer), { body: { state: 'on' } })).status, 201);
    const path = one(customer, subscription.subscription_id);

    t.equal((await request('PATCH', path, { body: { status: 'suspended' } })).status, 200);
    t.same(await stateOf(azure.azure_subscription_id), { status: 'active', arm_state: 'Disabled' });
    t.match((await request('GET', permission(customer))).body, { state: 'on', effective: false });

    t.equal((await request('PATCH', path, { body: { status: 'active' } })).status, 200);
    t.same(await stateOf(azure.azure_subscription_id), { status: 'active', arm_state: 'Enabled' });
    t.match((await request('GET', permission(customer))).body, { state: 'on', effective: true });
    t.same(
      (await logOf(service, customer)).map((entry) => entry.action),
      [
        'Create Customer Purchase Permissions',
        'Update Subscription',
        'Lapse Customer Purchase Permissions',
        'Update Subscription',
        'Restore Customer Purchase Permissions',
      ],
    );

    const other = one(customer, cancelled.subscription.subscription_id);
    await request('PATCH', other, { body: { status: 'suspended' } });
    await request('PATCH', other, { body: { status: 'active' } });
    t.same(
      await stateOf(cancelled.azure.azure_subscription_id),
      { status: 'inactive', arm_state: 'Disabled' },
      'what was cancelled by itself stays cancelled',
    );
  },
);

t.test('a change is repeated under its MS-RequestId without acting twice', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: id } = await addSubscription(service, customer);
  const headers = { 'ms-requestid': randomUUID() };
  const body = { friendlyName: 'once' };
  const first = await request('PATCH', one(customer, id), { body, headers });
  const second = await request('PATCH', one(customer, id), { body, headers });
  t.same(second.body, first.body);
  t.equal(second.headers.get('ms-replayed'), 'true');
  t.equal((await logOf(service, customer)).length, 1);
});

t.test('an Azure plan is registered once, with any of the bodies that clients send', async (t) => {
  const customer = await service.newCustomer();
  const path = one(customer, customer.subscriptionId);
  const location = `/customers/${customer.customerId}/subscriptions/${customer.subscriptionId}/registrationstatus`;
  t.match(await request('GET', `${path}/registrationstatus`), {
    status: 200,
    body: {
      subscriptionId: customer.subscriptionId,
      status: 'notregistered',
      attributes: { objectType: 'SubscriptionRegistrationStatus' },
    },
  });
  for (const options of [
    {},
    { body: 'null' },
    { body: '{}' },
    { headers: { 'content-type': 'application/json', 'content-length': '0' } },
  ]) {
    const { status, text, headers } = await request('POST', `${path}/registrations`, options);
    t.same({ status, text, location: headers.get('location') }, { status: 202, text: '', location });
  }
  t.equal((await request('GET', `/v1${location}`)).body.status, 'registered');
  const log = await logOf(service, customer);
  t.equal(log.length, 1);
  t.match(log[0], { action: 'Update Subscription', old: { Status: 'notregistered' }, new: { Status: 'registered' } });
});

t.test('what is no Azure subscription, or not active, is not registered', async (t) => {
  const customer = await service.newCustomer();
  const { subscription_id: licenses } = await addSubscription(service, customer);
  const { subscription } = await addAzureGlobal(service, customer);
  const register = (id: string) => request('POST', `${one(customer, id)}/registrations`);
  t.match(await register(licenses), { status: 400, body: { code: '800011' } });
  t.equal((await register(subscription.subscription_id)).status, 202);
  await service.sql("update subscriptions set status = 'suspended' where customer_id = $1", [customer.customerId]);
  t.match(await register(customer.subscriptionId), { status: 400, body: { code: '800012' } });
});
