import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t from 'tap';
import { openProxy } from '../../harness/proxy.js';
import { storesOf } from '../helpers/citus.js';
import { WAITING } from '../helpers/locks.js';
import { startService } from '../helpers/service.js';
import { changeTriggers } from '../helpers/triggers.js';

const { hostname: host, port } = new URL((await startService(t)).urls.app);
const database = { host, port: Number(port) };
const proxy = await openProxy(database);
const service = await startService(t, {}, { through: proxy.through });
t.teardown(proxy.close);
const { request, sql } = service;

const path = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
const putOn = (customerId: string, headers: Record<string, string>) =>
  request('PUT', path(customerId), { body: { state: 'on' }, headers });
const logged = async (customerId: string) =>
  (await sql('select from activity_log where customer_id = $1', [customerId])).length;

/** A COMMIT that writes a stored reply takes as long as somebody holds the gate. */
await changeTriggers(service.urls.superuser, [
  `
  create function wait_at_gate() returns trigger language plpgsql as $$
  begin
    perform set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock(7);
    return null;
  end $$`,
  `create constraint trigger gate after insert on request_ledger deferrable initially deferred
  for each row execute function wait_at_gate()`,
]);

async function closeGate(): Promise<{ open(): Promise<void> }> {
  const holders = (await storesOf(service.urls.superuser)).map((url) => new pg.Client(url));
  for (const holder of holders) {
    await holder.connect();
    await holder.query('select pg_advisory_lock(7)');
  }
  return {
    async open() {
      for (const holder of holders) await holder.end();
    },
  };
}

/** Until the COMMIT waits at the gate, and behind it the second attempt for the customer. */
async function untilSecondAttemptWaits(): Promise<void> {
  while ((await sql(WAITING)).length < 2) await setTimeout(5);
}

t.test(
  'a COMMIT that was lost with the database is 503 OutcomeUnknown, and not that nothing was changed',
  async (t) => {
    const { customerId } = await service.newCustomer();
    const id = randomUUID();
    await request('GET', path(customerId));
    proxy.swallowNextCommit();
    const answering = putOn(customerId, { 'MS-RequestId': id });
    while (proxy.swallowed() < 1) await setTimeout(1);
    proxy.pointTo({ host, port: 1 });
    const answer = await answering;
    t.match(answer, { status: 503, body: { code: '990028' } });
    t.match(answer.headers.get('retry-after'), /^\d+$/);
    proxy.pointTo(database);
    let again = await putOn(customerId, { 'MS-RequestId': id });
    // The database is tried again some times a second.
    for (; again.status === 503; again = await putOn(customerId, { 'MS-RequestId': id })) await setTimeout(50);
    t.match(again, { status: 201, body: { version: 1 } });
    t.equal(again.headers.get('ms-replayed'), 'true');
    t.equal(await logged(customerId), 1);
  },
);

t.test('so is one that goes on while the second attempt gives up waiting for it', async (t) => {
  const { customerId } = await service.newCustomer();
  const id = randomUUID();
  await request('GET', path(customerId));
  const gate = await closeGate();
  proxy.swallowNextCommit();
  const answer = await putOn(customerId, { 'MS-RequestId': id });
  await gate.open();
  t.match(answer, { status: 503, body: { code: '990028' } });
  const again = await putOn(customerId, { 'MS-RequestId': id });
  t.match(again, { status: 201, body: { version: 1 } });
  t.equal(await logged(customerId), 1);
});

t.test('a change is not refused for what its own first attempt did, also without a request id', async (t) => {
  const { customerId } = await service.newCustomer();
  await request('GET', path(customerId));
  const gate = await closeGate();
  proxy.swallowNextCommit();
  const answering = putOn(customerId, { 'If-Match': '"0"' });
  await untilSecondAttemptWaits();
  await gate.open();
  t.match(await answering, { status: 201, body: { version: 1 } });
  t.equal(await logged(customerId), 1);
});

t.test('nor where the refusal cannot be kept', async (t) => {
  await sql('alter table request_ledger add constraint no_refusals check (status < 400)');
  t.teardown(() => sql('alter table request_ledger drop constraint no_refusals'));
  const { customerId } = await service.newCustomer();
  await request('GET', path(customerId));
  const gate = await closeGate();
  proxy.swallowNextCommit();
  const answering = putOn(customerId, { 'MS-RequestId': randomUUID(), 'If-Match': '"0"' });
  await untilSecondAttemptWaits();
  await gate.open();
  t.match(await answering, { status: 201, body: { version: 1 } });
  t.equal(await logged(customerId), 1);
  t.match(await putOn(customerId, { 'MS-RequestId': randomUUID(), 'If-Match': '"0"' }), { status: 412 });
});
