import t from 'tap';
import { askBehindLock } from '../../helpers/hold-customer.js';
import { type Bought, insertPurchase } from '../../helpers/purchases.js';
import { startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens, newCustomer, newPrice, sql, db } = service;

const address = (customerId: string, ...rest: string[]) =>
  ['/v1/customers', customerId, 'changerequests', ...rest].join('/');

/** A customer with a reservation of two units at 600 USD, and a request on it. */
async function withRequest(body: object, bought: Partial<Bought> = {}) {
  const customer = await newCustomer();
  const reservation = await insertPurchase(db, customer, { total: 120_000, quantity: 2, ...bought });
  const { customerId } = customer;
  const { reservationOrderId, reservationId } = reservation;
  const owner = await tokens.customerUser(customerId, customer.ownerUpn);
  const filed = await request('POST', address(customerId), {
    token: owner,
    body: { reservationOrderId, reservationId, ...body },
  });
  if (filed.status !== 201) throw new Error(filed.text);
  const { id } = filed.body;
  return {
    ...customer,
    ...reservation,
    owner,
    id,
    approve: (decision?: object, token = tokens.admin) =>
      request('POST', address(customerId, id, 'approve'), { token, ...(decision && { body: decision }) }),
    read: async () => (await request('GET', address(customerId, id))).body,
    reservation: async () => (await sql('select * from reservations where reservation_id = $1', [reservationId]))[0],
    log: async () => {
      const rows = await sql('select * from activity_log where customer_id = $1 order by seq', [customerId]);
      return rows.map((row) => row.operation_type);
    },
  };
}

t.test('an approval performs the request, closes it and logs both', async (t) => {
  const made = await withRequest({ kind: 'renew', renew: true, comment: 'Please.' });
  t.match(await made.approve({}, tokens.sales), { status: 403, body: { code: '900150' } });
  t.match(await made.approve({}, made.owner), { status: 403, body: { code: '900150' } });
  t.match(await made.approve({}, tokens.fabrikamAdmin), { status: 404, body: { code: '60003' } });
  t.match(await made.approve({ note: 'x' }), { status: 400 });
  t.match(await made.reservation(), { renew: false, version: 1 }, 'not before');

  const approved = await made.approve({ comment: 'Done.' });
  t.match(approved, {
    status: 200,
    body: { status: 'approved', decisionComment: 'Done.', decidedBy: /@/, attributes: { etag: '"2"' } },
  });
  t.same(await made.read(), approved.body);
  t.match(await made.reservation(), { renew: true, version: 2 });
  t.same(await made.log(), ['create_change_request', 'update_reservation', 'update_change_request']);

  t.match(await made.approve(), { status: 409, body: { code: '990703', description: /approved by/ } });
  const declined = await request('POST', address(made.customerId, made.id, 'decline'));
  t.match(declined, { status: 409, body: { code: '990703' } });
  t.equal((await made.log()).length, 3);
});

t.test('a scope is changed to the one asked for, if the customer has it', async (t) => {
  const made = await withRequest({ kind: 'scope', appliedScopeType: 'Shared' });
  t.match(await made.approve(), { status: 200 });
  const single = (id: string) => ({
    kind: 'scope',
    appliedScopeType: 'Single',
    appliedScopeProperties: { subscriptionId: `/subscriptions/${id}` },
  });
  const file = async (body: object) => {
    const { reservationOrderId, reservationId } = made;
    const filed = await request('POST', address(made.customerId), {
      token: made.owner,
      body: { reservationOrderId, reservationId, ...body },
    });
    return filed.body.id;
  };
  const good = await file(single(made.azureSubscriptionId));
  t.match(await request('POST', address(made.customerId, good, 'approve')), { status: 200 });
  const scope = `/subscriptions/${made.azureSubscriptionId}`;
  t.match(await made.reservation(), { applied_scope_type: 'Single', applied_scope: scope });

  const stranger = await newCustomer();
  const bad = await file(single(stranger.azureSubscriptionId));
  const refused = await request('POST', address(made.customerId, bad, 'approve'));
  t.match(refused, { status: 400, body: { description: new RegExp(stranger.azureSubscriptionId) } });
  t.match((await request('GET', address(made.customerId, bad))).body, { status: 'open' });
  t.match(await made.reservation(), { applied_scope: scope });
});

t.test('a cancellation returns the units asked for, or all there are', async (t) => {
  const part = await withRequest({ kind: 'cancel', quantity: 1 });
  t.match(await part.approve(), {
    status: 200,
    body: { status: 'approved', refund: { amount: '600.00', currencyCode: 'USD' } },
  });
  t.match(await part.reservation(), { provisioning_state: 'Succeeded', quantity: 1 });
  const all = await withRequest({ kind: 'cancel', comment: 'No longer needed.' });
  t.match(await all.approve(), { status: 200, body: { refund: { amount: '1200.00' } } });
  t.match(await all.reservation(), { provisioning_state: 'Cancelled' });
  t.match(await sql('select * from refunds where customer_id = $1', [all.customerId]), [
    { quantity: '2', reason: 'No longer needed.' },
  ]);
  t.match(await all.log(), ['create_change_request', 'return_reservation']);
  t.equal((await all.log()).at(-1), 'update_change_request');
});

t.test('what is refused is refused with its reason, and the request stays open', async (t) => {
  const made = await withRequest({ kind: 'cancel' }, { total: 6_000_000 });
  const refused = await made.approve();
  t.ok(refused.status >= 400 && refused.status < 500, refused.text);
  t.match([refused.body.description, ...refused.body.data].join('\n'), /50,?000/);
  t.match(await made.read(), { status: 'open', attributes: { etag: '"1"' } });
  t.match(await made.reservation(), { provisioning_state: 'Succeeded' });
  t.same(await made.log(), ['create_change_request']);
  t.match(await request('POST', address(made.customerId, made.id, 'decline')), { status: 200 });
});

t.test('what ended meanwhile cannot be approved', async (t) => {
  const made = await withRequest({ kind: 'renew', renew: true });
  await sql(`update reservations set provisioning_state = 'Cancelled' where reservation_id = $1`, [made.reservationId]);
  t.match(await made.approve(), { status: 409, body: { code: '990309' } });
  t.match(await made.read(), { status: 'open' });
});

t.test('an exchange makes the new reservation, billed and applied as the old one', async (t) => {
  const { skuName } = await newPrice({ skuName: 'Standard_D8s_v5', unitPrice: '2400' });
  const purchase = { skuName, location: 'West Europe', term: 'P1Y', billingPlan: 'Monthly', quantity: 1 };
  const made = await withRequest({ kind: 'exchange', purchase });
  const scope = `/subscriptions/${made.azureSubscriptionId}`;
  await sql(`update reservations set applied_scope_type = 'Single', applied_scope = $2 where reservation_id = $1`, [
    made.reservationId,
    scope,
  ]);
  const approved = await made.approve();
  t.match(approved, { status: 200, body: { refund: { amount: '1200.00' }, purchase } }, approved.text);
  const { newReservationOrderId } = approved.body;
  t.match(await made.reservation(), { provisioning_state: 'Cancelled' });
  t.match(await sql('select * from reservation_orders where reservation_order_id = $1', [newReservationOrderId]), [
    {
      sku_name: skuName,
      location: 'westeurope',
      billing_plan: 'Monthly',
      billing_subscription_id: made.azureSubscriptionId,
      customer_id: made.customerId,
    },
  ]);
  t.match(await sql('select * from reservations where reservation_order_id = $1', [newReservationOrderId]), [
    { applied_scope_type: 'Single', applied_scope: scope },
  ]);
  t.match(await made.log(), ['create_change_request', 'exchange_reservation']);

  const unpriced = await withRequest({ kind: 'exchange', purchase: { ...purchase, skuName: 'Standard_none' } });
  const refused = await unpriced.approve();
  t.ok(refused.status >= 400 && refused.status < 500, refused.text);
  t.match(await unpriced.read(), { status: 'open' });
});

t.test('of many approvals at once one performs', async (t) => {
  const made = await withRequest({ kind: 'cancel', quantity: 1 });
  const answers = await Promise.all(Array.from({ length: 6 }, () => made.approve()));
  t.same(answers.map(({ status }) => status).sort(), [200, 409, 409, 409, 409, 409]);
  t.match(await made.reservation(), { quantity: '1' });
  t.equal((await sql('select 1 from refunds where customer_id = $1', [made.customerId])).length, 1);
});

t.test('an approval waits for whoever holds the customer', async (t) => {
  const made = await withRequest({ kind: 'renew', renew: true });
  const declined = `update change_requests set status = 'declined', decided_by = 'other', decided_on = now() where customer_id = $1`;
  t.match(await askBehindLock(t, service, made.customerId, [declined], made.approve), {
    status: 409,
    body: { code: '990703' },
  });
  t.match(await made.reservation(), { renew: false });
});
