import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { recordStatements } from '../../helpers/recorded-statements.js';
import { CONTOSO, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, sql, tokens } = service;

const types = async (customerId: string) =>
  (await sql('select operation_type from activity_log where customer_id = $1 order by seq', [customerId])).map(
    (row) => row.operation_type,
  );
const inactive = encodeURIComponent('{"Field":"UserState","Value":"Inactive","Operator":"equals"}');
const ids = (answer: { body: { items: { id: string }[] } }) => answer.body.items.map((item) => item.id);

async function newDirectory(eligible = false) {
  const made = await service.newCustomer({ eligible });
  const path = `/v1/customers/${made.customerId}/users`;
  const domain = `c${made.customerId.slice(0, 8)}.onmicrosoft.com`;
  const create = (name: string, rest: object = {}) =>
    request('POST', path, { body: { userPrincipalName: `${name}@${domain}`, displayName: name, ...rest } });
  return { ...made, path, domain, create };
}

async function withPermission() {
  const directory = await newDirectory(true);
  const permission = `/v1/customers/${directory.customerId}/purchasepermissions/AzureReservedInstances`;
  t.equal((await request('PUT', permission, { body: { state: 'on' } })).status, 201);
  const effective = async () => (await request('GET', permission)).body.effective as boolean;
  return { ...directory, effective, owner: `${directory.path}/${directory.ownerId}` };
}

t.test('a user is created with what was sent, but for the password', async (t) => {
  const { customerId, path, domain } = await newDirectory();
  const body = {
    UserPrincipalName: `Daniel@${domain}`,
    DisplayName: 'Daniel Tsai',
    FirstName: 'Daniel',
    LastName: null,
    UsageLocation: 'us',
    UserDomainType: 'Federated',
    PasswordProfile: { Password: 'S3cret-of-Daniel', ForceChangePassword: true },
    Links: null,
  };
  const created = await request('POST', path, { body, headers: { 'MS-RequestId': randomUUID() } });
  t.match(created, {
    status: 201,
    body: {
      userPrincipalName: `Daniel@${domain}`,
      displayName: 'Daniel Tsai',
      firstName: 'Daniel',
      usageLocation: 'US',
      userDomainType: 'federated',
      userType: 'member',
      state: 'active',
      passwordProfile: { forceChangePassword: true },
      attributes: { objectType: 'CustomerUser' },
    },
  });
  t.notOk('lastName' in created.body);
  t.notOk(created.text.includes('S3cret'));
  const { passwordProfile: _, ...user } = created.body;
  t.same((await request('GET', `${path}/${user.id.toUpperCase()}`)).body, user);
  const stored = await sql(
    'select u::text as text from users u where customer_id = $1 union all select a::text from activity_log a where customer_id = $1',
    [customerId],
  );
  for (const { text } of stored) t.notOk(text.includes('S3cret'));
  t.same(await types(customerId), ['create_customer_user']);
});

t.test('a user name is in a domain of the customer and used once', async (t) => {
  const { customerId, path, create } = await newDirectory();
  const add = (userPrincipalName: string) => request('POST', path, { body: { userPrincipalName, displayName: 'x' } });
  t.match(await add('a@elsewhere.example'), { status: 400, body: { code: '60012', data: [/domain/] } });
  await sql('update customers set company_profile = $2 where customer_id = $1', [
    customerId,
    { customDomains: ['Wingtip.example'] },
  ]);
  t.equal((await add('a@wingtip.EXAMPLE')).status, 201);
  t.match(await add('no name'), { status: 400, body: { code: '3000' } });
  const first = await create('bea');
  t.match(await create('BEA'), { status: 409, body: { code: '990017' } });
  const other = await create('carl');
  const rename = (id: string, name: string) => request('PATCH', `${path}/${id}`, { body: { userPrincipalName: name } });
  t.match(await rename(other.body.id, first.body.userPrincipalName), { status: 409 });
  t.match(await rename(other.body.id, 'carl@elsewhere.example'), { status: 400, body: { code: '60012' } });
  t.match(await rename(other.body.id, 'carl@wingtip.example'), { status: 200 });
});

t.test('a guest is known by its name', async (t) => {
  const { customerId, create } = await newDirectory();
  const guest = await create('sara_contoso.com#EXT#');
  t.match(guest, { status: 201, body: { userType: 'guest' } });
  const [row] = await sql('select home_domain, user_type from users where customer_id = $1', [customerId]);
  t.same(row, { home_domain: 'contoso.com', user_type: 'guest' });
  t.match(await create('tom', { userType: 'Guest' }), { body: { userType: 'guest' } });
});

t.test('a page of users is read off the index, however many users a customer has', async (t) => {
  const { path, customerId } = await newDirectory();
  await sql(
    `insert into users (partner_id, customer_id, user_id, user_principal_name, upn_key, display_name, first_name, last_name,
       usage_location, user_domain_type, user_type, account_state, version, created_on)
     select $1, $2, gen_random_uuid(), 'u' || n, 'u' || n, 'User', 'U', 'N', 'US', 'managed', 'member', 'active', 1, now()
     from generate_series(1, 3000) n`,
    [CONTOSO, customerId],
  );
  await sql('analyze users');
  const recorded = recordStatements(t, new URL(service.urls.app).username, 1);
  const first = await request('GET', `${path}?size=2`);
  const headers = { 'MS-ContinuationToken': first.body.continuationToken };
  const second = await request('GET', `${path}?seekOperation=Next`, { headers });
  const shown = [...ids(first), ...ids(second)];
  t.equal(shown.length, 4);
  t.same(shown, [...new Set(shown)].sort(), 'in the order of the ids');
  const statements = recorded.filter(({ text }) => text.includes('from "users"'));
  t.equal(statements.length, 2);
  const client = new pg.Client(service.urls.app);
  await client.connect();
  t.teardown(() => client.end());
  await client.query(`begin read only; set local app.partner_id = '${CONTOSO}'`);
  for (const [n, { text, values }] of statements.entries()) {
    await client.query(`prepare page_${n} as ${text}`);
    const given = values.map((value) => pg.escapeLiteral(String(value))).join(', ');
    const { rows } = await client.query(`explain (costs off) execute page_${n}(${given})`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    t.match(plan, /Index Scan using users_pk/, text);
    t.notMatch(plan, /Sort|Seq Scan|Bitmap/, text);
  }
});

t.test('users are listed in pages, by name in both directions', async (t) => {
  const { path, create } = await newDirectory();
  for (const name of ['bob', 'Ann', 'carl', 'dora', 'Eve']) await create(name);
  const names = async (query: string, token?: string): Promise<string[]> => {
    const headers: Record<string, string> = token === undefined ? {} : { 'MS-ContinuationToken': token };
    const { body } = await request('GET', `${path}?${query}`, { headers });
    const shown: string[] = body.items.map((item: { displayName: string }) => item.displayName);
    if (!body.links.next) return shown;
    t.equal(body.items.length, 2);
    return [...shown, ...(await names('seekOperation=Next', body.continuationToken))];
  };
  const up = ['Ann', 'bob', 'carl', 'dora', 'Eve'];
  t.same(await names('size=2&sortField=DisplayName&sortDirection=Ascending'), up);
  t.same(await names('size=2&sortField=DisplayName&sortDirection=Descending'), up.toReversed());
  t.same((await names('size=2')).sort(), up.sort());
  t.same((await names('size=0')).length, 5);
  const other = await newDirectory();
  const { body } = await request('GET', `${path}?size=2`);
  const headers = { 'MS-ContinuationToken': body.continuationToken };
  t.match(await request('GET', `${other.path}?seekOperation=Next`, { headers }), { status: 400 });
  for (const query of ['size=501', 'sortField=Id', 'filter=%7B%7D', `filter=${inactive.replace('Inactive', 'Gone')}`]) {
    t.equal((await request('GET', `${path}?${query}`)).status, 400, query);
  }
});

t.test('the Owner who is disabled takes the permission along, and brings it back when enabled', async (t) => {
  const { customerId, owner, effective } = await withPermission();
  t.match(await request('PATCH', owner, { body: { State: 'Inactive' } }), { status: 200, body: { state: 'inactive' } });
  t.equal(await effective(), false);
  t.match(await request('PATCH', owner, { body: { state: 'active' } }), { status: 200, body: { state: 'active' } });
  t.equal(await effective(), true);
  t.same(await types(customerId), [
    'create_self_serve_policy',
    'update_customer_user',
    'update_self_serve_policy',
    'update_customer_user',
    'update_self_serve_policy',
  ]);
});

t.test('the Owner who becomes a guest takes the permission along', async (t) => {
  const { owner, domain, effective } = await withPermission();
  const body = { userPrincipalName: `olga_contoso.com#EXT#@${domain}` };
  t.match(await request('PATCH', owner, { body }), { status: 200, body: { userType: 'guest' } });
  t.equal(await effective(), false);
});

t.test('the Owner who is deleted takes the permission along, and can be restored for 30 days', async (t) => {
  const { customerId, path, owner, ownerId, effective } = await withPermission();
  const { body: read } = await request('GET', owner);
  const deleted = await request('DELETE', owner);
  t.equal(deleted.status, 204);
  t.equal(deleted.text, '');
  t.equal(await effective(), false);
  t.match(await request('GET', owner), { status: 404, body: { code: '60002' } });
  t.match(await request('DELETE', owner), { status: 404, body: { code: '60002' } });
  t.match(await request('PATCH', owner, { body: { displayName: 'x' } }), { status: 404, body: { code: '60002' } });
  t.same(ids(await request('GET', path)), []);
  const gone = await request('GET', `${path}?filter=${inactive}`);
  t.match(gone.body.items, [{ id: ownerId, state: 'inactive', softDeletionTime: /Z$/ }]);

  t.match(await request('PATCH', owner, { body: { State: 'Active' } }), { status: 200, body: read });
  t.equal(await effective(), true);
  t.same((await types(customerId)).slice(1), [
    'delete_customer_user',
    'update_self_serve_policy',
    'update_customer_user',
    'update_self_serve_policy',
  ]);

  await request('DELETE', owner);
  await sql("update users set deleted_on = now() - interval '31 days' where user_id = $1", [ownerId]);
  t.same(ids(await request('GET', `${path}?filter=${inactive}`)), []);
  t.match(await request('PATCH', owner, { body: { state: 'active' } }), { status: 404 });
});

t.test('a name freed by a deletion can be used again, and then the deleted user is not restored', async (t) => {
  const { path, create } = await newDirectory();
  const { body: first } = await create('ann');
  await request('DELETE', `${path}/${first.id}`);
  t.equal((await create('ann')).status, 201);
  t.match(await request('PATCH', `${path}/${first.id}`, { body: { state: 'active' } }), { status: 409 });
});

t.test('a user sent back whole is changed where it differs, and not logged where nothing does', async (t) => {
  const { customerId, path, create } = await newDirectory();
  const { body: made } = await create('ann', { firstName: 'Ann', phoneNumber: '1' });
  const one = `${path}/${made.id}`;
  t.match(await request('PATCH', one, { body: made }), { status: 200, body: made });
  t.same(await types(customerId), ['create_customer_user']);
  const changed = await request('PATCH', one, { body: { ...made, lastName: 'Berg', phoneNumber: '' } });
  t.match(changed, { status: 200, body: { firstName: 'Ann', lastName: 'Berg' } });
  t.notOk('phoneNumber' in changed.body);
  const [, entry] = await sql('select old_value, new_value from activity_log where customer_id = $1 order by seq', [
    customerId,
  ]);
  t.notOk(entry?.old_value.includes('Berg'));
  t.match(JSON.parse(entry?.new_value), { Id: made.id, LastName: 'Berg' });
  t.match(await request('PATCH', one, { body: { links: {} } }), { status: 400, body: { code: '3000' } });
});

t.test('users are for App+User tokens, and an AdminAgent alone writes them', async (t) => {
  const { path, create } = await newDirectory();
  const { body: made } = await create('ann');
  t.match(await request('GET', path, { token: tokens.appOnly }), { status: 403, body: { code: '900329' } });
  t.equal((await request('GET', path, { token: tokens.helpdesk })).status, 200);
  for (const [method, url] of [
    ['POST', path],
    ['PATCH', `${path}/${made.id}`],
    ['DELETE', `${path}/${made.id}`],
  ] as const) {
    const body = method === 'DELETE' ? {} : { body: { displayName: 'x' } };
    t.match(await request(method, url, { token: tokens.sales, ...body }), { status: 403, body: { code: '900150' } });
  }
  t.match(await request('GET', `${path}/${randomUUID()}`), { status: 404, body: { code: '60002' } });
});
