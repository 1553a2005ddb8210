import { randomUUID } from 'node:crypto';
import t from 'tap';
import { createLog } from '../../../src/log.js';
import { askBehindLock } from '../../helpers/hold-customer.js';
import { type Answer, type MadeCustomer, startService } from '../../helpers/service.js';

const lines: string[] = [];
const log = createLog('info', { write: (line: string) => lines.push(line) } as never);
const service = await startService(t, { quoteMinutes: '30' }, { log });
const { request } = service;
const VERSION = 'api-version=2022-11-01';
const CAPACITY = '/providers/Microsoft.Capacity';

await service.newPrice({ unitPrice: '600.01' });
await service.newPrice({ term: 'P3Y', unitPrice: '1200' });
await service.newPrice({ reservedResourceType: 'SuseLinux', skuName: 'suse_1', unitPrice: '100' });

interface Shop {
  made: MadeCustomer;
  /** Access token of the Owner. */
  owner: string;
  on(): Promise<Answer>;
  body(change?: object): object;
  quote(change?: object, token?: string): Promise<Answer>;
  buy(id: string, change?: object, options?: { token?: string; headers?: Record<string, string> }): Promise<Answer>;
}

async function newShop(): Promise<Shop> {
  const made = await service.newCustomer();
  const owner = await service.tokens.customerUser(made.customerId, made.ownerUpn);
  const permission = `/v1/customers/${made.customerId}/purchasepermissions/AzureReservedInstances`;
  const body = (change: object = {}) => ({
    sku: { name: 'Standard_D2s_v5' },
    location: 'westeurope',
    properties: {
      reservedResourceType: 'VirtualMachines',
      billingScopeId: `/subscriptions/${made.azureSubscriptionId}`,
      term: 'P1Y',
      billingPlan: 'Monthly',
      quantity: 2,
      displayName: 'Web servers',
      ...change,
    },
  });
  return {
    made,
    owner,
    body,
    on: () => request('PUT', permission, { body: { state: 'on' } }),
    quote: (change, token = owner) =>
      request('POST', `${CAPACITY}/calculatePrice?${VERSION}`, { token, body: body(change) }),
    buy: (id, change, { token = owner, headers = {} } = {}) =>
      request('PUT', `${CAPACITY}/reservationOrders/${id}?${VERSION}`, { token, headers, body: body(change) }),
  };
}

async function newQuote(shop: Shop, change?: object): Promise<string> {
  const { status, body } = await shop.quote(change);
  if (status !== 200) throw new Error(`no quote: ${JSON.stringify(body)}`);
  return body.properties.reservationOrderId;
}

const codes = (answer: Answer) => answer.body.error.details?.map((one: { code: string }) => one.code);

t.test('a price is quoted as the partner set it, with an end and a schedule that adds up to the cent', async (t) => {
  const shop = await newShop();
  const { status, body } = await shop.quote();
  t.equal(status, 200);
  const { properties } = body;
  t.match(properties, {
    billingCurrencyTotal: { currencyCode: 'USD', amount: 1200.02 },
    grandTotal: 1200.02,
    isBillingPartnerManaged: true,
    skuDescription: 'Standard_D2s_v5',
  });
  t.match(properties.reservationOrderId, /^[0-9a-f-]{36}$/);
  const lives = Date.parse(properties.quoteExpiryDateTime) - Date.now();
  t.ok(lives > 29 * 60_000 && lives <= 30 * 60_000, 'thirty minutes');
  const cents = properties.paymentSchedule.map((one: { billingCurrencyTotal: { amount: number } }) =>
    Math.round(one.billingCurrencyTotal.amount * 100),
  );
  t.equal(cents.length, 12);
  t.equal(
    cents.reduce((sum: number, one: number) => sum + one, 0),
    120_002,
  );
  t.notMatch(JSON.stringify(body), /retail|margin|cost/i, 'nothing of what the partner pays');
});

t.test('a margin is in the price, and a quote keeps it when prices move', async (t) => {
  const shop = await newShop();
  await shop.on();
  const book = await request('GET', '/v1/pricebook');
  const put = await request('PUT', '/v1/pricebook', {
    headers: { 'if-match': book.headers.get('etag') ?? '*' },
    body: { currencyCode: 'USD', entries: [{ customerId: shop.made.customerId, marginPercent: '10' }] },
  });
  t.equal(put.status, 200, put.text);
  const id = await newQuote(shop, { term: 'P3Y' });
  await service.newPrice({ term: 'P3Y', unitPrice: '9999', effectiveOn: '2026-02-01T00:00:00Z' });
  t.equal((await shop.buy(id, { term: 'P3Y' })).status, 202);
  const [order] = await service.sql(
    'select total_minor::int as total, retail_unit_price from reservation_orders where reservation_order_id = $1',
    [id],
  );
  t.match(order, { total: 264_000, retail_unit_price: '1200' });
});

t.test(
  'the Owner buys: 202 with where to poll, 200 when it is repeated, and both logs tell who and what',
  async (t) => {
    const shop = await newShop();
    await shop.on();
    const id = await newQuote(shop);
    const first = await shop.buy(id);
    t.equal(first.status, 202, first.text);
    t.match(first.headers.get('azure-asyncoperation'), new RegExp(`^http://.*/operationResults/${id}\\?${VERSION}$`));
    t.match(first.headers.get('location'), new RegExp(`/reservationOrders/${id}\\?${VERSION}$`));
    t.match(first.headers.get('retry-after'), /^\d+$/);
    t.match(first.body, {
      name: id,
      properties: {
        displayName: 'Web servers',
        originalQuantity: 2,
        term: 'P1Y',
        billingPlan: 'Monthly',
        provisioningState: 'Succeeded',
      },
    });
    const line = (await request('GET', `/v1/customers/${shop.made.customerId}/orders/${id}`)).body.lineItems[0];
    const [product, sku, availability] = line.offerId.split(':');
    const item = await request('GET', `/v1/products/${product}/skus/${sku}/availabilities/${availability}?country=US`);
    t.match(item, { status: 200, body: { catalogItemId: line.offerId } }, 'the order line names the catalogue item');
    const second = await shop.buy(id);
    t.equal(second.status, 200);
    t.same(second.body.properties.reservations, first.body.properties.reservations);

    const { customerId } = shop.made;
    const entries = (await request('GET', `/v1/activitylog?customerId=${customerId}`)).body.items;
    const bought = entries.filter((one: { operationType: string }) => one.operationType === 'create_order');
    t.equal(bought.length, 1);
    t.match(bought[0], {
      action: 'Create Order',
      resourceType: 'order',
      resourceId: id,
      actor: { type: 'user', userPrincipalName: shop.made.ownerUpn },
    });
    t.match(
      Object.fromEntries(bought[0].customizedData.map((one: { key: string; value: string }) => [one.key, one.value])),
      {
        OrderId: id,
        PurchasedBy: shop.made.ownerUpn,
        Product: 'VirtualMachines Standard_D2s_v5 westeurope',
        'OfferId-0': line.offerId,
        'Quantity-0': '2',
        'Term-0': 'P1Y',
        'Total-0': '1200.02',
        'Currency-0': 'USD',
      },
    );
    t.equal(bought[0].evidence.Purchase.length, 7, 'with what each condition rested on');
    const today = new Date().toISOString().slice(0, 10);
    const filter = encodeURIComponent(JSON.stringify({ Field: 'CustomerId', Value: customerId, Operator: 'equals' }));
    const audit = await request('GET', `/v1/auditrecords?startDate=${today}&filter=${filter}`);
    t.ok(
      audit.body.items.some(
        (one: { operationType: string; userPrincipalName: string }) =>
          one.operationType === 'create_order' && one.userPrincipalName === shop.made.ownerUpn,
      ),
    );
  },
);

t.test('a refusal names every reason with its remedy, writes nothing, and is in the security log', async (t) => {
  const shop = await newShop();
  const id = await newQuote(shop);
  lines.length = 0;
  const refused = await shop.buy(id, { renew: true });
  t.equal(refused.status, 403);
  t.equal(refused.body.error.code, 'Forbidden');
  t.same(codes(refused), ['PermissionOff', 'RenewIsThePartners']);
  const { customerId } = shop.made;
  for (const table of ['orders', 'reservation_orders', 'reservations', 'activity_log', 'webhook_events']) {
    t.same(await service.sql(`select 1 from ${table} where customer_id = $1`, [customerId]), [], table);
  }
  const told = lines.map((line) => JSON.parse(line)).filter((line) => line.event === 'purchase_refused');
  t.equal(told.length, 1);
  t.match(told[0], { customerId, buyerId: shop.made.ownerId, reasons: ['PermissionOff', 'RenewIsThePartners'] });
  await shop.on();
  t.equal((await shop.buy(id)).status, 202, 'the quote is as good as before');
});

t.test('a repeated MS-RequestId answers the first refusal, reasons included', async (t) => {
  const shop = await newShop();
  const id = await newQuote(shop);
  const headers = { 'MS-RequestId': randomUUID() };
  const first = await shop.buy(id, {}, { headers });
  await shop.on();
  const second = await shop.buy(id, {}, { headers });
  t.equal(second.status, 403);
  t.equal(second.headers.get('ms-replayed'), 'true');
  t.same(second.body, first.body);
});

t.test('without a live quote for the same thing the session has timed out', async (t) => {
  const shop = await newShop();
  await shop.on();
  const timedOut = {
    status: 400,
    body: { error: { code: 'BadRequest', message: /^Session timed out - Call CalculatePrice again/ } },
  };
  t.match(await shop.buy(randomUUID()), timedOut, 'a made-up id');
  const id = await newQuote(shop);
  const other = await shop.buy(id, { quantity: 3 });
  t.match(other, timedOut, 'another quantity');
  t.same(codes(other), ['QuoteMismatch']);
  await service.sql('update quotes set expires_on = now() where quote_id = $1', [id]);
  t.match(await shop.buy(id), timedOut, 'an expired quote');
  const foreign = await newShop();
  await foreign.on();
  const theirs = await newQuote(foreign);
  const [mine, absent] = [await shop.buy(theirs), await shop.buy(randomUUID())];
  t.same(mine.body, absent.body, "another customer's quote is as absent as one that never was");
});

t.test('a purchase waits for whoever holds the customer, and is judged by what was left', async (t) => {
  const shop = await newShop();
  await shop.on();
  const id = await newQuote(shop);
  const { customerId } = shop.made;
  const switchedOff = `update purchase_permissions set state = 'off', effective = false where customer_id = $1`;
  const refused = await askBehindLock(t, service, customerId, [switchedOff], () => shop.buy(id));
  t.equal(refused.status, 403);
  t.same(codes(refused), ['PermissionOff']);
  t.same(await service.sql('select 1 from orders where customer_id = $1', [customerId]), []);
});

t.test('an id that something was bought under buys nothing else', async (t) => {
  const shop = await newShop();
  await shop.on();
  const id = await newQuote(shop);
  t.equal((await shop.buy(id)).status, 202);
  const other = await shop.buy(id, { quantity: 3 });
  t.match(other, { status: 409, body: { error: { code: 'ReservationOrderIdAlreadyExists' } } });
  await request('PUT', `/v1/customers/${shop.made.customerId}/purchasepermissions/AzureReservedInstances`, {
    body: { state: 'off' },
  });
  t.equal((await shop.buy(id)).status, 200, 'what was bought stays bought when the permission goes off');
  t.same(codes(await shop.buy(await newQuote(shop))), ['PermissionOff']);
});

t.test("the partner's agents, applications and other users of the customer do not buy", async (t) => {
  const shop = await newShop();
  await shop.on();
  const id = await newQuote(shop);
  for (const [token, expected] of [
    [service.tokens.admin, ['BuyerNotOfCustomer', 'BuyerNotOwner']],
    [service.tokens.sales, ['BuyerNotOfCustomer', 'BuyerNotOwner']],
  ] as const) {
    const refused = await shop.buy(id, {}, { token });
    t.equal(refused.status, 403);
    t.same(codes(refused), expected);
  }
  const stranger = await newShop();
  t.match(await shop.buy(id, {}, { token: stranger.owner }), {
    status: 404,
    body: { error: { code: 'SubscriptionNotFound' } },
  });
  const user = await request('POST', `/v1/customers/${shop.made.customerId}/users`, {
    body: {
      usageLocation: 'US',
      userPrincipalName: shop.made.ownerUpn.replace('olga', 'nora'),
      firstName: 'Nora',
      lastName: 'None',
      displayName: 'Nora None',
      passwordProfile: { password: 'Demo-Passw0rd', forceChangePassword: false },
    },
  });
  t.equal(user.status, 201, user.text);
  const nora = await service.tokens.customerUser(shop.made.customerId, user.body.userPrincipalName);
  t.same(codes(await shop.buy(id, {}, { token: nora })), ['BuyerNotOwner']);
});

t.test('what is asked for wrongly is refused by name', async (t) => {
  const shop = await newShop();
  await shop.on();
  for (const [change, code] of [
    [{ reservedResourceType: 'Bicycles' }, 'BadRequest'],
    [{ term: 'P2Y' }, 'InvalidRequestContent'],
    [{ quantity: 0 }, 'InvalidRequestContent'],
    [{ quantity: '2' }, 'InvalidRequestContent'],
    [{ quantity: 1.5 }, 'InvalidRequestContent'],
    [{ billingScopeId: '/subscriptions/none' }, 'InvalidSubscriptionId'],
    [{ billingScopeId: `/subscriptions/${randomUUID()}` }, 'SubscriptionNotFound'],
    [{ appliedScopeType: 'Single' }, 'MissingAppliedScopesForSingle'],
    [
      { appliedScopeType: 'Single', appliedScopes: ['/subscriptions/a', '/subscriptions/b'] },
      'InvalidSingleAppliedScopesCount',
    ],
    [{ appliedScopeType: 'ManagementGroup' }, 'AppliedScopesNotAssociatedWithCommerceAccount'],
    [{ reservedResourceType: 'SuseLinux', billingPlan: 'Monthly' }, 'BadRequest'],
    [{ renew: 'yes' }, 'InvalidRequestContent'],
    [{ reviewDateTime: '2026-02-30T00:00:00Z' }, 'InvalidRequestContent'],
  ] as const) {
    const { status, body } = await shop.quote(change);
    t.ok(status === 400 || status === 404, `${JSON.stringify(change)}: ${status}`);
    t.equal(body.error.code, code, JSON.stringify(change));
    t.match(body.error.message, /\S/);
  }
  const unknown = await shop.quote({}, shop.owner);
  t.equal(unknown.status, 200);
  const noPrice = await request('POST', `${CAPACITY}/calculatePrice?${VERSION}`, {
    token: shop.owner,
    body: { ...shop.body(), location: 'mars' },
  });
  t.match(noPrice, { status: 400, body: { error: { code: 'CalculatePriceFailed' } } });
  t.match(await shop.buy('not-a-guid'), { status: 400, body: { error: { code: 'InvalidReservationOrderId' } } });
});

t.test('a purchase above the threshold waits, and the partner approves it once', async (t) => {
  const shop = await newShop();
  await shop.on();
  const { customerId } = shop.made;
  const guards = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances/guards`;
  const set = await request('PUT', guards, { body: { currencyCode: 'USD', approvalAbove: '1000', approvalHours: 1 } });
  t.equal(set.status, 200, set.text);
  const id = await newQuote(shop);
  const waiting = await shop.buy(id);
  t.equal(waiting.status, 202);
  t.equal(waiting.headers.get('retry-after'), '60');
  t.equal(waiting.body.properties.provisioningState, 'PendingBilling');
  const approve = `/v1/customers/${customerId}/orders/${id}/approve`;
  t.equal((await request('POST', approve, { token: service.tokens.sales })).status, 403);
  t.equal((await request('POST', approve, { token: shop.owner })).status, 403, 'never by the customer');
  const answers = await Promise.all([1, 2, 3, 4].map(() => request('POST', approve)));
  t.same(answers.map(({ status }) => status).sort(), [200, 409, 409, 409]);
  t.match(answers.find(({ status }) => status === 200)?.body, { orderId: id, status: 'completed', decidedBy: /@/ });
  const [row] = await service.sql(
    'select r.provisioning_state, o.status from reservations r join orders o using (partner_id, customer_id) where r.reservation_order_id = $1',
    [id],
  );
  t.same(row, { provisioning_state: 'Succeeded', status: 'completed' });

  const declined = await newQuote(shop);
  await shop.buy(declined);
  const no = await request('POST', `/v1/customers/${customerId}/orders/${declined}/decline`, {
    body: { comment: 'Too much' },
  });
  t.match(no, { status: 200, body: { status: 'cancelled' } });
  const log = (await request('GET', `/v1/activitylog?customerId=${customerId}`)).body.items;
  const decisions = log.filter((one: { operationType: string }) => one.operationType === 'update_order');
  t.equal(decisions.length, 2);
  t.match(JSON.stringify(decisions), /"Comment","value":"Too much"/);
});

t.test('an approval is judged again: what no longer holds keeps the order waiting', async (t) => {
  const shop = await newShop();
  await shop.on();
  const { customerId } = shop.made;
  const permission = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  await request('PUT', `${permission}/guards`, { body: { currencyCode: 'USD', approvalAbove: '0' } });
  const id = await newQuote(shop);
  await shop.buy(id);
  await request('PUT', permission, { body: { state: 'off' } });
  const approve = `/v1/customers/${customerId}/orders/${id}/approve`;
  const refused = await request('POST', approve);
  t.match(refused, { status: 403, body: { code: '600006', data: [/permission .* is off/] } });
  await shop.on();
  t.equal((await request('POST', approve)).status, 200);
});

t.test('orders of others and orders that never were are not found', async (t) => {
  const [shop, other] = [await newShop(), await newShop()];
  await other.on();
  const id = await newQuote(other);
  await other.buy(id);
  const foreign = await request('POST', `/v1/customers/${shop.made.customerId}/orders/${id}/approve`);
  const absent = await request('POST', `/v1/customers/${shop.made.customerId}/orders/${randomUUID()}/approve`);
  t.match(foreign, { status: 404, body: { code: '20000' } });
  t.same(foreign.body, absent.body);
  const partner = await request('POST', `/v1/customers/${other.made.customerId}/orders/${id}/approve`, {
    token: service.tokens.fabrikamAdmin,
  });
  t.match(partner, { status: 404, body: { code: '60003' } });
});
