import { verify, X509Certificate } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Registry } from 'prom-client';
import t, { type Test } from 'tap';
import { type DeliveriesOptions, startDeliveries } from '../../../src/deliveries.js';
import { createEvents } from '../../../src/events.js';
import { deriveKey } from '../../../src/lib/seal.js';
import { uuidv4 } from '../../../src/lib/uuid.js';
import { createLog } from '../../../src/log.js';
import { SYSTEM } from '../../../src/nouns/activity-log/append.js';
import { switchPermissions } from '../../../src/nouns/purchase-permissions/service.js';
import { type Receiver, startReceiver } from '../../helpers/receiver.js';
import { CONTOSO, startService } from '../../helpers/service.js';

const service = await startService(t, { webhookAllowPrivateTargets: 'true' });
const { request, sql, tokens } = service;
const registry = new Registry();
const log = createLog('silent');
const HOUR = 3_600_000;

function deliverer(t: Pick<Test, 'teardown'>, options: Partial<DeliveriesOptions> = {}) {
  const deliveries = startDeliveries({
    db: service.db,
    events: createEvents(new Registry(), log),
    sealKey: deriveKey(Buffer.alloc(32, 7), 'webhook keys'),
    origin: service.url,
    targets: { allowPrivate: true },
    log,
    now: () => new Date(),
    everyMilliseconds: HOUR,
    ...options,
  });
  t.teardown(() => deliveries.stop());
  return deliveries;
}

const deliveries = deliverer(t, { events: createEvents(registry, log) });
const REGISTRATION = '/webhooks/v1/registration';
const SWITCHED = 'self-serve-policy-switched';

/** A fresh outbox and receiver, registered for what is named. */
async function registered(t: Test, names: string[] = [SWITCHED], more: object = {}): Promise<Receiver> {
  const receiver = await startReceiver(t);
  const body = { WebhookUrl: receiver.url, WebhookEvents: names, ...more };
  t.equal((await request('POST', REGISTRATION, { body })).status, 200);
  t.teardown(async () => {
    await request('DELETE', REGISTRATION);
    await sql('delete from webhook_events');
  });
  return receiver;
}

async function turn(customerId: string, ...states: string[]): Promise<void> {
  for (const state of states) {
    const path = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
    const { status } = await request('PUT', path, { body: { state } });
    if (status >= 300) throw new Error(`${status}`);
  }
}

/** As if the wait, or the lease, of everything were over. */
const timePasses = () => sql('update webhook_events set next_attempt_on = now()');
const statuses = async () =>
  (await sql('select status from webhook_events order by occurred_on, event_id')).map(({ status }) => status);
const seen = ({ received }: Receiver, customerId?: string) =>
  received
    .filter(({ event }) => customerId === undefined || event.Details.CustomerId === customerId)
    .map(({ event }) => event.Details.Direction);

t.test('a switch arrives with the documented members, and its audit record can be read', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on');
  await deliveries.runOnce();
  const [delivery] = receiver.received;
  t.equal(receiver.received.length, 1);
  t.equal(delivery?.url, '/callback?code=1');
  t.match(delivery?.headers, { 'content-type': 'application/json', 'x-ms-signature-algorithm': 'rsa-sha256' });
  const { event } = delivery ?? {};
  t.strictSame(Object.keys(event), [
    'EventName',
    'ResourceUri',
    'ResourceName',
    'AuditUri',
    'ResourceChangeUtcDate',
    'Details',
  ]);
  t.match(event, {
    EventName: SWITCHED,
    ResourceName: 'SelfServePolicy',
    Details: { CustomerId: customerId, Direction: 'on', Permissions: ['AzureReservedInstances'] },
  });
  t.equal(delivery?.headers['ms-requestid'], event.Details.EventId);
  const read = (uri: string) => request('GET', uri.slice(service.url.length));
  t.match(await read(event.AuditUri), {
    status: 200,
    body: { customerId, operationType: 'create_self_serve_policy' },
  });
  t.equal((await read(event.ResourceUri)).status, 200);
  await deliveries.runOnce();
  t.equal(receiver.received.length, 1, 'and once');
  t.match(await registry.metrics(), /webhook_deliveries_total\{outcome="delivered"\} 1\n/);
});

t.test('the signature is over the bytes, by the certificate that the header names', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on');
  await deliveries.runOnce();
  const body = { WebhookUrl: receiver.url, WebhookEvents: [SWITCHED], SignatureTokenToMsSignatureHeader: true };
  await request('PUT', REGISTRATION, { body });
  await turn(customerId, 'off');
  await deliveries.runOnce();
  const [first, second] = receiver.received;
  const scheme = /^Signature ([A-Za-z0-9+/=]+)$/.exec(first?.headers.authorization ?? '');
  t.equal(first?.headers['x-ms-signature'], undefined);
  t.equal(second?.headers.authorization, undefined);
  for (const [delivery, signature] of [
    [first, scheme?.[1]],
    [second, second?.headers['x-ms-signature'] as string],
  ] as const) {
    const url = String(delivery?.headers['x-ms-certificate-url']);
    const certificate = new X509Certificate(Buffer.from(await (await fetch(url)).arrayBuffer()));
    const bytes = delivery?.bytes ?? Buffer.alloc(0);
    const signed = Buffer.from(signature ?? '', 'base64');
    t.ok(verify('sha256', bytes, certificate.publicKey, signed));
    t.notOk(verify('sha256', Buffer.concat([bytes, Buffer.from(' ')]), certificate.publicKey, signed));
  }
});

t.test('a key is followed by a new one 30 days before its end; its certificate stays', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  const urls = async (others?: Partial<DeliveriesOptions>) => {
    await turn(customerId, receiver.received.length % 2 === 0 ? 'on' : 'off');
    await (others ? deliverer(t, others) : deliveries).runOnce();
    return String(receiver.received.at(-1)?.headers['x-ms-certificate-url']);
  };
  const first = await urls();
  t.equal(await urls(), first);
  await sql(`update webhook_keys set expires_on = now() + interval '31 days'`);
  t.equal(await urls(), first);
  await sql(`update webhook_keys set expires_on = now() + interval '29 days'`);
  const second = await urls();
  t.not(second, first);
  t.equal((await fetch(first)).status, 200);
  t.equal((await fetch(second)).status, 200);
  const sealedByAnother = { sealKey: Buffer.alloc(32, 1) };
  const third = await urls(sealedByAnother);
  t.not(third, second, 'a key that cannot be unsealed is replaced');
  t.equal(await urls(), second, 'and used by those who can');
  t.equal(await urls(sealedByAnother), third);
});

t.test('a failed event holds up those of its customer, and nobody else', async (t) => {
  const receiver = await registered(t);
  const [one, other] = [await service.newCustomer(), await service.newCustomer()];
  await turn(one.customerId, 'on', 'off', 'on');
  await turn(other.customerId, 'on', 'off', 'on');
  receiver.answer = ({ event }, response) => {
    response.statusCode = event.Details.CustomerId === one.customerId ? 500 : 202;
    response.end();
  };
  await deliveries.runOnce();
  t.strictSame(seen(receiver, other.customerId), ['on', 'off', 'on']);
  t.strictSame(seen(receiver, one.customerId), ['on']);
  await deliveries.runOnce();
  t.strictSame(seen(receiver, one.customerId), ['on'], 'not before the wait is over');
  receiver.answer = (_delivery, response) => response.end();
  await timePasses();
  await deliveries.runOnce();
  t.strictSame(seen(receiver, one.customerId), ['on', 'on', 'off', 'on']);
  const [before, again] = receiver.received.filter(({ event }) => event.Details.CustomerId === one.customerId);
  t.ok(again && before?.bytes.equals(again.bytes), 'the repetition has the same bytes');
  const waits = await sql(
    `select attempts, jsonb_array_length(results) as results from webhook_events
    where customer_id = $1 order by occurred_on`,
    [one.customerId],
  );
  t.strictSame(waits[0], { attempts: 2, results: 2 });
});

t.test('two deliverers send each event once, in the order of its customer', async (t) => {
  const receiver = await registered(t);
  const customers = await Promise.all(Array.from({ length: 6 }, () => service.newCustomer()));
  await Promise.all(customers.map(({ customerId }) => turn(customerId, 'on', 'off', 'on', 'off')));
  const second = deliverer(t);
  receiver.answer = (_delivery, response) => setImmediate(() => response.end());
  await Promise.all([deliveries.runOnce(), second.runOnce()]);
  for (const { customerId } of customers) t.strictSame(seen(receiver, customerId), ['on', 'off', 'on', 'off']);
  t.strictSame(new Set(await statuses()), new Set(['delivered']));
});

t.test('an event under way is left alone until its lease runs out, and then the later attempt counts', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on', 'off');
  let held: ServerResponse | undefined;
  const arrived = new Promise<void>((resolve) => {
    receiver.answer = (_delivery, response) => {
      held = response;
      resolve();
    };
  });
  const slow = deliverer(t);
  const running = slow.runOnce();
  await arrived;
  await deliveries.runOnce();
  t.strictSame(seen(receiver), ['on'], 'neither it nor the one behind it is sent');

  await timePasses();
  receiver.answer = (_delivery, response) => response.writeHead(503).end();
  await deliveries.runOnce();
  held?.writeHead(500).end();
  await running;
  const [{ attempts, results } = {}] = await sql('select attempts, results from webhook_events order by occurred_on');
  t.equal(attempts, 2);
  t.match(results, [{ responseCode: 503 }], 'what the earlier one met does not count any more');
  t.equal(results.length, 1);

  await timePasses();
  receiver.answer = (_delivery, response) => response.end();
  await deliveries.runOnce();
  t.strictSame(seen(receiver), ['on', 'on', 'on', 'off']);
});

t.test('an event that was posted and not recorded comes again', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on');
  let writes = 0;
  const write: typeof service.db.write = (partnerId, work) => {
    writes += 1;
    return writes === 2 ? Promise.reject(new Error('killed')) : service.db.write(partnerId, work);
  };
  await deliverer(t, { db: { ...service.db, write } }).runOnce();
  t.equal(receiver.received.length, 1);
  t.strictSame(await statuses(), ['waiting']);
  await timePasses();
  await deliveries.runOnce();
  const ids = receiver.received.map(({ event }) => event.Details.EventId);
  t.equal(ids.length, 2);
  t.equal(ids[0], ids[1], 'with the id that tells so');
  t.strictSame(await statuses(), ['delivered']);
});

t.test('after ten attempts an event is given up, and the next of its customer goes on', async (t) => {
  const receiver = await registered(t, ['test-created', SWITCHED]);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on', 'off');
  const { correlationId } = (await request('POST', `${REGISTRATION}/validationEvents`)).body;
  const path = `${REGISTRATION}/validationEvents/${correlationId}`;
  receiver.answer = ({ event }, response) => {
    if (event.Details.Direction !== 'off') response.statusCode = 500;
    response.end();
  };
  for (let attempt = 1; attempt < 10; attempt++) {
    await deliveries.runOnce();
    await timePasses();
  }
  t.match((await request('GET', path)).body, { status: 'pending', callbackUrl: receiver.url });
  t.notMatch(seen(receiver), ['off']);
  await deliveries.runOnce();
  t.strictSame(seen(receiver, customerId), [...Array(10).fill('on'), 'off']);
  const { body } = await request('GET', path);
  t.match(body, { status: 'failed', results: { length: 10 } });
  t.match(body.results[0], {
    responseCode: 'InternalServerError',
    responseMessage: 'Internal Server Error',
    systemError: false,
    dateTimeUtc: /Z$/,
  });
  t.match(await registry.metrics(), /webhook_deliveries_total\{outcome="failed"\} 2\n/);
  await timePasses();
  await deliveries.runOnce();
  t.equal(receiver.received.length, 21, 'no attempt follows');
});

t.test('a validation event says what it met', async (t) => {
  const receiver = await registered(t, ['test-created']);
  const send = async () => (await request('POST', `${REGISTRATION}/validationEvents`)).body.correlationId;
  const first = await send();
  await deliveries.runOnce();
  t.match(receiver.received[0]?.event, {
    EventName: 'test-created',
    ResourceUri: `${service.url}/webhooks/v1/registration/validationEvents/${first}`,
    ResourceName: 'test',
    AuditUri: null,
  });
  t.equal(receiver.received[0]?.headers['ms-correlationid'], first);
  const state = async (id: string) => (await request('GET', `${REGISTRATION}/validationEvents/${id}`)).body;
  t.match(await state(first), {
    status: 'completed',
    results: [{ responseCode: 'OK', responseMessage: '', systemError: false }],
  });
  const second = await send();
  await deliverer(t, { targets: { allowPrivate: false } }).runOnce();
  const refused = await state(second);
  t.match(refused, {
    status: 'pending',
    results: [{ responseMessage: 'The target is not on the public internet.', systemError: true }],
  });
  t.notOk('responseCode' in refused.results[0]);
  t.equal(receiver.received.length, 1, 'a registration made when private targets were allowed gains nothing later');
});

t.test('nothing is written but for whom it was registered', async (t) => {
  const [mine, foreign] = [
    await service.newCustomer(),
    await service.newCustomer({ partnerId: 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11' }),
  ];
  await turn(mine.customerId, 'on');
  t.strictSame(await statuses(), [], 'no registration, no rows');
  const receiver = await registered(t, ['self-serve-policy-lapsed']);
  await turn(mine.customerId, 'off');
  const path = `/v1/customers/${foreign.customerId}/purchasepermissions/AzureReservedInstances`;
  await request('PUT', path, { token: tokens.fabrikamAdmin, body: { state: 'on' } });
  t.strictSame(await statuses(), [], 'neither another event nor another partner');
  await turn(mine.customerId, 'on');
  const assignment = `/subscriptions/${mine.azureSubscriptionId}/providers/Microsoft.Authorization/roleAssignments`;
  const { status } = await request('DELETE', `${assignment}/${mine.roleAssignmentId}?api-version=2022-04-01`);
  t.equal(status, 200);
  await deliveries.runOnce();
  t.match(
    receiver.received.map(({ event }) => event),
    [{ EventName: 'self-serve-policy-lapsed', Details: { Permission: 'AzureReservedInstances' } }],
  );
  t.equal(receiver.received.length, 1);
});

t.test('purchases arrive, made and refused, in their order', async (t) => {
  const receiver = await registered(t, ['reservation-purchased', 'reservation-purchase-refused']);
  const { customerId, ownerUpn, azureSubscriptionId } = await service.newCustomer();
  const token = await tokens.customerUser(customerId, ownerUpn);
  await service.newPrice();
  await turn(customerId, 'on');
  const body = {
    sku: { name: 'Standard_D2s_v5' },
    location: 'westeurope',
    properties: {
      reservedResourceType: 'VirtualMachines',
      billingScopeId: `/subscriptions/${azureSubscriptionId}`,
      term: 'P1Y',
      billingPlan: 'Upfront',
      quantity: 1,
      displayName: 'one',
      appliedScopeType: 'Shared',
    },
  };
  const capacity = '/providers/Microsoft.Capacity';
  const buy = async (status: number, before = async () => {}) => {
    const quote = await request('POST', `${capacity}/calculatePrice?api-version=2022-11-01`, { token, body });
    await before();
    const path = `${capacity}/reservationOrders/${quote.body.properties.reservationOrderId}?api-version=2022-11-01`;
    t.equal((await request('PUT', path, { token, body })).status, status);
  };
  await buy(202);
  await buy(403, () => turn(customerId, 'off'));
  await deliveries.runOnce();
  const [made, refused, ...others] = receiver.received.map(({ event }) => event);
  t.strictSame(others, []);
  t.match(made, {
    EventName: 'reservation-purchased',
    Details: { CustomerId: customerId, EventId: /^[0-9a-f-]{36}$/ },
  });
  for (const uri of [made.ResourceUri, made.AuditUri]) {
    t.equal((await request('GET', uri.slice(service.url.length))).status, 200, uri);
  }
  t.match(refused, { EventName: 'reservation-purchase-refused', AuditUri: null, Details: { CustomerId: customerId } });
});

t.test('a switch that is rolled back tells nobody', async (t) => {
  await registered(t);
  const { partnerId, customerId } = await service.newCustomer();
  const act = { partnerId, actor: SYSTEM, requestId: uuidv4(), correlationId: uuidv4() };
  const change = {
    customerId,
    wanted: () => new Set(['AzureReservedInstances' as const]),
    precondition: () => {},
    admitTurningOn: async () => {},
  };
  const write = service.db.write(partnerId, async (tx, commitWith) => {
    await switchPermissions(tx, act, commitWith, { purchaserRoles: ['owner'] }, change);
    throw new Error('rolled back');
  });
  await t.rejects(write, { message: 'rolled back' });
  t.strictSame(await statuses(), []);
  const none = await service.newCustomer({ eligible: false });
  await t.rejects(turn(none.customerId, 'on'));
  t.strictSame(await statuses(), [], 'nor does a refused one');
});

t.test('opting out forgets what waits; leaving an event out forgets that one', async (t) => {
  const receiver = await registered(t, [SWITCHED, 'test-created']);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on');
  await request('POST', `${REGISTRATION}/validationEvents`);
  const other = await startReceiver(t);
  await request('PUT', REGISTRATION, { body: { WebhookUrl: other.url, WebhookEvents: [SWITCHED] } });
  await deliveries.runOnce();
  t.equal(receiver.received.length, 0);
  t.strictSame(seen(other), ['on'], 'what goes on waiting goes to the new address');
  await turn(customerId, 'off');
  await request('DELETE', REGISTRATION);
  t.strictSame(await statuses(), ['delivered']);
  await deliveries.runOnce();
  t.equal(other.received.length, 1);
});

/** Events that wait, one of each of so many customers that do not exist. */
const insertWaiting = (count: number, { name = SWITCHED, due = 'now()', occurred = 'now()' } = {}) =>
  sql(
    `insert into webhook_events (partner_id, customer_id, event_id, event_name, payload, correlation_id, status, attempts,
       next_attempt_on, results, occurred_on)
     select partner_id, gen_random_uuid(), gen_random_uuid(), $1, '{"EventName":"x","Details":{"Direction":"on"}}',
       gen_random_uuid(), 'waiting', 0, ${due}, '[]', ${occurred}
     from webhook_registrations, generate_series(1, $2) n where partner_id = $3`,
    [name, count, CONTOSO],
  );

t.test('behind however many customers whose events are not due, one that is due is found', async (t) => {
  const receiver = await registered(t);
  await insertWaiting(2100, { due: `now() + interval '1 hour'` });
  for (const order of ['', ' desc']) {
    await sql(
      `update webhook_events set next_attempt_on = now() where customer_id =
         (select customer_id from webhook_events where status = 'waiting' order by customer_id${order} limit 1)`,
    );
  }
  await deliverer(t).runOnce();
  t.strictSame(seen(receiver), ['on', 'on']);
});

t.test('after a walk over thousands of customers for nothing their partner rests, not longer', async (t) => {
  const receiver = await registered(t);
  await insertWaiting(2100, { due: `now() + interval '1 hour'` });
  const own = deliverer(t);
  await own.runOnce();
  await sql(
    `update webhook_events set next_attempt_on = now() where event_id = (select event_id from webhook_events limit 1)`,
  );
  await own.runOnce();
  t.strictSame(seen(receiver), []);
  while (receiver.received.length === 0) await own.runOnce();
  t.strictSame(seen(receiver), ['on']);
});

t.test('of thousands of events that wait none is sent after opting out, nor after registering again', async (t) => {
  const before = await registered(t);
  await insertWaiting(2500);
  await request('DELETE', REGISTRATION);
  t.equal((await statuses()).length, 1500, 'a thousand are forgotten by the request');
  const receiver = await startReceiver(t);
  await request('POST', REGISTRATION, { body: { WebhookUrl: receiver.url, WebhookEvents: [SWITCHED] } });
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on');
  await deliveries.runOnce();
  t.strictSame(
    receiver.received.map(({ event }) => event.Details.CustomerId),
    [customerId],
  );
  t.equal(before.received.length, 0);
  t.strictSame(await statuses(), ['delivered']);
});

t.test('what waits for a partner without a registration is forgotten, thousands of them', async (t) => {
  await registered(t);
  await insertWaiting(2500);
  await sql('delete from webhook_registrations');
  await deliveries.runOnce();
  t.strictSame(await statuses(), []);
});

t.test('of thousands of events that are left out none is sent, and the next of their customers goes on', async (t) => {
  const receiver = await registered(t, [SWITCHED, 'test-created']);
  await insertWaiting(1020, {
    name: 'test-created',
    occurred: `now() - interval '2 seconds' + n * interval '1 millisecond'`,
  });
  await sql('update webhook_registrations set registered_on = null');
  await sql(
    `insert into webhook_events
     select partner_id, customer_id, gen_random_uuid(), $1, payload, correlation_id, status, attempts, now(), '[]', now()
     from webhook_events order by occurred_on desc limit 3`,
    [SWITCHED],
  );
  await request('PUT', REGISTRATION, { body: { WebhookUrl: receiver.url, WebhookEvents: [SWITCHED] } });
  t.equal((await statuses()).length, 23);
  await deliveries.runOnce();
  t.strictSame(seen(receiver), ['on', 'on', 'on']);
  t.strictSame(await statuses(), ['delivered', 'delivered', 'delivered']);
});

t.test('it runs by itself, and stops when what is under way has ended', async (t) => {
  const receiver = await registered(t);
  const { customerId } = await service.newCustomer();
  await turn(customerId, 'on', 'off');
  let held: ServerResponse | undefined;
  const arrived = new Promise<void>((resolve) => {
    receiver.answer = (_delivery, response) => {
      held = response;
      resolve();
    };
  });
  const timed = deliverer(t, { everyMilliseconds: 10 });
  await arrived;
  let stopped = false;
  const stopping = timed.stop().then(() => {
    stopped = true;
  });
  await statuses();
  t.notOk(stopped);
  held?.end();
  await stopping;
  t.strictSame(await statuses(), ['delivered', 'waiting'], 'the attempt is recorded');
  t.equal(receiver.received.length, 1, 'and no other begun');
});

t.test('the age of the oldest event that waits is told', async (t) => {
  const receiver = await registered(t);
  receiver.answer = (_delivery, response) => response.writeHead(500).end();
  const { customerId } = await service.newCustomer();
  const age = async () => {
    await deliveries.runOnce();
    return Number(
      /^customer_permissions_webhook_oldest_waiting_seconds ([\d.]+)$/m.exec(await registry.metrics())?.[1],
    );
  };
  t.equal(await age(), 0);
  await turn(customerId, 'on');
  await sql(`update webhook_registrations set registered_on = now() - interval '2 hours'`);
  await sql(`update webhook_events set occurred_on = now() - interval '1 hour'`);
  const seconds = await age();
  t.ok(seconds >= 3600 && seconds < 3700, `${seconds}`);
});
