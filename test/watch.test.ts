import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Registry } from 'prom-client';
import t from 'tap';
import { createEvents } from '../src/events.js';
import { createLog } from '../src/log.js';
import { startWatch } from '../src/watch.js';
import { CONTOSO, startService } from './helpers/service.js';

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
