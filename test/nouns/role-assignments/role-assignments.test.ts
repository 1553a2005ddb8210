import { randomUUID } from 'node:crypto';
import { get } from 'node:http';
import t from 'tap';
import { ADMIN_AGENTS, CONTOSO, FABRIKAM, type MadeCustomer, OWNER_ROLE, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, tokens, sql } = service;
const READER_ROLE = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';
const VERSION = 'api-version=2022-04-01';
const ASSIGNMENTS = 'providers/Microsoft.Authorization/roleAssignments';

const at = (scope: string, name = '', query = VERSION) => `${scope}/${ASSIGNMENTS}${name && `/${name}`}?${query}`;
const scopeOf = (customer: MadeCustomer) => `/subscriptions/${customer.azureSubscriptionId}`;
const roleId = (role: string) => `/providers/Microsoft.Authorization/roleDefinitions/${role}`;
const grant = (principalId: string, role = OWNER_ROLE, more: object = {}) => ({
  properties: { roleDefinitionId: roleId(role), principalId, ...more },
});
const namesIn = (answer: { body: { value: { name: string }[] } }) => answer.body.value.map(({ name }) => name).sort();

async function newUser({ partnerId, customerId }: MadeCustomer, state = 'active') {
  const userId = randomUUID();
  const upn = `u${userId.slice(0, 8)}@customer.example`;
  await sql(
    `insert into users values ($1, $2, $3, $4, lower($4), 'User', null, null, 'US', null, null, 'managed', 'member', $5,
       null, 1, now(), null)`,
    [partnerId, customerId, userId, upn, state],
  );
  return { userId, upn };
}

function levelOf(scope: string): string {
  if (scope === '/') return 'root';
  if (scope.startsWith('/providers/')) return 'management_group';
  if (/\/providers\//.test(scope)) return 'resource';
  return /\/resourceGroups\//.test(scope) ? 'resource_group' : 'subscription';
}

async function assign(customer: MadeCustomer, scope: string, principalId: string, role: string, more: object = {}) {
  const name = randomUUID();
  const row = { principal_type: 'User', assignment_state: 'active', ends_on: null, ...more };
  await sql(
    `insert into role_assignments values ($1, $2, $3, $4, lower($4), $5, $6, $7, $8, $9, $10, $11, null, null, null, now(), now(), null, null)`,
    [
      customer.partnerId,
      customer.customerId,
      name,
      scope,
      levelOf(scope),
      scope.startsWith('/subscriptions/') ? customer.azureSubscriptionId : null,
      role,
      principalId,
      row.principal_type,
      row.assignment_state,
      row.ends_on,
    ],
  );
  return name;
}

async function newGroup(customer: MadeCustomer, members: string[]) {
  const groupId = randomUUID();
  await sql('insert into groups values ($1, $2, $3, $4)', [customer.partnerId, customer.customerId, groupId, 'Group']);
  for (const member of members) {
    await sql('insert into group_members values ($1, $2, $3, $4)', [
      customer.partnerId,
      customer.customerId,
      groupId,
      member,
    ]);
  }
  return groupId;
}

t.test('every request names an api-version, any date', async (t) => {
  const customer = await service.newCustomer();
  const path = `${scopeOf(customer)}/${ASSIGNMENTS}`;
  t.match(await request('GET', path), { status: 400, body: { error: { code: 'MissingApiVersionParameter' } } });
  t.match(await request('GET', '/subscriptions'), {
    status: 400,
    body: { error: { code: 'MissingApiVersionParameter' } },
  });
  for (const version of ['2022-04-01', '2020-04-01-preview', '2015-07-01']) {
    t.equal((await request('GET', `${path}?api-version=${version}`)).status, 200, version);
  }
  for (const version of ['latest', '2022-13-01', '2022-04-01-beta']) {
    const answer = await request('GET', `${path}?api-version=${version}`);
    t.match(answer, { status: 400, body: { error: { code: 'InvalidApiVersionParameter' } } }, version);
  }
});

t.test('a subscription that is not there and one of another partner or tenant are told alike', async (t) => {
  const mine = await service.newCustomer();
  const foreign = await service.newCustomer({ partnerId: FABRIKAM });
  const absent = randomUUID();
  const owner = await tokens.customerUser(mine.customerId, mine.ownerUpn);
  const told = async (token: string, id: string) => {
    const answers = await Promise.all([
      request('GET', `/subscriptions/${id}?${VERSION}`, { token }),
      request('GET', at(`/subscriptions/${id}`), { token }),
      request('PUT', at(`/subscriptions/${id}`, randomUUID()), { token, body: grant(randomUUID()) }),
      request('DELETE', at(`/subscriptions/${id}`, randomUUID()), { token }),
      request('GET', `/subscriptions/${id}/providers/Microsoft.Authorization/roleDefinitions?${VERSION}`, { token }),
    ]);
    return answers.map(({ status, text }) => `${status} ${text.replaceAll(id, 'ID')}`);
  };
  const expected = await told(tokens.admin, absent);
  t.match(expected[0], /^404 .*SubscriptionNotFound.*The subscription 'ID' could not be found/);
  t.equal(new Set(expected).size, 1);
  t.same(await told(tokens.admin, foreign.azureSubscriptionId), expected);
  t.same(await told(owner, foreign.azureSubscriptionId), expected);
  const other = await service.newCustomer();
  t.same(await told(owner, other.azureSubscriptionId), expected, 'of another customer of the same partner');
});

t.test(
  'an AdminAgent acts through the foreign group until the customer removes it; other agents hold nothing',
  async (t) => {
    const customer = await service.newCustomer();
    const scope = scopeOf(customer);
    t.equal((await request('GET', at(scope))).status, 200);
    for (const token of [tokens.sales, tokens.helpdesk]) {
      const refused = await request('GET', at(scope), { token });
      t.match(refused, { status: 403, body: { error: { code: 'AuthorizationFailed' } } });
      t.match(
        refused.body.error.message,
        /^The client '.+' with object id '[0-9a-f-]{36}' does not have authorization to perform action 'Microsoft.Authorization\/roleAssignments\/read' over scope '\/subscriptions\/[0-9a-f-]{36}' or the scope is invalid/,
      );
      t.same((await request('GET', `/subscriptions?${VERSION}`, { token })).body, { value: [] });
    }
    const owner = await tokens.customerUser(customer.customerId, customer.ownerUpn);
    const { body } = await request(
      'GET',
      at(scope, '', `${VERSION}&$filter=principalId eq '${ADMIN_AGENTS[CONTOSO]}'`),
      {
        token: owner,
      },
    );
    t.match(body.value, [{ properties: { principalType: 'ForeignGroup', scope } }]);
    const removed = await request('DELETE', at(scope, body.value[0].name), { token: owner });
    t.match(removed, { status: 200, body: { name: body.value[0].name } });
    t.match(await request('GET', at(scope)), { status: 403, body: { error: { code: 'AuthorizationFailed' } } });
    t.equal((await request('GET', `${scope}?${VERSION}`)).status, 403);
    const reinstated = await request('PUT', at(scope, randomUUID()), {
      token: owner,
      body: grant(ADMIN_AGENTS[CONTOSO] ?? '', OWNER_ROLE, { principalType: 'ForeignGroup' }),
    });
    t.equal(reinstated.status, 201);
    t.equal((await request('GET', at(scope))).status, 200);
  },
);

t.test(
  'a customer user acts by its own and its groups’ roles, through nested groups, at the scope or above',
  async (t) => {
    const customer = await service.newCustomer();
    const scope = scopeOf(customer);
    const { userId, upn } = await newUser(customer);
    const token = await tokens.customerUser(customer.customerId, upn);
    t.equal((await request('GET', at(scope), { token })).status, 403);
    await sql(
      "update role_assignments set principal_type = 'Group' where customer_id = $1 and principal_type = 'ForeignGroup'",
      [customer.customerId],
    );
    t.equal((await request('GET', at(scope))).status, 403, 'a group of the customer is not the partner’s');
    t.same((await request('GET', `/subscriptions?${VERSION}`, { token })).body, { value: [] });

    const inner = await newGroup(customer, [userId]);
    const outer = await newGroup(customer, [inner]);
    await assign(customer, `${scope}/resourceGroups/App`, outer, OWNER_ROLE, { principal_type: 'Group' });
    t.equal((await request('GET', at(scope), { token })).status, 403, 'not above the role');
    const write = (path: string) =>
      request('PUT', at(path, randomUUID()), { token, body: grant(customer.ownerId, READER_ROLE) });
    t.equal((await write(`${scope}/resourceGroups/app`)).status, 201, 'at the scope, in another letter case');
    t.equal((await write(`${scope}/RESOURCEGROUPS/APP/providers/Microsoft.Sql/servers/s1`)).status, 201, 'below');
    t.equal((await write(`${scope}/resourceGroups/other`)).status, 403);
    t.match(await request('GET', `/subscriptions?${VERSION}`, { token }), {
      body: { value: [{ subscriptionId: customer.azureSubscriptionId }] },
    });

    await assign(customer, scope, userId, READER_ROLE);
    t.equal((await request('GET', at(scope), { token })).status, 200);
    t.match(await write(scope), { status: 403, body: { error: { message: /roleAssignments\/write/ } } });
    await sql("update users set account_state = 'inactive' where user_id = $1", [userId]);
    t.equal((await request('GET', at(scope), { token })).status, 403, 'a disabled account holds nothing');
    t.same((await request('GET', `/subscriptions?${VERSION}`, { token })).body, { value: [] });
  },
);

t.test('the list has inherited and lower assignments, and filters leave out what they say', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  await sql("update azure_subscriptions set management_groups = '{Root,Corp}' where azure_subscription_id = $1", [
    customer.azureSubscriptionId,
  ]);
  const { userId } = await newUser(customer);
  const group = await newGroup(customer, [await newGroup(customer, [userId])]);
  const foreignGroup = (
    await sql<{ id: string }>(
      "select role_assignment_id as id from role_assignments where customer_id = $1 and principal_type = 'ForeignGroup'",
      [customer.customerId],
    )
  )[0]?.id as string;
  const at_ = customer.roleAssignmentId;
  const inherited = await assign(
    customer,
    '/providers/Microsoft.Management/managementGroups/Corp',
    userId,
    READER_ROLE,
  );
  const root = await assign(customer, '/', group, READER_ROLE, { principal_type: 'Group' });
  const inGroup = await assign(customer, `${scope}/resourceGroups/App`, group, READER_ROLE, {
    principal_type: 'Group',
  });
  const beside = await assign(customer, `${scope}/resourceGroups/App-2`, userId, READER_ROLE);
  const onResource = await assign(customer, `${scope}/resourceGroups/App/providers/A.B/c/d`, userId, READER_ROLE);
  await assign(customer, scope, randomUUID(), READER_ROLE, { assignment_state: 'eligible' });
  await assign(customer, scope, randomUUID(), READER_ROLE, { ends_on: '2020-01-01' });
  await assign(customer, '/providers/Microsoft.Management/managementGroups/Elsewhere', userId, READER_ROLE);
  const own = [at_, foreignGroup];

  const list = async (path: string, filter?: string, token = tokens.admin) => {
    const query = filter === undefined ? VERSION : `${VERSION}&$filter=${encodeURIComponent(filter)}`;
    return namesIn(await request('GET', at(path, '', query), { token }));
  };
  const sorted = (...names: string[]) => names.sort();
  t.same(await list(scope), sorted(...own, inherited, root, inGroup, beside, onResource));
  t.same(await list(scope, 'atScope()'), sorted(...own, inherited, root));
  t.same(await list(scope, `principalId eq '${userId}'`), sorted(inherited, beside, onResource));
  t.same(await list(scope, `assignedTo('${userId}')`), sorted(inherited, beside, onResource, root, inGroup));
  t.same(await list(scope, `atScope() and assignedTo('${userId}')`), sorted(inherited, root));
  t.same(await list(scope, `assignedTo('${userId}') and principalId eq '${group}'`), sorted(root, inGroup));
  t.same(await list(scope, `assignedTo('${userId}') and principalId eq '${customer.ownerId}'`), []);
  t.same(await list(`${scope}/resourceGroups/app`), sorted(...own, inherited, root, inGroup, onResource));
  t.same(await list(`${scope}/resourceGroups/app`, 'atScope()'), sorted(...own, inherited, root, inGroup));
  t.same(
    await list(`${scope}/resourceGroups/app/providers/a.b/c/D`, 'atScope()'),
    sorted(...own, inherited, root, inGroup, onResource),
  );

  const owner = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  const corp = '/providers/Microsoft.Management/managementGroups/corp';
  t.equal((await request('GET', at(corp), { token: owner })).status, 403, 'an Owner below');
  await assign(customer, corp, customer.ownerId, OWNER_ROLE);
  t.equal((await list(corp, undefined, owner)).length, 8);
  t.equal((await list(corp, 'atScope()', owner)).length, 3);
  t.equal(
    (await request('GET', at('/providers/Microsoft.Management/managementGroups/nowhere'), { token: owner })).status,
    403,
  );
  t.equal((await request('GET', at(''), { token: owner })).status, 403, 'the tenant');
  await assign(customer, '/', customer.ownerId, OWNER_ROLE);
  t.equal((await list('', undefined, owner)).length, 10);
  t.match(await request('GET', at('', root), { token: owner }), {
    status: 200,
    body: { id: `/${ASSIGNMENTS}/${root}`, properties: { scope: '/' } },
  });

  await assign(customer, corp, ADMIN_AGENTS[CONTOSO] ?? '', OWNER_ROLE, { principal_type: 'ForeignGroup' });
  t.equal((await request('GET', at(corp))).status, 403, 'a partner has to say whose management group');
  t.equal((await request('GET', at(corp, '', `${VERSION}&tenantId=${customer.customerId}`))).status, 200);

  t.match(await request('GET', at(scope, '', `${VERSION}&$filter=assignedTo('${group}')`)), {
    status: 400,
    body: { error: { code: 'InvalidFilter' } },
  });
  t.match(await request('GET', at(scope, '', `${VERSION}&$filter=asTarget()`)), {
    status: 400,
    body: { error: { code: 'InvalidFilter' } },
  });
});

t.test('lists that are asked for at once are those that are asked for one after the other', async (t) => {
  const quoted = `a"b,{c}'`;
  const customers = [await service.newCustomer(), await service.newCustomer(), await service.newCustomer()];
  for (const customer of customers) {
    const groupScope = `${scopeOf(customer)}/resourceGroups/App`;
    await assign(customer, groupScope, customer.ownerId, READER_ROLE);
    await assign(customer, `${groupScope}/providers/A.B/c/${quoted}`, customer.ownerId, READER_ROLE);
    await assign(customer, '/', randomUUID(), READER_ROLE);
  }
  const paths = customers.flatMap((customer) => {
    const scope = scopeOf(customer);
    const filtered = (filter: string) => at(scope, '', `${VERSION}&$filter=${encodeURIComponent(filter)}`);
    return [
      at(scope),
      at(`${scope}/resourceGroups/app`),
      at(`${scope}/resourceGroups/App/providers/A.B/c/${encodeURIComponent(quoted)}`),
      filtered('atScope()'),
      filtered(`principalId eq '${customer.ownerId}'`),
      filtered(`assignedTo('${customer.ownerId}')`),
      at(scope, customer.roleAssignmentId),
      at(`/subscriptions/${randomUUID()}`),
    ];
  });
  const owners = await Promise.all(
    customers.map((customer) => tokens.customerUser(customer.customerId, customer.ownerUpn)),
  );
  const asked = [tokens.admin, ...owners].flatMap((token) => paths.map((path) => ({ path, token })));
  const answerOf = async ({ path, token }: { path: string; token: string }) => {
    const { status, body } = await request('GET', path, { token });
    return { path, status, body };
  };
  const alone = [];
  for (const one of asked) alone.push(await answerOf(one));
  for (const status of [200, 404]) t.ok(alone.filter((answer) => answer.status === status).length >= 12, `${status}`);
  const ofQuoted = alone.filter(({ path, status }) => status === 200 && path.includes('/A.B/c/'));
  t.equal(ofQuoted.length, 6, 'to the partner, and to each customer its own');
  for (const { body } of ofQuoted) {
    t.ok(body.value.some((row: { properties: { scope: string } }) => row.properties.scope.endsWith(quoted)));
  }
  t.same(await Promise.all(asked.map(answerOf)), alone);
});

t.test('a role is assigned once: 201, then 200 for the same, and 409 under another name', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  const { userId } = await newUser(customer);
  const name = randomUUID();
  const path = at(`${scope}/resourceGroups/My-Group`, name.toUpperCase());
  const created = await request('PUT', path, {
    body: grant(userId.toUpperCase(), READER_ROLE, { description: 'why' }),
  });
  t.match(created, {
    status: 201,
    body: {
      id: `${scope}/resourceGroups/My-Group/${ASSIGNMENTS}/${name}`,
      type: 'Microsoft.Authorization/roleAssignments',
      name,
      properties: {
        scope: `${scope}/resourceGroups/My-Group`,
        roleDefinitionId: `${scope}${roleId(READER_ROLE)}`,
        principalId: userId,
        principalType: 'User',
        description: 'why',
      },
    },
  });
  t.notOk('condition' in created.body.properties, 'what has no value is left out');
  const again = await request('PUT', path.toLowerCase(), { body: grant(userId, READER_ROLE, { description: 'why' }) });
  t.equal(again.status, 200);
  t.same(again.body, created.body, 'the scope as stored, and no new time');
  t.same((await request('GET', path.toLowerCase())).body, created.body);
  t.equal((await request('GET', at(scope, name))).status, 404, 'at another scope there is none of the name');
  t.equal((await request('DELETE', at(scope, name))).status, 204);

  const twin = await request('PUT', at(`${scope}/resourceGroups/MY-GROUP`, randomUUID()), {
    body: grant(userId, READER_ROLE),
  });
  t.match(twin, { status: 409, body: { error: { code: 'RoleAssignmentExists' } } });
  t.match(twin.body.error.message, `The ID of the existing role assignment is ${name.replaceAll('-', '')}.`);

  const { userId: other } = await newUser(customer);
  for (const [url, body] of [
    [path, grant(other, READER_ROLE)],
    [path, grant(userId)],
    [at(scope, name), grant(userId, READER_ROLE)],
  ] as const) {
    const refused = await request('PUT', url, { body });
    t.match(refused, { status: 400, body: { error: { code: 'RoleAssignmentUpdateNotPermitted' } } });
  }
  const changed = await request('PUT', path, {
    body: grant(userId, READER_ROLE, { condition: 'true', conditionVersion: '2.0' }),
  });
  t.match(changed, { status: 200, body: { properties: { condition: 'true', conditionVersion: '2.0' } } });
  t.notOk('description' in changed.body.properties);

  const removed = await request('DELETE', path);
  t.equal(removed.status, 200);
  t.same(removed.body, changed.body);
  const gone = await request('DELETE', path);
  t.equal(gone.status, 204);
  t.equal(gone.text, '');
  t.match(await request('GET', path), { status: 404, body: { error: { code: 'RoleAssignmentNotFound' } } });
  const log = await sql(
    `select operation_type, resource_type, resource_id, old_value::json->'Properties'->>'Description' as old,
       new_value::json->>'Name' as new from activity_log where customer_id = $1 order by seq`,
    [customer.customerId],
  );
  t.match(log, [
    {
      operation_type: 'create_role_assignment',
      resource_type: 'role_assignment',
      resource_id: name,
      old: null,
      new: name,
    },
    { operation_type: 'update_role_assignment', old: 'why', new: name },
    { operation_type: 'delete_role_assignment', old: null, new: null },
  ]);
  t.equal(log.length, 3, 'nothing that changed nothing is logged');
});

t.test('of two grants at once under two names one is made', async (t) => {
  const customer = await service.newCustomer();
  const { userId } = await newUser(customer);
  const put = () => request('PUT', at(scopeOf(customer), randomUUID()), { body: grant(userId) });
  const answers = await Promise.all([put(), put(), put(), put()]);
  t.same(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
});

t.test('an assignment that ended by itself does not stand in the way of a new one', async (t) => {
  const customer = await service.newCustomer();
  const { userId } = await newUser(customer);
  const scope = scopeOf(customer);
  const ended = await assign(customer, scope, userId, READER_ROLE, { ends_on: '2020-01-01' });
  t.equal((await request('GET', at(scope, ended))).status, 404);
  t.equal((await request('DELETE', at(scope, ended))).status, 204);
  t.equal((await request('PUT', at(scope, randomUUID()), { body: grant(userId, READER_ROLE) })).status, 201);
});

t.test('only principals that are there, under their own type, are assigned roles that are there', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  const { userId } = await newUser(customer);
  const group = await newGroup(customer, [userId]);
  const put = async (body: object, path = scope) => {
    const { status, body: answer } = await request('PUT', at(path, randomUUID()), { body });
    return status === 201 ? answer.properties.principalType : `${status} ${answer.error.code}`;
  };
  t.equal(await put(grant(randomUUID(), READER_ROLE)), '400 PrincipalNotFound');
  t.equal(await put(grant(randomUUID(), READER_ROLE, { principalType: 'User' })), '400 PrincipalNotFound');
  t.equal(await put(grant(randomUUID(), READER_ROLE, { principalType: 'Device' })), '400 PrincipalNotFound');
  t.equal(await put(grant(randomUUID(), READER_ROLE, { principalType: 'serviceprincipal' })), 'ServicePrincipal');
  t.equal(await put(grant(userId, READER_ROLE, { principalType: 'Group' })), '400 UnmatchedPrincipalType');
  t.equal(await put(grant(userId, READER_ROLE, { principalType: 'ServicePrincipal' })), '400 UnmatchedPrincipalType');
  t.equal(
    await put(grant(ADMIN_AGENTS[CONTOSO] ?? '', READER_ROLE, { principalType: 'Group' })),
    '400 UnmatchedPrincipalType',
  );
  t.equal(
    await put(grant(ADMIN_AGENTS[FABRIKAM] ?? '', READER_ROLE)),
    '400 PrincipalNotFound',
    'a group of another partner',
  );
  t.equal(await put(grant(group, READER_ROLE)), 'Group');
  t.equal(await put(grant(userId, READER_ROLE, { principalType: null, condition: null, extra: 1 })), 'User');
  await sql('update users set deleted_on = now() where user_id = $1', [userId]);
  t.equal(await put(grant(userId, OWNER_ROLE)), '400 PrincipalNotFound', 'deleted');
  t.equal(await put(grant(customer.ownerId, randomUUID())), '404 RoleDefinitionDoesNotExist');
  t.equal(
    await put(grant(customer.ownerId, 'a8889054-8d42-49c9-bc1c-52486c10e7cd')),
    '400 RoleAssignmentScopeNotAssignableToRoleDefinition',
  );
  t.equal(
    await put({ properties: { roleDefinitionId: OWNER_ROLE, principalId: userId } }),
    '400 InvalidRoleDefinitionId',
  );
  t.equal(await put({}), '400 InvalidRequestContent');
  t.equal(await put(grant(customer.ownerId, READER_ROLE), '/subscriptions/not-a-guid'), '400 InvalidSubscriptionId');
  t.equal(
    await put(grant(customer.ownerId, READER_ROLE), `${scope}/resourceGroups/a%2Fb`),
    '400 InvalidRequestContent',
  );
  t.match(await request('PUT', at(scope, 'my-assignment'), { body: grant(customer.ownerId, READER_ROLE) }), {
    status: 400,
    body: { error: { code: 'InvalidRoleAssignmentId' } },
  });
});

t.test('a subscription takes 4000 assignments, those of its resource groups included', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  await sql(
    `insert into role_assignments select $1, $2, gen_random_uuid(), $3 || '/resourceGroups/g', lower($3) || '/resourcegroups/g',
       'resource_group', $4, $5, gen_random_uuid(), 'ServicePrincipal', 'active', null, null, null, null, now(), now(),
       null, null from generate_series(1, 3997)`,
    [customer.partnerId, customer.customerId, scope, customer.azureSubscriptionId, READER_ROLE],
  );
  const put = () =>
    request('PUT', at(scope, randomUUID()), {
      body: grant(randomUUID(), READER_ROLE, { principalType: 'ServicePrincipal' }),
    });
  t.equal((await put()).status, 201);
  t.match(await put(), { status: 400, body: { error: { code: 'RoleAssignmentLimitExceeded' } } });
  const corp = `/providers/Microsoft.Management/managementGroups/${customer.customerId}`;
  await assign(customer, corp, customer.ownerId, OWNER_ROLE);
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  const above = await request('PUT', at(corp, randomUUID()), { token, body: grant(customer.ownerId, READER_ROLE) });
  t.equal(above.status, 201, 'management groups have a limit of their own');
});

t.test('pages follow absolute links that no Host header can bend', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  await sql(
    `insert into role_assignments select $1, $2, gen_random_uuid(), $3, lower($3), 'subscription', $4, $5,
       gen_random_uuid(), 'ServicePrincipal', 'active', null, null, null, null, now(), now(), null, null
       from generate_series(1, 403)`,
    [customer.partnerId, customer.customerId, scope, customer.azureSubscriptionId, READER_ROLE],
  );
  const first = await request('GET', at(scope, '', `${VERSION}&$filter=atScope()`), {
    headers: { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' },
  });
  const link = first.body.nextLink as string;
  t.ok(
    link.startsWith(`${service.url}${scope}/${ASSIGNMENTS}?api-version=2022-04-01&$filter=atScope()&$skipToken=`),
    link,
  );
  const bent = await new Promise<string>((resolve, reject) => {
    const headers = { host: 'evil.example', authorization: `Bearer ${tokens.admin}` };
    get(`${service.url}${at(scope)}`, { headers }, (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });
  t.ok(JSON.parse(bent).nextLink.startsWith(`${service.url}/`));
  const pages = [first];
  for (let next = link; next !== undefined; ) {
    const page = await request('GET', next.slice(service.url.length));
    pages.push(page);
    next = page.body.nextLink;
  }
  t.same(
    pages.map((page) => page.body.value.length),
    [200, 200, 5],
  );
  t.equal(new Set(pages.flatMap(namesIn)).size, 405);

  const path = link.slice(service.url.length);
  t.equal((await request('GET', path.replace('&$filter=atScope()', ''))).status, 200, 'the token carries the filter');
  const swapped = path.replace('atScope()', `principalId eq '${customer.ownerId}'`);
  t.equal((await request('GET', swapped)).status, 400, 'another filter');
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  t.equal((await request('GET', path, { token })).status, 400, 'another caller’s tenant');
  const other = await service.newCustomer();
  t.equal((await request('GET', path.replace(scope, scopeOf(other)))).status, 400, 'another scope');
});

t.test('nextLink starts with the configured origin, or with what a trusted proxy says', async (t) => {
  const listed = async (settings: { publicUrl?: string; trustProxy?: string }) => {
    const own = await startService(t, settings);
    const customer = await own.newCustomer();
    await own.sql(
      `insert into role_assignments select $1, $2, gen_random_uuid(), $3, lower($3), 'subscription', $4, $5,
         gen_random_uuid(), 'ServicePrincipal', 'active', null, null, null, null, now(), now(), null, null
         from generate_series(1, 200)`,
      [customer.partnerId, customer.customerId, scopeOf(customer), customer.azureSubscriptionId, READER_ROLE],
    );
    const { body } = await own.request('GET', at(scopeOf(customer)), {
      headers: {
        'X-Forwarded-For': '203.0.113.7',
        'X-Forwarded-Host': 'api.example:8443',
        'X-Forwarded-Proto': 'https',
      },
    });
    return new URL(body.nextLink).origin;
  };
  t.equal(await listed({ trustProxy: '127.0.0.1' }), 'https://api.example:8443');
  t.equal(await listed({ trustProxy: '127.0.0.1', publicUrl: 'https://public.example' }), 'https://public.example');
  t.match(await listed({ trustProxy: '10.0.0.1' }), /^http:\/\/127\.0\.0\.1:\d+$/, 'the peer is not the proxy');
});

t.test('the last Owner stays, an inherited one being an Owner too', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  await sql("delete from role_assignments where customer_id = $1 and principal_type = 'ForeignGroup'", [
    customer.customerId,
  ]);
  const remove = () => request('DELETE', at(scope, customer.roleAssignmentId), { token });
  const refused = await remove();
  t.match(refused, { status: 400, body: { error: { message: /^Cannot delete the last RBAC admin assignment/ } } });
  const { userId } = await newUser(customer);
  await assign(customer, `${scope}/resourceGroups/g`, userId, OWNER_ROLE);
  t.equal((await remove()).status, 400, 'an Owner below is none of the subscription');
  await assign(customer, '/', userId, OWNER_ROLE, { ends_on: '2020-01-01' });
  t.equal((await remove()).status, 400, 'nor is one that has ended');
  await assign(customer, '/', customer.customerId, OWNER_ROLE);
  t.equal((await remove()).status, 200);
});

t.test('a permission lapses with the last Owner of the customer, and comes back with the next', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  const permission = `/v1/customers/${customer.customerId}/purchasepermissions/AzureReservedInstances`;
  t.equal((await request('PUT', permission, { body: { state: 'on' } })).status, 201);
  const lapses = async () =>
    (await service.registry.getSingleMetric('customer_permissions_eligibility_changed_total')?.get())?.values ?? [];
  const before = (await lapses()).length;
  t.equal((await request('DELETE', at(scope, customer.roleAssignmentId))).status, 200);
  t.match((await request('GET', permission)).body, { state: 'on', effective: false });
  t.ok((await lapses()).length > before, 'and it is told');
  const restored = await request('PUT', at(scope, randomUUID()), { body: grant(customer.ownerId) });
  t.equal(restored.status, 201);
  t.match((await request('GET', permission)).body, { state: 'on', effective: true });
  const log = await sql('select action from activity_log where customer_id = $1 order by seq', [customer.customerId]);
  t.same(
    log.map(({ action }) => action),
    [
      'Create Customer Purchase Permissions',
      'Delete Role Assignment',
      'Lapse Customer Purchase Permissions',
      'Create Role Assignment',
      'Restore Customer Purchase Permissions',
    ],
  );
});

t.test('a repeated request id removes once and is answered with what was removed', async (t) => {
  const customer = await service.newCustomer();
  const headers = { 'MS-RequestId': randomUUID() };
  const path = at(scopeOf(customer), customer.roleAssignmentId);
  const first = await request('DELETE', path, { headers });
  const second = await request('DELETE', path, { headers });
  t.same([first.status, second.status], [200, 200]);
  t.same(second.body, first.body);
  t.equal(second.headers.get('ms-replayed'), 'true');
});

t.test('subscriptions are shown as Azure Resource Manager shows them', async (t) => {
  const customer = await service.newCustomer();
  const other = await service.newCustomer();
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  const { body } = await request('GET', '/subscriptions?api-version=2019-11-01', { token });
  const expected = {
    id: scopeOf(customer),
    subscriptionId: customer.azureSubscriptionId,
    displayName: 'Azure subscription 1',
    tenantId: customer.customerId,
    state: 'Enabled',
    subscriptionPolicies: { locationPlacementId: 'Public_2014-09-01', quotaId: 'CSP_2015-05-01', spendingLimit: 'Off' },
    authorizationSource: 'RoleBased',
    managedByTenants: [],
  };
  t.same(body, { value: [expected] });
  t.same((await request('GET', `${scopeOf(customer).toUpperCase()}?${VERSION}`, { token })).body, expected);
  const partner = await request('GET', `/subscriptions?${VERSION}`);
  const ids = partner.body.value.map((one: { subscriptionId: string }) => one.subscriptionId);
  t.ok(ids.includes(customer.azureSubscriptionId) && ids.includes(other.azureSubscriptionId));
  await sql("update role_assignments set assignment_state = 'eligible' where customer_id = $1", [customer.customerId]);
  t.same((await request('GET', `/subscriptions?${VERSION}`, { token })).body, { value: [] }, 'to be activated first');
  await sql("update role_assignments set assignment_state = 'active', ends_on = '2020-01-01' where customer_id = $1", [
    customer.customerId,
  ]);
  t.same((await request('GET', `/subscriptions?${VERSION}`, { token })).body, { value: [] });
});

t.test('a customer of two partners sees each subscription once, with the rows of who sold it', async (t) => {
  const customer = await service.newCustomer();
  const copy = [FABRIKAM, customer.customerId, customer.azureSubscriptionId];
  await sql(
    `insert into customers select $1, customer_id, company_name, company_name_key, domain, relationship, true, country, null,
       company_profile, billing_profile, 1, 0, decode(repeat('00', 32), 'hex'), now(), null from customers where customer_id = $2`,
    copy.slice(0, 2),
  );
  await sql(
    `insert into azure_subscriptions select $1, azure_subscription_id, customer_id, null, 'Seen from outside', 'active',
       'Enabled', quota_id, '{}', null, 1, now() from azure_subscriptions where customer_id = $2 and azure_subscription_id = $3`,
    copy,
  );
  await sql(
    `insert into role_assignments select $1, customer_id, role_assignment_id, scope, scope_key, scope_level,
       azure_subscription_id, role_definition_id, principal_id, principal_type, assignment_state, null, null, null,
       'copy', now(), now(), null, null from role_assignments where customer_id = $2 and role_assignment_id = $3`,
    [FABRIKAM, customer.customerId, customer.roleAssignmentId],
  );
  const token = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  t.match((await request('GET', `/subscriptions?${VERSION}`, { token })).body.value, [
    { displayName: 'Azure subscription 1' },
  ]);
  const assignment = await request('GET', at(scopeOf(customer), customer.roleAssignmentId), { token });
  t.equal(assignment.status, 200);
  t.notOk('description' in assignment.body.properties);
});

t.test('role definitions are read by whoever may read at the scope', async (t) => {
  const customer = await service.newCustomer();
  const path = `${scopeOf(customer)}/providers/Microsoft.Authorization/roleDefinitions`;
  const owner = await request('GET', `${path}?${VERSION}&$filter=roleName eq 'Owner'`);
  t.match(owner, {
    status: 200,
    body: {
      value: [
        {
          id: `${path}/${OWNER_ROLE}`,
          name: OWNER_ROLE,
          properties: { roleName: 'Owner', type: 'BuiltInRole', permissions: [{ actions: ['*'], notActions: [] }] },
        },
      ],
    },
  });
  t.same((await request('GET', `${path}/${OWNER_ROLE.toUpperCase()}?${VERSION}`)).body, owner.body.value[0]);
  t.match(await request('GET', `${path}/${randomUUID()}?${VERSION}`), {
    status: 404,
    body: { error: { code: 'RoleDefinitionDoesNotExist' } },
  });
  t.equal((await request('GET', `${path}?${VERSION}`, { token: tokens.sales })).status, 403);
  const everywhere = await request('GET', `${roleId(OWNER_ROLE)}?${VERSION}`, { token: tokens.sales });
  t.match(everywhere, { status: 200, body: { id: roleId(OWNER_ROLE) } });
});

t.test('the partner sees the same rows with a verdict each', async (t) => {
  const customer = await service.newCustomer();
  const scope = scopeOf(customer);
  const path = (subscription: string, query = '') =>
    `/v1/customers/${customer.customerId}/subscriptions/${subscription}/roleassignments${query}`;
  const eligible = await newUser(customer);
  await assign(customer, scope, eligible.userId, OWNER_ROLE, { assignment_state: 'eligible' });
  await assign(customer, `${scope}/resourceGroups/g`, eligible.userId, OWNER_ROLE);
  await assign(customer, '/', customer.ownerId, READER_ROLE);
  const { body } = await request('GET', path(customer.subscriptionId), { token: tokens.helpdesk });
  t.equal(body.totalCount, 5);
  const verdictOf = (find: (item: Record<string, unknown>) => boolean) => body.items.find(find)?.verdict;
  t.match(
    body.items.find((item: { name: string }) => item.name === customer.roleAssignmentId),
    {
      id: `${scope}/${ASSIGNMENTS}/${customer.roleAssignmentId}`,
      roleName: 'Owner',
      principalName: customer.ownerUpn,
      verdict: { counts: true, result: 'pass', azureSubscriptionId: customer.azureSubscriptionId },
      attributes: { objectType: 'RoleAssignment' },
    },
  );
  t.match(
    verdictOf((item) => item.principalType === 'ForeignGroup'),
    { counts: false, result: 'fail', reason: /partner's directory, which never counts/ },
  );
  t.match(
    verdictOf((item) => item.assignmentState === 'eligible'),
    { counts: false, result: 'warn', reason: /has to be activated/ },
  );
  t.match(
    verdictOf((item) => item.scopeLevel === 'resource_group'),
    { counts: false, result: 'fail', reason: /below the Azure subscription/ },
  );
  t.match(
    verdictOf((item) => item.scopeLevel === 'root'),
    { counts: false, reason: /only the built-in Owner role counts/ },
  );
  t.same((await request('GET', path(customer.azureSubscriptionId))).body.items, body.items);
  t.notOk(body.items.some((item: object) => Object.values(item).includes(null)));

  const first = await request('GET', path(customer.subscriptionId, '?size=3'));
  t.equal(first.body.items.length, 3);
  const rest = await request('GET', `/v1${first.body.links.next.uri}`, {
    headers: { 'MS-ContinuationToken': first.body.continuationToken },
  });
  t.same([...first.body.items, ...rest.body.items], body.items);
  t.notOk(rest.body.links.next);

  t.match(await request('GET', path(randomUUID())), { status: 404, body: { code: '20003' } });
  const foreign = await service.newCustomer({ partnerId: FABRIKAM });
  const unknown = (id: string) => `/v1/customers/${id}/subscriptions/${customer.subscriptionId}/roleassignments`;
  const absent = await request('GET', unknown(randomUUID()));
  t.match(absent, { status: 404, body: { code: '60003' } });
  t.equal((await request('GET', unknown(foreign.customerId))).text, absent.text);
  const user = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  t.equal((await request('GET', path(customer.subscriptionId), { token: user })).status, 403);
  await sql(
    "update subscriptions set billing_type = 'license', offer_id = 'CFQ7TTC0LF8S:0002' , product_type_id = 'x' where customer_id = $1",
    [customer.customerId],
  );
  t.match(await request('GET', path(customer.subscriptionId)), { status: 400, body: { code: '800011' } });
});
