import { randomUUID } from 'node:crypto';
import t from 'tap';
import { FABRIKAM, startService } from '../../helpers/service.js';
import { addressOf, buy, calculate, giveBack, VERSION } from './bought.js';

const service = await startService(t);
const { request, sql, tokens } = service;
const usd = (amount: number) => ({ currencyCode: 'USD', amount });
const codesOf = (answer: {
  body: { properties: { policyResult: { properties: { policyErrors: { code: string }[] } } } };
}) => answer.body.properties.policyResult.properties.policyErrors.map(({ code }) => code);

async function sessionOf(bought: Awaited<ReturnType<typeof buy>>, quantity = 1): Promise<string> {
  return (await calculate(service, bought, quantity)).body.properties.sessionId;
}

const rowOf = async ({ name }: { name: string }) =>
  (await sql('select * from reservations where reservation_id = $1', [name]))[0];
const orderRowOf = async ({ reservationOrderId }: { reservationOrderId: string }) =>
  (await sql('select * from reservation_orders where reservation_order_id = $1', [reservationOrderId]))[0];
const operationsOf = async (customerId: string) =>
  (
    await sql('select operation_type, resource_id from activity_log where customer_id = $1 order by seq', [customerId])
  ).map((row) => row.operation_type);

t.test('a reservation returned on its first day is paid back whole, cancelled and logged', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const calculated = await calculate(service, bought);
  t.equal(calculated.status, 200);
  const { sessionId } = calculated.body.properties;
  t.match(sessionId, /^[0-9a-f-]{36}$/);
  t.same(calculated.body, {
    id: `/providers/microsoft.capacity/reservationOrders/${bought.reservationOrderId}`,
    properties: {
      sessionId,
      quantity: 1,
      billingRefundAmount: usd(600),
      pricingRefundAmount: usd(600),
      policyResult: {
        properties: { consumedRefundsTotal: usd(0), maxRefundLimit: usd(50_000), policyErrors: [] },
      },
      billingInformation: {
        billingPlan: 'Upfront',
        completedTransactions: 1,
        totalTransactions: 1,
        billingCurrencyTotalPaidAmount: usd(600),
        billingCurrencyProratedAmount: usd(600),
        billingCurrencyRemainingCommitmentAmount: usd(0),
      },
    },
  });
  t.match(await rowOf(bought), { provisioning_state: 'Succeeded' }, 'calculating changes nothing');

  const returned = await giveBack(service, bought, sessionId);
  t.equal(returned.status, 200);
  t.match(returned.body, { name: bought.reservationOrderId, etag: 2, properties: { provisioningState: 'Cancelled' } });
  t.match(await rowOf(bought), { provisioning_state: 'Cancelled', quantity: 1, renew: false, version: 2 });
  const [revision] = await sql('select count(*)::int as n from reservation_revisions where reservation_id = $1', [
    bought.name,
  ]);
  t.equal(revision?.n, 2);
  const [order] = await sql('select status, version from orders where order_id = $1', [bought.orderId]);
  t.match(order, { status: 'cancelled', version: 2 });
  const refunds = await sql('select * from refunds where customer_id = $1', [made.customerId]);
  t.equal(refunds.length, 1);
  t.match(refunds[0], {
    refund_id: sessionId,
    kind: 'return',
    reservation_id: bought.name,
    quantity: 1,
    refund_minor: 60000,
    fee_minor: 0,
    cancelled_commitment_minor: 60000,
    limit_usd_minor: 60000,
    reason: 'not needed',
  });
  t.same(await operationsOf(made.customerId), ['return_reservation', 'update_order']);
  const [entry] = await sql('select * from activity_log where customer_id = $1 order by seq', [made.customerId]);
  t.match(entry, { action: 'Return Reservation', resource_type: 'reservation', resource_id: bought.name });
  t.match(entry?.old_value, /"ProvisioningState":"Succeeded"/);
  t.match(entry?.new_value, /"ProvisioningState":"Cancelled"/);
  t.match(JSON.stringify(entry?.customized_data), /600\.00 USD/);

  const again = await giveBack(service, bought, sessionId);
  t.equal(again.text, returned.text, 'the same session answers the same');
  t.equal((await operationsOf(made.customerId)).length, 2, 'and does nothing');
  const late = await calculate(service, bought);
  t.same(codesOf(late), ['OperationCannotBePerformedInCurrentState']);
  t.equal(late.body.properties.sessionId, undefined);
  t.match(late.body.properties.policyResult.properties, { consumedRefundsTotal: usd(600) });
});

t.test('of a part the rest lives on, with the payments of that many', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made, { billingPlan: 'Monthly', unitMinor: 1000, quantity: 3, daysAgo: 14 });
  const { body } = await calculate(service, bought, 1);
  t.match(body.properties.billingInformation, {
    completedTransactions: 1,
    totalTransactions: 12,
    billingCurrencyTotalPaidAmount: usd(0.83),
    billingCurrencyRemainingCommitmentAmount: usd(9.17),
  });
  const returned = await giveBack(service, bought, body.properties.sessionId, 1);
  t.match(returned.body.properties, { provisioningState: 'Succeeded', originalQuantity: 3 });
  t.match(await rowOf(bought), { provisioning_state: 'Succeeded', quantity: 2, renew: true });
  const { payments } = (await orderRowOf(bought)) ?? {};
  t.same(
    payments.map(({ minor }: { minor: number }) => minor),
    [250, 167, 167, 167, 167, 167, 167, 167, 166, 166, 166, 166],
  );
  t.same(await operationsOf(made.customerId), ['return_reservation'], 'the purchase goes on');

  const rest = await calculate(service, bought, 2);
  const paid = rest.body.properties.billingInformation.billingCurrencyTotalPaidAmount.amount;
  t.equal(paid, 1.67, 'what both parts paid adds up to the first payment');
  t.same(codesOf(await calculate(service, bought, 3)), ['InvalidRefundQuantity']);
  await giveBack(service, bought, rest.body.properties.sessionId, 2);
  const ended = await orderRowOf(bought);
  t.match(ended, { provisioning_state: 'Cancelled', version: 3 });
  t.same(
    ended?.payments.map(({ cancelled }: { cancelled?: true }) => cancelled ?? false),
    [false, ...Array(11).fill(true)],
  );
  const shown = await request('GET', `${addressOf(bought, '').replace('/?', '?')}&$expand=schedule`);
  t.same(
    shown.body.properties.planInformation.transactions.map(({ status }: { status: string }) => status),
    ['Succeeded', ...Array(11).fill('Cancelled')],
    'what was paid stays paid',
  );
});

t.test('the lower price of today counts; without one in the currency, the price that was paid', async (t) => {
  const made = await service.newCustomer();
  const sku = { skuName: 'Standard_E2s_v5' };
  const bought = await buy(service, made, sku);
  await service.newPrice({ ...sku, unitPrice: '450' });
  const { body } = await calculate(service, bought);
  t.match(body.properties, { billingRefundAmount: usd(450) });
  await service.newPrice({ ...sku, unitPrice: '900', effectiveOn: '2026-02-01T00:00:00Z' });
  t.match((await calculate(service, bought)).body.properties, { billingRefundAmount: usd(600) });
  const promised = await giveBack(service, bought, body.properties.sessionId);
  t.equal(promised.status, 200);
  const [row] = await sql('select refund_minor from refunds where refund_id = $1', [body.properties.sessionId]);
  t.equal(row?.refund_minor, 45_000, 'a session keeps its amounts');
});

t.test(
  'a session is for one reservation and quantity, for 30 minutes, while nothing of the order changes',
  async (t) => {
    const made = await service.newCustomer();
    const bought = await buy(service, made, { quantity: 4 });
    const other = await buy(service, made);
    const session = await sessionOf(bought);
    const [kept] = await sql('select expires_on - created_on as life from refund_sessions where session_id = $1', [
      session,
    ]);
    t.match(kept?.life, { minutes: 30 });
    const refused = async (status: number, code: string, answer: ReturnType<typeof request>) => {
      const { status: got, body } = await answer;
      t.match({ status: got, code: body?.error?.code }, { status, code });
      t.match(body.error.message, /\.$/);
    };
    await refused(400, 'BadRequest', giveBack(service, bought, randomUUID()));
    await refused(400, 'BadRequest', giveBack(service, bought, session, 2));
    await refused(400, 'BadRequest', giveBack(service, other, session));
    const stale = await sessionOf(bought);
    t.equal((await giveBack(service, bought, session)).status, 200);
    await refused(409, 'OperationCannotBePerformedInCurrentState', giveBack(service, bought, stale));
    const old = await sessionOf(bought);
    await sql(`update refund_sessions set expires_on = now() - interval '1 second' where session_id = $1`, [old]);
    await refused(400, 'BadRequest', giveBack(service, bought, old));
    await sql(`update refund_sessions set expires_on = now() - interval '1 hour' where session_id = $1`, [session]);
    t.equal((await giveBack(service, bought, session)).status, 200, 'one that was used answers all the same');
    t.match(await rowOf(bought), { quantity: 3 });
    const used = await buy(service, made, { daysAgo: 10, unitMinor: 365_000 });
    const promised = await calculate(service, used);
    const { sessionId } = promised.body.properties;
    await sql(
      `update refund_sessions set created_on = (created_on at time zone 'UTC' - interval '3 days') at time zone 'UTC'
       where session_id = $1`,
      [sessionId],
    );
    t.equal((await giveBack(service, used, sessionId)).status, 200);
    const [refund] = await sql('select refund_minor from refunds where refund_id = $1', [sessionId]);
    t.ok(
      refund?.refund_minor > promised.body.properties.billingRefundAmount.amount * 100,
      'the days used are those of the session',
    );
    const foreign = await service.newCustomer({ partnerId: FABRIKAM });
    const theirs = await buy(service, foreign);
    const { body } = await calculate(service, theirs, 1, { token: tokens.fabrikamAdmin });
    await refused(400, 'BadRequest', giveBack(service, bought, body.properties.sessionId));
  },
);

t.test('more than 50 000 USD of commitment in 365 days are not cancelled for a customer', async (t) => {
  const made = await service.newCustomer();
  const large = await buy(service, made, { unitMinor: 3_000_000, quantity: 2 });
  const { body, status } = await calculate(service, large, 2);
  t.equal(status, 200);
  const [error] = body.properties.policyResult.properties.policyErrors;
  t.match(error, { code: 'RefundLimitExceeded', message: /60000\.00 USD.*50000\.00 USD/ });
  t.match(body.properties, { billingRefundAmount: usd(60_000) }, 'the amount is shown all the same');

  const second = await buy(service, made, { unitMinor: 2_000_001 });
  const exact = await buy(service, made, { unitMinor: 2_000_000 });
  const early = await sessionOf(second);
  t.equal((await giveBack(service, large, await sessionOf(large))).status, 200);
  const late = await giveBack(service, second, early);
  t.equal(late.status, 400, 'the limit is judged when it is returned');
  t.match(late.body.error, {
    code: 'RefundLimitExceeded',
    details: [{ code: 'RefundLimitExceeded', message: /20000\.01 USD.*20000\.00 USD is left/ }],
  });
  t.match(await rowOf(second), { provisioning_state: 'Succeeded' });
  t.equal((await giveBack(service, exact, await sessionOf(exact))).status, 200, 'up to the limit it is allowed');

  const limit = await request('GET', `/v1/customers/${made.customerId}/refundlimit`, { token: tokens.helpdesk });
  t.match(limit.body, { consumed: usd(50_000), remaining: usd(0), windowDays: 365, refills: { length: 2 } });
  const [first] = limit.body.refills;
  t.match(first, { amount: usd(30_000), reservationId: large.name });
  t.equal(Date.parse(first.date) - Date.parse(first.returnedOn), 365 * 86_400_000);

  await sql(`update refunds set created_on = now() - interval '365 days' where reservation_id = $1`, [large.name]);
  const after = await request('GET', `/v1/customers/${made.customerId}/refundlimit`);
  t.match(after.body, { consumed: usd(20_000), remaining: usd(30_000), refills: { length: 1 } });
  t.equal((await giveBack(service, second, await sessionOf(second))).status, 200, 'what came back can be used');
});

t.test('what cannot be returned says so, each reason with what to do', async (t) => {
  const made = await service.newCustomer();
  const suse = await buy(service, made, { reservedResourceType: 'SuseLinux', quantity: 2 });
  t.same(codesOf(await calculate(service, suse, 3)), ['InvalidRefundQuantity', 'SelfServiceRefundNotSupported']);
  const over = await buy(service, made, { daysAgo: 366 });
  t.same(codesOf(await calculate(service, over)), ['OperationCannotBePerformedInCurrentState']);
  const ended = await buy(service, made);
  const session = await sessionOf(ended);
  await sql(`update reservations set provisioning_state = 'Split' where reservation_id = $1`, [ended.name]);
  const refused = await giveBack(service, ended, session);
  t.equal(refused.status, 409);
  t.match(refused.body.error, { code: 'OperationCannotBePerformedInCurrentState', message: /is Split/ });
});

t.test('another currency takes of the limit what the retail prices in both make of it', async (t) => {
  const made = await service.newCustomer();
  const sku = { skuName: 'Standard_F4s_v2' };
  const bought = await buy(service, made, { ...sku, currencyCode: 'EUR', unitMinor: 4_500_000 });
  const without = await calculate(service, bought);
  t.same(codesOf(without), ['CalculatePriceFailed']);
  t.match(without.body.properties.policyResult.properties.policyErrors[0].message, /Import the retail price/);
  await service.newPrice({ ...sku, unitPrice: '1000', currencyCode: 'EUR' });
  await service.newPrice({ ...sku, unitPrice: '1100' });
  const { body } = await calculate(service, bought);
  t.match(body.properties, { billingRefundAmount: { currencyCode: 'EUR', amount: 45_000 } });
  await giveBack(service, bought, body.properties.sessionId);
  const [row] = await sql('select limit_usd_minor from refunds where reservation_id = $1', [bought.name]);
  t.equal(row?.limit_usd_minor, 4_950_000);
});

t.test("the customer's users get the sentence that the partner does it, whatever role they hold", async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const token = await tokens.customerUser(made.customerId, made.ownerUpn);
  const { body } = await calculate(service, bought);
  const four = [
    () => calculate(service, bought, 1, { token }),
    () => giveBack(service, bought, body.properties.sessionId, 1, { token }),
    () =>
      request('POST', `/providers/Microsoft.Capacity/calculateExchange?${VERSION}`, {
        token,
        body: {
          properties: {
            reservationsToExchange: [{ reservationId: bought.reservationId, quantity: 1 }],
            reservationsToPurchase: [],
          },
        },
      }),
    () =>
      request('POST', `/providers/Microsoft.Capacity/exchange?${VERSION}`, {
        token,
        body: { properties: { sessionId: randomUUID() } },
      }),
  ];
  const refusedAll = async (who: string) => {
    for (const call of four) {
      const answer = await call();
      t.equal(answer.status, 403, who);
      t.match(answer.body.error, { code: 'Forbidden', message: /by the partner/ }, who);
    }
  };
  await refusedAll('the buyer, Owner of the subscription');
  const role = (id: string, scope: string, level: string) =>
    sql(
      `insert into role_assignments values ($1, $2, gen_random_uuid(), $3, lower($3), $4, null, $5, $6, 'User', 'active',
         null, null, null, null, now(), now(), null, null)`,
      [made.partnerId, made.customerId, scope, level, id, made.ownerId],
    );
  await role('8e3af657-a8ff-443c-a75c-2fe8c4bcb635', '/', 'root');
  await role('a8889054-8d42-49c9-bc1c-52486c10e7cd', '/providers/Microsoft.Capacity', 'root');
  await refusedAll('Owner of the tenant and Reservations Administrator');
  t.match(await rowOf(bought), { provisioning_state: 'Succeeded' });

  const stranger = await service.newCustomer();
  const strange = await tokens.customerUser(stranger.customerId, stranger.ownerUpn);
  const hidden = await calculate(service, bought, 1, { token: strange });
  const absent = await calculate(service, { ...bought, reservationOrderId: randomUUID() }, 1, { token: strange });
  t.equal(hidden.status, 404);
  t.equal(hidden.text, absent.text, 'an order of another customer is as one that is not there');
});

t.test('of the partner an AdminAgent alone returns; another partner finds nothing', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const session = await sessionOf(bought);
  for (const token of [tokens.sales, tokens.helpdesk]) {
    t.equal((await calculate(service, bought, 1, { token })).status, 403);
    t.match((await giveBack(service, bought, session, 1, { token })).body.error, { code: 'AuthorizationFailed' });
    const limit = await request('GET', `/v1/customers/${made.customerId}/refundlimit`, { token });
    t.equal(limit.status, 200, 'all agents read the limit');
  }
  const token = tokens.fabrikamAdmin;
  const foreign = await calculate(service, bought, 1, { token });
  const absent = await calculate(service, { ...bought, reservationOrderId: randomUUID() }, 1, { token });
  t.equal(foreign.status, 404);
  t.equal(foreign.text, absent.text);
  t.equal((await giveBack(service, bought, session, 1, { token })).status, 404);
  t.equal((await request('GET', `/v1/customers/${made.customerId}/refundlimit`, { token })).status, 404);
  const customer = await tokens.customerUser(made.customerId, made.ownerUpn);
  const read = await request('GET', `/v1/customers/${made.customerId}/refundlimit`, { token: customer });
  t.equal(read.status, 403);
});

t.test('a request that cannot be meant is refused, and ids are read in any case', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const other = await buy(service, made);
  const post = (body: unknown) => request('POST', addressOf(bought, 'calculateRefund'), { body });
  const asked = (reservationToReturn: unknown, more = {}) =>
    post({ properties: { scope: 'Reservation', reservationToReturn, ...more } });
  const { reservationId } = bought;
  for (const quantity of [0, -1, 1.5, '1', null, true, 2 ** 31, 2 ** 53, 100_001]) {
    t.equal((await asked({ reservationId, quantity })).status, 400, `quantity ${quantity}`);
  }
  for (const id of ['', 'x', 7, null, `${reservationId}/x`, '/subscriptions/1', `${reservationId.slice(0, -1)}z`]) {
    t.equal((await asked({ reservationId: id, quantity: 1 })).status, 400, `reservationId ${id}`);
  }
  const badId = await asked({ reservationId: 'x', quantity: 1 });
  t.match(badId.body.error, { code: 'InvalidReservationId' });
  t.equal((await asked({ reservationId, quantity: 1 }, { scope: 'Order' })).status, 400);
  t.equal((await post({})).status, 400);
  t.equal((await post('{"properties":{"reservationToReturn":{"quantity":1e400}}}')).status, 400);
  const elsewhere = await asked({ reservationId: other.reservationId, quantity: 1 });
  t.match(elsewhere.body.error, { code: 'ReservationIdNotInReservationOrder' });
  const absent = reservationId.replace(bought.name, randomUUID());
  t.equal((await asked({ reservationId: absent, quantity: 1 })).status, 404);
  t.equal((await asked({ reservationId: reservationId.toUpperCase(), quantity: 1 })).status, 200);
  t.equal((await asked({ reservationId: bought.name.toUpperCase(), quantity: 1 })).status, 200);
  const bare = await request('POST', addressOf(bought, 'calculateRefund').replace(`?${VERSION}`, ''), { body: {} });
  t.match(bare.body.error, { code: 'MissingApiVersionParameter' });
});

t.test('of ten returns at once exactly those that fit together are made', async (t) => {
  const made = await service.newCustomer();
  const bought = await Promise.all(Array.from({ length: 10 }, () => buy(service, made, { unitMinor: 1_200_000 })));
  const sessions = await Promise.all(bought.map((one) => sessionOf(one)));
  const answers = await Promise.all(bought.map((one, index) => giveBack(service, one, sessions[index] ?? '')));
  t.same(answers.map(({ status }) => status).sort(), [...Array(4).fill(200), ...Array(6).fill(400)]);
  const [row] = await sql('select sum(limit_usd_minor)::int as taken from refunds where customer_id = $1', [
    made.customerId,
  ]);
  t.equal(row?.taken, 4_800_000);
});

t.test('one session sent ten times at once returns once', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made, { quantity: 5 });
  const session = await sessionOf(bought);
  const answers = await Promise.all(Array.from({ length: 10 }, () => giveBack(service, bought, session)));
  t.same(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  t.match(await rowOf(bought), { quantity: 4 });
});
