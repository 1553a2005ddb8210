import { randomUUID } from 'node:crypto';
import t from 'tap';
import { type MadeCustomer, startService } from '../../helpers/service.js';
import { acceptAgreement, GLOBAL, newBuyer, newItem, newReserver, PLAN, register } from '../orders/buy.js';
import { addSubscription, logOf } from '../subscriptions/insert.js';

const service = await startService(t, { poolMax: '12' });
const { request, tokens, sql } = service;
const list = ({ customerId }: MadeCustomer) => `/v1/customers/${customerId}/carts`;
const line = (over: object = {}) => ({ catalogItemId: PLAN, quantity: 1, billingCycle: 'one_time', ...over });
const create = async (customer: MadeCustomer, ...lineItems: object[]) => {
  const { status, body, text } = await request('POST', list(customer), { body: { lineItems } });
  if (status !== 201) throw new Error(text);
  return { ...body, path: `${list(customer)}/${body.id}` };
};
const checkout = (path: string) => request('POST', `${path}/checkout`);
const count = async (customer: MadeCustomer, table: string) =>
  (await sql<{ n: number }>(`select count(*)::int as n from ${table} where customer_id = $1`, [customer.customerId]))[0]
    ?.n;
const reservation = (customer: MadeCustomer, catalogItemId: string, over: object = {}, context: object = {}) =>
  line({
    catalogItemId,
    termDuration: 'P1Y',
    provisioningContext: { subscriptionId: customer.subscriptionId, scope: 'shared', ...context },
    ...over,
  });

t.test('a cart is created, read, changed and lives seven days', async (t) => {
  const customer = await newBuyer(service);
  const cart = await create(customer, line({ friendlyName: 'Our plan' }));
  t.match(cart, {
    id: /^[0-9a-f-]{36}$/,
    lastModifiedUser: /^[0-9a-f-]{36}$/,
    status: 'Active',
    lineItems: [
      { id: 0, catalogItemId: PLAN, friendlyName: 'Our plan', quantity: 1, billingCycle: 'one_time', orderGroup: '0' },
    ],
    attributes: { etag: '1', objectType: 'Cart' },
  });
  t.equal(Date.parse(cart.expirationTimestamp) - Date.parse(cart.creationTimestamp), 7 * 86_400_000);
  const { path, ...body } = cart;
  t.same((await request('GET', path, { token: tokens.helpdesk })).body, body);

  const changed = await request('PUT', path, {
    body: { ...body, lineItems: [...body.lineItems, line({ catalogItemId: GLOBAL, billingCycle: 'monthly' })] },
  });
  t.match(changed, {
    status: 200,
    body: {
      id: cart.id,
      lineItems: [
        { id: 0, orderGroup: '0' },
        { id: 1, orderGroup: '1' },
      ],
      attributes: { etag: '2' },
    },
  });
  t.match(await request('PUT', path, { body }), { status: 400, body: { code: '2055' } }, 'with the etag of before');
  const { attributes: _, ...rest } = body;
  t.match(
    await request('PUT', path, {
      body: {
        ...rest,
        lineItems: [line({ id: 1, catalogItemId: GLOBAL, billingCycle: null }), line({ id: 0 }), line({ id: 0 })],
      },
    }),
    {
      status: 200,
      body: { lineItems: [{ id: 1, billingCycle: 'monthly' }, { id: 0 }, { id: 2 }] },
    },
  );
  t.match(await request('PUT', path, { body: { ...rest, id: randomUUID() } }), { status: 400, body: { code: '3000' } });

  await sql(`update carts set expires_on = now() where cart_id = $1`, [cart.id]);
  for (const [method, suffix] of [
    ['GET', ''],
    ['PUT', ''],
    ['POST', '/checkout'],
  ] as const) {
    const answer = await request(method, `${path}${suffix}`, method === 'PUT' ? { body: rest } : {});
    t.match(answer, { status: 404, body: { code: '800008' } }, method);
  }
  t.equal(await count(customer, 'orders'), 0);
});

t.test('what is wrong with a line stands on the line, and such a cart is not checked out', async (t) => {
  const customer = await newReserver(service);
  const item = await newItem(service);
  const licenses = await addSubscription(service, customer);
  const wrong: [number, object][] = [
    [10000, reservation(customer, item, { currencyCode: 'EUR' })],
    [10001, line({ catalogItemId: 'nothing' })],
    [10001, line({ catalogItemId: 'DZH318Z0BQ3W:007J:DZH318Z0BG93' })],
    [10001, line({ catalogItemId: 'DZH318Z0BPS6:0001:DZH318Z0XXXX' })],
    [10006, line()],
    [10006, line({ catalogItemId: GLOBAL, billingCycle: 'monthly' })],
    [10006, reservation(customer, item, { addonItems: [{ catalogItemId: PLAN }] })],
    [10007, reservation(customer, item, {}, { subscriptionId: randomUUID() })],
    [10007, reservation(customer, item, {}, { subscriptionId: licenses.subscription_id })],
    [10007, reservation(customer, item, {}, { entitlementId: randomUUID() })],
    [10010, reservation(customer, item, { quantity: 0 })],
    [10010, reservation(customer, item, { billingCycle: 'annual' })],
    [10010, reservation(customer, item, { termDuration: 'P5Y' })],
    [10010, reservation(customer, item, {}, { scope: 'single' })],
    [10010, reservation(customer, item, { provisioningContext: null })],
  ];
  const cart = await create(customer, ...wrong.map(([, one]) => one), reservation(customer, item));
  for (const [index, [errorCode]] of wrong.entries()) {
    const one = cart.lineItems[index];
    t.match(one, { id: index, error: { errorCode, errorDescription: /\S/ } }, JSON.stringify(one));
    t.notOk('orderGroup' in one);
  }
  t.notOk('error' in cart.lineItems.at(-1));
  const refused = await checkout(cart.path);
  t.match(refused, { status: 400, body: { code: '800009' } });
  t.equal(refused.body.data.length, wrong.length);
  t.match(refused.body.data[1], /^Line 1: /);

  await register(service, customer, 'notregistered');
  const unregistered = await create(customer, reservation(customer, item));
  t.match(unregistered.lineItems, [{ error: { errorCode: 10011 } }]);
  await register(service, customer);
  t.match(
    await checkout(unregistered.path),
    { status: 400, body: { code: '800009' } },
    'the line was judged when it was written',
  );
  const { path, ...body } = unregistered;
  t.match(await request('PUT', path, { body }), { status: 200, body: { lineItems: [{ orderGroup: '0' }] } });
  t.match(await checkout(path), { status: 201, body: { orders: [{ status: 'completed' }] } });
  t.equal(await count(customer, 'orders'), 1);
});

t.test('ten checkouts at once order once and answer the same', async (t) => {
  const customer = await newReserver(service);
  const cart = await create(customer, reservation(customer, await newItem(service), { quantity: 2 }));
  const answers = await Promise.all(Array.from({ length: 10 }, () => checkout(cart.path)));
  t.same(new Set(answers.map(({ status }) => status)), new Set([201]));
  t.equal(new Set(answers.map(({ text }) => text)).size, 1);
  for (const table of ['orders', 'reservation_orders', 'reservations']) t.equal(await count(customer, table), 1, table);
  t.same(
    (await logOf(service, customer)).map(({ action }) => action),
    ['Create Order'],
  );
  const [order] = answers[0]?.body.orders ?? [];
  t.same((await request('GET', `/v1/customers/${customer.customerId}/orders/${order.id}`)).body, order);
  t.match((await request('GET', cart.path)).body, { status: 'Ordered' });

  const { path, ...body } = cart;
  t.match(await request('PUT', path, { body: { lineItems: body.lineItems } }), {
    status: 400,
    body: { code: '800065' },
  });
  await sql(`update carts set expires_on = now() where cart_id = $1`, [cart.id]);
  await sql(`update customers set relationship = 'none' where customer_id = $1`, [customer.customerId]);
  t.equal((await checkout(path)).text, answers[0]?.text, 'the first result, whatever has become of the customer');
});

t.test('a cart becomes one order for each group, of which one can fail and be tried again', async (t) => {
  const customer = await newReserver(service);
  const [one, other] = [await newItem(service), await newItem(service)];
  const cart = await create(
    customer,
    reservation(customer, one),
    reservation(customer, other, { billingCycle: 'monthly' }),
    reservation(customer, other, { quantity: 3 }),
  );
  t.same(
    cart.lineItems.map(({ orderGroup }: { orderGroup: string }) => orderGroup),
    ['0', '1', '0'],
  );
  // Between cart and checkout a price goes away: everything of its group fails, and nothing of the other.
  await sql(`update retail_prices set effective_on = now() + interval '1 day' where sku_id = $1`, [one.split(':')[1]]);
  const first = await checkout(cart.path);
  t.match(first, {
    status: 201,
    body: {
      orders: [{ billingCycle: 'monthly', lineItems: [{ offerId: other, quantity: 1 }] }],
      orderErrors: [{ orderGroupId: '0', code: Number, description: /\S/ }],
    },
  });
  t.equal(first.body.orders.length, 1);
  t.equal(await count(customer, 'reservation_orders'), 1);
  t.match((await checkout(cart.path)).body, {
    orders: [{ id: first.body.orders[0].id }],
    orderErrors: [{ orderGroupId: '0' }],
  });
  await sql(`update retail_prices set effective_on = '2026-01-01' where sku_id = $1`, [one.split(':')[1]]);
  const second = await checkout(cart.path);
  t.match(second.body.orders, [
    { id: first.body.orders[0].id },
    { lineItems: [{ offerId: one }, { offerId: other, quantity: 3 }] },
  ]);
  t.notOk('orderErrors' in second.body);
  t.equal((await checkout(cart.path)).text, second.text);
  t.equal(await count(customer, 'reservation_orders'), 3);
});

t.test('a cart of which nothing can be ordered stays, with the code that an order would have', async (t) => {
  const customer = await newBuyer(service);
  const [cart, twin] = [await create(customer, line()), await create(customer, line())];
  const answers = await Promise.all([checkout(cart.path), checkout(twin.path)]);
  t.same(
    answers.map(({ status }) => status),
    [201, 201],
  );
  t.equal(answers.filter(({ body }) => body.orders.length === 1).length, 1);
  t.match(answers.find(({ body }) => body.orders.length === 0)?.body, {
    orderErrors: [{ orderGroupId: '0', code: 800066 }],
  });
  const states = await Promise.all([cart, twin].map(async ({ path }) => (await request('GET', path)).body.status));
  t.same(states.sort(), ['Active', 'Ordered']);
  for (const table of ['subscriptions', 'azure_subscriptions', 'orders'])
    t.equal(await count(customer, table), 1, table);
});

t.test('what one group buys is there for the next', async (t) => {
  const customer = await newBuyer(service);
  const cart = await create(customer, line(), line({ catalogItemId: GLOBAL, billingCycle: 'monthly' }));
  t.match((await checkout(cart.path)).body, {
    orders: [{ lineItems: [{ offerId: PLAN }] }],
    orderErrors: [{ orderGroupId: '1', code: 800020 }],
  });
  t.equal(await count(customer, 'subscriptions'), 1);
});

t.test('without the agreement or the relationship nothing is ordered', async (t) => {
  const customer = await service.newCustomer({ eligible: false });
  const cart = await create(customer, line());
  t.match(await checkout(cart.path), { status: 403, body: { code: '13605' } });
  await acceptAgreement(service, customer);
  await sql(`update customers set relationship = 'none' where customer_id = $1`, [customer.customerId]);
  const noRelationship = { status: 403, body: { code: '20002' } };
  t.match(await checkout(cart.path), noRelationship);
  t.match(await request('POST', list(customer), { body: { lineItems: [line()] } }), noRelationship);
  t.match(await request('PUT', cart.path, { body: { lineItems: [line()] } }), noRelationship);
  await sql(`update customers set relationship = 'reseller' where customer_id = $1`, [customer.customerId]);
  t.match(await checkout(cart.path), { status: 201, body: { orders: [{ lineItems: [{ offerId: PLAN }] }] } });
});

t.test('the body of the .NET SDK is understood, and its reseller becomes the partner of record', async (t) => {
  const customer = await newBuyer(service);
  const body = {
    Id: null,
    CreationTimestamp: null,
    LastModifiedTimestamp: null,
    ExpirationTimestamp: null,
    LastModifiedUser: null,
    Status: null,
    LineItems: [
      {
        Id: 0,
        CatalogItemId: PLAN,
        FriendlyName: null,
        Quantity: 1,
        CurrencyCode: null,
        BillingCycle: 'OneTime',
        TermDuration: null,
        Participants: [{ Key: 'transaction_reseller', Value: '4711' }],
        ProvisioningContext: null,
        OrderGroup: null,
        AddonItems: null,
        RenewsTo: null,
        Error: null,
      },
    ],
    Attributes: { ObjectType: 'Cart' },
  };
  const made = await request('POST', list(customer), { body });
  t.match(made, {
    status: 201,
    body: { lineItems: [{ billingCycle: 'one_time', participants: [{ value: '4711' }] }] },
  });
  const bought = await request('POST', `${list(customer)}/${made.body.id}/checkout`, { body: 'null' });
  t.match(bought, { status: 201, body: { orders: [{ lineItems: [{ partnerIdOnRecord: '4711' }] }] } });
});

t.test('bad carts and foreign ones are refused', async (t) => {
  const customer = await newBuyer(service);
  const cart = await create(customer, line());
  const bad = { status: 400, body: { code: '3000' } };
  for (const lineItems of [
    [],
    null,
    [null],
    [{ quantity: 1 }],
    [line({ quantity: '1' })],
    [line({ quantity: 2 ** 31 })],
    [line({ billingCycle: 'weekly' })],
    [line({ id: -1 })],
    [line({ participants: [{ key: 'a' }] })],
    Array(101).fill(line()),
  ]) {
    t.match(
      await request('POST', list(customer), { body: { lineItems } }),
      bad,
      JSON.stringify(lineItems)?.slice(0, 80),
    );
    t.match(await request('PUT', cart.path, { body: { lineItems } }), bad);
  }
  const put = { body: { lineItems: [line()] } };
  for (const token of [tokens.sales, tokens.helpdesk]) {
    for (const [method, path] of [
      ['POST', list(customer)],
      ['PUT', cart.path],
      ['POST', `${cart.path}/checkout`],
    ] as const) {
      t.match(await request(method, path, { ...(path.endsWith('checkout') ? {} : put), token }), {
        status: 403,
        body: { code: '900150' },
      });
    }
  }
  for (const [method, path, options] of [
    ['POST', list(customer), put],
    ['GET', cart.path, {}],
    ['PUT', cart.path, put],
    ['POST', `${cart.path}/checkout`, {}],
  ] as const) {
    const token = tokens.fabrikamAdmin;
    const foreign = await request(method, path, { ...options, token });
    t.match(foreign, { status: 404, body: { code: '60003' } });
    const absent = await request(method, path.replace(customer.customerId, randomUUID()), { ...options, token });
    t.equal(foreign.text, absent.text);
    if (path !== list(customer)) {
      const other = await newBuyer(service);
      t.match(await request(method, path.replace(customer.customerId, other.customerId), options), {
        status: 404,
        body: { code: '800008' },
      });
    }
  }
});
