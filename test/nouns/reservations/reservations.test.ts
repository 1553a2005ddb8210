import { randomUUID } from 'node:crypto';
import t from 'tap';
import { insertPurchase } from '../../helpers/purchases.js';
import { CONTOSO, FABRIKAM, type MadeCustomer, OWNER_ROLE, startService } from '../../helpers/service.js';
import { copyRow } from './copy-row.js';

const service = await startService(t);
const V = 'api-version=2022-11-01';
const ORDERS = '/providers/Microsoft.Capacity/reservationOrders';
const RESERVATIONS = '/providers/Microsoft.Capacity/reservations';
const DAY = 24 * 3_600_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY);

const tokenOf = (customer: MadeCustomer) => service.tokens.customerUser(customer.customerId, customer.ownerUpn);
const get = (path: string, token?: string) =>
  service.request('GET', `${path}${path.includes('?') ? '&' : '?'}${V}`, token === undefined ? {} : { token });
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
const namesOf = (body: any) => body.value.map((one: { name: string }) => one.name);

t.test('an order shows its reservations, and on demand its payments at the price of the customer', async (t) => {
  const customer = await service.newCustomer();
  const token = await tokenOf(customer);
  const on = daysAgo(40);
  const bought = await insertPurchase(service.db, customer, { total: 60001, billingPlan: 'Monthly', on });
  const id = `/providers/microsoft.capacity/reservationOrders/${bought.reservationOrderId}`;
  const plain = await get(`${ORDERS}/${bought.reservationOrderId.toUpperCase()}`, token);
  t.match(plain, {
    status: 200,
    body: {
      id,
      name: bought.reservationOrderId,
      type: 'Microsoft.Capacity/reservationOrders',
      etag: 1,
      systemData: { createdBy: customer.ownerUpn, createdByType: 'User' },
      properties: {
        displayName: 'Web servers',
        originalQuantity: 1,
        term: 'P1Y',
        billingPlan: 'Monthly',
        provisioningState: 'Succeeded',
        requestDateTime: on.toISOString(),
        reservations: [{ id: `${id}/reservations/${bought.reservationId}` }],
      },
    },
  });
  t.notOk('planInformation' in plain.body.properties);
  t.notMatch(plain.text, /amount|retail|minor/i, 'nothing of prices');

  const { body } = await get(`${ORDERS}/${bought.reservationOrderId}?$expand=schedule`, token);
  const { transactions, nextPaymentDueDate, pricingCurrencyTotal } = body.properties.planInformation;
  t.same(pricingCurrencyTotal, { currencyCode: 'USD', amount: 600.01 });
  t.equal(transactions.length, 12);
  const statuses = transactions.map((one: { status: string }) => one.status);
  t.same(statuses, ['Succeeded', 'Succeeded', ...Array(10).fill('Scheduled')]);
  t.equal(nextPaymentDueDate, transactions[2].dueDate);
  t.same(transactions[0].billingCurrencyTotal, { currencyCode: 'USD', amount: 50.01 });
  t.notOk('paymentDate' in transactions[2]);
  t.equal((await get(`${ORDERS}/${bought.reservationOrderId}?$expand=everything`, token)).status, 400);
});

t.test('a reservation tells its state, its scope and what it came from', async (t) => {
  const customer = await service.newCustomer();
  const token = await tokenOf(customer);
  const purchaseProperties = {
    sku: { name: 'Standard_D2s_v5' },
    location: 'westeurope',
    properties: {
      reservedResourceType: 'VirtualMachines',
      billingScopeId: `/subscriptions/${customer.azureSubscriptionId}`,
      term: 'P3Y',
      quantity: 2,
    },
  };
  const old = await insertPurchase(service.db, customer, { total: 600, on: daysAgo(400) });
  const bought = await insertPurchase(service.db, customer, { total: 600, on: daysAgo(340) });
  await service.sql(
    `update reservations set applied_scope_type = 'Single', applied_scope = $2, swap_source = $3, split_source = $4,
       merge_sources = array[$4]::uuid[], renew = true, renew_properties = $5
     where reservation_id = $1`,
    [
      bought.reservationId,
      `/subscriptions/${customer.azureSubscriptionId}/resourceGroups/web`,
      old.reservationId,
      old.reservationId,
      { purchaseProperties },
    ],
  );
  const path = `${ORDERS}/${bought.reservationOrderId}/reservations/${bought.reservationId}`;
  const { status, body, headers } = await get(path, token);
  const own = `/providers/microsoft.capacity/reservationOrders/${bought.reservationOrderId}/reservations`;
  t.match([status, headers.get('etag')], [200, '"1"']);
  t.match(body, {
    id: `${own}/${bought.reservationId}`,
    name: `${bought.reservationOrderId}/${bought.reservationId}`,
    type: 'Microsoft.Capacity/reservationOrders/reservations',
    kind: 'Microsoft.Compute',
    location: 'westeurope',
    sku: { name: 'Standard_D2s_v5' },
    etag: 1,
    properties: {
      provisioningState: 'Succeeded',
      displayProvisioningState: 'Expiring',
      appliedScopeType: 'Single',
      userFriendlyAppliedScopeType: 'ResourceGroup',
      appliedScopes: [`/subscriptions/${customer.azureSubscriptionId}/resourceGroups/web`],
      userFriendlyRenewState: 'On',
      billingScopeId: `/subscriptions/${customer.azureSubscriptionId}`,
      splitProperties: { splitSource: `${own}/${old.reservationId}` },
      mergeProperties: { mergeSources: [`${own}/${old.reservationId}`] },
      swapProperties: {
        swapSource: `/providers/microsoft.capacity/reservationOrders/${old.reservationOrderId}/reservations/${old.reservationId}`,
      },
    },
  });
  t.notOk('renewProperties' in body.properties);
  for (const expand of ['expand', '$expand']) {
    const expanded = await get(`${path}?${expand}=renewProperties`, token);
    t.same(expanded.body.properties.renewProperties, { purchaseProperties });
  }
  const expired = await get(`${ORDERS}/${old.reservationOrderId}/reservations/${old.reservationId}`, token);
  t.match(expired.body.properties, {
    provisioningState: 'Expired',
    displayProvisioningState: 'Expired',
    userFriendlyRenewState: 'NotRenewed',
    extendedStatusInfo: { statusCode: 'Expired' },
  });
  const list = await get(`${ORDERS}/${bought.reservationOrderId}/reservations`, token);
  t.same(namesOf(list.body), [`${bought.reservationOrderId}/${bought.reservationId}`]);
});

t.test('what is not there, not visible or no id is refused alike', async (t) => {
  const [customer, other] = await Promise.all([service.newCustomer(), service.newCustomer()]);
  const token = await tokenOf(customer);
  const own = await insertPurchase(service.db, customer, { total: 600 });
  const foreign = await insertPurchase(service.db, other, { total: 600 });
  const absent = randomUUID();
  const at = (order: string, reservation: string) => `${ORDERS}/${order}/reservations/${reservation}`;
  const wordsOf = (one: { text: string }) => JSON.parse(one.text).error;
  for (const suffix of ['', '/reservations', `/reservations/${foreign.reservationId}`]) {
    const [seen, gone] = await Promise.all([
      get(`${ORDERS}/${foreign.reservationOrderId}${suffix}`, token),
      get(`${ORDERS}/${absent}${suffix}`, token),
    ]);
    t.match(seen, { status: 404, body: { error: { code: 'ReservationOrderNotFound' } } });
    t.same(wordsOf(seen), wordsOf(gone));
  }
  t.match(await get(at(own.reservationOrderId, foreign.reservationId), token), {
    status: 404,
    body: { error: { code: 'ReservationIdNotInReservationOrder' } },
  });
  t.match(await get(`${ORDERS}/x`, token), { status: 400, body: { error: { code: 'InvalidReservationOrderId' } } });
  t.match(await get(at(own.reservationOrderId, 'x'), token), {
    status: 400,
    body: { error: { code: 'InvalidReservationId' } },
  });
  t.equal((await get(`${ORDERS}/${own.reservationOrderId}`, service.tokens.fabrikamAdmin)).status, 404);
  for (const agent of [service.tokens.admin, service.tokens.sales, service.tokens.helpdesk]) {
    t.equal((await get(`${ORDERS}/${own.reservationOrderId}`, agent)).status, 200);
  }
});

t.test('a purchase that nobody approved in time reads as cancelled everywhere', async (t) => {
  const customer = await service.newCustomer();
  const token = await tokenOf(customer);
  const waiting = await insertPurchase(service.db, customer, { total: 600, pending: true });
  const lapsed = await insertPurchase(service.db, customer, { total: 600, pending: true, on: daysAgo(4) });
  const result = (id: string) => get(`/providers/Microsoft.Capacity/operationResults/${id}`, token);
  const pending = await result(waiting.reservationOrderId);
  t.match(pending, { status: 202, body: { name: waiting.reservationOrderId, status: 'InProgress' } });
  t.equal(pending.headers.get('retry-after'), '60');
  t.match(await result(lapsed.reservationOrderId), {
    status: 200,
    body: { status: 'Failed', error: { code: 'OperationFailed', message: /in time/ } },
  });
  const order = await get(`${ORDERS}/${lapsed.reservationOrderId}?$expand=schedule`, token);
  t.match(order.body.properties, {
    provisioningState: 'Cancelled',
    planInformation: { transactions: [{ status: 'Cancelled' }] },
  });
  const { body } = await get(RESERVATIONS, token);
  const states = new Map(
    body.value.map((one: { name: string; properties: { displayProvisioningState: string } }) => [
      one.name.split('/')[0],
      one.properties.displayProvisioningState,
    ]),
  );
  t.same([states.get(waiting.reservationOrderId), states.get(lapsed.reservationOrderId)], ['Pending', 'Cancelled']);
  t.match(body.summary, { pendingCount: 1, cancelledCount: 1, succeededCount: 0 });
  const done = await insertPurchase(service.db, customer, { total: 600 });
  t.match(await result(done.reservationOrderId), { status: 200, body: { status: 'Succeeded' } });
  t.equal((await result(randomUUID())).status, 404);
});

t.test('every property filters and orders by the value that is shown', async (t) => {
  const customer = await service.newCustomer();
  const token = await tokenOf(customer);
  const until = async (bought: Parameters<typeof insertPurchase>[2], columns = '') => {
    const made = await insertPurchase(service.db, customer, bought);
    if (columns)
      await service.sql(`update reservations set ${columns} where reservation_id = $1`, [made.reservationId]);
  };
  await until({ total: 600 });
  await until({ total: 600, quantity: 3, on: daysAgo(400) }, "display_name = 'İ'");
  await until(
    { total: 600, quantity: 20, on: daysAgo(345) },
    "display_name = 'b', renew = true, sku_name = 'Standard_B1s'",
  );
  await until({ total: 600, reservationState: 'Cancelled' }, "display_name = 'B', archived = true");
  await until({ total: 600, reservationState: 'Split' }, `renew_destination = '${randomUUID()}'`);
  await until({ total: 600, pending: true });
  await until({ total: 600, pending: true, on: daysAgo(5) }, "instance_flexibility = 'Off'");
  await until(
    { total: 600 },
    `applied_scope_type = 'Single', applied_scope = '/subscriptions/${customer.azureSubscriptionId}/resourceGroups/g'`,
  );
  const everything = (await get(RESERVATIONS, token)).body.value;
  t.equal(everything.length, 8);
  const read = (one: { sku: { name: string }; properties: Record<string, unknown> }, property: string) =>
    property === 'sku/name' ? one.sku.name : one.properties[property.replace('properties/', '')];
  const properties =
    'sku/name archived appliedScopeType displayName displayProvisioningState effectiveDateTime expiryDate expiryDateTime provisioningState quantity renew reservedResourceType term userFriendlyAppliedScopeType userFriendlyRenewState';
  for (const name of properties.split(' ')) {
    const property = name.includes('/') ? name : `properties/${name}`;
    for (const value of new Set(everything.map((one: never) => read(one, property)))) {
      const literal = typeof value === 'string' ? `'${value}'` : String(value);
      const filter = encodeURIComponent(`${property} eq ${literal}`);
      const { status, body } = await get(`${RESERVATIONS}?$filter=${filter}`, token);
      const same = (one: unknown) => String(one).toLowerCase() === String(value).toLowerCase();
      const wanted = everything.filter((one: never) => same(read(one, property)));
      t.same(
        [status, namesOf(body ?? { value: [] })],
        [200, wanted.map((one: { name: string }) => one.name)],
        `${property} ${literal}`,
      );
    }
    for (const direction of ['asc', 'desc']) {
      const seen: string[] = [];
      let path: string | undefined =
        `${RESERVATIONS}?take=3&$orderby=${encodeURIComponent(`${property} ${direction}`)}&${V}`;
      const pages = [];
      while (path) {
        const { body } = await service.request('GET', path, { token });
        pages.push(...body.value);
        path = body.nextLink?.replace(service.url, '');
      }
      seen.push(...namesOf({ value: pages }));
      t.equal(new Set(seen).size, 8, `${property} ${direction} shows each once`);
      const numeric = property.endsWith('quantity');
      const key = (one: never) => {
        const value = String(read(one, property)).toLowerCase();
        return numeric ? value.padStart(9, '0') : value;
      };
      const keys = pages.map((one) => key(one as never));
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      t.same(keys, direction === 'asc' ? sorted : sorted.reverse(), `${property} ${direction}`);
    }
  }
  const both = encodeURIComponent(
    "(properties/quantity gt 1 and properties/archived eq false) or properties/displayName eq 'b'",
  );
  t.equal((await get(`${RESERVATIONS}?$filter=${both}`, token)).body.value.length, 3);
  t.match(await get(`${RESERVATIONS}?selectedState=expired`, token), { status: 200, body: { value: { length: 1 } } });
  for (const query of [
    '$filter=name%20eq%201',
    '$orderby=price',
    'take=0',
    'take=x',
    'selectedState=Gone',
    '$skiptoken=abc',
  ]) {
    t.equal((await get(`${RESERVATIONS}?${query}`, token)).status, 400, query);
  }
});

t.test('pages go on where they ended, and a number leaves so many out', async (t) => {
  const customer = await service.newCustomer();
  const token = await tokenOf(customer);
  for (let index = 0; index < 5; index++) await insertPurchase(service.db, customer, { total: 600 });
  const all = namesOf((await get(RESERVATIONS, token)).body);
  const first = await get(`${RESERVATIONS}?take=2`, token);
  t.same(namesOf(first.body), all.slice(0, 2));
  t.ok(first.body.summary);
  const link = first.body.nextLink.replace(service.url, '');
  t.ok(first.body.nextLink.startsWith(`${service.url}${RESERVATIONS}?api-version=2022-11-01&take=2&$skipToken=`));
  const second = await service.request('GET', link, { token });
  t.same(namesOf(second.body), all.slice(2, 4));
  t.notOk('summary' in second.body);
  t.ok('summary' in (await service.request('GET', `${link}&refreshSummary=true`, { token })).body);
  t.equal((await service.request('GET', link.replace('take=2', 'take=3'), { token })).status, 400, 'another list');
  t.equal((await service.request('GET', link)).status, 400, 'the token of another tenant');
  t.same(namesOf((await get(`${RESERVATIONS}?$skiptoken=3&take=2`, token)).body), all.slice(3));
  t.equal((await get(`${RESERVATIONS}?$skiptoken=1001`, token)).status, 400);

  const orders = await get(ORDERS, token);
  t.equal(orders.body.value.length, 5);
  t.equal(orders.body.value[0].properties.reservations.length, 1);
  t.notOk('nextLink' in orders.body);
});

t.test('who sees what: the buyer, the owner of then, a role over the tenant, the partner', async (t) => {
  const customer = await service.newCustomer();
  const { partnerId, customerId, ownerUpn } = customer;
  const bought = await insertPurchase(service.db, customer, { total: 600 });
  const [id, upn] = [randomUUID(), ownerUpn.replace('olga', 'rita')];
  await copyRow(
    service,
    'users',
    { partner_id: partnerId, user_id: customer.ownerId },
    { user_id: id, user_principal_name: upn, upn_key: upn },
  );
  const rita = await service.tokens.customerUser(customerId, upn);
  const counts = async (token: string) => [
    (await get(RESERVATIONS, token)).body.value.length,
    (await get(ORDERS, token)).body.value.length,
    (await get(`${ORDERS}/${bought.reservationOrderId}`, token)).status,
  ];
  t.same(await counts(rita), [0, 0, 404], 'another user');
  await service.sql('update reservation_orders set owner_ids = array[$2]::uuid[] where reservation_order_id = $1', [
    bought.reservationOrderId,
    id,
  ]);
  t.same(await counts(rita), [1, 1, 200], 'an Owner when it was bought');
  await service.sql("update reservation_orders set owner_ids = '{}' where reservation_order_id = $1", [
    bought.reservationOrderId,
  ]);
  await service.sql(
    `insert into role_assignments values ($1, $2, gen_random_uuid(), '/', '/', 'root', null, $3, $4, 'User', 'active',
       null, null, null, null, now(), now(), null, null)`,
    [partnerId, customerId, OWNER_ROLE, id],
  );
  t.same(await counts(rita), [1, 1, 200], 'Owner of the tenant');
  await service.sql('update reservation_orders set owner_ids = array[$2]::uuid[] where reservation_order_id = $1', [
    bought.reservationOrderId,
    id,
  ]);
  await service.sql("update users set account_state = 'inactive' where user_id = $1", [id]);
  t.same(await counts(rita), [0, 0, 404], 'a disabled account');

  const asSales = (query: string) => get(`${RESERVATIONS}${query}`, service.tokens.sales);
  const names = namesOf((await asSales(`?tenantId=${customerId.toUpperCase()}`)).body);
  t.same(names, [`${bought.reservationOrderId}/${bought.reservationId}`]);
  t.same(namesOf((await asSales(`?tenantId=${randomUUID()}`)).body), []);
  t.ok((await asSales('')).body.value.length > 1, 'of all its customers');
});

t.test('a customer of two partners sees both, and each subscription gets what its own partner bills', async (t) => {
  const customer = await service.newCustomer();
  const { customerId, ownerId, ownerUpn } = customer;
  const twin = { ...customer, partnerId: FABRIKAM, azureSubscriptionId: randomUUID(), subscriptionId: randomUUID() };
  const atContoso = { partner_id: CONTOSO, customer_id: customerId };
  const tatContoso = { partner_id: FABRIKAM };
  const { subscriptionId: subscription_id, azureSubscriptionId: azure_subscription_id } = twin;
  const scope = `/subscriptions/${azure_subscription_id}`;
  await copyRow(service, 'customers', atContoso, tatContoso);
  await copyRow(service, 'users', atContoso, tatContoso);
  await copyRow(service, 'subscriptions', atContoso, { ...tatContoso, subscription_id });
  await copyRow(service, 'azure_subscriptions', atContoso, { ...tatContoso, azure_subscription_id, subscription_id });
  await copyRow(
    service,
    'role_assignments',
    { ...atContoso, principal_id: ownerId },
    { ...tatContoso, azure_subscription_id, scope, scope_key: scope },
  );
  const token = await service.tokens.customerUser(customerId, ownerUpn);
  const [here, single, there, pending] = [
    await insertPurchase(service.db, customer, { total: 600 }),
    await insertPurchase(service.db, customer, { total: 600 }),
    await insertPurchase(service.db, twin, { total: 600 }),
    await insertPurchase(service.db, customer, { total: 600, pending: true }),
  ];
  await insertPurchase(service.db, customer, { total: 600, on: daysAgo(400) });
  await insertPurchase(service.db, customer, { total: 600, reservationState: 'Cancelled' });
  await service.sql(
    "update reservations set applied_scope_type = 'Single', applied_scope = $2 where reservation_id = $1",
    [single.reservationId, `/subscriptions/${customer.azureSubscriptionId}/resourceGroups/web`],
  );
  const { body } = await get(RESERVATIONS, token);
  t.equal(body.value.length, 6);
  t.match(body.summary, { succeededCount: 3, pendingCount: 1, expiredCount: 1, cancelledCount: 1 });
  const ids: string[] = body.value.map((one: { name: string }) => one.name);
  t.same(ids, [...ids].sort(), 'one order over both');
  const paged: string[] = [];
  for (let path = `${RESERVATIONS}?take=2&$orderby=properties/quantity%20desc&${V}`; path; ) {
    const page = (await service.request('GET', path, { token })).body;
    paged.push(...namesOf(page));
    path = page.nextLink?.replace(service.url, '') ?? '';
  }
  t.same([...paged].sort(), ids);
  t.equal((await get(ORDERS, token)).body.value.length, 6);
  t.equal((await get(`${ORDERS}/${there.reservationOrderId}`, token)).status, 200);
  t.equal((await get(`${ORDERS}/${there.reservationOrderId}`, service.tokens.admin)).status, 404);

  const applied = async (subscription: string, as: string) => {
    const answer = await get(`/subscriptions/${subscription}/providers/Microsoft.Capacity/appliedReservations`, as);
    t.equal(answer.status, 200, answer.text);
    return answer.body.properties.reservationOrderIds.value.map((id: string) => id.split('/').at(-1)).sort();
  };
  const both = [here.reservationOrderId, single.reservationOrderId].sort();
  t.same(await applied(customer.azureSubscriptionId, token), both);
  t.same(await applied(customer.azureSubscriptionId.toUpperCase(), service.tokens.helpdesk), both);
  t.same(await applied(twin.azureSubscriptionId, token), [there.reservationOrderId]);
  t.same(await applied(twin.azureSubscriptionId, service.tokens.fabrikamAdmin), [there.reservationOrderId]);
  t.notOk(both.includes(pending.reservationOrderId));
  const another = randomUUID();
  await service.sql(
    `insert into azure_subscriptions values ($1, $2, $3, $4, 'Second', 'active', 'Enabled', 'CSP_2015-05-01', '{}', null, 1, now())`,
    [CONTOSO, another, customerId, customer.subscriptionId],
  );
  t.same(await applied(another, service.tokens.admin), [here.reservationOrderId], 'the single one is not shared');
  await service.sql('update azure_subscriptions set subscription_id = null where azure_subscription_id = $1', [
    another,
  ]);
  t.same(await applied(another, service.tokens.admin), [], 'not bought through this partner');
  const path = `/subscriptions/${another}/providers/Microsoft.Capacity/appliedReservations`;
  t.match(await get(path, token), { status: 403, body: { error: { code: 'AuthorizationFailed' } } });
  t.equal((await get(path, service.tokens.fabrikamAdmin)).status, 404);
});

t.test('the actions that roles can allow are listed', async (t) => {
  t.match((await get('/providers/Microsoft.Capacity/operations')).body.value, [
    { name: 'Microsoft.Capacity/reservationOrders/read' },
  ]);
  t.equal((await service.request('GET', '/providers/Microsoft.Capacity/operations')).status, 400, 'api-version');
});
