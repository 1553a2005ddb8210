import { randomUUID } from 'node:crypto';
import t from 'tap';
import { ambiguousRequests, type Framed, framed } from './framing.js';
import { startContract } from './start.js';
import { exchange, expectRefusal } from './wire.js';

const { service, customer, path, row, send, refuse, compose, refuseBytes } = await startContract(t);
const { customerId } = customer;
const MALFORMED = { status: 400, code: '2000' };
const BEHIND = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
const ON = '{"state":"on"}';
const keepAlive = 'Connection: keep-alive';
const authorization = `Authorization: Bearer ${service.tokens.admin}`;

/** A PUT whose framing is given, and behind it a request that must not be seen. */
const framedPut = (framing: readonly string[], body: string, target = path) =>
  framed(authorization, target, framing, body + BEHIND);

row('B52: a request without Host is 400, also in our shape', async (t) => {
  await refuseBytes(t, MALFORMED, `GET ${path} HTTP/1.1\r\nConnection: close\r\n${authorization}\r\n\r\n`);
  const old = await exchange(service.url, 'GET /livez HTTP/1.0\r\n\r\n');
  t.match(old, { answers: [{ status: 200 }], closed: true }, 'HTTP/1.0 has none');
});

row('B53: two Host headers are refused', async (t) => {
  await refuse(t, MALFORMED, 'GET', path, { lines: ['Host: 127.0.0.1', 'Host: evil.example'] });
  await refuse(t, MALFORMED, 'GET', path, { lines: ['Host: 127.0.0.1', 'host: 127.0.0.1'] });
});

row('B54: two Authorization, If-Match, MS-RequestId or Content-Type headers are refused', async (t) => {
  const id = randomUUID();
  for (const lines of [
    [authorization],
    ['Authorization: Basic eDp5'],
    ['If-Match: "0"', 'If-Match: "1"'],
    [`MS-RequestId: ${id}`, `ms-requestid: ${id}`],
    ['Content-Type: text/plain'],
  ]) {
    await refuse(t, MALFORMED, 'PUT', path, { body: ON, lines });
  }
});

const ambiguous = (wanted: Framed['row']) =>
  ambiguousRequests(authorization, path).flatMap(({ row, bytes }) => (row === wanted ? [bytes + BEHIND] : []));

row('B55: ambiguous framing is one 400 and a closed connection', async (t) => {
  for (const bytes of ambiguous('B55')) await refuseBytes(t, MALFORMED, bytes);
  const arm = { status: 400, armCode: 'BadRequest' };
  await refuseBytes(t, arm, framedPut(['Content-Length: +14'], ON, '/subscriptions/x/nowhere'));
});

row('B56: bare line feeds, folded headers, NUL, bad chunk sizes and requests that are none are one 400', async (t) => {
  for (const bytes of ambiguous('B56')) await refuseBytes(t, MALFORMED, bytes);
});

row('B57: a chunk extension of 100 kB is one 400 and a closed connection', async (t) => {
  for (const bytes of ambiguous('B57')) await refuseBytes(t, MALFORMED, bytes);
});

row('B58: 20 kB of header and 3 000 headers are 431', async (t) => {
  const large = { status: 431, code: '990025' };
  await refuseBytes(t, large, compose('GET', path, { lines: [`X-Large: ${'a'.repeat(20_000)}`] }));
  await refuseBytes(t, large, compose('GET', path, { lines: Array.from({ length: 3000 }, (_, i) => `x-${i}: ${i}`) }));
  for (const length of [1001, 1100, 2900]) {
    await refuse(t, large, 'GET', path, { lines: Array.from({ length }, () => 'a:') });
  }
});

row('B59, B60: slow headers are 408 after 3 s, a body shorter than its length after 5 s', async (t) => {
  const late = { status: 408, code: '990014' };
  const pace = { quietMilliseconds: 9000 };
  const short = framedPut(['Content-Length: 9999'], ON);
  const chunk = framedPut(['Transfer-Encoding: chunked'], 'ffff\r\n{');
  const arm = framedPut(['Content-Length: 9999'], ON, '/providers/Microsoft.Authorization/none');
  const [header, trickled, body, chunked, armBody, bare] = await Promise.all([
    refuseBytes(t, late, `GET ${path} HTTP/1.1\r\nHost: x\r\n`, pace),
    refuseBytes(t, late, `GET ${path} HTTP/1.1\r\nX-Slow: ${'a'.repeat(500)}`, { ...pace, byteMilliseconds: 50 }),
    refuseBytes(t, late, short, pace),
    refuseBytes(t, late, chunk, pace),
    exchange(service.url, arm, pace),
    exchange(service.url, '', pace),
  ]);
  for (const { milliseconds } of [header, trickled])
    t.ok(milliseconds > 2900 && milliseconds < 4500, `${milliseconds}`);
  for (const { milliseconds } of [body, chunked]) t.ok(milliseconds > 4900 && milliseconds < 6500, `${milliseconds}`);
  expectRefusal(t, armBody.answers[0], { status: 404, armCode: 'NotFound' });
  t.ok(bare.closed, 'a connection that sends nothing is closed');
});

row('B61: another method on a known path is 405 with exactly what it allows, in the shape of its face', async (t) => {
  const allowed: Record<string, string> = {
    [path]: 'DELETE, GET, HEAD, PUT',
    [`${path.toUpperCase()}/`]: 'DELETE, GET, HEAD, PUT',
    '/v1//SelfServePolicy?x=%20': 'GET, HEAD, POST, PUT',
    '/v1/selfservepolicy/x': 'DELETE, GET, HEAD, PUT',
    '/livez': 'GET, HEAD',
  };
  for (const [target, methods] of Object.entries(allowed)) {
    for (const method of ['PATCH', 'POST', 'DELETE', 'PROPFIND', 'TRACE', 'OPTIONS', 'SEARCH']) {
      if (methods.includes(method)) continue;
      const { headers } = await refuse(t, { status: 405, code: '990012' }, method, target, { token: null });
      t.equal(headers.allow, methods, `${method} ${target}`);
    }
  }
  const bad = await refuse(t, { status: 405 }, 'PATCH', path, { body: '{' });
  t.equal(bad.headers.allow, 'DELETE, GET, HEAD, PUT', 'whatever the body holds');
});

row('B62: TRACE is 405 and echoes nothing, CONNECT closes the connection', async (t) => {
  const { text } = await refuse(t, { status: 405 }, 'TRACE', path, { lines: ['X-Canary: canary'] });
  t.notMatch(text, /canary/);
  const connect = await exchange(service.url, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n');
  t.match(connect, { answers: [], closed: true });
});

row('B63: X-HTTP-Method-Override is ignored', async (t) => {
  const lines = ['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: DELETE'];
  await refuse(t, { status: 400, code: '3000' }, 'PUT', `${path}?_method=DELETE`.split('?')[0] ?? '', {
    body: '{"state":"x"}',
    lines,
  });
  t.match(await send(t, 'PUT', path, { body: '{"state":"off"}', lines }), { status: 200, body: { state: 'off' } });
});

row('B64, B72: upgrades, a whole address as the target and forwarded hosts change nothing', async (t) => {
  const { text } = await send(t, 'GET', path);
  const evil = 'evil.example';
  const same: [string, string[]][] = [
    [path, ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']],
    [path, ['Connection: Upgrade', 'Upgrade: websocket']],
    [`http://${evil}${path}`, []],
    [`https://${evil}:8443${path}`, []],
    [path, [`Host: ${evil}`]],
    [
      path,
      [`X-Forwarded-Host: ${evil}`, 'X-Forwarded-Proto: https', 'X-Forwarded-For: 10.1.2.3', `Forwarded: host=${evil}`],
    ],
  ];
  for (const [target, lines] of same) {
    const { answers } = await exchange(service.url, compose('GET', target, { lines }), { quietMilliseconds: 1500 });
    t.equal(answers.length, 1);
    t.match(answers[0], { status: 200, text });
    t.notMatch(JSON.stringify(answers[0]), evil);
  }
  const arm = await exchange(service.url, compose('GET', `http://${evil}/subscriptions/none/nowhere`));
  expectRefusal(t, arm.answers[0], { status: 404, armCode: 'NotFound' });
  await refuse(t, { status: 404 }, 'OPTIONS', '*');
});

row('B65: an expectation other than 100-continue is 417, that one is met', async (t) => {
  const refused = { status: 417, code: '990029' };
  await refuseBytes(t, refused, compose('PUT', path, { body: ON, lines: ['Expect: 200-maybe', keepAlive] }));
  const arm = compose('PUT', '/subscriptions/x', { body: ON, lines: ['Expect: 200-maybe'] });
  await refuseBytes(t, { status: 417, armCode: 'ExpectationFailed' }, arm);
  t.equal((await send(t, 'PUT', path, { body: '{"state":"off"}', lines: ['Expect: 100-continue'] })).status, 200);
});

row('B66: an answer that is not JSON cannot be had (406); every way to ask for JSON works', async (t) => {
  for (const accept of ['text/xml', 'text/html', 'application/xml;q=0.9', 'image/*', 'application/jsonx', 'json']) {
    await refuse(t, { status: 406, code: '990013' }, 'GET', path, { lines: [`Accept: ${accept}`] });
  }
  const accepted = [
    '*/*',
    'application/*',
    'APPLICATION/JSON',
    'application/json; odata=verbose',
    'text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8',
    'text/xml, application/json;q=0.1',
    '',
  ];
  for (const accept of accepted) {
    const { status, headers } = await send(t, 'GET', path, { lines: [`Accept: ${accept}`] });
    t.equal(status, 200, accept);
    t.match(headers['content-type'], /^application\/json; charset=utf-8$/);
  }
  await refuse(t, { status: 406, armCode: 'NotAcceptable' }, 'GET', '/subscriptions/x/none', {
    lines: ['Accept: text/xml'],
  });
});

row('B67: MS-RequestId that is no GUID is 400, a missing one is made', async (t) => {
  for (const id of ['1', `{${randomUUID()}}`, `urn:uuid:${randomUUID()}`, "' or 1=1 --", '<script>', '']) {
    const { text, headers } = await refuse(t, MALFORMED, 'PUT', path, { body: ON, lines: [`MS-RequestId: ${id}`] });
    if (id !== '') t.notOk(text.includes(id) || headers['ms-requestid'] === id, 'not echoed');
  }
  const made = await send(t, 'PUT', path, { body: '{"state":"off"}' });
  t.match(made.headers['ms-requestid'], /^[0-9a-f-]{36}$/);
  const sent = randomUUID();
  const echoed = await send(t, 'GET', path, { lines: [`MS-RequestId: ${sent.toUpperCase()}`] });
  t.equal(echoed.headers['ms-requestid'], sent);
});

row('B68 as the issue has it: a request id used for another request is 400, not 422', async (t) => {
  const lines = [`MS-RequestId: ${randomUUID()}`];
  const first = await send(t, 'PUT', path, { body: '{"state":"off"}', lines });
  t.equal(first.status, 200);
  const again = await send(t, 'PUT', path, { body: '{"state":"off"}', lines });
  t.match(again, { status: 200, text: first.text, headers: { 'ms-replayed': 'true' } });
  const reused = { status: 400, code: '990001' };
  await refuse(t, reused, 'PUT', path, { body: ON, lines });
  await refuse(t, reused, 'DELETE', path, { lines });
  await refuse(t, reused, 'PUT', path.replace('ReservedInstances', 'SavingsPlan'), { body: '{"state":"off"}', lines });
});

row('B69: a request id whose first request still runs is 409 with Retry-After', async (t) => {
  const lines = [`MS-RequestId: ${randomUUID()}`, keepAlive];
  const one = compose('PUT', path, { body: '{"state":"off"}', lines });
  const results = await Promise.all(Array.from({ length: 6 }, () => exchange(service.url, one)));
  const answers = results.map(({ answers }) => answers[0]);
  const waiting = answers.filter((answer) => answer?.status === 409);
  t.ok(waiting.length > 0, 'some came while the first ran');
  for (const answer of waiting) {
    expectRefusal(t, answer, { status: 409, code: '990015' });
    t.equal(answer?.headers['retry-after'], '1');
  }
  t.equal(answers.filter((answer) => answer?.status === 200).length, 6 - waiting.length);
});

row('B70: a request id of another partner is independent and shows no trace of the first', async (t) => {
  const lines = [`MS-RequestId: ${randomUUID()}`];
  t.equal((await send(t, 'PUT', path, { body: '{"state":"off"}', lines })).status, 200);
  const token = service.tokens.fabrikamAdmin;
  const { headers } = await refuse(t, { status: 404, code: '60003' }, 'DELETE', path, { lines, token });
  t.equal(headers['ms-replayed'], undefined);
});

row('B71: a correlation id that is no GUID is replaced and never reflected', async (t) => {
  for (const id of [
    '<script>alert(1)</script>',
    'x'.repeat(5000),
    'a\tb',
    '%0d%0aSet-Cookie: x',
    `${randomUUID()}\xe9`,
  ]) {
    const { headers, status } = await send(t, 'GET', path, { lines: [`MS-CorrelationId: ${id}`] });
    t.equal(status, 200);
    t.match(headers['ms-correlationid'], /^[0-9a-f-]{36}$/);
    t.equal(headers['set-cookie'], undefined);
  }
  const split = compose('GET', path, { lines: ['MS-CorrelationId: a\rSet-Cookie: x=1'] });
  await refuseBytes(t, MALFORMED, split);
  const locale = await send(t, 'GET', path, { lines: ['X-Locale: <script>'] });
  t.equal(locale.headers['x-locale'], 'en-US');
});

row('B73: If-Match unquoted is 400; weak, old, or any on what is not there is 412', async (t) => {
  const stale = { status: 412, code: '990019' };
  await refuse(t, MALFORMED, 'PUT', path, { body: ON, lines: ['If-Match: abc'] });
  await refuse(t, MALFORMED, 'DELETE', path, { lines: ['If-Match: "0'] });
  await refuse(t, stale, 'PUT', path, { body: ON, lines: ['If-Match: W/"0"'] });
  await refuse(t, stale, 'DELETE', path, { lines: ['If-Match: "99"'] });
  await refuse(t, { status: 404, code: '60003' }, 'DELETE', path.replace(customerId, randomUUID()), {
    lines: ['If-Match: *'],
  });
});

row('B74: no route demands If-Match; the policy whose etag is missing from the body is 400', async (t) => {
  const body = JSON.stringify({
    selfServeEntity: { selfServeEntityType: 'customer', tenantID: customerId },
    grantor: { grantorType: 'billToPartner', tenantID: customer.partnerId },
    permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
  });
  const target = `/v1/SelfServePolicy/${customer.partnerId}_${customerId}`;
  const { body: refusal } = await refuse(t, { status: 400, code: '3000' }, 'PUT', target, { body });
  t.match(refusal.data, [/attributes/]);
});

row('G20: whole requests on one connection are answered in order, what is behind a fault never', async (t) => {
  const get = compose('GET', path, { lines: [keepAlive] });
  const three = await exchange(service.url, Buffer.concat([get, get, Buffer.from(BEHIND)]), {
    quietMilliseconds: 1500,
  });
  t.same(
    three.answers.map(({ status }) => status),
    [200, 200, 200],
  );
  const off = compose('PUT', path, { body: '{"state":"off"}', lines: [keepAlive] });
  const bytes = Buffer.concat([off, Buffer.from('BAD REQUEST\r\n\r\n'), get, get]);
  const { answers, closed } = await exchange(service.url, bytes, { quietMilliseconds: 3000 });
  t.same(
    answers.map(({ status }) => status),
    [200, 400],
    'the answer of the first is not taken by the fault',
  );
  expectRefusal(t, answers[1], MALFORMED);
  t.ok(closed);
  const slowly = Buffer.concat([off, Buffer.from('\0'.repeat(60))]);
  const pace = { quietMilliseconds: 3000, byteMilliseconds: 0, firstBytes: off.length };
  const again = await exchange(service.url, slowly, pace);
  t.same(
    again.answers.map(({ status }) => status),
    [200, 400],
    'a fault in many pieces behind a running request is answered once',
  );
});

row('HEAD answers as GET without a body', async (t) => {
  const { body, ...get } = await send(t, 'GET', path);
  const head = await send(t, 'HEAD', path);
  t.match(head, { status: 200, text: '' });
  t.equal(head.headers.etag, get.headers.etag);
  t.equal(head.headers['content-length'], get.headers['content-length']);
  t.equal((await send(t, 'HEAD', path, { token: null })).status, 401);
  t.equal((await send(t, 'HEAD', '/livez', { token: null })).status, 200);
});
