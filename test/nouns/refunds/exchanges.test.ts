import { randomUUID } from 'node:crypto';
import t from 'tap';
import { FABRIKAM, type MadeCustomer, startService } from '../../helpers/service.js';
import { type Bought, buy, calculate, giveBack, VERSION } from './bought.js';

const service = await startService(t);
const { request, sql, tokens } = service;
const usd = (amount: number) => ({ currencyCode: 'USD', amount });
await service.newPrice({ skuName: 'Standard_D4s_v5', unitPrice: '1200' });
await service.newPrice({ skuName: 'Standard_D4s_v5', unitPrice: '3000', term: 'P3Y' });
await service.newPrice({ skuName: 'Standard_D2s_v5', unitPrice: '500' });
await service.newPrice({ reservedResourceType: 'SqlDatabases', skuName: 'SQLDB_GP_Gen5', unitPrice: '5000' });

interface Wanted {
  skuName?: string;
  reservedResourceType?: string;
  location?: string;
  term?: string;
  billingPlan?: string;
  quantity?: number;
  billing?: string;
  properties?: object;
}

const purchaseOf = (made: MadeCustomer, wanted: Wanted = {}) => ({
  sku: { name: wanted.skuName ?? 'Standard_D4s_v5' },
  location: wanted.location ?? 'westeurope',
  properties: {
    reservedResourceType: wanted.reservedResourceType ?? 'VirtualMachines',
    billingScopeId: `/subscriptions/${wanted.billing ?? made.azureSubscriptionId}`,
    term: wanted.term ?? 'P1Y',
    billingPlan: wanted.billingPlan ?? 'Upfront',
    quantity: wanted.quantity ?? 1,
    appliedScopeType: 'Shared',
    ...wanted.properties,
  },
});

type Options = { token?: string; quantities?: number[]; more?: object };

function calculateExchange(returned: readonly Bought[], purchases: readonly object[], options: Options = {}) {
  const { token, quantities = [], more } = options;
  return request('POST', `/providers/Microsoft.Capacity/calculateExchange?${VERSION}`, {
    ...(token !== undefined && { token }),
    body: {
      properties: {
        reservationsToExchange: returned.map(({ reservationId }, index) => ({
          reservationId,
          quantity: quantities[index] ?? 1,
        })),
        reservationsToPurchase: purchases,
        ...more,
      },
    },
  });
}

const exchange = (sessionId: string, token?: string) =>
  request('POST', `/providers/Microsoft.Capacity/exchange?${VERSION}`, {
    ...(token !== undefined && { token }),
    body: { properties: { sessionId } },
  });

const rowOf = async ({ name }: { name: string }) =>
  (await sql('select * from reservations where reservation_id = $1', [name]))[0];
const idIn = (path: string) => path.split('/').at(-1) ?? '';

t.test('a reservation is exchanged for a larger one: no fee, nothing of the limit, a new term', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const purchase = purchaseOf(made, { billingPlan: 'Monthly' });
  const calculated = await calculateExchange([bought], [purchase]);
  t.equal(calculated.status, 200);
  const { sessionId } = calculated.body.properties;
  t.same(calculated.body, {
    id: `/providers/Microsoft.Capacity/operationResults/${sessionId}`,
    name: sessionId,
    status: 'Succeeded',
    properties: {
      sessionId,
      netPayable: usd(600),
      refundsTotal: usd(600),
      purchasesTotal: usd(1200),
      reservationsToPurchase: [{ properties: purchase, billingCurrencyTotal: usd(1200) }],
      reservationsToExchange: [
        {
          reservationId: bought.reservationId,
          quantity: 1,
          billingRefundAmount: usd(600),
          billingInformation: {
            billingCurrencyTotalPaidAmount: usd(600),
            billingCurrencyProratedAmount: usd(600),
            billingCurrencyRemainingCommitmentAmount: usd(0),
          },
        },
      ],
      policyResult: { policyErrors: [] },
    },
  });

  const done = await exchange(sessionId);
  t.equal(done.status, 200);
  t.match(done.body, {
    name: sessionId,
    status: 'Succeeded',
    properties: {
      sessionId,
      netPayable: usd(600),
      reservationsToPurchase: [{ status: 'Succeeded', billingCurrencyTotal: usd(1200), properties: purchase }],
      reservationsToExchange: [{ status: 'Succeeded', reservationId: bought.reservationId }],
    },
  });
  const [item] = done.body.properties.reservationsToPurchase;
  const fresh = { name: idIn(item.reservationId), reservationOrderId: idIn(item.reservationOrderId) };
  t.match(await rowOf(bought), { provisioning_state: 'Cancelled', swap_destination: fresh.name });
  t.match(await rowOf(fresh), {
    provisioning_state: 'Succeeded',
    swap_source: bought.name,
    sku_name: 'Standard_D4s_v5',
    display_name: 'Web servers',
  });
  const [order] = await sql(
    `select r.*, o.status, o.origin as order_origin, o.lines, o.billing_cycle from reservation_orders r
       join orders o using (partner_id, customer_id, order_id) where reservation_order_id = $1`,
    [fresh.reservationOrderId],
  );
  t.match(order, {
    origin: 'partner',
    order_origin: 'partner',
    status: 'completed',
    billing_cycle: 'monthly',
    owner_ids: [made.ownerId],
    total_minor: 120_000,
    lines: [{ quantity: 1, termDuration: 'P1Y', reservationOrderId: fresh.reservationOrderId }],
  });
  t.equal(order?.payments.length, 12);
  t.ok(Date.now() - order?.benefit_start_on < 60_000, 'the term starts now');
  const refunds = await sql('select * from refunds where customer_id = $1', [made.customerId]);
  t.match(refunds, [
    { refund_id: sessionId, kind: 'exchange', refund_minor: 60_000, limit_usd_minor: 0, fee_minor: 0 },
  ]);
  const limit = await request('GET', `/v1/customers/${made.customerId}/refundlimit`);
  t.match(limit.body, { consumed: usd(0), refills: { length: 0 } });
  const entries = await sql(
    'select operation_type, resource_id, user_principal_name from activity_log where customer_id = $1 order by seq',
    [made.customerId],
  );
  t.same(
    entries.map((row) => [row.operation_type, row.resource_id]),
    [
      ['exchange_reservation', bought.name],
      ['create_order', order?.order_id],
      ['update_order', bought.orderId],
    ],
  );

  const again = await exchange(sessionId);
  t.equal(again.text, done.text, 'the same session answers the same');
  const [count] = await sql('select count(*)::int as n from reservations where customer_id = $1', [made.customerId]);
  t.equal(count?.n, 2, 'and does nothing');
});

t.test('several are exchanged for several, parts too, all or nothing', async (t) => {
  const made = await service.newCustomer();
  const one = await buy(service, made, { quantity: 3 });
  const other = await buy(service, made, { daysAgo: 100, billingPlan: 'Monthly', unitMinor: 12_000 });
  const wanted = [purchaseOf(made), purchaseOf(made, { skuName: 'Standard_D2s_v5', quantity: 2 })];
  const first = await calculateExchange([one, other], wanted, { quantities: [2, 1] });
  t.match(first.body, { status: 'Succeeded', properties: { purchasesTotal: usd(2200) } });
  const second = await calculateExchange([other], wanted);
  t.equal((await exchange(second.body.properties.sessionId)).status, 200);
  const refused = await exchange(first.body.properties.sessionId);
  t.equal(refused.status, 409, 'one of the two has changed');
  t.match(await rowOf(one), { quantity: 3, provisioning_state: 'Succeeded', version: 1 }, 'so the other stays');

  const part = await buy(service, made, { quantity: 3 });
  const before = await calculateExchange([part], wanted);
  const refund = await calculate(service, part);
  await giveBack(service, part, refund.body.properties.sessionId);
  const late = await exchange(before.body.properties.sessionId);
  t.match(late.body.error, { code: 'OperationCannotBePerformedInCurrentState', message: /Calculate them again/ });

  const third = await calculateExchange([one], wanted, { quantities: [2] });
  const done = await exchange(third.body.properties.sessionId);
  t.equal(done.status, 200);
  t.match(await rowOf(one), { quantity: 1, provisioning_state: 'Succeeded', swap_destination: null });
  const ids = done.body.properties.reservationsToPurchase.map(({ reservationId }: { reservationId: string }) =>
    idIn(reservationId),
  );
  t.equal(new Set(ids).size, 2);
  for (const name of ids) t.match(await rowOf({ name }), { swap_source: one.name });
});

t.test('two parts of a split order are priced one after the other, to the cent', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made, { billingPlan: 'Monthly', unitMinor: 1000, quantity: 2, daysAgo: 14 });
  const sibling = randomUUID();
  await sql(`update reservations set quantity = 1 where reservation_id = $1`, [bought.name]);
  await sql(
    `insert into reservations select partner_id, reservation_order_id, $2, customer_id, display_name, sku_name, location,
       reserved_resource_type, 1, provisioning_state, applied_scope_type, applied_scope, applied_scope_tenant_id,
       applied_scope_name, instance_flexibility, renew, renew_properties, renew_source, renew_destination, archived,
       review_on, effective_on, expires_on, purchased_on, updated_on, split_source, split_destinations, merge_sources,
       merge_destination, swap_source, swap_destination, 1 from reservations where reservation_id = $1`,
    [bought.name, sibling],
  );
  const twin = { ...bought, name: sibling, reservationId: bought.reservationId.replace(bought.name, sibling) };
  const calculated = await calculateExchange([bought, twin], [purchaseOf(made)]);
  const paid = calculated.body.properties.reservationsToExchange.map(
    (one: { billingInformation: { billingCurrencyTotalPaidAmount: { amount: number } } }) =>
      one.billingInformation.billingCurrencyTotalPaidAmount.amount,
  );
  t.same(paid, [0.83, 0.84], 'together what the first payment was');
  t.equal((await exchange(calculated.body.properties.sessionId)).status, 200);
  const [order] = await sql('select * from reservation_orders where reservation_order_id = $1', [
    bought.reservationOrderId,
  ]);
  t.match(order, { provisioning_state: 'Cancelled', version: 3 });
  const [taken] = await sql('select sum(cancelled_commitment_minor)::int as n from refunds where customer_id = $1', [
    made.customerId,
  ]);
  t.ok(taken?.n > 1900 && taken?.n < 2000);
});

t.test('what is against the rules is said before, and refused after', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const foreign = await service.newCustomer({ partnerId: FABRIKAM });
  const other = await service.newCustomer();
  const refusals: [code: string, returned: Bought, wanted: Wanted, message: RegExp][] = [
    ['ExchangeValueTooLow', bought, { skuName: 'Standard_D2s_v5' }, /500\.00 USD, less than the 600\.00 USD/],
    ['ExchangeFamilyMismatch', bought, { reservedResourceType: 'SqlDatabases', skuName: 'SQLDB_GP_Gen5' }, /family/],
    ['CalculatePriceFailed', bought, { skuName: 'Standard_Unknown' }, /catalogue/],
    ['CalculatePriceFailed', bought, { reservedResourceType: 'Nothing' }, /catalogue/],
    ['InvalidSubscriptionId', bought, { billing: foreign.azureSubscriptionId }, /of this partner/],
    ['InvalidSubscriptionId', bought, { billing: other.azureSubscriptionId }, /of this partner/],
    [
      'AppliedScopesNotAssociatedWithCommerceAccount',
      bought,
      {
        properties: {
          appliedScopeType: 'Single',
          appliedScopeProperties: { subscriptionId: `/subscriptions/${other.azureSubscriptionId}` },
        },
      },
      /of this partner/,
    ],
    ['SelfServiceRefundNotSupported', await buy(service, made, { reservedResourceType: 'SuseLinux' }), {}, /Keep it/],
    ['ExchangeCurrencyMismatch', await buy(service, made, { currencyCode: 'EUR' }), {}, /EUR and USD/],
    ['OperationCannotBePerformedInCurrentState', await buy(service, made, { daysAgo: 400 }), {}, /Expired/],
  ];
  for (const [code, returned, wanted, message] of refusals) {
    const { status, body } = await calculateExchange([returned], [purchaseOf(made, wanted)]);
    t.equal(status, 200, code);
    t.match(body, { status: 'Failed', error: { code, message } }, code);
    t.match(body.properties.policyResult.policyErrors[0], { code, message }, code);
    t.equal(body.properties.sessionId, undefined, code);
  }
  const tooMany = await calculateExchange([bought], [purchaseOf(made)], { quantities: [2] });
  t.match(tooMany.body.error, { code: 'InvalidRefundQuantity' });

  const { body } = await calculateExchange([bought], [purchaseOf(made)]);
  await sql(`update subscriptions set status = 'suspended' where subscription_id = $1`, [made.subscriptionId]);
  const refused = await exchange(body.properties.sessionId);
  t.equal(refused.status, 400, 'judged again when it is done');
  t.match(refused.body.error, { code: 'InvalidSubscriptionId', details: [{ message: /Reactivate/ }] });
  t.match(await rowOf(bought), { provisioning_state: 'Succeeded' });
});

t.test('a request that cannot be meant is refused', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const other = await buy(service, await service.newCustomer());
  const purchase = purchaseOf(made);
  const refused = async (answer: ReturnType<typeof request>, message: RegExp, status = 400) => {
    const { body, status: got } = await answer;
    t.equal(got, status, String(message));
    t.match(body.error.message, message);
  };
  await refused(calculateExchange([bought], []), /something to buy/);
  const plan = { sku: { name: 'Compute_Savings_Plan' }, properties: { term: 'P1Y' } };
  await refused(calculateExchange([bought], [purchase], { more: { savingsPlansToPurchase: [plan] } }), /Savings plans/);
  await refused(calculateExchange([bought, bought], [purchase]), /twice/);
  await refused(calculateExchange([bought, other], [purchase]), /several customers/);
  await refused(calculateExchange([], [purchase]), /./);
  await refused(
    calculateExchange([{ ...bought, reservationId: bought.name }], [purchase]),
    /not the id of a reservation/,
  );
  await refused(calculateExchange([bought], [purchaseOf(made, { billing: 'x' })]), /billingScopeId/);
  await refused(calculateExchange([bought], [purchaseOf(made, { quantity: 100_001 })]), /./);
  const absent = bought.reservationId.replace(bought.reservationOrderId, randomUUID());
  await refused(
    calculateExchange([{ ...bought, reservationId: absent }], [purchase]),
    /no such reservation order/,
    404,
  );
  const token = tokens.fabrikamAdmin;
  await refused(calculateExchange([bought], [purchase], { token }), /no such reservation order/, 404);
  await refused(exchange(randomUUID()), /timed out/);
  for (const agent of [tokens.sales, tokens.helpdesk]) {
    await refused(calculateExchange([bought], [purchase], { token: agent }), /role/, 403);
    await refused(exchange(randomUUID(), agent), /role/, 403);
  }
  const { body } = await calculateExchange([bought], [purchase]);
  await refused(exchange(body.properties.sessionId, token), /timed out/);
  const refund = await calculate(service, bought);
  await refused(exchange(refund.body.properties.sessionId), /timed out/);
  await sql(`update refund_sessions set expires_on = now() where session_id = $1`, [body.properties.sessionId]);
  await refused(exchange(body.properties.sessionId), /timed out/);
});

t.test('one session sent ten times at once exchanges once', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const { body } = await calculateExchange([bought], [purchaseOf(made)]);
  const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(body.properties.sessionId)));
  t.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  t.equal(answers[0]?.status, 200);
  const [count] = await sql('select count(*)::int as n from reservations where customer_id = $1', [made.customerId]);
  t.equal(count?.n, 2);
});
