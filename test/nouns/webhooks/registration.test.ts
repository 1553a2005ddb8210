import { randomUUID, X509Certificate } from 'node:crypto';
import { pino } from 'pino';
import t from 'tap';
import { SYSTEM } from '../../../src/nouns/activity-log/append.js';
import { EVENT_NAMES } from '../../../src/nouns/webhooks/event-names.js';
import { createValidationEvent } from '../../../src/nouns/webhooks/service.js';
import { checkTarget } from '../../../src/nouns/webhooks/target.js';
import { expectDocumented } from '../../contract/wire.js';
import { WAITING } from '../../helpers/locks.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const lines: Record<string, unknown>[] = [];
const service = await startService(
  t,
  { webhookAllowPrivateTargets: 'true' },
  { log: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) }) },
);
const strict = await startService(t);
const REGISTRATION = '/webhooks/v1/registration';
const body = {
  WebhookUrl: 'https://partner.example/hook?sig=secret',
  WebhookEvents: ['self-serve-policy-switched', 'test-created'],
};
const { request, tokens, sql } = service;
const securityLines = () => lines.filter(({ event }) => event === 'webhook_registered');

t.test('a partner registers once, reads, replaces and ends its registration', async (t) => {
  t.match(await request('GET', REGISTRATION), { status: 404, body: { code: '990802' } });
  t.match(await request('PUT', REGISTRATION, { body }), { status: 404, body: { code: '990802' } });
  t.match(await request('DELETE', REGISTRATION), { status: 404, body: { code: '990802' } });

  const made = await request('POST', REGISTRATION, { body: { ...body, subscriberId: 'ignored', Properties: null } });
  t.match(made, { status: 200, body: { ...body, SubscriberId: /^[0-9a-f-]{36}$/ } });
  t.equal(made.body.SignatureTokenToMsSignatureHeader, false);
  expectDocumented(t, service, 'POST', REGISTRATION, made);
  t.match(await request('POST', REGISTRATION, { body }), { status: 409, body: { code: '990801' } });
  t.strictSame((await request('GET', REGISTRATION)).body, made.body);

  const replaced = await request('PUT', REGISTRATION, {
    body: {
      webhookUrl: 'https://other.example/hook',
      webhookEvents: ['Reservation-Purchased'],
      signatureTokenToMsSignatureHeader: true,
    },
  });
  t.match(replaced, {
    status: 200,
    body: {
      SubscriberId: made.body.SubscriberId,
      WebhookUrl: 'https://other.example/hook',
      WebhookEvents: ['reservation-purchased'],
      SignatureTokenToMsSignatureHeader: true,
    },
  });
  t.equal((await request('DELETE', REGISTRATION)).status, 204);
  t.equal((await request('GET', REGISTRATION)).status, 404);

  t.match(securityLines(), [
    { change: 'created', partnerId: CONTOSO, host: 'partner.example', by: /@/ },
    { change: 'updated', host: 'other.example' },
    { change: 'deleted' },
  ]);
  t.notMatch(JSON.stringify(lines), /sig=secret/, 'an address may hold a secret: its host alone is logged');
});

t.test('two registrations at once: one is made, the other conflicts', async (t) => {
  const token = tokens.fabrikamAdmin;
  const answers = await Promise.all([1, 2, 3].map(() => request('POST', REGISTRATION, { token, body })));
  t.strictSame(answers.map(({ status }) => status).sort(), [200, 409, 409]);
  t.equal((await request('GET', REGISTRATION)).status, 404, "another partner's registration is not seen");
  await request('DELETE', REGISTRATION, { token });
});

t.test('agents read, an AdminAgent writes, customers have no part in it', async (t) => {
  const { customerId, ownerUpn } = await service.newCustomer();
  const customer = await tokens.customerUser(customerId, ownerUpn);
  await request('POST', REGISTRATION, { token: tokens.appOnly, body });
  for (const token of [tokens.sales, tokens.helpdesk]) {
    t.equal((await request('GET', REGISTRATION, { token })).status, 200);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const sent = method === 'DELETE' ? {} : { body };
      t.match(await request(method, REGISTRATION, { token, ...sent }), { status: 403, body: { code: '900150' } });
    }
    t.equal((await request('POST', `${REGISTRATION}/validationEvents`, { token })).status, 403);
  }
  for (const path of [REGISTRATION, `${REGISTRATION}/events`]) {
    t.equal((await request('GET', path, { token: customer })).status, 403);
    t.equal((await request('GET', path, { token: null })).status, 401);
  }
  t.strictSame((await request('GET', `${REGISTRATION}/events`)).body, [...EVENT_NAMES, 'test-created']);
  await request('DELETE', REGISTRATION);
});

t.test('a body that is not a registration is refused, whatever is wrong with it', async (t) => {
  const { WebhookUrl, WebhookEvents } = body;
  const wrong: unknown[] = [
    {},
    { WebhookUrl },
    { WebhookEvents },
    { WebhookUrl: '', WebhookEvents },
    { WebhookUrl: 1, WebhookEvents },
    { WebhookUrl: `https://partner.example/${'x'.repeat(2030)}`, WebhookEvents },
    { WebhookUrl, WebhookEvents: [] },
    { WebhookUrl, WebhookEvents: 'test-created' },
    { WebhookUrl, WebhookEvents: ['subscription-updated'] },
    { WebhookUrl, WebhookEvents: ['test-created', 'Test-Created'] },
    { WebhookUrl, WebhookEvents, SignatureTokenToMsSignatureHeader: 'true' },
    { WebhookUrl, webhookurl: WebhookUrl, WebhookEvents },
    [body],
  ];
  for (const sent of wrong) {
    const answer = await request('POST', REGISTRATION, { body: sent });
    t.equal(answer.status, 400, JSON.stringify(sent).slice(0, 100));
    expectDocumented(t, service, 'POST', REGISTRATION, answer);
  }
  t.equal((await request('GET', REGISTRATION)).status, 404);
});

t.test('an address is refused that is not https to the public internet alone', async (t) => {
  const refused = [
    'http://93.184.216.34/',
    'ftp://93.184.216.34/',
    'javascript:alert(1)',
    'https:93.184.216.34',
    'https://',
    'not an address',
    'https://user@93.184.216.34/',
    'https://:password@93.184.216.34/',
    'https://93.184.216.34/#part',
    'https://93.184.216.34/\n',
    'https://93.184.\t216.34/',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://10.1.2.3:8443/hook',
    'https://169.254.169.254/metadata/instance',
    'https://168.63.129.16/',
    'https://0.0.0.0/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://no-such-host.invalid/',
  ];
  for (const WebhookUrl of refused) {
    const answer = await strict.request('POST', REGISTRATION, { body: { ...body, WebhookUrl } });
    t.match(answer, { status: 400, body: { code: '990803' } }, JSON.stringify(WebhookUrl));
  }
  t.equal((await strict.request('GET', REGISTRATION)).status, 404);
  for (const WebhookUrl of ['https://93.184.216.34:8443/hook', 'https://[2606:4700::1111]/']) {
    const answer = await strict.request('POST', REGISTRATION, { body: { ...body, WebhookUrl } });
    t.equal(answer.status, 200, WebhookUrl);
    t.match(await strict.request('PUT', REGISTRATION, { body: { ...body, WebhookUrl: 'https://[::1]/' } }), {
      status: 400,
    });
    await strict.request('DELETE', REGISTRATION);
  }
  for (const WebhookUrl of ['https://user@127.0.0.1/', 'https://127.0.0.1/#x', 'ftp://127.0.0.1/']) {
    const answer = await request('POST', REGISTRATION, { body: { ...body, WebhookUrl } });
    t.match(answer, { status: 400, body: { code: '990803' } }, `also where private targets are allowed: ${WebhookUrl}`);
  }
});

t.test('a name is judged by every address that it has', async (t) => {
  const named = (...addresses: string[]) =>
    checkTarget('https://hook.example/', {
      allowPrivate: false,
      resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    });
  await t.resolves(named('93.184.216.34', '2606:4700::1111'));
  await t.rejects(named('10.0.0.1'), { code: '990803' });
  await t.rejects(named('93.184.216.34', '10.0.0.1'), { code: '990803' });
  await t.rejects(named('93.184.216.34', '::1'), { code: '990803' });
});

t.test('validation events: registered for, two a minute and partner, told what became of them', async (t) => {
  const path = `${REGISTRATION}/validationEvents`;
  t.match(await request('POST', path), { status: 404, body: { code: '990802' } });
  await request('POST', REGISTRATION, { body: { ...body, WebhookEvents: ['reservation-purchased'] } });
  t.match(await request('POST', path), { status: 400, body: { code: '990804' } });
  await request('PUT', REGISTRATION, { body });

  const id = '3ef0202b-9d00-4f75-9cff-15420f7612b3';
  const first = await request('POST', path, { headers: { 'MS-RequestId': id } });
  t.match(first, { status: 200, body: { correlationId: /^[0-9a-f-]{36}$/ } });
  t.strictSame((await request('POST', path, { headers: { 'MS-RequestId': id } })).body, first.body, 'repeated');
  const state = await request('GET', `${path}/${first.body.correlationId.toUpperCase()}`);
  t.strictSame(state.body, {
    correlationId: first.body.correlationId,
    partnerId: CONTOSO,
    status: 'pending',
    callbackUrl: body.WebhookUrl,
    results: [],
  });
  const foreign = await request('GET', `${path}/${first.body.correlationId}`, { token: tokens.fabrikamAdmin });
  t.match(foreign, { status: 404, body: { code: '990805' } });

  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let hold = () => {};
  const held = new Promise<void>((resolve) => {
    hold = resolve;
  });
  const act = { partnerId: CONTOSO, actor: SYSTEM, requestId: randomUUID(), correlationId: randomUUID() };
  const second = service.db.write(CONTOSO, async (tx, commitWith) => {
    await createValidationEvent(tx, act, commitWith);
    hold();
    await released;
  });
  await Promise.race([held, second]);
  const third = request('POST', path, { body: 'null' });
  const waits = async () => {
    while ((await sql(WAITING)).length === 0);
  };
  await Promise.race([third, waits()]);
  release();
  await second;
  const limited = await third;
  const seconds = Number(limited.headers.get('retry-after'));
  t.equal(limited.status, 429, 'one that is not yet committed is waited for and counted');
  t.ok(seconds >= 1 && seconds <= 60, `Retry-After: ${seconds}`);
  t.match(limited.body, { statusCode: 429, message: `Rate limit is exceeded. Try again in ${seconds} seconds.` });
  await request('POST', REGISTRATION, { token: tokens.fabrikamAdmin, body });
  t.equal((await request('POST', path, { token: tokens.fabrikamAdmin })).status, 200, 'another partner is not limited');
  await sql(
    `update webhook_events set occurred_on = (occurred_on at time zone 'UTC' - interval '1 minute') at time zone 'UTC'`,
  );
  t.equal((await request('POST', path, { body: {} })).status, 200, 'nor the same one a minute later');

  t.equal((await request('GET', `${path}/nothing`)).status, 400);
  await request('DELETE', REGISTRATION);
  t.match(await request('GET', `${path}/${first.body.correlationId}`), { status: 404, body: { code: '990805' } });
});

t.test('the key is made with the first registration, and its certificate is public', async (t) => {
  await request('POST', REGISTRATION, { body });
  const keys = await sql('select * from webhook_keys where partner_id = $1', [CONTOSO]);
  t.equal(keys.length, 1, 'one key, however often was registered');
  const [key] = keys;
  t.notMatch(key?.sealed_key.toString('latin1'), /PRIVATE/);
  const path = `${service.url}/webhooks/v1/certificates/${CONTOSO}/${key?.key_id.toUpperCase()}`;
  const answer = await fetch(path, { headers: { accept: 'application/pkix-cert' } });
  t.equal(answer.status, 200);
  t.equal(answer.headers.get('content-type'), 'application/pkix-cert');
  const certificate = new X509Certificate(Buffer.from(await answer.arrayBuffer()));
  t.match(certificate.subject, /CN=webhooks of 634f6379.+O=customer-permissions/s);
  t.ok(certificate.verify(certificate.publicKey), 'it is signed by itself');
  t.match(certificate.publicKey.asymmetricKeyDetails, { modulusLength: 2048 });
  t.equal(certificate.ca, false);
  const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
  t.ok(days > 729 && days < 731, `${days} days`);
  t.equal((await fetch(path)).status, 200, 'also for clients that accept anything');
  for (const [partner, id] of [
    [FABRIKAM, key?.key_id],
    [CONTOSO, CONTOSO],
  ]) {
    const absent = await request('GET', `/webhooks/v1/certificates/${partner}/${id}`, { token: null });
    t.match(absent, { status: 404, body: { code: '1000' } });
  }
  t.equal((await request('GET', '/webhooks/v1/certificates/x/y', { token: null })).status, 400);
});
