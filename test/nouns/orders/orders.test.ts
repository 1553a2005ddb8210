import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t from 'tap';
import { WAITING } from '../../helpers/locks.js';
import { ADMIN_AGENTS, CONTOSO, type MadeCustomer, startService } from '../../helpers/service.js';
import { addAzureGlobal, addSubscription, logOf } from '../subscriptions/insert.js';
import { acceptAgreement, GLOBAL, newBuyer, newItem, newReserver, PLAN, register } from './buy.js';

const service = await startService(t, { poolMax: '12' });
const { request, tokens, sql } = service;
const list = ({ customerId }: MadeCustomer) => `/v1/customers/${customerId}/orders`;
const line = (over: object = {}) => ({ lineItemNumber: 0, offerId: PLAN, quantity: 1, ...over });
const order = (customer: MadeCustomer, ...lines: object[]) =>
  request('POST', list(customer), { body: { billingCycle: 'one_time', lineItems: lines } });
const count = async (customer: MadeCustomer, table: string) =>
  (await sql<{ n: number }>(`select count(*)::int as n from ${table} where customer_id = $1`, [customer.customerId]))[0]
    ?.n;

t.test('an Azure plan comes with its first Azure subscription, and the partner is Owner of it', async (t) => {
  const customer = await newBuyer(service);
  const { status, body } = await order(customer, line({ friendlyName: 'Our plan' }));
  t.match(
    { status, body },
    {
      status: 201,
      body: {
        id: /^[0-9a-f-]{36}$/,
        referenceCustomerId: customer.customerId,
        billingCycle: 'one_time',
        transactionType: 'UserPurchase',
        currencyCode: 'USD',
        currencySymbol: '$',
        status: 'completed',
        lineItems: [
          { lineItemNumber: 0, offerId: PLAN, friendlyName: 'Our plan', quantity: 1, transactionType: 'New' },
        ],
        purchasedBy: { origin: 'partner', userPrincipalName: /@/, id: /^[0-9a-f-]{36}$/ },
        attributes: { objectType: 'Order' },
      },
    },
  );
  const [bought] = body.lineItems;
  t.equal(bought.links.subscription.uri, `/customers/${customer.customerId}/subscriptions/${bought.subscriptionId}`);
  t.notOk('pricing' in bought || 'totalPrice' in body);

  const subscription = `/v1/customers/${customer.customerId}/subscriptions/${bought.subscriptionId}`;
  t.match((await request('GET', subscription)).body, {
    offerId: PLAN,
    friendlyName: 'Our plan',
    status: 'active',
    billingType: 'usage',
    billingCycle: 'one_time',
    partnerId: '1234567',
    orderId: body.id,
  });
  t.equal((await request('GET', `${subscription}/registrationstatus`)).body.status, 'notregistered');
  const { items } = (await request('GET', `${subscription}/azureEntitlements`)).body;
  t.match(items, [{ friendlyName: 'Azure subscription 1', status: 'active' }]);
  t.match(await sql('select * from azure_subscriptions where customer_id = $1', [customer.customerId]), [
    { azure_subscription_id: items[0].id, quota_id: 'CSP_2015-05-01', arm_state: 'Enabled' },
  ]);
  t.match(await sql('select * from role_assignments where customer_id = $1', [customer.customerId]), [
    { scope: `/subscriptions/${items[0].id}`, principal_id: ADMIN_AGENTS[CONTOSO], principal_type: 'ForeignGroup' },
  ]);

  const log = await sql(
    `select action, resource_id, actor_type, application_id, customized_data from activity_log where customer_id = $1
      order by seq`,
    [customer.customerId],
  );
  t.match(log, [
    { action: 'Create Order', resource_id: body.id, actor_type: 'user' },
    { action: 'Create Azure Entitlement', resource_id: items[0].id, actor_type: 'user' },
    { action: 'Create Role Assignment', actor_type: 'system', application_id: 'customer-permissions' },
  ]);
  t.same(JSON.parse(log[0]?.customized_data), [
    { key: 'OrderId', value: body.id },
    { key: 'BillingCycle', value: 'one_time' },
    { key: 'PurchasedBy', value: 'ada.admin@contosopartner.onmicrosoft.com' },
    { key: 'OfferId-0', value: PLAN },
    { key: 'SubscriptionId-0', value: bought.subscriptionId },
    { key: 'SubscriptionName-0', value: 'Our plan' },
    { key: 'Quantity-0', value: '1' },
    { key: 'PartnerOnRecord-0', value: '1234567' },
  ]);
  t.match(await request('GET', list(customer).replace('orders', `subscriptions?order_id=${body.id}`)), {
    body: { totalCount: 1 },
  });
});

t.test('the step after a plan is Owner and permission: an order makes a customer eligible again', async (t) => {
  const customer = await service.newCustomer();
  await acceptAgreement(service, customer);
  const permission = `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`;
  t.equal((await request('PUT', permission, { body: { state: 'on' } })).status, 201);
  // An Owner above all subscriptions, and the plan gone: what lapsed comes back with the next plan.
  await sql(
    `update role_assignments set scope = '/', scope_key = '/', scope_level = 'root', azure_subscription_id = null
    where role_assignment_id = $1`,
    [customer.roleAssignmentId],
  );
  const plan = `/v1/customers/${customer.customerId}/subscriptions/${customer.subscriptionId}`;
  t.match(
    await request('POST', `${plan}/azureEntitlements/${customer.azureSubscriptionId}/cancel`, {
      body: { cancellationReason: 'compromise' },
    }),
    { status: 200 },
  );
  t.match((await request('GET', permission)).body, { effective: false });
  await sql(`update subscriptions set status = 'deleted' where subscription_id = $1`, [customer.subscriptionId]);
  t.equal((await order(customer, line())).status, 201);
  t.match((await request('GET', permission)).body, { effective: true });
});

t.test('MS-AZR-0145P names its Azure subscription itself, and needs any agreement', async (t) => {
  const customer = await service.newCustomer({ eligible: false });
  const body = { lineItems: [line({ offerId: 'ms-azr-0145p' })] };
  t.match(await request('POST', list(customer), { body }), { status: 403, body: { code: '13605' } });
  await acceptAgreement(service, customer);
  await sql(`update customer_agreements set agreement_type = 'MicrosoftCloudAgreement' where customer_id = $1`, [
    customer.customerId,
  ]);
  const made = await request('POST', list(customer), { body });
  t.match(made, { status: 201, body: { billingCycle: 'monthly', lineItems: [{ offerId: GLOBAL }] } });
  const [subscription] = await sql('select * from subscriptions where customer_id = $1', [customer.customerId]);
  t.match(await sql('select * from azure_subscriptions where customer_id = $1', [customer.customerId]), [
    { azure_subscription_id: subscription?.entitlement_id, subscription_id: subscription?.subscription_id },
  ]);
  t.equal((await request('POST', list(customer), { body })).status, 201, 'a further one, while there is no plan');
  t.match(
    await order(customer, line()),
    { status: 403, body: { code: '13605' } },
    'the plan needs the newer agreement',
  );
});

t.test('a customer has one Azure plan, and after it no MS-AZR-0145P', async (t) => {
  const customer = await newBuyer(service);
  t.match(await order(customer, line(), line({ lineItemNumber: 1 })), { status: 403, body: { code: '800066' } });
  t.equal(await count(customer, 'subscriptions'), 0, 'nothing of a refused order is there');
  t.equal((await order(customer, line())).status, 201);
  const again = await order(customer, line());
  t.match(again, { status: 403, body: { code: '800066', description: /Add an Azure subscription/ } });
  const body = { lineItems: [line({ offerId: GLOBAL })] };
  t.match(await request('POST', list(customer), { body }), { status: 403, body: { code: '800020' } });

  await sql(`update subscriptions set status = 'suspended' where customer_id = $1`, [customer.customerId]);
  t.match(await order(customer, line()), { status: 403, body: { code: '800066', description: /Reactivate/ } });
  t.match(await request('POST', list(customer), { body }), { status: 403, body: { code: '800020' } });
  await sql(`update subscriptions set status = 'deleted' where customer_id = $1`, [customer.customerId]);
  t.equal((await order(customer, line())).status, 201);
});

t.test('ten orders at once leave exactly one plan', async (t) => {
  const customer = await newBuyer(service);
  // Writers wait at the table until some have gathered: whoever decided without the lock has decided on the same state.
  const gate = new pg.Client({ connectionString: service.urls.superuser });
  await gate.connect();
  await gate.query('begin; lock table subscriptions in exclusive mode');
  const sent = Array.from({ length: 10 }, () => order(customer, line()));
  for (let waiting = 0; waiting < 3; await setTimeout(5)) {
    waiting = (await sql(WAITING)).length;
  }
  await gate.query('commit');
  await gate.end();
  const answers = await Promise.all(sent);
  t.same(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(403)]);
  for (const table of ['subscriptions', 'orders', 'azure_subscriptions', 'role_assignments']) {
    t.equal(await count(customer, table), 1, table);
  }
});

t.test('a partner whose AdminAgents group is not known becomes Owner of nothing', async (t) => {
  const customer = await newBuyer(service);
  await sql('update partners set admin_agents_group_id = null where partner_id = $1', [CONTOSO]);
  t.equal((await order(customer, line())).status, 201);
  await sql('update partners set admin_agents_group_id = $2 where partner_id = $1', [CONTOSO, ADMIN_AGENTS[CONTOSO]]);
  t.equal(await count(customer, 'role_assignments'), 0);
  t.same(
    (await logOf(service, customer)).map(({ action }) => action),
    ['Create Order', 'Create Azure Entitlement'],
  );
});

t.test('each refusal has its code and leaves nothing', async (t) => {
  const customer = await newBuyer(service);
  const refused = async (code: string, lines: object[], body: object = {}, status = 400) => {
    const answer = await request('POST', list(customer), { body: { lineItems: lines, ...body } });
    t.match(answer, { status, body: { code } }, `${code}: ${answer.text}`);
  };
  await refused('800004', [line({ offerId: '031C9E47-4802-4248-838E-778FB1D2CC05' })]);
  await refused('800004', [line({ offerId: ':::' })]);
  await refused('400013', [line({ offerId: 'DZH318Z0BQ3W:007J:DZH318Z0BG93' })], {}, 404);
  await refused('400018', [line({ offerId: 'DZH318Z0BPS6:0002:DZH318Z0BML6' })], {}, 404);
  await refused('400019', [line({ offerId: 'DZH318Z0BPS6:0001:DZH318Z0XXXX' })], {}, 404);
  await refused('900275', [line({ quantity: 2 })]);
  await refused('900275', [line({ quantity: 0 })]);
  await refused('900275', [line({ quantity: -1 })]);
  await refused('900269', [line()], { billingCycle: 'Annual' });
  await refused('900269', [line({ offerId: GLOBAL })], { billingCycle: 'one_time' });
  await refused('900169', [line()], { currencyCode: 'EUR' });
  await refused('800071', [line(), line()]);
  await refused('800071', [line({ lineItemNumber: 1 })]);
  await refused('3000', []);
  await refused('3000', [line({ quantity: 1.5 })]);
  await refused('3000', [line({ quantity: 2 ** 31 })]);
  await refused('3000', [line({ quantity: '1' })]);
  await refused('3000', [line({ offerId: '' })]);
  await refused('3000', [line()], { billingCycle: 'weekly' });
  await refused('3000', [line()], { referenceCustomerId: randomUUID() });
  await refused('3000', [line({ friendlyName: '' })]);
  t.match(await request('POST', list(customer), { body: '{"lineItems":[{"offerId":"a","quantity":1e400}]}' }), {
    status: 400,
  });
  await sql(`update customers set relationship = 'none' where customer_id = $1`, [customer.customerId]);
  await refused('20002', [line()], {}, 403);
  for (const table of ['orders', 'subscriptions', 'activity_log']) t.equal(await count(customer, table), 0, table);

  for (const token of [tokens.sales, tokens.helpdesk]) {
    t.match(await request('POST', list(customer), { body: { lineItems: [line()] }, token }), {
      status: 403,
      body: { code: '900150' },
    });
    t.equal((await request('GET', list(customer), { token })).status, 200);
  }
  const reserver = await service.newCustomer();
  const user = await tokens.customerUser(reserver.customerId, reserver.ownerUpn);
  t.match(await request('GET', list(reserver), { token: user }), { status: 403 });
  for (const [method, suffix] of [
    ['GET', ''],
    ['POST', ''],
    ['GET', `/${randomUUID()}`],
    ['GET', `/${randomUUID()}/provisioningstatus`],
  ] as const) {
    const options = { token: tokens.fabrikamAdmin, ...(method === 'POST' && { body: { lineItems: [line()] } }) };
    const foreign = await request(method, `${list(customer)}${suffix}`, options);
    t.match(foreign, { status: 404, body: { code: '60003' } });
    const absent = await request(method, `/v1/customers/${randomUUID()}/orders${suffix}`, options);
    t.equal(foreign.text, absent.text);
  }
  t.match(await request('GET', `${list(customer)}/${randomUUID()}`), { status: 404, body: { code: '20000' } });
});

t.test('the bodies of pliancy and of the .NET SDK are understood', async (t) => {
  const customer = await newBuyer(service);
  const pascal = {
    Id: null,
    AlternateId: null,
    ReferenceCustomerId: customer.customerId.toUpperCase(),
    BillingCycle: 'Unknown',
    CurrencyCode: null,
    CreationDate: null,
    Status: null,
    TransactionType: null,
    LineItems: [
      {
        LineItemNumber: 0,
        OfferId: PLAN.toLowerCase(),
        SubscriptionId: null,
        ParentSubscriptionId: null,
        FriendlyName: null,
        Quantity: 1,
        TermDuration: null,
        PartnerIdOnRecord: '4711',
        ProvisioningContext: null,
        Links: null,
      },
    ],
    Attributes: { Etag: null, ObjectType: 'Order' },
  };
  const made = await request('POST', list(customer), { body: pascal });
  t.match(made, {
    status: 201,
    body: { billingCycle: 'one_time', lineItems: [{ offerId: PLAN, partnerIdOnRecord: '4711' }] },
  });
  const [subscription] = await sql('select mpn_id from subscriptions where customer_id = $1', [customer.customerId]);
  t.equal(subscription?.mpn_id, '4711');

  const other = await newBuyer(service);
  const pliancy = {
    billingCycle: 'none',
    lineItems: [{ offerId: 'DZH318Z0BPS6:0001', quantity: 1, lineItemNumber: 0 }],
  };
  t.match(await request('POST', list(other), { body: pliancy }), {
    status: 201,
    body: { lineItems: [{ offerId: PLAN }] },
  });
});

t.test('a repeated request id answers the first order and buys once', async (t) => {
  const customer = await newBuyer(service);
  const options = { body: { lineItems: [line()] }, headers: { 'MS-RequestId': randomUUID() } };
  const first = await request('POST', list(customer), options);
  const second = await request('POST', list(customer), options);
  t.equal(second.text, first.text);
  t.equal(await count(customer, 'orders'), 1);
});

t.test('a reservation is bought for a registered plan, at the price of the partner', async (t) => {
  const customer = await newReserver(service);
  const offerId = await newItem(service, { unitPrice: '600.005' });
  await sql(`insert into price_books values ($1, 1, 'USD', '[{"marginPercent":"10"}]', now(), 'test')`, [CONTOSO]);
  t.teardown(() => sql('delete from price_books'));
  const made = await order(
    customer,
    line({
      offerId: offerId.toLowerCase(),
      quantity: 3,
      termDuration: 'P1Y',
      provisioningContext: { subscriptionId: customer.subscriptionId, scope: 'shared', other: 'x' },
    }),
  );
  t.match(made, { status: 201 }, made.text);
  const [bought] = made.body.lineItems;
  t.match(bought, {
    offerId,
    termDuration: 'P1Y',
    provisioningContext: { subscriptionId: customer.subscriptionId, entitlementId: customer.azureSubscriptionId },
    reservationOrderId: /^[0-9a-f-]{36}$/,
  });
  t.notOk('subscriptionId' in bought);
  t.match(await sql('select * from reservation_orders where customer_id = $1', [customer.customerId]), [
    {
      reservation_order_id: bought.reservationOrderId,
      order_id: made.body.id,
      origin: 'partner',
      unit_minor: '66001',
      total_minor: '198003',
      billing_plan: 'Upfront',
      price_book_version: '1',
      provisioning_state: 'Succeeded',
      billing_subscription_id: customer.azureSubscriptionId,
      owner_ids: [customer.ownerId],
    },
  ]);
  t.match(await sql('select * from reservations where customer_id = $1', [customer.customerId]), [
    { quantity: '3', applied_scope_type: 'Shared', instance_flexibility: 'On', renew: false },
  ]);
  const one = `${list(customer)}/${made.body.id}`;
  t.same((await request('GET', one)).body, made.body);
  t.match((await request('GET', `${one}?Include_Price=True`)).body, {
    totalPrice: 1980.03,
    lineItems: [{ pricing: { listPrice: 600.01, price: 660.01, extendedPrice: 1980.03 } }],
  });
  t.same((await request('GET', `${one}/provisioningstatus`)).body.items, [
    { lineItemNumber: 0, status: 'Fulfilled', quantityProvisioningInformation: [{ quantity: 3, status: 'Fulfilled' }] },
  ]);
  t.match(await logOf(service, customer), [{ action: 'Create Order', id: made.body.id, new: { TotalPrice: 1980.03 } }]);
});

t.test('a reservation names what it is bought for, and each wrong name has its code', async (t) => {
  const customer = await newReserver(service);
  const offerId = await newItem(service);
  const { subscription: global, azure } = await addAzureGlobal(service, customer);
  const licenses = await addSubscription(service, customer);
  const other = await newReserver(service);
  const reservation = (over: object = {}, context: object = {}) =>
    line({
      offerId,
      termDuration: 'P1Y',
      provisioningContext: { subscriptionId: customer.subscriptionId, ...context },
      ...over,
    });
  const refused = async (code: string, wanted: object, status = 400) => {
    const answer = await order(customer, wanted);
    t.match(answer, { status, body: { code } }, `${code}: ${answer.text}`);
  };
  await refused('900317', reservation({ provisioningContext: null }));
  await refused('800011', reservation({}, { subscriptionId: randomUUID() }));
  await refused('800011', reservation({}, { subscriptionId: licenses.subscription_id }));
  await refused('800011', reservation({}, { subscriptionId: other.subscriptionId }));
  await refused('800011', reservation({}, { subscriptionId: 'no guid' }));
  await refused('900313', reservation({}, { scope: 'single' }));
  await refused('900312', reservation({}, { scope: 'managementGroup' }));
  await refused('900315', reservation({}, { entitlementId: azure.azure_subscription_id }));
  await refused('900315', reservation({}, { entitlementId: randomUUID() }));
  await refused('800121', reservation({ termDuration: 'P3Y' }));
  await refused('800121', reservation({ termDuration: 'soon' }));
  await refused('800030', reservation({}, { subscriptionId: global.subscription_id }));
  await sql(`update azure_subscriptions set arm_state = 'Disabled' where azure_subscription_id = $1`, [
    customer.azureSubscriptionId,
  ]);
  await refused('900318', reservation());
  await refused('900314', reservation({}, { subscriptionId: customer.azureSubscriptionId }));
  await sql(`update azure_subscriptions set arm_state = 'Enabled' where azure_subscription_id = $1`, [
    customer.azureSubscriptionId,
  ]);
  await sql(`update subscriptions set transition_in_progress = true where subscription_id = $1`, [
    customer.subscriptionId,
  ]);
  await refused('800082', reservation(), 409);
  await sql(
    `update subscriptions set transition_in_progress = false, status = 'suspended' where subscription_id = $1`,
    [customer.subscriptionId],
  );
  await refused('800012', reservation());
  await sql(`update subscriptions set status = 'active' where subscription_id = $1`, [customer.subscriptionId]);
  await register(service, customer, 'registering');
  await refused('800030', reservation());
  await register(service, customer);
  await sql(`update customers set country = 'lc' where customer_id = $1`, [customer.customerId]);
  await refused('800070', reservation());
  await sql(`update customers set country = 'US' where customer_id = $1`, [customer.customerId]);
  t.equal(await count(customer, 'reservation_orders'), 0);

  const single = await order(
    customer,
    reservation(
      { termDuration: null },
      { scope: 'Single', duration: '1Year', entitlementId: customer.azureSubscriptionId.toUpperCase() },
    ),
  );
  t.equal(single.status, 201, single.text);
  t.match(
    await sql('select applied_scope_type, applied_scope from reservations where customer_id = $1', [
      customer.customerId,
    ]),
    [{ applied_scope_type: 'Single', applied_scope: `/subscriptions/${customer.azureSubscriptionId}` }],
  );
  const monthly = await request('POST', list(customer), {
    body: { billingCycle: 'monthly', lineItems: [reservation({}, { subscriptionId: customer.azureSubscriptionId })] },
  });
  t.match(monthly, { status: 201, body: { billingCycle: 'monthly' } });
});

t.test('the history shows both sides, who bought, and those of one billing cycle', async (t) => {
  const customer = await newReserver(service);
  const offerId = await newItem(service);
  const context = { provisioningContext: { subscriptionId: customer.subscriptionId } };
  const mine = await order(customer, line({ offerId, termDuration: 'P1Y', ...context }));
  const theirs = randomUUID();
  await sql(
    `insert into orders values ($1, $2, $3, 'reservation', 'customer', 'pending', 'monthly', 'USD', 12345, $4, $5, $6,
       now(), now() + interval '1 day', null, null, 1)`,
    [
      CONTOSO,
      customer.customerId,
      theirs,
      JSON.stringify([
        {
          lineItemNumber: 0,
          offerId: 'DZH318Z0BQ35:00TG',
          quantity: 1,
          subscriptionId: customer.azureSubscriptionId,
          reservationOrderId: theirs,
          pricing: { listMinor: 12345, unitMinor: 12345, extendedMinor: 12345 },
        },
      ]),
      customer.ownerId,
      customer.ownerUpn,
    ],
  );
  const all = (await request('GET', list(customer))).body;
  t.match(all, {
    totalCount: 2,
    items: [
      { id: mine.body.id, status: 'completed', purchasedBy: { origin: 'partner' } },
      {
        id: theirs,
        status: 'pending',
        purchasedBy: { origin: 'customer', userPrincipalName: customer.ownerUpn, id: customer.ownerId },
      },
    ],
    links: { self: { uri: `/customers/${customer.customerId}/orders` } },
  });
  const ids = async (query: string) =>
    (await request('GET', `${list(customer)}?${query}`)).body.items.map(({ id }: { id: string }) => id);
  t.same(await ids('billingType=monthly'), [theirs]);
  t.same(await ids('billingType=OneTime&include_price=False'), [mine.body.id]);
  t.same(await ids('billingType=onetime'), [mine.body.id]);
  t.same(await ids('billingType=unknown'), []);
  t.match(await request('GET', `${list(customer)}?include_price=true`), {
    body: { items: [{ totalPrice: 600 }, { totalPrice: 123.45 }] },
  });
  t.match(await request('GET', `${list(customer)}?include_price=1`), { status: 400 });
  t.match(await request('GET', `${list(customer)}?billingType=never`), { status: 400 });
  t.match((await request('GET', `${list(customer)}/${theirs}/provisioningstatus`)).body.items, [
    { status: 'PrefulfillmentPending' },
  ]);
  await sql('update orders set approval_expires_on = now() where order_id = $1', [theirs]);
  t.match(
    await request('GET', `${list(customer)}/${theirs}`),
    { body: { status: 'cancelled' } },
    'nobody approved it in time',
  );
  await sql(`update orders set status = 'cancelled', approval_expires_on = null where order_id = $1`, [theirs]);
  t.match((await request('GET', `${list(customer)}/${theirs}/provisioningstatus`)).body.items, [
    { status: 'Unfulfilled' },
  ]);
});
