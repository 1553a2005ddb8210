import t from 'tap';
import { CONTOSO, startService } from '../helpers/service.js';
import { exchange } from './wire.js';

t.test('a service that stops answers what has begun, and what comes meanwhile on the same connection', async (t) => {
  const own = await startService(t);
  const { customerId: id } = await own.newCustomer();
  const head = `Host: x\r\nAuthorization: Bearer ${own.tokens.admin}\r\n`;
  const put = `PUT /v1/customers/${id}/purchasepermissions/AzureReservedInstances HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 15\r\n\r\n`;
  const lock = own.sql(
    'select pg_sleep(0.6) from (select from customers where partner_id = $1 and customer_id = $2 for update) as locked',
    [CONTOSO, id],
  );
  const idle = exchange(own.url, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', { quietMilliseconds: 3000 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const busy = exchange(own.url, `${put}{"state":"off"}`, {
    quietMilliseconds: 3000,
    later: { bytes: 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', milliseconds: 250 },
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const started = Date.now();
  await own.app.close();
  t.ok(Date.now() - started < 2000);
  t.match(await idle, { answers: [{ status: 200 }], closed: true });
  t.match(await busy, { answers: [{ status: 200 }, { status: 200, body: { status: 'ok' } }], closed: true });
  await lock;
});
