import { randomUUID } from 'node:crypto';
import t from 'tap';
import { FABRIKAM } from '../helpers/service.js';
import { startContract } from './start.js';

const { service, customer, path, row, send, refuse } = await startContract(t);
const MALFORMED = { status: 400, code: '2000' };
const DATE = { status: 400, code: '990002' };
const DAY = 86_400_000;
const day = (ago: number) => new Date(Date.now() - ago * DAY).toISOString().slice(0, 10);
const filtered = (filter: unknown) =>
  `/v1/auditrecords?filter=${encodeURIComponent(typeof filter === 'string' ? filter : JSON.stringify(filter))}`;
const condition = (Field: unknown, Value: unknown, Operator: unknown) => filtered({ Field, Value, Operator });

// Something to find: one record of this customer.
t.equal((await service.request('PUT', path, { body: { state: 'on' } })).status, 201);

row('B42, B43: a date that there is not, or of year 0, is 400', async (t) => {
  for (const date of ['2023-02-30', '2023-02-29', '2023-13-01', '0000-01-01', '-2023-01-01', '99999-01-01', 'x', '']) {
    await refuse(t, DATE, 'GET', `/v1/auditrecords?startDate=${date}`);
    await refuse(t, DATE, 'GET', `/v1/auditrecords?endDate=${date}`);
    await refuse(t, { status: 400 }, 'GET', `/v1/activitylog?from=${date}`);
  }
});

row('B44: a start more than 90 days back, or an end before the start, is 400', async (t) => {
  await refuse(t, DATE, 'GET', `/v1/auditrecords?startDate=${day(91)}&endDate=${day(80)}`);
  await refuse(t, DATE, 'GET', `/v1/auditrecords?startDate=${day(2)}&endDate=${day(3)}`);
});

row('the note below B93 as published clients need it: dates in three forms mean the same day', async (t) => {
  const today = new Date();
  const [year, month, date] = [today.getUTCFullYear(), today.getUTCMonth() + 1, today.getUTCDate()];
  for (const form of [day(0), `${month}/${date}/${year} 12:00:00 AM`, `${day(0)}T00:00:00Z`]) {
    const { status, body } = await send(t, 'GET', `/v1/auditrecords?startDate=${encodeURIComponent(form)}`);
    t.equal(status, 200, form);
    t.equal(body.totalCount, 1, form);
  }
});

row('B45: a filter that is no single small condition is 400', async (t) => {
  const one = { Field: 'CompanyName', Value: 'x', Operator: 'substring' };
  const wrong: unknown[] = [
    'x',
    '{',
    '[]',
    'null',
    '7',
    [one],
    { filter: one },
    { LeftFilter: one, Operator: 'and', RightFilter: one },
    { ...one, Value: { Value: 'x' } },
    { ...one, Value: 'x'.repeat(1024) },
    '{"Field":"CustomerId","Field":"CompanyName","Value":"x","Operator":"substring"}',
    '{"Field":"CompanyName","Value":"x\\u0000","Operator":"substring"}',
  ];
  for (const filter of wrong) {
    await refuse(t, MALFORMED, 'GET', filtered(filter));
    await refuse(t, MALFORMED, 'GET', filtered(filter).replace('auditrecords', 'customers'));
  }
});

row('B46, B47: a field or operator that is not offered is 400', async (t) => {
  for (const field of ['__proto__', 'constructor', 'toString', 'partnerId', 'partner_id', '1=1', '', null, 1]) {
    await refuse(t, MALFORMED, 'GET', condition(field, 'x', 'equals'));
  }
  for (const operator of ['or', 'starts_with', 'like', '__proto__', '', 99]) {
    await refuse(t, MALFORMED, 'GET', condition('CompanyName', 'x', operator));
  }
});

row('B48, B49: a value is data: SQL finds nothing, wildcards stand for themselves', async (t) => {
  const name = 'Customer ';
  t.equal((await send(t, 'GET', condition('CompanyName', name, 'substring'))).body.totalCount, 1, 'it can be found');
  for (const value of ["' OR 1=1 --", "x' OR 'a'='a", '%', '_', '\\', 'Custome_', 'C%r', '\\%']) {
    const { status, body } = await send(t, 'GET', condition('CompanyName', value, 'substring'));
    t.match({ status, found: body.totalCount }, { status: 200, found: 0 }, value);
  }
});

row("B50: another partner's customer is as unknown as none", async (t) => {
  const foreign = await service.newCustomer({ partnerId: FABRIKAM });
  const own = await send(t, 'GET', condition('CustomerId', customer.customerId, 'equals'));
  t.equal(own.body.totalCount, 1);
  const answers = [];
  for (const id of [foreign.customerId, randomUUID()]) {
    const { status, text } = await send(t, 'GET', condition('CustomerId', id, 'equals'));
    answers.push({ status, text: text.replaceAll(id, '{id}') });
  }
  t.match(answers[0], { status: 200, text: '"totalCount":0' });
  t.same(answers[0], answers[1]);
});

row('B40 as published clients need it: on the ARM face the first of doubled query parameters counts', async (t) => {
  const { customerId, ownerUpn, azureSubscriptionId } = customer;
  const token = await service.tokens.customerUser(customerId, ownerUpn);
  const target = `/subscriptions/${azureSubscriptionId}/providers/Microsoft.Authorization/roleAssignments`;
  const once = await send(t, 'GET', `${target}?api-version=2022-04-01&$filter=atScope()`, { token });
  t.equal(once.status, 200);
  const twice = `${target}?api-version=2022-04-01&$filter=atScope()&$filter=nonsense&API-VERSION=x`;
  t.equal((await send(t, 'GET', twice, { token })).text, once.text);
});

row('the ARM face refuses in its own shape: parameters, versions, filters, bodies and methods', async (t) => {
  const { customerId, ownerUpn, azureSubscriptionId } = customer;
  const token = await service.tokens.customerUser(customerId, ownerUpn);
  const target = `/subscriptions/${azureSubscriptionId}/providers/Microsoft.Authorization/roleAssignments`;
  const version = 'api-version=2022-04-01';
  const cases: [string, string, string, number, string?][] = [
    ['GET', target, 'MissingApiVersionParameter', 400],
    ['GET', `${target}?${version}&x=1`, 'BadRequest', 400],
    ['GET', `${target}?${version}&$filter=x`, 'InvalidFilter', 400],
    ['GET', `${target}?${version}&tenantId=%5B%5D`, 'InvalidRequestContent', 400],
    ['PUT', `${target}/${randomUUID()}?${version}`, 'BadRequest', 400, '{'],
    ['PUT', `${target}/${randomUUID()}?${version}`, 'InvalidRequestContent', 400, '{}'],
    ['DELETE', `${target}/${randomUUID()}?${version}`, 'BadRequest', 400, '{"a":1}'],
    ['PATCH', `${target}/${randomUUID()}?${version}`, 'HttpMethodNotSupported', 405],
  ];
  for (const [method, address, armCode, status, body] of cases) {
    await refuse(t, { status, armCode }, method, address, { token, ...(body !== undefined && { body }) });
  }
  await refuse(t, { status: 415, armCode: 'UnsupportedMediaType' }, 'PUT', `${target}/${randomUUID()}?${version}`, {
    token,
    body: 'x',
    type: 'text/plain',
  });
  const { headers } = await refuse(t, { status: 401, armCode: 'AuthenticationFailed' }, 'GET', target, { token: null });
  t.match(headers['www-authenticate'], /^Bearer /);
  t.equal(headers['x-ms-request-id'], headers['ms-requestid']);
});

row('the legacy token exchange takes the form and the JSON text that published clients send', async (t) => {
  const form = { body: 'grant_type=jwt_token', type: 'application/x-www-form-urlencoded' };
  for (const sent of [form, { body: '"jwt_token"' }, { body: '{"grant_type":"jwt_token"}' }]) {
    t.match(await send(t, 'POST', '/generatetoken', sent), { status: 200, body: { access_token: /^eyJ/ } }, sent.body);
  }
  await refuse(t, MALFORMED, 'POST', '/generatetoken', { body: '"x"' });
});
