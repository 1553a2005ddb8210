import { randomUUID } from 'node:crypto';
import t from 'tap';
import { lockCustomer } from '../../../src/db/customer-lock.js';
import { rescopeReservation, setRenew } from '../../../src/nouns/reservations/update.js';
import { askBehindLock } from '../../helpers/hold-customer.js';
import { type Bought, insertPurchase } from '../../helpers/purchases.js';
import { type MadeCustomer, startService } from '../../helpers/service.js';

const service = await startService(t);
const V = 'api-version=2022-11-01';
const ORDERS = '/providers/Microsoft.Capacity/reservationOrders';
const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 3_600_000);

interface Held extends MadeCustomer {
  token: string;
  reservationOrderId: string;
  reservationId: string;
  /** Address of the reservation. */
  path: string;
}

async function hold(bought: Partial<Bought> = {}): Promise<Held> {
  const customer = await service.newCustomer();
  const made = await insertPurchase(service.db, customer, { total: 600, ...bought });
  return {
    ...customer,
    ...made,
    token: await service.tokens.customerUser(customer.customerId, customer.ownerUpn),
    path: `${ORDERS}/${made.reservationOrderId}/reservations/${made.reservationId}`,
  };
}

const send = (
  method: string,
  path: string,
  body?: unknown,
  options: { token?: string; headers?: Record<string, string> } = {},
) => service.request(method, `${path}?${V}`, { ...options, ...(body !== undefined && { body }) });
const patch = (held: Held, properties: object, options = {}) => send('PATCH', held.path, { properties }, options);
const logOf = (held: Held) =>
  service.sql<{ operation_type: string; resource_id: string; old_value: string | null; new_value: string }>(
    'select operation_type, resource_id, old_value, new_value from activity_log where customer_id = $1 order by seq',
    [held.customerId],
  );
const revisionsOf = async (held: Held) => (await send('GET', `${held.path}/revisions`)).body.value;

t.test('the customer renames its reservation; what is already so is not changed', async (t) => {
  const held = await hold();
  const asCustomer = { token: held.token };
  const wanted = { name: '  Build agents ', instanceFlexibility: 'Off', reviewDateTime: '2027-01-01T00:00:00Z' };
  const renamed = await patch(held, wanted, asCustomer);
  const properties = {
    displayName: 'Build agents',
    instanceFlexibility: 'Off',
    reviewDateTime: '2027-01-01T00:00:00.000Z',
  };
  t.match(renamed, { status: 200, body: { etag: 2, properties } });
  t.equal(renamed.headers.get('etag'), '"2"');
  t.match(await patch(held, wanted, asCustomer), { status: 200, body: { etag: 2 } });
  t.match(await patch(held, {}, asCustomer), { status: 200, body: { etag: 2 } });
  const log = await logOf(held);
  t.match(log, [{ operation_type: 'update_reservation', resource_id: held.reservationId }]);
  t.equal(log.length, 1);
  t.match(JSON.parse(log[0]?.old_value ?? ''), { Properties: { DisplayName: 'Web servers' } });
  t.match(JSON.parse(log[0]?.new_value ?? ''), { Properties: { DisplayName: 'Build agents' } });
  const revisions = await revisionsOf(held);
  t.match(revisions, [
    { etag: 2, properties: { displayName: 'Build agents' }, id: /\/revisions\/2$/ },
    { etag: 1, properties: { displayName: 'Web servers' }, name: `${held.reservationOrderId}/${held.reservationId}/1` },
  ]);
  t.equal(revisions.length, 2);
});

t.test("scope and renewal are the partner's, alone and beside a rename", async (t) => {
  const held = await hold();
  const scope = `/subscriptions/${held.azureSubscriptionId}`;
  const refused = [
    { appliedScopeType: 'Single', appliedScopeProperties: { subscriptionId: scope } },
    { appliedScopes: [scope] },
    { appliedScopeType: 'Shared', name: 'Mine' },
    { renew: true, name: 'Mine' },
    { renew: false },
    { renewProperties: {} },
  ];
  for (const properties of refused) {
    t.match(await patch(held, properties, { token: held.token }), {
      status: 403,
      body: { error: { code: 'Forbidden', message: /by the partner/ } },
    });
    t.equal((await patch(held, properties, { token: service.tokens.sales })).status, 403);
    t.equal((await patch(held, properties, { token: service.tokens.fabrikamAdmin })).status, 404);
  }
  t.equal((await revisionsOf(held)).length, 1, 'nothing was changed');
  t.same(await logOf(held), []);

  const rescoped = await patch(held, { name: 'Web', appliedScopes: [`${scope}/resourceGroups/Web`] });
  t.match(rescoped, {
    status: 200,
    body: {
      etag: 2,
      properties: {
        displayName: 'Web',
        appliedScopeType: 'Single',
        userFriendlyAppliedScopeType: 'ResourceGroup',
        appliedScopes: [`${scope}/resourceGroups/Web`],
      },
    },
  });
  const shared = await patch(held, { appliedScopeType: 'Shared' });
  t.match(shared.body.properties, { appliedScopeType: 'Shared', userFriendlyAppliedScopeType: 'Shared' });
  t.notOk('appliedScopes' in shared.body.properties);
  t.match((await patch(held, { renew: true })).body.properties, { renew: true, userFriendlyRenewState: 'On' });
  t.match((await patch(held, { renew: false })).body.properties, { renew: false, userFriendlyRenewState: 'Off' });
  t.equal((await logOf(held)).length, 4);
});

t.test('a renewal buys the same SKU on the same subscription', async (t) => {
  const held = await hold();
  const purchaseProperties = {
    sku: { name: 'Standard_D2s_v5' },
    location: 'westeurope',
    properties: {
      reservedResourceType: 'VirtualMachines',
      billingScopeId: `/subscriptions/${held.azureSubscriptionId}`,
      term: 'P3Y',
      quantity: 2,
    },
  };
  const wanted = (more: object) => ({
    renew: true,
    renewProperties: { purchaseProperties: { ...purchaseProperties, ...more } },
  });
  const renewed = await patch(held, wanted({}));
  t.match(renewed.body.properties, { renew: true, renewProperties: { purchaseProperties } });
  t.equal((await patch(held, wanted({}))).body.etag, 2, 'once');
  const elsewhere = { ...purchaseProperties.properties, billingScopeId: `/subscriptions/${randomUUID()}` };
  for (const [properties, code] of [
    [wanted({ properties: elsewhere }), 'BillingScopeIdCannotBeChanged'],
    [wanted({ sku: { name: 'Standard_B1s' } }), 'BadRequest'],
    [wanted({ location: 'eastus' }), 'BadRequest'],
    [{ renew: false, renewProperties: { purchaseProperties } }, 'BadRequest'],
  ] as const) {
    t.match(await patch(held, properties), { status: 400, body: { error: { code } } });
  }
  t.notOk('renewProperties' in (await patch(held, { renew: false })).body.properties);
});

t.test('a single scope has to be an active subscription that this partner bought for the customer', async (t) => {
  const [held, other] = await Promise.all([hold(), service.newCustomer()]);
  const mine = `/subscriptions/${held.azureSubscriptionId}`;
  const foreign = `/subscriptions/${other.azureSubscriptionId}`;
  const scopes = [mine.toUpperCase(), `${mine}/resourceGroups/web`, foreign, `/subscriptions/${randomUUID()}`, 'x', ''];
  const ask = (body: unknown, token = held.token) => send('POST', `${held.path}/availableScopes`, body, { token });
  const answered = await ask({ properties: { scopes } });
  t.same(answered.body, {
    properties: { scopes: scopes.map((scope, index) => ({ scope, valid: index < 2 })) },
  });
  t.equal((await ask({ properties: { scopes: [] } })).status, 400);
  t.equal((await ask({})).status, 400);

  const single = (scope: string) => patch(held, { appliedScopeType: 'Single', appliedScopes: [scope] });
  const notMine = { status: 400, body: { error: { code: 'AppliedScopesNotAssociatedWithCommerceAccount' } } };
  t.match(await single(foreign), notMine);
  t.match(await patch(held, { appliedScopeType: 'ManagementGroup' }), notMine);
  t.match(await patch(held, { appliedScopeType: 'Single' }), {
    status: 400,
    body: { error: { code: 'MissingAppliedScopesForSingle' } },
  });
  await service.sql("update azure_subscriptions set arm_state = 'Disabled' where azure_subscription_id = $1", [
    held.azureSubscriptionId,
  ]);
  t.match(await single(mine), notMine);
  t.match((await ask({ properties: { scopes: [mine] } })).body.properties.scopes, [{ valid: false }]);
  t.equal((await logOf(held)).length, 0);
});

t.test('a stale etag is 412, a current one goes through, bare or quoted', async (t) => {
  const held = await hold();
  const rename = (name: string, etag: string) => patch(held, { name }, { headers: { 'if-match': etag } });
  t.equal((await rename('a', '2')).status, 412);
  t.equal((await rename('a', '"0"')).status, 412);
  t.equal((await rename('a', 'x')).status, 400);
  t.equal((await rename('a', '1')).status, 200);
  t.equal((await rename('b', '"2"')).status, 200);
  t.equal((await rename('c', '*')).status, 200);
});

t.test('what is not in force is not changed', async (t) => {
  const [cancelled, expired, pending, split] = [
    await hold({ reservationState: 'Cancelled' }),
    await hold({ on: daysAgo(400) }),
    await hold({ pending: true }),
    await hold({ reservationState: 'Split' }),
  ];
  for (const held of [cancelled, expired, pending, split]) {
    const conflict = { status: 409, body: { error: { code: 'OperationCannotBePerformedInCurrentState' } } };
    t.match(await patch(held, { name: 'x' }), conflict);
    t.match(await patch(held, { renew: true }), conflict);
    const id = held.reservationId;
    const order = `${ORDERS}/${held.reservationOrderId}`;
    const halves = { properties: { quantities: [1, 1], reservationId: id } };
    t.match(await send('POST', `${order}/split`, halves), conflict);
    t.same(await logOf(held), []);
  }
  t.match(await revisionsOf(expired), [{ etag: 1, properties: { provisioningState: 'Succeeded' } }], 'as it was then');
});

t.test('a split makes parts that end together, and cancels the renewal', async (t) => {
  const held = await hold({ total: 1800, quantity: 3 });
  await service.sql('update reservations set renew = true where reservation_id = $1', [held.reservationId]);
  const path = `${ORDERS}/${held.reservationOrderId}/split`;
  const own = `/providers/microsoft.capacity/reservationOrders/${held.reservationOrderId}/reservations`;
  const split = (quantities: unknown, reservationId: unknown = `${own}/${held.reservationId}`) =>
    send('POST', path, { properties: { quantities, reservationId } }, { token: held.token });
  for (const wrong of [[1, 1], [2, 2], [3], [], [3, 0], [4, -1], [1.5, 1.5], ['1', 2], [2 ** 53, 1], null]) {
    t.equal((await split(wrong)).status, 400, JSON.stringify(wrong));
  }
  t.match(await split([1, 2], 'x'), { status: 400, body: { error: { code: 'InvalidReservationId' } } });
  t.match(await split([1, 2], randomUUID()), { status: 404 });
  const elsewhere = own.replace(held.reservationOrderId, randomUUID());
  t.match(await split([1, 2], `${elsewhere}/${held.reservationId}`), { status: 404 });
  t.equal(
    (
      await send(
        'POST',
        path,
        { properties: { quantities: [1, 2], reservationId: held.reservationId } },
        { token: service.tokens.helpdesk },
      )
    ).status,
    403,
  );

  const done = await split([1, 2]);
  t.equal(done.status, 200, done.text);
  const [one, two, source] = done.body;
  t.match([one.properties.quantity, two.properties.quantity, source.properties.quantity], [1, 2, 3]);
  t.same(source.properties.splitProperties, { splitDestinations: [one.id, two.id] });
  t.match(source, {
    id: `${own}/${held.reservationId}`,
    etag: 2,
    properties: { provisioningState: 'Split', displayProvisioningState: 'Cancelled', renew: false },
  });
  for (const part of [one, two]) {
    t.match(part, {
      etag: 1,
      properties: {
        provisioningState: 'Succeeded',
        renew: false,
        expiryDateTime: source.properties.expiryDateTime,
        splitProperties: { splitSource: source.id },
      },
    });
  }
  t.equal((await split([1, 2])).status, 409, 'it is split already');
  const listed = await send('GET', `${ORDERS}/${held.reservationOrderId}/reservations`);
  t.same(listed.body.value.map((part: { id: string }) => part.id).sort(), [one.id, two.id, source.id].sort());
  const log = await logOf(held);
  t.equal(log.length, 3);
  t.same(
    log.map((row) => row.old_value === null),
    [true, true, false],
  );
});

t.test('only reservations that are alike are merged, each once', async (t) => {
  const held = await hold({ total: 3000, quantity: 5 });
  const own = `/providers/microsoft.capacity/reservationOrders/${held.reservationOrderId}/reservations`;
  const order = `${ORDERS}/${held.reservationOrderId}`;
  const parts = (
    await send('POST', `${order}/split`, { properties: { quantities: [1, 1, 3], reservationId: held.reservationId } })
  ).body.slice(0, 3);
  const [a, b, c] = parts.map((part: { id: string }) => part.id);
  const merge = (sources: unknown, token = held.token) =>
    send('POST', `${order}/merge`, { properties: { sources } }, { token });
  t.equal((await merge([a])).status, 400);
  t.equal((await merge([a, a.toUpperCase()])).status, 400);
  t.equal((await merge([a, 7])).status, 400);
  t.equal((await merge([a, `${own}/${randomUUID()}`])).status, 404);
  t.match(await merge([a, `${own}/${held.reservationId}`]), { status: 409 });
  const idOf = (path: string) => path.split('/').at(-1);
  for (const [column, name] of [
    ["applied_scope_type = 'Single', applied_scope = '/subscriptions/x'", /appliedScopeType, appliedScopes/],
    ["instance_flexibility = 'Off'", /instanceFlexibility/],
    ["sku_name = 'Standard_B1s'", /sku/],
    ["location = 'eastus'", /location/],
    ["expires_on = (expires_on at time zone 'UTC' + interval '1 day') at time zone 'UTC'", /expiryDateTime/],
    ['renew = true', /renew/],
  ] as const) {
    await service.sql(`update reservations set ${column} where reservation_id = $1`, [idOf(c)]);
    t.match(await merge([a, c]), { status: 400, body: { error: { message: name } } });
    await service.sql(
      `update reservations r set sku_name = o.sku_name, location = o.location, expires_on = o.expires_on, renew = o.renew,
         instance_flexibility = o.instance_flexibility, applied_scope_type = o.applied_scope_type,
         applied_scope = o.applied_scope
       from reservations o
       where r.partner_id = o.partner_id and r.reservation_id = $1 and o.reservation_id = $2`,
      [idOf(c), idOf(a)],
    );
  }
  const done = await merge([a, c, idOf(b)]);
  t.equal(done.status, 200, done.text);
  const [first, second, third, whole] = done.body;
  t.same([first.id, second.id, third.id], [a, c, b]);
  t.match(whole, { etag: 1, properties: { quantity: 5, provisioningState: 'Succeeded', renew: false } });
  t.same(whole.properties.mergeProperties, { mergeSources: [a, c, b] });
  for (const source of [first, second, third]) {
    t.match(source.properties, { provisioningState: 'Merged', mergeProperties: { mergeDestination: whole.id } });
  }
  t.equal((await merge([a, b])).status, 409);
});

t.test('an order holds 500 reservations at the most', async (t) => {
  const held = await hold({ total: 60000, quantity: 600 });
  const path = `${ORDERS}/${held.reservationOrderId}/split`;
  let [reservationId, quantity] = [held.reservationId, 600];
  for (let times = 0; times < 4; times++) {
    quantity -= 99;
    const quantities = [...Array(99).fill(1), quantity];
    const { status, body } = await send('POST', path, { properties: { quantities, reservationId } });
    t.equal(status, 200);
    reservationId = body[99].id;
  }
  const quantities = [...Array(99).fill(1), quantity - 99];
  t.match(await send('POST', path, { properties: { quantities, reservationId } }), {
    status: 409,
    body: { error: { message: /500/ } },
  });
});

t.test('what has ended can be archived and taken out again', async (t) => {
  const [held, ended] = [await hold(), await hold({ reservationState: 'Cancelled' })];
  t.match(await send('POST', `${held.path}/archive`), {
    status: 409,
    body: { error: { code: 'OperationCannotBePerformedInCurrentState' } },
  });
  for (const [verb, archived] of [
    ['archive', true],
    ['archive', true],
    ['unarchive', false],
  ] as const) {
    const answer = await send('POST', `${ended.path}/${verb}`, undefined, { token: ended.token });
    t.same([answer.status, answer.text], [200, '']);
    t.equal((await send('GET', ended.path)).body.properties.archived, archived);
  }
  t.equal((await logOf(ended)).length, 2);
});

t.test('a reservation order cannot move to another tenant', async (t) => {
  const held = await hold();
  const path = `${ORDERS}/${held.reservationOrderId}/changeDirectory`;
  t.match(await send('POST', path, { destinationTenantId: randomUUID() }, { token: held.token }), {
    status: 400,
    body: { error: { code: 'NonsupportedAccountId', message: /partner/ } },
  });
  t.equal((await send('POST', path, {})).status, 400);
});

t.test('input that cannot be is refused', async (t) => {
  const held = await hold();
  for (const properties of [
    { name: '' },
    { name: ' ' },
    { name: 7 },
    { name: 'x'.repeat(261) },
    { instanceFlexibility: 'Maybe' },
    { renew: 'true' },
    { reviewDateTime: '2027-02-30T00:00:00Z' },
    { reviewDateTime: '0000-01-01T00:00:00Z' },
    { reviewDateTime: '2026-12-31T23:59:60Z' },
    { appliedScopes: ['x'], appliedScopeType: 'Single' },
    { appliedScopeType: 'Everywhere' },
  ]) {
    t.equal((await patch(held, properties)).status, 400, JSON.stringify(properties));
  }
  await service.sql("update reservations set reserved_resource_type = 'SqlDatabases' where reservation_id = $1", [
    held.reservationId,
  ]);
  t.match(await patch(held, { instanceFlexibility: 'Off' }), {
    status: 400,
    body: { error: { message: /flexibility/ } },
  });
  t.equal((await patch(held, { instanceFlexibility: 'On' })).status, 200);
  t.equal((await revisionsOf(held)).length, 1);
});

t.test('an approval rescopes and renews under the lock that it holds', async (t) => {
  const held = await hold();
  const { partnerId, customerId, reservationOrderId, reservationId } = held;
  const act = {
    partnerId,
    actor: { type: 'user' as const, id: randomUUID(), userPrincipalName: 'ada@contoso.com', applicationId: null },
    requestId: randomUUID(),
    correlationId: randomUUID(),
  };
  const key = { customerId, reservationOrderId, reservationId };
  await service.db.write(partnerId, async (tx, commitWith) => {
    const { customer, now } = await lockCustomer(tx, partnerId, customerId);
    if (!customer) throw new Error('no customer');
    const locked = { customer, now };
    const appliedScopes = [`/subscriptions/${held.azureSubscriptionId}`];
    await rescopeReservation(tx, act, commitWith, locked, key, { appliedScopeType: 'Single', appliedScopes });
    await setRenew(tx, act, commitWith, locked, key, true);
  });
  t.match(await revisionsOf(held), [
    { etag: 3, properties: { renew: true, appliedScopeType: 'Single' } },
    { etag: 2, properties: { renew: false, appliedScopeType: 'Single' } },
    { etag: 1 },
  ]);
  t.equal((await logOf(held)).length, 2);
  const other = await service.newCustomer();
  const wrong = { ...key, customerId: other.customerId };
  await t.rejects(
    service.db.write(partnerId, async (tx, commitWith) => {
      const { customer, now } = await lockCustomer(tx, partnerId, other.customerId);
      if (!customer) throw new Error('no customer');
      return setRenew(tx, act, commitWith, { customer, now }, wrong, false);
    }),
    { errorName: 'ReservationOrderNotFound', message: /reservation order/ },
  );
});

t.test('a change waits for whoever holds the customer, and is judged by what was left', async (t) => {
  const held = await hold();
  const cancelled = `update reservations set provisioning_state = 'Cancelled' where customer_id = $1`;
  const rename = () => patch(held, { name: 'Build agents' });
  t.match(await askBehindLock(t, service, held.customerId, [cancelled], rename), { status: 409 });
  t.same(await logOf(held), []);
});

t.test('changes at the same time end one after the other, with a gapless log', async (t) => {
  const held = await hold({ total: 1200, quantity: 2 });
  const order = `${ORDERS}/${held.reservationOrderId}`;
  const halves = { properties: { quantities: [1, 1], reservationId: held.reservationId } };
  const answers = await Promise.all([
    ...Array.from({ length: 4 }, () => send('POST', `${order}/split`, halves)),
    ...Array.from({ length: 4 }, (_, index) => patch(held, { name: `n${index}` })),
  ]);
  const splits = answers.slice(0, 4).map(({ status }) => status);
  t.same(splits.sort(), [200, 409, 409, 409]);
  const [units] = await service.sql(
    "select sum(quantity) from reservations where reservation_order_id = $1 and provisioning_state = 'Succeeded'",
    [held.reservationOrderId],
  );
  t.equal(Number(units?.sum), 2);
});
