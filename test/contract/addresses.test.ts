import t from 'tap';
import { CONTOSO } from '../helpers/service.js';
import { startContract } from './start.js';

const { service, customer, path, row, send, refuse, compose, refuseBytes } = await startContract(t);
const { customerId } = customer;
const MALFORMED = { status: 400, code: '2000' };
const INVALID = { status: 400, code: '3000' };
const NOT_FOUND = { status: 404, code: '1000' };
const permissionOf = (id: string) => `/v1/customers/${id}/purchasepermissions/AzureReservedInstances`;

row(
  'B29: upper-case ids answer, tag, lock and log in lower case',
  async (t) => {
    const { customerId: id } = await service.newCustomer();
    const upper = permissionOf(id.toUpperCase());
    const on = await send(t, 'PUT', upper, { body: '{"state":"on"}' });
    t.match(on, { status: 201, body: { customerId: id } });
    t.notMatch(on.text, id.toUpperCase());
    const read = await send(t, 'GET', permissionOf(id));
    t.equal(read.headers.etag, on.headers.etag);
    const policy = await send(t, 'GET', `/v1/SelfServePolicy?entity_id=${id.toUpperCase()}`);
    t.match(policy.body.items, [{ id: `${CONTOSO}_${id}` }]);
    t.equal((await send(t, 'GET', `/v1/SelfServePolicy/${CONTOSO.toUpperCase()}_${id.toUpperCase()}`)).status, 200);
    const logged = await service.sql('select customer_id from activity_log where customer_id = $1', [id]);
    t.same(logged, [{ customer_id: id }]);
  },
  1,
);

row('B30, B31: an id in any other form is 400', async (t) => {
  const forms = [
    `urn:uuid:${customerId}`,
    `{${customerId}}`,
    `%7B${customerId}%7D`,
    customerId.replaceAll('-', ''),
    `${customerId}%00`,
    `${customerId}%0a`,
    `${customerId}%20`,
    `%27%20OR%201=1--`,
    `${customerId}x`,
  ];
  for (const id of forms) {
    await refuse(t, { status: 400 }, 'GET', permissionOf(id));
    await refuse(t, { status: 400 }, 'PUT', permissionOf(id), { body: '{"state":"on"}' });
  }
});

row('B32: an address that is not validly encoded is 400 in the shape of its face, and not echoed', async (t) => {
  for (const part of ['%zz', '%ff', '%', '%c0%af']) {
    const { text } = await refuse(t, MALFORMED, 'GET', `/v1/customers/${part}/purchasepermissions`);
    t.notMatch(text, part === '%' ? '%' : part);
    await refuse(t, { status: 400, armCode: 'BadRequest' }, 'GET', `/subscriptions/${part}/x`);
    await refuse(t, MALFORMED, 'GET', `/v1/SelfServePolicy?entity_id=${part}`);
    const identity = await send(t, 'GET', `/common/discovery/keys?x=${part}`);
    t.match(identity, { status: 400, body: { error: 'BadRequest', error_description: /encoded/ } });
  }
});

row('B33: encoded path climbing is 400 or leads nowhere', async (t) => {
  for (const part of ['..%2f..%2fetc', '..%2F..%2Flivez', '%2e%2e%2f%2e%2e']) {
    await refuse(t, { status: 400 }, 'GET', permissionOf(part));
    await refuse(t, { status: 404 }, 'GET', `/v1/SelfServePolicy/${part}`);
  }
  await refuse(t, NOT_FOUND, 'GET', `/v1/customers/${customerId}/../${customerId}/purchasepermissions`);
});

row(
  'B34 as published clients need it: doubled slashes, a slash at the end and any letter case are accepted',
  async (t) => {
    const same = [
      path.toUpperCase(),
      `/${path}`,
      path.replaceAll('/', '//'),
      `${path}/`,
      `/V1/customers/${customerId}/PurchasePermissions/azurereservedinstances`,
    ];
    const { text } = await send(t, 'GET', path);
    for (const target of same) {
      t.same((await send(t, 'GET', target)).text, text, target);
      const sales = service.tokens.sales;
      await refuse(t, { status: 403, code: '900150' }, 'DELETE', target, { token: sales });
      await refuse(t, { status: 401, code: '800001' }, 'DELETE', target, { token: null });
    }
  },
);

row('B34: an encoded slash or a path parameter leads nowhere', async (t) => {
  const targets = [
    path.replace('/purchasepermissions', '%2fpurchasepermissions'),
    path.replace('/v1', '/v1;x=1'),
    `/v1%2fcustomers/${customerId}/purchasepermissions`,
  ];
  for (const target of targets) await refuse(t, NOT_FOUND, 'GET', target);
  for (const target of [`${path};x=1`, path.replace(customerId, `${customerId};x=1`)]) {
    await refuse(t, { status: 400, code: '3000' }, 'GET', target);
  }
});

row('B35: a raw byte from 0x80 up in the address is 400 in the shape of its face', async (t) => {
  await refuseBytes(t, MALFORMED, compose('GET', '/v1/customers/\xe9/purchasepermissions'));
  await refuseBytes(t, { status: 400, armCode: 'BadRequest' }, compose('GET', '/subscriptions/\xe9'));
});

row('B36: an address over 8 KiB is 414, one over 16 KiB 431', async (t) => {
  const long = { status: 414, code: '990021' };
  await refuse(t, long, 'GET', `/v1/${'a'.repeat(9 * 1024)}`);
  await refuse(t, long, 'GET', `${path}?x=${'a'.repeat(9 * 1024)}`);
  await refuse(t, { status: 414, armCode: 'RequestUriTooLong' }, 'GET', `/providers/${'a'.repeat(9 * 1024)}`);
  await refuse(t, MALFORMED, 'GET', permissionOf('a'.repeat(600)));
  await refuseBytes(t, { status: 431, code: '990025' }, compose('GET', `/v1/${'a'.repeat(20 * 1024)}`));
  await refuseBytes(
    t,
    { status: 431, armCode: 'RequestHeaderFieldsTooLarge' },
    compose('GET', `/subscriptions/${'a'.repeat(20 * 1024)}`),
  );
});

row('B37, B41: an unknown query parameter is 400 and named', async (t) => {
  for (const [query, name] of [
    ['customerid=x', /"customerid"/],
    ['__proto__=1', /"__proto__"/],
    ['constructor=1', /"constructor"/],
    ['x%0d%0ay=1', /\\r\\n/],
  ] as const) {
    for (const base of ['/v1/purchasepermissions', '/v1/SelfServePolicy', path]) {
      const { body } = await refuse(t, MALFORMED, 'GET', `${base}?${query}`);
      t.match(body.description, name);
    }
  }
});

row('B38, B39: a page size that is no number from 1 to 500 in decimal digits is 400', async (t) => {
  const sizes = ['1e2', '0x10', '%205', '+5', '5.0', '0', '-1', '501', '9'.repeat(20), '', 'five', '%D9%A5'];
  for (const size of sizes) await refuse(t, INVALID, 'GET', `/v1/purchasepermissions?size=${size}`);
  for (const size of ['1', '500', '007']) {
    t.equal((await send(t, 'GET', `/v1/purchasepermissions?size=${size}`)).status, 200);
  }
  await refuse(t, INVALID, 'GET', '/v1/purchasepermissions?effective=1');
  await refuse(t, INVALID, 'GET', '/v1/purchasepermissions?state=ON%20');
});

row('B40: a query parameter twice is 400 on the Partner Center face', async (t) => {
  for (const query of ['size=5&size=6', 'size=5&Size=5', 'state=on&state=off']) {
    const { body } = await refuse(t, MALFORMED, 'GET', `/v1/purchasepermissions?${query}`);
    t.match(body.description, /more than once/);
  }
});

row(
  'B51: a continuation token edited, of another partner, list or filter is 400',
  async (t) => {
    for (let i = 0; i < 2; i++) {
      const { customerId: id } = await service.newCustomer();
      t.equal((await send(t, 'PUT', permissionOf(id), { body: '{"state":"on"}' })).status, 201);
    }
    const first = await send(t, 'GET', '/v1/purchasepermissions?size=1&state=on');
    const token: string = first.body.continuationToken;
    t.match(first.body.links.next.uri, /^\/purchasepermissions\?/, 'relative and without /v1');
    const next = `/v1${first.body.links.next.uri}`;
    const lines = [`MS-ContinuationToken: ${token}`];
    t.match(await send(t, 'GET', next, { lines }), { status: 200, body: { totalCount: 1 } });
    const edited = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
    await refuse(t, MALFORMED, 'GET', next, { lines: [`MS-ContinuationToken: ${edited}`] });
    await refuse(t, MALFORMED, 'GET', next, { lines, token: service.tokens.fabrikamAdmin });
    await refuse(t, MALFORMED, 'GET', next.replace('state=on', 'state=off'), { lines });
    await refuse(t, MALFORMED, 'GET', `/v1/SelfServePolicy?seekOperation=Next`, { lines });
    await refuse(t, MALFORMED, 'GET', next, { lines: [...lines, `MS-ContinuationToken: ${token}x`] });
  },
  2,
);

row('an address without a route is 404 in the shape of its face, with every method and whatever is sent', async (t) => {
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE']) {
    await refuse(t, NOT_FOUND, method, '/v1/nowhere', { token: null });
    await refuse(t, { status: 404, armCode: 'NotFound' }, method, '/subscriptions/x/nowhere', { token: null });
    await refuse(t, { status: 404, armCode: 'NotFound' }, method, '//PROVIDERS/nowhere?x=%20', { token: null });
  }
  await refuse(t, NOT_FOUND, 'POST', '/nowhere', { body: '{' });
  await refuse(t, NOT_FOUND, 'GET', '/');
  await refuse(t, NOT_FOUND, 'GET', '/v1');
  const head = await send(t, 'HEAD', '/v1/nowhere');
  t.match(head, { status: 404, text: '' });
});
