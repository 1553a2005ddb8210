import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Registry } from 'prom-client';
import t from 'tap';
import { createEvents } from '../src/events.js';
import { createLog } from '../src/log.js';
import { startWatch } from '../src/watch.js';
import { CONTOSO, FABRIKAM, startService } from './helpers/service.js';

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

t.test('events are forgotten when their time is over, and those of nobody', async (t) => {
  const { customerId } = await service.newCustomer();
  const insert = (name: string, status: string, days: number, partnerId = CONTOSO) =>
    service.sql(
      `insert into webhook_events values ($1, $2, gen_random_uuid(), $3, '{}', gen_random_uuid(), $4, 1, now(), '[]',
         now() - $5 * interval '1 day')`,
      [partnerId, customerId, name, status, days],
    );
  await service.sql(
    `insert into webhook_registrations values ($1, gen_random_uuid(), 'https://a.example', '{x}', false, 1, now(), 'x')`,
    [CONTOSO],
  );
  for (const days of [6, 8, 29, 31]) {
    for (const status of ['waiting', 'delivered', 'failed']) await insert('x', status, days);
    await insert('test-created', 'failed', days);
  }
  await insert('orphan', 'waiting', 0, FABRIKAM);
  await insert('orphan', 'delivered', 0, FABRIKAM);
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
