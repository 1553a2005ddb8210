import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { Registry } from 'prom-client';
import t from 'tap';
import { createEvents } from '../src/events.js';
import { createLog } from '../src/log.js';
import { NO_CUSTOMER } from '../src/nouns/webhooks/event-queries.js';
import { startWatch } from '../src/watch.js';
import { purchaseOf } from './contract/tenant-bodies.js';
import { holdRow } from './helpers/locks.js';
import { CONTOSO, FABRIKAM, type MadeCustomer, startService } from './helpers/service.js';
import { changeTriggers } from './helpers/triggers.js';

const service = await startService(t);
const { request } = service;
const registry = new Registry();
const log = createLog('silent');
const watch = startWatch({
  db: service.db,
  rules: { purchaserRoles: ['owner'] },
  events: createEvents(registry, log),
  log,
  now: () => new Date(),
  everyMilliseconds: 3_600_000,
});
t.teardown(() => watch.stop());

t.test(
  'a permission whose last role ends by its date loses its effect at that instant and is logged once',
  async (t) => {
    const { customerId, roleAssignmentId } = await service.newCustomer();
    const path = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
    await service.sql(
      `update role_assignments set ends_on = now() + interval '1 second' where role_assignment_id = $1`,
      [roleAssignmentId],
    );
    const on = await request('PUT', path, { body: { state: 'on' } });
    t.match(on, { status: 201, body: { effective: true, effectiveUntil: /Z$/ } });
    await setTimeout(1100);
    t.match((await request('GET', path)).body, { state: 'on', effective: false, ineligibilityReasons: [/ended/] });

    await watch.runOnce();
    await watch.runOnce();
    const entries = await service.sql(
      'select action, actor_type from activity_log where customer_id = $1 order by seq',
      [customerId],
    );
    t.strictSame(entries, [
      { action: 'Create Customer Purchase Permissions', actor_type: 'user' },
      { action: 'Lapse Customer Purchase Permissions', actor_type: 'system' },
    ]);
    t.match(await registry.metrics(), /eligibility_changed_total\{effective="false"\} 1/);
    t.match((await request('GET', path)).body, { state: 'on', effective: false, version: 1 });
  },
);

t.test('a customer that somebody holds keeps no other from losing what has ended', async (t) => {
  const pathOf = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  const customers = [await service.newCustomer(), await service.newCustomer()];
  for (const { customerId, roleAssignmentId } of customers) {
    await service.sql(
      `update role_assignments set ends_on = now() + interval '1 second' where role_assignment_id = $1`,
      [roleAssignmentId],
    );
    t.equal((await request('PUT', pathOf(customerId), { body: { state: 'on' } })).status, 201);
  }
  await setTimeout(1100);
  const [held, other] = customers.map(({ customerId }) => customerId).sort() as [string, string];
  const lapses = (customerId: string) =>
    service.sql(`select from activity_log where customer_id = $1 and action like 'Lapse %'`, [customerId]);
  const holder = new pg.Client(service.urls.superuser);
  await holder.connect();
  await holder.query('begin');
  await holdRow(holder, held);
  await watch.runOnce();
  t.equal((await lapses(other)).length, 1);
  t.equal((await lapses(held)).length, 0);
  await holder.end();
  await watch.runOnce();
  t.equal((await lapses(held)).length, 1, 'the next pass');
  t.equal((await lapses(other)).length, 1);
});

t.test('replies past their time are forgotten, others kept', async (t) => {
  const { customerId } = await service.newCustomer();
  const [old, fresh] = [randomUUID(), randomUUID()];
  for (const id of [old, fresh]) {
    await request('DELETE', `/v1/customers/${customerId}/purchasepermissions/AzureSavingsPlan`, {
      headers: { 'MS-RequestId': id },
    });
  }
  await service.sql(`update request_ledger set expires_on = now() - interval '1 second' where request_id = $1`, [old]);
  await watch.runOnce();
  const left = await service.sql(
    'select request_id from request_ledger where partner_id = $1 and request_id = any($2)',
    [CONTOSO, [old, fresh]],
  );
  t.strictSame(left, [{ request_id: fresh }]);
});

t.test('however much has to be forgotten, no statement forgets more than a thousand rows', async (t) => {
  await service.sql(
    `insert into request_ledger (partner_id, request_id, fingerprint, status, reply, expires_on)
     select $1, gen_random_uuid(), '', 200, '', now() - interval '1 hour' from generate_series(1, 2500)`,
    [CONTOSO],
  );
  await service.sql(
    `insert into webhook_events
     select $1, gen_random_uuid(), gen_random_uuid(), 'x', '{}', gen_random_uuid(), 'delivered', 1, now(), '[]',
       now() - interval '8 days' from generate_series(1, 1500)`,
    [CONTOSO],
  );
  const tables = ['request_ledger', 'webhook_events'];
  await changeTriggers(service.urls.superuser, [
    `create function refuse_many() returns trigger language plpgsql as
       $$ begin if (select count(*) from gone) > 1000 then raise exception 'too many at once'; end if; return null; end $$`,
    ...tables.map(
      (table) => `create trigger few_at_once after delete on ${table} referencing old table as gone
        for each statement execute function refuse_many()`,
    ),
  ]);
  await watch.runOnce();
  await changeTriggers(
    service.urls.superuser,
    tables.map((table) => `drop trigger few_at_once on ${table}`),
  );
  for (const expired of [
    'select 1 from request_ledger where expires_on < now()',
    `select 1 from webhook_events where status = 'delivered' and occurred_on < now() - interval '7 days'`,
  ]) {
    t.same(await service.sql(expired), [], expired);
  }
});

t.test('events are forgotten when their time is over', async (t) => {
  const { customerId } = await service.newCustomer();
  const insert = (name: string, status: string, days: number, of = customerId, partnerId = CONTOSO) =>
    service.sql(
      `insert into webhook_events values ($1, $2, gen_random_uuid(), $3, '{}', gen_random_uuid(), $4, 1, now(), '[]',
         now() - $5 * interval '1 day')`,
      [partnerId, of, name, status, days],
    );
  await service.sql(
    `insert into webhook_registrations values ($1, gen_random_uuid(), 'https://a.example', '{x}', false, 1, now(), 'x')`,
    [CONTOSO],
  );
  for (const days of [6, 8, 29, 31]) {
    for (const status of ['waiting', 'delivered', 'failed']) await insert('x', status, days);
    await insert('test-created', 'failed', days, NO_CUSTOMER);
  }
  await insert('orphan', 'delivered', 0, customerId, FABRIKAM);
  await watch.runOnce();
  const left = await service.sql(
    `select event_name || ' ' || status || ' ' || round(extract(epoch from now() - occurred_on) / 86400) as event
     from webhook_events order by event_name, status, occurred_on desc`,
  );
  t.strictSame(
    left.map(({ event }) => event),
    [
      'orphan delivered 0',
      'test-created failed 6',
      'x delivered 6',
      'x failed 6',
      'x failed 8',
      'x failed 29',
      'x waiting 6',
      'x waiting 8',
      'x waiting 29',
      'x waiting 31',
    ],
  );
});

const CAPACITY = '/providers/Microsoft.Capacity';

/** Two purchases that wait for the partner. @returns their ids */
async function buyTwice({ customerId, ownerUpn, azureSubscriptionId }: MadeCustomer): Promise<[string, string]> {
  const permission = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  await request('PUT', permission, { body: { state: 'on' } });
  await request('PUT', `${permission}/guards`, { body: { currencyCode: 'USD', approvalAbove: '0' } });
  const token = await service.tokens.customerUser(customerId, ownerUpn);
  const body = purchaseOf({ skuName: 'Standard_D2s_v5', entitlement: azureSubscriptionId });
  const buy = async (): Promise<string> => {
    const quote = await request('POST', `${CAPACITY}/calculatePrice?api-version=2022-11-01`, { token, body });
    const id = quote.body.properties.reservationOrderId;
    await request('PUT', `${CAPACITY}/reservationOrders/${id}?api-version=2022-11-01`, { token, body });
    return id;
  };
  return [await buy(), await buy()];
}

t.test('a purchase that nobody decided in time is cancelled, logged and told once', async (t) => {
  await service.newPrice();
  await service.sql(
    `insert into webhook_registrations values ($1, gen_random_uuid(), 'https://a.example', '{reservation-approval-decided}',
       false, 1, now(), 'x') on conflict (partner_id) do update set webhook_events = excluded.webhook_events`,
    [CONTOSO],
  );
  const made = await service.newCustomer();
  const { customerId } = made;
  const [late, early] = await buyTwice(made);
  await service.sql("update orders set approval_expires_on = now() - interval '1 second' where order_id = $1", [late]);
  const approve = (id: string) => request('POST', `/v1/customers/${customerId}/orders/${id}/approve`);
  const tooLate = { status: 409, body: { description: /^The time for a decision ended on / } };
  t.match(await approve(late), tooLate, 'before the watch has come');

  await watch.runOnce();
  await watch.runOnce();
  const stateOf = (id: string) =>
    service.sql(
      `select o.status, ro.provisioning_state as order_state, r.provisioning_state,
         (select bool_and(p ? 'cancelled') from jsonb_array_elements(ro.payments) p) as unpaid
       from orders o join reservation_orders ro using (partner_id, order_id)
         join reservations r using (partner_id, reservation_order_id)
       where o.order_id = $1`,
      [id],
    );
  t.same(await stateOf(late), [
    { status: 'cancelled', order_state: 'Cancelled', provisioning_state: 'Cancelled', unpaid: true },
  ]);
  t.match(await stateOf(early), [{ status: 'pending', provisioning_state: 'PendingBilling', unpaid: false }]);
  t.equal((await approve(late)).status, 409);
  t.equal((await approve(early)).status, 200);

  const entries = await service.sql(
    `select actor_type, resource_id from activity_log where customer_id = $1 and operation_type = 'update_order' order by seq`,
    [customerId],
  );
  t.same(entries, [
    { actor_type: 'system', resource_id: late },
    { actor_type: 'user', resource_id: early },
  ]);
  const events = await service.sql(
    `select payload #>> '{Details,Decision}' as decision from webhook_events
     where customer_id = $1 and event_name = 'reservation-approval-decided' order by occurred_on`,
    [customerId],
  );
  t.same(events, [{ decision: 'lapse' }, { decision: 'approve' }]);
});

t.test('quotes are forgotten when their time is over', async (t) => {
  const { customerId } = await service.newCustomer();
  const insert = (days: number) =>
    service.sql<{ quote_id: string }>(
      `insert into quotes values ($1, gen_random_uuid(), $2, '{}', '{}', now() - interval '2 days', null,
         now() + $3 * interval '1 day') returning quote_id`,
      [CONTOSO, customerId, days],
    );
  await insert(-1);
  const kept = await insert(1);
  await watch.runOnce();
  t.same(await service.sql('select quote_id from quotes where customer_id = $1', [customerId]), kept);
});

t.test('what cannot be forgotten now keeps nothing else from being so', async (t) => {
  const { customerId } = await service.newCustomer();
  await service.sql(
    `insert into quotes values ($1, gen_random_uuid(), $2, '{}', '{}', now(), null, now() - interval '1 day')`,
    [CONTOSO, customerId],
  );
  await service.sql(
    `insert into request_ledger (partner_id, request_id, fingerprint, status, reply, expires_on)
     values ($1, gen_random_uuid(), '', 200, '', now() - interval '1 hour')`,
    [CONTOSO],
  );
  const left = async () => ({
    quotes: (await service.sql('select from quotes where customer_id = $1', [customerId])).length,
    replies: (await service.sql('select from request_ledger where expires_on < now()')).length,
  });
  const holder = new pg.Client(service.urls.superuser);
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from quotes where customer_id = $1 for update', [customerId]);
  await watch.runOnce();
  t.same(await left(), { quotes: 1, replies: 0 });
  await holder.end();
  await watch.runOnce();
  t.same(await left(), { quotes: 0, replies: 0 }, 'the next pass');
});
