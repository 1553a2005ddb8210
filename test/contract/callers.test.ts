import { randomUUID } from 'node:crypto';
import t from 'tap';
import { CONTOSO, FABRIKAM } from '../helpers/service.js';
import { startContract } from './start.js';
import { LIMITED_REQUESTS } from './target.js';
import type { WireAnswer } from './wire.js';

// B76 to B86, forged and stale tokens, are in test/plugins/tokens/verifier.test.ts and jwks.test.ts.
const { service, startLimited, customer, path, row, send, refuse } = await startContract(t);
const { customerId } = customer;
const ON = '{"state":"on"}';
const policyOf = (id: string, partnerId = CONTOSO) => ({
  selfServeEntity: { selfServeEntityType: 'customer', tenantID: id },
  grantor: { grantorType: 'billToPartner', tenantID: partnerId },
  permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
});
const permissionOf = (id: string) => path.replace(customerId, id);
/** An answer without what has to differ between two requests: their ids and the customer's. */
const masked = ({ status, headers, text }: WireAnswer, id: string) => {
  const { date, 'ms-requestid': requestId, 'ms-correlationid': correlationId, ...same } = headers;
  return { status, headers: same, text: text.replaceAll(id, '{id}') };
};

row('B75: without a bearer token every route is 401 with a challenge', async (t) => {
  const targets: [string, string, string?][] = [
    ['GET', path],
    ['PUT', path, ON],
    ['DELETE', path],
    ['GET', '/v1/purchasepermissions'],
    ['POST', '/v1/SelfServePolicy', '{'],
  ];
  for (const [method, target, body] of targets) {
    const refused = { status: 401, code: '800001' };
    for (const lines of [[], ['Authorization: Basic eDp5'], ['Authorization: Bearer'], ['Authorization: Bearer ']]) {
      const sent = { token: null, lines, ...(body !== undefined && { body }) };
      const { headers } = await refuse(t, refused, method, target, sent);
      t.match(headers['www-authenticate'], /^Bearer /);
    }
    const inQuery = await refuse(t, refused, method, `${target}?access_token=${service.tokens.admin}`, { token: null });
    t.notMatch(JSON.stringify(inQuery), service.tokens.admin);
  }
});

row('B87: SalesAgent and HelpDeskAgent read; every write of theirs is 403 with code 900150', async (t) => {
  const { sales, helpdesk } = service.tokens;
  for (const token of [sales, helpdesk]) {
    t.equal((await send(t, 'GET', path, { token })).status, 200);
    const refused = { status: 403, code: '900150' };
    await refuse(t, refused, 'PUT', path, { token, body: ON });
    await refuse(t, refused, 'DELETE', path, { token });
    await refuse(t, refused, 'POST', '/v1/SelfServePolicy', { token, body: JSON.stringify(policyOf(customerId)) });
    await refuse(t, refused, 'DELETE', `/v1/SelfServePolicy/${CONTOSO}_${customerId}`, { token });
  }
});

row('B88: a role counts by its exact text in a list, and one of several is enough', async (t) => {
  const { identity } = service;
  const time = Math.floor(Date.now() / 1000);
  const [issuer] = identity.issuers;
  const roles = [['AdminAgents'], 'AdminAgents', ['adminagents'], ['AdminAgents '], ['SalesAgents', 'AdminAgents'], []];
  const statuses: number[] = [];
  for (const claim of roles) {
    const { sub, ...claims } = JSON.parse(
      Buffer.from(service.tokens.admin.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>;
    const token = await identity.sign({ ...claims, sub: String(sub), groups: [], wids: [], roles: claim, iat: time });
    statuses.push((await send(t, 'DELETE', path, { token })).status);
  }
  t.ok(issuer);
  t.same(statuses, [204, 403, 403, 403, 204, 403]);
});

row(
  "B89 as the issue has it: another partner's customer and none are 404 with code 60003 and the same bytes",
  async (t) => {
    const foreign = await service.newCustomer({ partnerId: FABRIKAM });
    const none = randomUUID();
    const requests: [string, (id: string) => string, string?][] = [
      ['GET', permissionOf],
      ['PUT', permissionOf, ON],
      ['PUT', permissionOf, '{"state":"off"}'],
      ['DELETE', permissionOf],
      ['GET', (id) => `${permissionOf(id)}/eligibility`],
      ['GET', (id) => `/v1/customers/${id}/purchasepermissions`],
    ];
    for (const [method, target, body] of requests) {
      const sent = body === undefined ? {} : { body };
      const refused = { status: 404, code: '60003' };
      const one = await refuse(t, refused, method, target(foreign.customerId), sent);
      const other = await refuse(t, refused, method, target(none), sent);
      t.same(masked(one, foreign.customerId), masked(other, none), `${method} ${target('{id}')}`);
    }
    for (const id of [foreign.customerId, none]) {
      const body = JSON.stringify(policyOf(id));
      await refuse(t, { status: 404, code: '60003' }, 'POST', '/v1/SelfServePolicy', { body });
    }
  },
);

row(
  "B90: a policy id with another partner's customer is as one that is not there; halves that disagree are 404, 600040",
  async (t) => {
    const foreign = await service.newCustomer({ partnerId: FABRIKAM });
    const none = randomUUID();
    const ids = [`${CONTOSO}_${foreign.customerId}`, `${CONTOSO}_${none}`, `${FABRIKAM}_${foreign.customerId}`];
    for (const method of ['GET', 'DELETE']) {
      const answers = [];
      for (const id of ids) {
        const answer = await refuse(t, { status: 404, code: '600039' }, method, `/v1/SelfServePolicy/${id}`);
        answers.push(masked(answer, id));
      }
      for (const answer of answers) t.same(answer, answers[0]);
    }
    const body = JSON.stringify({ ...policyOf(none), attributes: { etag: '"x"' } });
    await refuse(t, { status: 404, code: '600040' }, 'PUT', `/v1/SelfServePolicy/${CONTOSO}_${customerId}`, { body });
    for (const id of [
      'x',
      '_',
      `${CONTOSO}`,
      `${CONTOSO}_${none}_${none}`,
      `${CONTOSO}_' or 1=1`.replaceAll(' ', '%20'),
    ]) {
      await refuse(t, { status: 404, code: '600039' }, 'GET', `/v1/SelfServePolicy/${id}`);
    }
  },
);

row('B91 as the issue has it: who is not eligible is refused with 403, 600006 and every failing reason', async (t) => {
  const bare = await service.newCustomer({ eligible: false });
  const change = async (text: string) => {
    const made = await service.newCustomer();
    await service.sql(text, [made.customerId]);
    return made;
  };
  const suspended = await change("update subscriptions set status = 'suspended' where customer_id = $1");
  const ownerless = await change("delete from role_assignments where customer_id = $1 and principal_type = 'User'");
  const group = await change(
    "update role_assignments set scope_level = 'resource_group', scope = scope || '/resourceGroups/rg', scope_key = scope_key || '/resourcegroups/rg' where customer_id = $1",
  );
  const elsewhere = await change('delete from azure_subscriptions where customer_id = $1');
  for (const made of [bare, suspended, ownerless, group, elsewhere]) {
    const refused = { status: 403, code: '600006' };
    const { body } = await refuse(t, refused, 'PUT', permissionOf(made.customerId), { body: ON });
    t.ok(body.data.length > 0);
    const eligibility = await send(t, 'GET', `${permissionOf(made.customerId)}/eligibility`);
    const failing = eligibility.body.checks.filter(({ result }: { result: string }) => result === 'fail');
    t.equal(body.data.length, failing.length, 'every failing reason');
    const policy = await refuse(t, refused, 'POST', '/v1/SelfServePolicy', {
      body: JSON.stringify(policyOf(made.customerId)),
    });
    t.same(policy.body.data, body.data);
  }
});

row(
  'B92: create when it exists is 409, 600041; read and delete when absent 404, 600039, each time',
  async (t) => {
    const { customerId: id } = await service.newCustomer();
    const body = JSON.stringify(policyOf(id));
    const target = `/v1/SelfServePolicy/${CONTOSO}_${id}`;
    t.equal((await send(t, 'POST', '/v1/SelfServePolicy', { body })).status, 201);
    await refuse(t, { status: 409, code: '600041' }, 'POST', '/v1/SelfServePolicy', { body });
    t.equal((await send(t, 'DELETE', target)).status, 204);
    for (let again = 0; again < 2; again++) {
      await refuse(t, { status: 404, code: '600039' }, 'DELETE', target);
      await refuse(t, { status: 404, code: '600039' }, 'GET', target);
    }
  },
  2,
);

row('B93: too many requests or switches are 429 with Retry-After, by partner and not by address', async (t) => {
  const limited = await startLimited();
  const answers = [];
  for (let i = 0; i < LIMITED_REQUESTS + 3; i++) {
    answers.push(
      await limited.request('GET', '/v1/purchasepermissions', { headers: { 'x-forwarded-for': `10.0.0.${i}` } }),
    );
  }
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200, 429, 429, 429],
  );
  const last = answers.at(-1);
  t.match(last?.body, { statusCode: 429, message: /Try again in \d+ seconds/ });
  t.strictSame(Object.keys(last?.body), ['statusCode', 'message']);
  t.match(last?.headers.get('retry-after'), /^\d+$/);
  const other = { token: limited.tokens.fabrikamAdmin };
  t.equal((await limited.request('GET', '/v1/purchasepermissions', other)).status, 200);
  t.equal((await limited.request('GET', '/livez', { token: null })).status, 200);
});
