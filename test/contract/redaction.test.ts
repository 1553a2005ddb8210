import { randomUUID } from 'node:crypto';
import t from 'tap';
import { connect } from '../../src/db/connect.js';
import { createLog, describeError } from '../../src/log.js';
import { CONTOSO, startService } from '../helpers/service.js';
import { exchange } from './wire.js';

const lines: string[] = [];
const log = createLog('debug', { write: (line) => lines.push(line) });
const service = await startService(t, { logLevel: 'debug' }, { log });
const { tokens, request } = service;
const customer = await service.newCustomer();
const path = `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`;
const SECRET_TEXT = 'canary-body-5eBq';
const MAIL = 'canary.person@mail.example';
const answers: string[] = [];

async function ask(...args: Parameters<typeof request>): Promise<number> {
  const answer = await request(...args);
  answers.push(answer.text, JSON.stringify([...answer.headers]));
  return answer.status;
}

t.test('G30: no token, password, mail address or body text reaches a log line, an answer or a metric', async (t) => {
  const password = decodeURIComponent(new URL(service.urls.app).password);
  const canaries = {
    token: tokens.admin,
    signature: tokens.admin.split('.')[2] ?? '',
    claims: tokens.sales.split('.')[1] ?? '',
    foreign: 'canary-token-Zx81',
    password,
    mail: MAIL,
    body: SECRET_TEXT,
    customerMail: customer.ownerUpn,
  };
  for (const [name, canary] of Object.entries(canaries)) t.ok(canary.length > 7, `${name} is planted`);

  t.equal(await ask('PUT', path, { body: { state: 'on' } }), 201);
  t.equal(await ask('GET', path, { headers: { 'x-note': MAIL, cookie: SECRET_TEXT } }), 200);
  t.equal(await ask('PUT', path, { body: `{"state":"${SECRET_TEXT}"}` }), 400);
  t.equal(await ask('PUT', path, { body: `{"state":"on",${SECRET_TEXT}` }), 400);
  t.equal(await ask('PUT', path, { body: `{"state":"on"}`, headers: { 'ms-requestid': MAIL } }), 400);
  t.equal(await ask('GET', `/v1/${SECRET_TEXT}?mail=${MAIL}`), 404);
  t.equal(await ask('GET', path, { token: 'canary-token-Zx81' }), 401);
  t.equal(await ask('GET', path, { token: `${tokens.admin.slice(0, -4)}AAAA` }), 401);
  t.equal(await ask('GET', path, { token: null, headers: { authorization: `Basic ${SECRET_TEXT}` } }), 401);
  t.equal(await ask('PUT', path, { token: tokens.sales, body: { state: 'on' } }), 403);
  t.equal(await ask('GET', path.replace(customer.customerId, randomUUID())), 404);

  const broken = [
    'alter table purchase_permissions rename to purchase_permissions_away',
    'alter table activity_log rename to activity_log_away',
    // Its error shows the whole row in `detail`.
    `alter table purchase_permissions add constraint canary_ck check (state <> 'off') not valid`,
  ];
  const mended = [
    'alter table purchase_permissions_away rename to purchase_permissions',
    'alter table activity_log_away rename to activity_log',
    'alter table purchase_permissions drop constraint canary_ck',
  ];
  for (const [index, statement] of broken.entries()) {
    await service.sql(statement);
    t.equal(await ask('PUT', path, { body: { state: 'off' } }), 500, statement);
    await service.sql(mended[index] ?? '');
  }
  t.ok(lines.filter((line) => line.includes('"failed"')).length >= 3, 'the causes are logged');
  t.match(lines.join(''), /"code":"42P01"/);
  t.match(lines.join(''), /"code":"23514"/);

  const unreachable = connect({
    url: service.urls.app.replace(password, 'canary-password-T4'),
    poolMax: 1,
    preparedStatements: true,
    onIdleError: () => {},
  });
  await unreachable.query('select 1').catch((err) => log.error({ err }, 'refused'));
  await unreachable.close();

  const metrics = await service.registry.metrics();
  const places = { log: lines.join(''), metrics };
  for (const [place, text] of Object.entries(places)) {
    for (const [name, canary] of Object.entries({ ...canaries, refused: 'canary-password-T4' })) {
      t.notOk(text.includes(canary), `${name} in ${place}`);
    }
  }
  const { customerMail, body, ...neverAnswered } = canaries;
  for (const [name, canary] of Object.entries(neverAnswered)) {
    t.notOk(answers.join('').includes(canary), `${name} in answers`);
  }
  t.notMatch(answers.join(''), body);
});

t.test(
  'G31: every answered request has one log line with its ids, and metrics know routes, not addresses',
  async (t) => {
    const id = randomUUID();
    for (const target of [path, '/v1/nowhere', '/v1/customers/%zz']) {
      lines.length = 0;
      const { headers, status } = await request('GET', target, { headers: { 'ms-correlationid': id } });
      const answered = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'answered');
      t.match(answered, [{ requestId: headers.get('ms-requestid'), correlationId: id, status }], target);
      t.equal(answered.length, 1);
    }
    lines.length = 0;
    const held = service.sql(
      'select pg_sleep(0.4) from (select from customers where partner_id = $1 and customer_id = $2 for update) as locked',
      [CONTOSO, customer.customerId],
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const put = `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.admin}\r\n`;
    const { answers } = await exchange(
      service.url,
      `${put}Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{"state":"on"}\0`,
      { quietMilliseconds: 3000, later: { bytes: '\0\0', milliseconds: 100 } },
    );
    await held;
    t.same(
      lines.map((line) => JSON.parse(line)).flatMap(({ msg, requestId }) => (msg === 'answered' ? [requestId] : [])),
      answers.map(({ headers }) => headers['ms-requestid']),
      'what is no request has one line too, in however many pieces it comes',
    );
    t.match(answers, [{ status: 200 }, { status: 400 }]);
    const metrics = await service.registry.metrics();
    t.notMatch(metrics, customer.customerId);
    t.notMatch(metrics, CONTOSO);
    t.match(metrics, 'route="/v1/customers/:customer/purchasepermissions/:resource"');
  },
);

t.test('an error is logged without what quotes a value', (t) => {
  const error = new SyntaxError(`Unexpected token in "${SECRET_TEXT}"`);
  const outer = Object.assign(new Error('outer', { cause: error }), { detail: MAIL, query: MAIL, code: 'X1' });
  const logged = JSON.stringify(describeError(outer));
  t.notMatch(logged, SECRET_TEXT);
  t.notMatch(logged, MAIL);
  t.match(describeError(outer), { type: 'Error', message: 'outer', code: 'X1', cause: { type: 'SyntaxError' } });
  t.match(describeError('text'), { type: 'string' });
  t.end();
});
