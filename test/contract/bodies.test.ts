import { gzipSync } from 'node:zlib';
import t from 'tap';
import { CONTOSO, FABRIKAM } from '../helpers/service.js';
import { startContract } from './start.js';

const { customer, path, row, send, refuse, compose, refuseBytes } = await startContract(t);
const { customerId } = customer;
const MALFORMED = { status: 400, code: '2000' };
const INVALID = { status: 400, code: '3000' };

const policy = (change: object = {}) => ({
  selfServeEntity: { selfServeEntityType: 'customer', tenantID: customerId },
  grantor: { grantorType: 'billToPartner', tenantID: CONTOSO },
  permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
  ...change,
});

row('B1, B2, B3, B4: a state of another type or value is 400, never coerced', async (t) => {
  for (const state of ['true', true, 1, ['on'], null, 'ON', '', {}]) {
    const { body } = await refuse(t, INVALID, 'PUT', path, { body: JSON.stringify({ state }) });
    t.match(body.data[0], /^body\/state /, JSON.stringify(state));
  }
});

row('B5: a member that is none of the resource is 400 and named, on our own resources', async (t) => {
  const { body } = await refuse(t, INVALID, 'PUT', path, { body: `{"state":"on","partnerId":"${FABRIKAM}"}` });
  t.match(body.data, [/"partnerId"/]);
});

row(
  'B5 as published clients need it: SelfServePolicy ignores unknown and read-only members',
  async (t) => {
    const body = JSON.stringify({ ...policy(), partnerId: FABRIKAM, Links: null });
    const made = await send(t, 'POST', '/v1/SelfServePolicy', { body });
    t.match(made, { status: 201, body: { grantor: { tenantID: CONTOSO } } });
    t.equal((await send(t, 'DELETE', `/v1/SelfServePolicy/${CONTOSO}_${customerId}`)).status, 204);
  },
  2,
);

row('B6: a member twice is 400', async (t) => {
  const { body } = await refuse(t, MALFORMED, 'PUT', path, { body: '{"state":"off","state":"on"}' });
  t.match(body.description, /"state" twice/);
  await refuse(t, MALFORMED, 'PUT', path, { body: '{"state":"off","\\u0073tate":"on"}' });
});

row('B7, B8, B9: names that reach a prototype are 400, however they are written', async (t) => {
  for (const member of ['"__proto__":{"x":1}', '"constructor":{"prototype":{"x":1}}', '"\\u005f_proto__":{"x":1}']) {
    await refuse(t, MALFORMED, 'PUT', path, { body: `{"state":"on",${member}}` });
  }
});

row('B10: a byte order mark before the JSON is tolerated, and the answer has none', async (t) => {
  const answer = await send(t, 'PUT', path, { body: '\ufeff{"state":"off"}' });
  t.equal(answer.status, 200);
  t.ok(answer.text.startsWith('{'));
});

row('B11: bytes that are not UTF-8 are 400, in values and in names', async (t) => {
  for (const text of ['{"state":"o\xff"}', '{"\xffstate":"on"}', '{"state":"on","x\xc3":1}']) {
    await refuse(t, MALFORMED, 'PUT', path, { body: Buffer.from(text, 'latin1') });
  }
});

row('B12: what is not JSON is 400, without repeating it', async (t) => {
  const texts = ['{"state":"on",}', '{"state":NaN}', '{"state":"on"}//x', "{'state':'on'}", '{"state"', '<script>'];
  for (const body of texts) await refuse(t, MALFORMED, 'PUT', path, { body });
});

row('B13: an empty body under application/json is 400 where one is needed', async (t) => {
  await refuse(t, INVALID, 'PUT', path, { body: '' });
  await refuse(t, INVALID, 'POST', '/v1/SelfServePolicy', { body: '' });
});

row('B14: a body that is no object is 400', async (t) => {
  for (const body of ['[]', 'null', '"x"', 'true', '7']) {
    await refuse(t, INVALID, 'PUT', path, { body });
    await refuse(t, INVALID, 'POST', '/v1/SelfServePolicy', { body });
  }
});

row('B15: thousands of nested arrays are 400', async (t) => {
  await refuse(t, MALFORMED, 'PUT', path, { body: '['.repeat(2000) + ']'.repeat(2000) });
  await refuse(t, MALFORMED, 'PUT', path, { body: `{"state":${'['.repeat(30_000)}${']'.repeat(30_000)}}` });
});

row('B16: a body over 64 KiB (the limit of the issue) is 413 and ends the connection', async (t) => {
  const large = { status: 413, code: '990020' };
  const keepAlive = ['Connection: keep-alive'];
  const announced = compose('PUT', path, { lines: [...keepAlive, `Content-Length: ${2_000_000}`], body: '' });
  await refuseBytes(t, large, Buffer.concat([announced, Buffer.alloc(100_000, 'x')]));
  const chunked = compose('PUT', path, {
    lines: [...keepAlive, 'Transfer-Encoding: chunked', 'Content-Type: application/json'],
  });
  const chunk = Buffer.concat([Buffer.from('11170\r\n'), Buffer.alloc(0x11170, 'x'), Buffer.from('\r\n0\r\n\r\n')]);
  await refuseBytes(t, large, Buffer.concat([chunked, chunk]));
  t.equal((await send(t, 'PUT', path, { body: `{"state":"off"}${' '.repeat(65_536 - 15)}` })).status, 200);
  await refuse(t, large, 'PUT', path, { body: `{"state":"off"}${' '.repeat(65_537 - 15)}` });
});

row('B17, B18, B19, B20, B22: every other media type and charset is 415', async (t) => {
  const body = '{"state":"off"}';
  const types = [
    null,
    'text/plain',
    'text/json',
    'application/json\ta',
    'application/jsonx',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; charset="iso-8859-1"',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/problem+json',
  ];
  for (const type of types) {
    const { text } = await refuse(t, { status: 415, code: '990022' }, 'PUT', path, { body, type });
    t.notMatch(text, 'utf-16');
  }
  for (const type of ['application/json; charset=utf-8', 'application/json;charset="UTF-8"', 'Application/JSON']) {
    t.equal((await send(t, 'PUT', path, { body, type })).status, 200, type);
  }
});

row('B21: a compressed body is 415', async (t) => {
  const body = gzipSync('{"state":"on"}');
  for (const encoding of ['gzip', 'GZIP', 'br', 'identity, gzip']) {
    const lines = [`Content-Encoding: ${encoding}`];
    await refuse(t, { status: 415, code: '990022' }, 'PUT', path, { body, lines });
    await refuse(t, { status: 415, code: '990022' }, 'PUT', path, { body: '{"state":"on"}', lines });
  }
});

row('B23, B24: U+0000 and half a surrogate pair are 400 in every text', async (t) => {
  for (const escaped of ['\\u0000', '\\ud800', '\\udc00x']) {
    await refuse(t, MALFORMED, 'PUT', path, { body: `{"state":"on${escaped}"}` });
    await refuse(t, MALFORMED, 'PUT', path, { body: `{"state":"on","x${escaped}":1}` });
  }
  await refuse(t, MALFORMED, 'PUT', path, { body: '{"state":"on\0"}' });
});

row('B25: DELETE with a body is 400', async (t) => {
  await refuse(t, MALFORMED, 'DELETE', path, { body: '{"a":1}' });
  await refuse(t, MALFORMED, 'DELETE', path, { body: 'false' });
});

row('B26: DELETE under application/json with an empty body, as generated clients send it, is 204', async (t) => {
  for (const type of ['application/json', 'application/json; charset=utf-8']) {
    t.match(await send(t, 'DELETE', path, { body: '', type }), { status: 204, text: '' });
  }
  t.equal((await send(t, 'DELETE', path, { lines: ['Content-Type: application/json'] })).status, 204);
});

row('B27: a grantor that is another partner is 403, a customer that is the partner itself 400', async (t) => {
  const grantor = { grantorType: 'billToPartner', tenantID: FABRIKAM };
  await refuse(t, { status: 403, code: '600006' }, 'POST', '/v1/SelfServePolicy', {
    body: JSON.stringify(policy({ grantor })),
  });
  const selfServeEntity = { selfServeEntityType: 'customer', tenantID: CONTOSO };
  await refuse(t, { status: 400, code: '900118' }, 'POST', '/v1/SelfServePolicy', {
    body: JSON.stringify(policy({ selfServeEntity })),
  });
});

row('B28: permissions with an unknown resource or action, one twice, none or a thousand are 400', async (t) => {
  const one = { resource: 'AzureReservedInstances', action: 'Purchase' };
  const wrong = [
    [{ resource: 'SoftwareMaintenance', action: 'Purchase' }],
    [{ resource: 'AzureReservedInstances', action: 'Refund' }],
    [one, one],
    [],
    Array.from({ length: 1000 }, () => one),
    one,
  ];
  for (const permissions of wrong) {
    const body = JSON.stringify(policy({ permissions }));
    await refuse(t, INVALID, 'POST', '/v1/SelfServePolicy', { body });
  }
});
