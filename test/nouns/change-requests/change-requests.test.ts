import { randomUUID } from 'node:crypto';
import t from 'tap';
import { askBehindLock } from '../../helpers/hold-customer.js';
import { type Bought, insertPurchase } from '../../helpers/purchases.js';
import { CONTOSO, FABRIKAM, type MadeCustomer, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens, newCustomer, sql, db } = service;

const address = (customerId: string, ...rest: string[]) =>
  ['/v1/customers', customerId, 'changerequests', ...rest].join('/');
const logOf = (customerId: string) =>
  sql('select * from activity_log where customer_id = $1 order by seq', [customerId]);

/** A customer with a reservation of two, and the token of the user who bought it. */
async function withReservation(bought: Partial<Bought> = {}) {
  const customer = await newCustomer();
  const reservation = await insertPurchase(db, customer, { total: 120_000, quantity: 2, ...bought });
  const owner = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  const { reservationOrderId, reservationId } = reservation;
  const file = (body: object, token = owner) =>
    request('POST', address(customer.customerId), {
      token,
      body: { kind: 'cancel', reservationOrderId, reservationId, ...body },
    });
  return { ...customer, ...reservation, owner, file };
}

async function anotherUser({ partnerId, customerId }: MadeCustomer) {
  const [id, upn] = [randomUUID(), `rita@c${customerId.slice(0, 8)}.onmicrosoft.com`];
  await sql(
    `insert into users values ($1, $2, $3, $4, lower($4), 'Rita Reader', 'Rita', 'Reader', 'US', null, null, 'managed',
       'member', 'active', null, 1, now(), null)`,
    [partnerId, customerId, id, upn],
  );
  return { id, upn, token: await tokens.customerUser(customerId, upn) };
}

t.test('a user files a request on its reservation; it is logged, announced and shown to both sides', async (t) => {
  const made = await withReservation();
  const { customerId, reservationOrderId, reservationId, owner, ownerUpn } = made;
  await sql(
    `insert into webhook_registrations values ($1, gen_random_uuid(), 'https://example.com/hook',
       '{change-request-created}', true, 1, now(), 'test') on conflict do nothing`,
    [CONTOSO],
  );
  const filed = await made.file({
    reservationId: reservationId.toUpperCase(),
    reservationOrderId: reservationOrderId.toUpperCase(),
    quantity: 1,
    comment: 'The project has ended.',
  });
  t.equal(filed.status, 201, filed.text);
  const { id } = filed.body;
  const body = {
    id,
    customerId,
    status: 'open',
    kind: 'cancel',
    reservationOrderId,
    reservationId,
    quantity: 1,
    comment: 'The project has ended.',
    requestedBy: ownerUpn,
    requestedOn: filed.body.requestedOn,
    links: { self: { uri: `/customers/${customerId}/changerequests/${id}`, method: 'GET', headers: [] } },
    attributes: { etag: '"1"', objectType: 'ChangeRequest' },
  };
  t.same(filed.body, body);
  t.equal(filed.headers.get('etag'), '"1"');
  for (const token of [owner, tokens.admin, tokens.sales, tokens.helpdesk]) {
    t.same((await request('GET', address(customerId, id), { token })).body, body);
    t.match((await request('GET', address(customerId), { token })).body, { totalCount: 1, items: [body] });
  }
  const log = await logOf(customerId);
  t.match(log, [
    {
      operation_type: 'create_change_request',
      action: 'Create Change Request',
      resource_type: 'change_request',
      resource_id: id,
      user_principal_name: ownerUpn,
      old_value: null,
    },
  ]);
  t.match(JSON.parse(String(log[0]?.new_value)), { Kind: 'cancel', ReservationId: reservationId, Status: 'open' });
  const events = await sql('select * from webhook_events where customer_id = $1', [customerId]);
  t.match(events, [
    {
      event_name: 'change-request-created',
      payload: {
        ResourceUri: `/v1/customers/${customerId}/changerequests/${id}`,
        ResourceName: 'ChangeRequest',
        AuditUri: new RegExp(`${id}_createchangerequest_`),
        Details: { Kind: 'cancel', ReservationOrderId: reservationOrderId, RequestedBy: ownerUpn },
      },
    },
  ]);
});

t.test('each kind takes what belongs to it', async (t) => {
  const purchase = { skuName: 'Standard_D4s_v5', location: 'westeurope', term: 'P3Y', quantity: 1 };
  const scope = {
    appliedScopeType: 'Single',
    appliedScopeProperties: { subscriptionId: `/subscriptions/${randomUUID()}` },
  };
  const made = await withReservation();
  for (const body of [
    { kind: 'cancel' },
    { kind: 'exchange', quantity: 2, purchase },
    { kind: 'renew', renew: true },
    { kind: 'scope', ...scope },
  ]) {
    const filed = await made.file(body);
    t.match(filed, { status: 201, body }, filed.text);
    t.match((await made.file(body)).body, { code: '990702' }, 'one of a kind can be open for a reservation');
  }
  const cases: [object, RegExp][] = [
    [{ kind: 'upgrade' }, /kind/],
    [{ kind: undefined }, /kind/],
    [{ kind: 'Cancel' }, /kind/],
    [{ reservationId: 'x' }, /reservationId/],
    [{ reservationId: null }, /reservationId/],
    [{ renew: true }, /body\/renew does not belong to kind cancel/],
    [{ kind: 'renew' }, /body\/renew is missing/],
    [{ kind: 'renew', renew: 'true' }, /renew/],
    [{ kind: 'renew', renew: true, quantity: 1 }, /body\/quantity does not belong/],
    [{ kind: 'scope' }, /body\/appliedScopeType is missing/],
    [{ kind: 'scope', appliedScopeType: 'Single' }, /single scope has to be named/],
    [{ kind: 'scope', appliedScopeType: 'ManagementGroup' }, /management group/],
    [{ kind: 'scope', ...scope, appliedScopeProperties: { subscription: 'x' } }, /subscription/],
    [{ kind: 'exchange' }, /body\/purchase is missing/],
    [{ kind: 'exchange', purchase: { ...purchase, quantity: 0 } }, /purchase\/quantity/],
    [{ kind: 'exchange', purchase: { ...purchase, price: 1 } }, /price/],
    [{ quantity: 3 }, /quantity is more than the 2/],
    [{ quantity: 0 }, /quantity/],
    [{ quantity: 2 ** 53 }, /quantity/],
    [{ quantity: 1.5 }, /quantity/],
    [{ comment: '' }, /comment/],
    [{ comment: 'x'.repeat(1001) }, /comment/],
    [{ status: 'approved' }, /status/],
  ];
  const other = await withReservation();
  for (const [body, says] of cases) {
    const answer = await other.file(body);
    t.equal(answer.status, 400, JSON.stringify(body));
    t.match([answer.body.description, ...answer.body.data].join('\n'), says);
  }
  t.same(await logOf(other.customerId), []);
});

t.test('who may file: a user of the customer who may manage the reservation', async (t) => {
  const made = await withReservation();
  const { customerId } = made;
  t.match(await made.file({}, tokens.appOnly), { status: 403, body: { code: '900329' } });
  for (const token of [tokens.admin, tokens.sales]) {
    t.match(await made.file({}, token), { status: 403, body: { code: '900150' } });
  }
  const reader = await anotherUser(made);
  const hidden = await made.file({}, reader.token);
  t.match(hidden, { status: 404, body: { code: '990306' } });
  const absent = await made.file({ reservationOrderId: randomUUID() });
  t.equal(hidden.text, absent.text, 'one that may not be seen is not there');
  t.match(await made.file({ reservationId: randomUUID() }), { status: 404, body: { code: '990307' } });

  const stranger = await withReservation();
  t.match(await made.file({}, stranger.owner), { status: 404, body: { code: '60003' } });
  const { reservationOrderId, reservationId } = stranger;
  t.match(await made.file({ reservationOrderId, reservationId }), { status: 404, body: { code: '990306' } });

  t.equal((await made.file({})).status, 201);
  await sql(`update users set account_state = 'inactive' where user_id = $1`, [made.ownerId]);
  t.match(await made.file({ kind: 'renew', renew: true }), { status: 404 }, 'a disabled user owns nothing');
  t.match((await request('GET', address(customerId), { token: made.owner })).body, { totalCount: 0 });
});

t.test('a reservation that is not in force cannot be asked for', async (t) => {
  const year = 366 * 86_400_000;
  const cases: [Partial<Bought>, RegExp][] = [
    [{ pending: true }, /waits for the approval/],
    [{ reservationState: 'Cancelled' }, /is cancelled/],
    [{ reservationState: 'Split' }, /was split/],
    [{ on: new Date(Date.now() - year) }, /has expired/],
  ];
  for (const [bought, says] of cases) {
    const made = await withReservation(bought);
    t.match(await made.file({}), { status: 409, body: { code: '990309', description: says } });
  }
});

t.test('of many equal requests at once one is filed', async (t) => {
  const made = await withReservation();
  const answers = await Promise.all(Array.from({ length: 8 }, () => made.file({})));
  t.same(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409, 409, 409]);
  t.equal((await logOf(made.customerId)).length, 1);
});

t.test('a request waits for whoever holds the customer', async (t) => {
  const made = await withReservation();
  const cancelled = `update reservations set provisioning_state = 'Cancelled' where customer_id = $1`;
  t.match(await askBehindLock(t, service, made.customerId, [cancelled], () => made.file({})), {
    status: 409,
    body: { code: '990309' },
  });
});

t.test('the partner declines once, with a word, and another can be filed', async (t) => {
  const made = await withReservation();
  const { customerId, owner } = made;
  const { id } = (await made.file({})).body;
  const decline = (token: string, body?: unknown, of = customerId, one = id) =>
    request('POST', address(of, one, 'decline'), { token, ...(body !== undefined && { body }) });

  for (const token of [owner, tokens.sales, tokens.helpdesk]) {
    t.match(await decline(token, {}), { status: 403, body: { code: '900150' } });
  }
  t.match(await decline(tokens.fabrikamAdmin, {}), { status: 404, body: { code: '60003' } });
  t.match(await decline(tokens.admin, {}, customerId, randomUUID()), { status: 404, body: { code: '990701' } });
  const foreign = await withReservation();
  t.match(await decline(tokens.admin, {}, foreign.customerId), { status: 404, body: { code: '990701' } });
  for (const body of [{ comment: '' }, { comment: 1 }, { reason: 'x' }, [], '"x"']) {
    t.match(await decline(tokens.admin, body), { status: 400 }, JSON.stringify(body));
  }

  const declined = await decline(tokens.admin, { comment: 'Still in use.' });
  t.match(declined, {
    status: 200,
    body: { status: 'declined', decisionComment: 'Still in use.', decidedBy: /@/, attributes: { etag: '"2"' } },
  });
  t.match(await decline(tokens.admin), { status: 409, body: { code: '990703', description: /declined by/ } });
  t.same((await request('GET', address(customerId, id), { token: owner })).body, declined.body);
  const log = await logOf(customerId);
  t.match(log[1], { operation_type: 'update_change_request', resource_type: 'change_request', resource_id: id });
  t.match(
    [log[1]?.old_value, log[1]?.new_value].map((value) => JSON.parse(String(value)).Status),
    ['open', 'declined'],
  );
  t.equal(log.length, 2);

  const again = await made.file({});
  t.equal(again.status, 201, 'the next one can be filed');
  t.match(await decline(tokens.admin, undefined, customerId, again.body.id), { status: 200 }, 'without a body');
});

t.test('of two decisions at once one is made', async (t) => {
  const made = await withReservation();
  const { id } = (await made.file({})).body;
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd'].map((comment) =>
      request('POST', address(made.customerId, id, 'decline'), { body: { comment } }),
    ),
  );
  t.same(answers.map(({ status }) => status).sort(), [200, 409, 409, 409]);
  t.equal((await logOf(made.customerId)).length, 2);
});

t.test('lists are newest first, filtered and paged, for the customer over all its partners', async (t) => {
  const made = await withReservation();
  const { customerId, owner } = made;
  await sql(
    `insert into customers select (jsonb_populate_record(c, jsonb_build_object('partner_id', $2::text, 'log_seq', 0))).*
     from customers c where customer_id = $1`,
    [customerId, FABRIKAM],
  );
  const there = await insertPurchase(db, { ...made, partnerId: FABRIKAM }, { total: 1000 });
  const ids: string[] = [];
  for (const body of [
    {},
    { reservationOrderId: there.reservationOrderId, reservationId: there.reservationId },
    { kind: 'renew', renew: true },
    { kind: 'scope', appliedScopeType: 'Shared' },
    { kind: 'renew', renew: true, reservationOrderId: there.reservationOrderId, reservationId: there.reservationId },
  ]) {
    const filed = await made.file(body);
    t.equal(filed.status, 201, filed.text);
    ids.unshift(filed.body.id);
  }
  const list = async (token: string, query = '', headers: Record<string, string> = {}) =>
    request('GET', `${address(customerId)}${query}`, { token, headers });
  const idsOf = (body: { items: { id: string }[] }) => body.items.map((item) => item.id);

  t.same(idsOf((await list(owner)).body), ids);
  t.same(idsOf((await list(tokens.admin)).body), [ids[1], ids[2], ids[4]]);
  t.same(idsOf((await list(tokens.fabrikamAdmin)).body), [ids[0], ids[3]]);
  t.equal((await request('GET', address(customerId, ids[0] ?? ''), { token: owner })).status, 200);
  t.match(await request('GET', address(customerId, ids[0] ?? '')), { status: 404, body: { code: '990701' } });

  const walked: string[] = [];
  let page = await list(owner, '?size=1');
  for (;;) {
    walked.push(...idsOf(page.body));
    if (!page.body.continuationToken || walked.length > 5) break;
    page = await list(owner, '?seekOperation=Next', { 'MS-ContinuationToken': page.body.continuationToken });
  }
  t.same(walked, ids, 'page by page the same');
  const foreignToken = (await list(tokens.admin, '?size=1')).body.continuationToken;
  t.equal((await list(owner, '?seekOperation=Next', { 'MS-ContinuationToken': foreignToken })).status, 400);

  const [, second = ''] = ids;
  await request('POST', address(customerId, second, 'decline'));
  t.same(idsOf((await list(owner, '?status=declined')).body), [second]);
  t.same(idsOf((await list(owner, '?STATUS=Open')).body), [ids[0], ids[2], ids[3], ids[4]]);
  for (const query of ['?status=closed', '?size=0', '?size=501', '?size=x', '?state=open', '?size=1&size=2']) {
    t.equal((await list(owner, query)).status, 400, query);
  }

  const stranger = await withReservation();
  for (const path of [address(customerId), address(customerId, second)]) {
    const refused = await request('GET', path, { token: stranger.owner });
    const absent = await request('GET', path.replace(customerId, randomUUID()));
    t.match(refused, { status: 404, body: { code: '60003' } });
    t.equal(refused.text, absent.text);
  }
});
