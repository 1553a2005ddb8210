import { randomUUID } from 'node:crypto';
import t from 'tap';
import { all, authorizationClient } from '../../helpers/azure-clients.js';
import { ADMIN_AGENTS, CONTOSO, OWNER_ROLE, startService } from '../../helpers/service.js';

const service = await startService(t);
const READER_ROLE = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';

t.test('the published client creates, reads, lists and deletes role assignments', async (t) => {
  const customer = await service.newCustomer();
  const scope = `/subscriptions/${customer.azureSubscriptionId}`;
  const token = await service.tokens.customerUser(customer.customerId, customer.ownerUpn);
  const { roleAssignments, roleDefinitions } = authorizationClient(service.url, token, customer.azureSubscriptionId);
  const [reader] = await all(roleDefinitions.list(scope, { filter: "roleName eq 'Reader'" }));
  t.match(reader, {
    name: READER_ROLE,
    roleName: 'Reader',
    roleType: 'BuiltInRole',
    permissions: [{ actions: ['*/read'] }],
  });

  const name = randomUUID();
  const parameters = {
    roleDefinitionId: reader?.id ?? '',
    principalId: customer.ownerId,
    principalType: 'User',
    description: 'looks only',
  };
  const created = await roleAssignments.create(scope, name, parameters);
  t.match(created, {
    id: `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`,
    name,
    scope,
    principalId: customer.ownerId,
    principalType: 'User',
    roleDefinitionId: reader?.id,
    createdOn: Date,
    updatedOn: Date,
    description: 'looks only',
  });
  t.same(await roleAssignments.create(scope, name, parameters), created);
  t.same(await roleAssignments.get(scope, name), created);
  t.same(await roleAssignments.getById(created.id ?? ''), created);
  const existing = `The role assignment already exists. The ID of the existing role assignment is ${name.replaceAll('-', '')}.`;
  await t.rejects(roleAssignments.create(scope, randomUUID(), parameters), {
    statusCode: 409,
    code: 'RoleAssignmentExists',
    message: existing,
  });
  await t.rejects(roleAssignments.get(scope, randomUUID()), { statusCode: 404, code: 'RoleAssignmentNotFound' });

  const names = async (filter?: string) =>
    (await all(roleAssignments.listForSubscription(filter === undefined ? {} : { filter }))).map((one) => one.name);
  t.equal((await names()).length, 3);
  t.same((await names(`assignedTo('${customer.ownerId}')`)).sort(), [name, customer.roleAssignmentId].sort());
  t.equal((await names(`principalId eq '${ADMIN_AGENTS[CONTOSO]}'`)).length, 1);
  t.equal((await names('atScope()')).length, 3);
  const below = await roleAssignments.create(`${scope}/resourceGroups/app`, randomUUID(), {
    roleDefinitionId: reader?.id ?? '',
    principalId: customer.ownerId,
  });
  t.equal((await names('atScope()')).length, 3, 'what is below is left out');
  t.ok((await all(roleAssignments.listForResourceGroup('app'))).some((one) => one.name === below.name));
  t.ok((await all(roleAssignments.listForResource('app', 'Microsoft.Web', 'sites', 'www'))).length === 4);

  t.same(await roleAssignments.delete(scope, name), created);
  const gone: { parsedBody?: unknown; status?: number }[] = [];
  await roleAssignments.delete(scope, name, { onResponse: (response) => gone.push(response) });
  t.equal(gone[0]?.status, 204);
});

t.test('the published client follows every page', async (t) => {
  const customer = await service.newCustomer();
  const scope = `/subscriptions/${customer.azureSubscriptionId}`;
  await service.sql(
    `insert into role_assignments select $1, $2, gen_random_uuid(), $3, lower($3), 'subscription', $4, $5,
       gen_random_uuid(), 'ServicePrincipal', 'active', null, null, null, null, now(), now(), null, null
       from generate_series(1, 450)`,
    [customer.partnerId, customer.customerId, scope, customer.azureSubscriptionId, READER_ROLE],
  );
  const { roleAssignments } = authorizationClient(service.url, service.tokens.admin, customer.azureSubscriptionId);
  for (const listed of [
    roleAssignments.listForSubscription({ filter: 'atScope()' }),
    roleAssignments.listForScope(scope, { filter: 'atScope()' }),
  ]) {
    const found = await all(listed);
    t.equal(new Set(found.map((one) => one.id)).size, 452);
    t.ok(found.every((one) => one.scope === scope && one.principalId !== undefined));
  }
});

t.test('the published client sees why it may not', async (t) => {
  const customer = await service.newCustomer();
  const scope = `/subscriptions/${customer.azureSubscriptionId}`;
  const { roleAssignments } = authorizationClient(service.url, service.tokens.sales, customer.azureSubscriptionId);
  await t.rejects(
    roleAssignments.create(scope, randomUUID(), {
      roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${OWNER_ROLE}`,
      principalId: customer.ownerId,
    }),
    { statusCode: 403, code: 'AuthorizationFailed', message: /does not have authorization to perform action/ },
  );
});
