import t from 'tap';
import { startService } from '../../helpers/service.js';

const service = await startService(t);
const { request } = service;
const path = (customerId: string, resource = 'AzureReservedInstances') =>
  `/v1/customers/${customerId}/purchasepermissions/${resource}`;

t.test('a permission is off until it is switched on, and then has effect', async (t) => {
  const { customerId } = await service.newCustomer();
  const before = await request('GET', path(customerId));
  t.match(before, { status: 200, body: { state: 'off', effective: false, version: 0 } });
  const on = await request('PUT', path(customerId), { body: { state: 'on' } });
  t.match(on, { status: 201, body: { state: 'on', effective: true, version: 1, ineligibilityReasons: [] } });
  t.equal(on.headers.get('etag'), '"1"');
  t.match(await request('PUT', path(customerId), { body: { state: 'on' } }), { status: 200, body: { version: 1 } });
  t.equal((await request('DELETE', path(customerId))).status, 204);
  t.equal((await request('DELETE', path(customerId))).status, 204);
  const log = await service.sql('select seq, action from activity_log where customer_id = $1 order by seq', [
    customerId,
  ]);
  t.same(log, [
    { seq: 1, action: 'Create Customer Purchase Permissions' },
    { seq: 2, action: 'Delete Customer Purchase Permissions' },
  ]);
});
