import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { openProxy } from '../../harness/proxy.js';
import { holdRow } from '../helpers/locks.js';
import { startService } from '../helpers/service.js';

const service = await startService(t);
const { request, tokens } = service;
const path = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
const put = (customerId: string, requestId: string, options: { state?: string; token?: string } = {}) =>
  request('PUT', path(customerId), {
    body: { state: options.state ?? 'on' },
    headers: { 'MS-RequestId': requestId },
    ...(options.token && { token: options.token }),
  });
const logged = async (customerId: string) =>
  (await service.sql('select from activity_log where customer_id = $1', [customerId])).length;

t.test('a repeated request id gets the first answer again and acts once', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  const first = await put(customerId, id);
  t.equal(first.status, 201);
  t.equal(first.headers.get('ms-replayed'), null);
  t.equal(first.headers.get('ms-requestid'), id);
  await request('DELETE', path(customerId));
  const again = await put(customerId, id.toUpperCase());
  t.equal(again.status, 201);
  t.equal(again.text, first.text);
  t.equal(again.headers.get('etag'), first.headers.get('etag'));
  t.equal(again.headers.get('ms-replayed'), 'true');
  t.match((await request('GET', path(customerId))).body, { state: 'off' }, 'the repetition switched nothing');
  t.equal(await logged(customerId), 2);
});

t.test('a refusal is repeated too, until it is asked for under a new id', async (t) => {
  const { customerId } = await service.newCustomer({ eligible: false });
  const id = randomUUID();
  const first = await put(customerId, id);
  const again = await put(customerId, id);
  t.equal(first.status, 403);
  t.equal(again.status, 403);
  t.equal(again.text, first.text);
  t.equal(again.headers.get('ms-replayed'), 'true');
  t.equal((await put(customerId, randomUUID())).headers.get('ms-replayed'), null);
});

t.test('the id of one request is 400 for another body, another address and another caller', async (t) => {
  const { customerId } = await service.newCustomer();
  const other = (await service.newCustomer()).customerId;
  const id = randomUUID();
  await put(customerId, id);
  const app = tokens.appOnly;
  for (const answer of [
    await put(customerId, id, { state: 'off' }),
    await put(other, id),
    await put(customerId, id, { token: app }),
  ]) {
    t.match(answer, { status: 400, body: { code: '990001' } });
  }
  t.equal(await logged(other), 0);
});

t.test("another partner's use of the same id is independent", async (t) => {
  const mine = await service.newCustomer();
  const theirs = await service.newCustomer({ partnerId: service.identity.accounts.partners[1]?.tenantId ?? '' });
  const id = randomUUID();
  await put(mine.customerId, id);
  const answer = await put(theirs.customerId, id, { token: tokens.fabrikamAdmin });
  t.equal(answer.status, 201);
  t.equal(answer.headers.get('ms-replayed'), null);
});

t.test('while the first still runs the repetition is 409 with Retry-After', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  const holder = new pg.Client({ connectionString: service.urls.superuser });
  await holder.connect();
  await holder.query('begin');
  await holdRow(holder, customerId);
  const first = put(customerId, id);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const second = await put(customerId, id);
  t.match(second, { status: 409, body: { code: '990015' } });
  t.match(second.headers.get('retry-after'), /^\d+$/);
  await holder.query('commit');
  t.equal((await first).status, 201);
  await holder.end();
});

t.test('twenty repetitions at once act once', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 20 }, () => put(customerId, id)));
  for (const { status } of answers) t.ok(status === 201 || status === 409, `answered ${status}`);
  t.equal(await logged(customerId), 1);
});

t.test('an expired reply is forgotten', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  await put(customerId, id);
  const [row] = await service.sql('select expires_on - now() as kept from request_ledger where request_id = $1', [id]);
  t.equal(row?.kept.hours, 23, '24 hours, of which some milliseconds are gone');
  await service.sql(`update request_ledger set expires_on = now() - interval '1 second' where request_id = $1`, [id]);
  const answer = await put(customerId, id);
  t.equal(answer.headers.get('ms-replayed'), null);
  t.equal(answer.status, 200);
});

t.test('stored replies are sealed', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  await put(customerId, id);
  const [row] = await service.sql('select reply from request_ledger where request_id = $1', [id]);
  t.notOk(row?.reply.includes(customerId));
});

t.test('an outcome that cannot be looked up is answered as unknown, and told by a repetition', async (t) => {
  const { hostname, port } = new URL(service.urls.app);
  const proxy = await openProxy({ host: hostname, port: Number(port) });
  const lossy = await startService(t, { poolMax: '1' }, { through: proxy.through });
  t.teardown(proxy.close);
  const { customerId } = await lossy.newCustomer();
  const attempt = { body: { state: 'on' }, headers: { 'MS-RequestId': randomUUID() } };
  await lossy.request('GET', path(customerId));
  proxy.swallowNextCommit();
  proxy.pointTo({ host: '127.0.0.1', port: 1 });
  t.match(await lossy.request('PUT', path(customerId), attempt), { status: 503, body: { code: '990028' } });
  proxy.pointTo({ host: hostname, port: Number(port) });
  let told = await lossy.request('PUT', path(customerId), attempt);
  while (told.status === 503) told = await lossy.request('PUT', path(customerId), attempt);
  t.match(told, { status: 201, body: { state: 'on' } });
  t.equal((await lossy.sql('select from activity_log where customer_id = $1', [customerId])).length, 1);
});

t.test('writes that wait for one customer leave connections to the others', async (t) => {
  const narrow = await startService(t, { poolMax: '2' });
  const [held, free] = [await narrow.newCustomer(), await narrow.newCustomer()];
  const switchOn = (customerId: string) => narrow.request('PUT', path(customerId), { body: { state: 'on' } });
  const holder = new pg.Client({ connectionString: narrow.urls.superuser });
  await holder.connect();
  await holder.query('begin');
  await holdRow(holder, held.customerId);
  let answered = 0;
  const waiting = Array.from({ length: 4 }, async () => {
    const answer = await switchOn(held.customerId);
    answered++;
    return answer;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal((await switchOn(free.customerId)).status, 201);
  t.equal(answered, 0, 'before any of those that wait');
  for (const answer of await Promise.all(waiting)) t.match(answer, { status: 503, body: { code: '990027' } });
  await holder.query('rollback');
  await holder.end();
  t.equal((await switchOn(held.customerId)).status, 201);
});
