import { randomUUID } from 'node:crypto';
import t from 'tap';
import { EXIT } from '../../src/commands/command.js';
import { commands, run as runCommand } from '../../src/commands/index.js';
import { importFiles } from '../../src/import/import-files.js';
import type { Source } from '../../src/import/read-export.js';
import { ChainVerifier } from '../../src/nouns/activity-log/chain.js';
import { CONTOSO, FABRIKAM, OWNER_ROLE, startService } from '../helpers/service.js';

const service = await startService(t);
const { sql, request } = service;
const rules = { purchaserRoles: ['owner'] as const };

const source = (name: string, content: unknown): Source => ({
  name,
  async *open() {
    yield Buffer.isBuffer(content)
      ? content
      : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
  },
});

async function run(content: Record<string, unknown>, customerId?: string, partnerId = CONTOSO) {
  const sources = Object.entries(content).map(([name, value]) => source(name, value));
  return importFiles(service.db, sources, { rules, partnerId, ...(customerId && { customerId }) });
}

/** The report of the only file. */
async function runOne(content: unknown, customerId?: string, partnerId = CONTOSO) {
  const { files } = await run({ 'file.json': content }, customerId, partnerId);
  const [report] = files;
  if (!report) throw new Error('no report');
  return report;
}

let serial = 0;
function customer(over: Record<string, unknown> = {}) {
  const id = randomUUID();
  const domain = `import${++serial}.onmicrosoft.com`;
  return {
    id,
    companyProfile: { tenantId: id, domain, companyName: `Import ${serial}` },
    relationshipToPartner: 'reseller',
    attributes: { objectType: 'Customer' },
    ...over,
  };
}

/** Exports of a customer that is eligible. */
function eligibleExports() {
  const wire = customer();
  const [plan, azure, user] = [randomUUID(), randomUUID(), randomUUID()];
  const scope = `/subscriptions/${azure}`;
  const assignment = {
    name: randomUUID(),
    scope,
    roleDefinitionId: `${scope}/providers/Microsoft.Authorization/roleDefinitions/${OWNER_ROLE}`,
    principalId: user,
    principalType: 'User',
    createdOn: '2024-03-11T14:05:22.4113920Z',
  };
  const subscription = {
    id: plan,
    offerId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
    orderId: 'order1',
    status: 'active',
    billingType: 'usage',
    creationDate: '2023-02-06T09:12:31',
    links: { self: { uri: `/customers/${wire.id}/subscriptions/${plan}` } },
    attributes: { objectType: 'Subscription' },
  };
  const entitlement = { id: azure, friendlyName: 'Azure', status: 'active', subscriptionId: plan };
  const account = {
    id: user,
    userPrincipalName: `olga@${wire.companyProfile.domain}`,
    displayName: 'Olga',
    links: { self: { uri: `/customers/${wire.id}/users/${user}` } },
  };
  const files = {
    'role-assignments.json': [assignment],
    'entitlements.json': { items: [entitlement] },
    'users.json': { items: [account] },
    'subscriptions.json': { totalCount: 1, items: [subscription] },
    'customers.json': { items: [wire] },
  };
  return { files, customerId: wire.id, azure, user, scope, assignment, subscription, entitlement, account, wire };
}

const permission = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
const logOf = (customerId: string) =>
  sql('select * from activity_log where customer_id = $1 order by seq', [customerId]);

t.test('files are imported in the order they refer to each other, whatever order they come in', async (t) => {
  const { files, customerId } = eligibleExports();
  const report = await run(files);
  t.equal(report.refused, 0, JSON.stringify(report));
  t.same(
    report.files.map(({ kind, created }) => [kind, created]),
    [
      ['customers', 1],
      ['subscriptions', 1],
      ['entitlements', 1],
      ['users', 1],
      ['role-assignments', 1],
    ],
  );
  const answer = await request('GET', `${permission(customerId)}/eligibility`);
  t.match(answer, { status: 200, body: { eligible: true } }, answer.text);
});

t.test(
  'each row that is new or changed is logged, in a whole chain; a second run changes and logs nothing',
  async (t) => {
    const { files, customerId, account } = eligibleExports();
    await run(files);
    const first = await logOf(customerId);
    t.same(
      first.map((row) => [row.operation_type, row.resource_type]),
      [
        ['add_customer', 'customer'],
        ['update_subscription', 'subscription'],
        ['update_subscription', 'azure_entitlement'],
        ['create_customer_user', 'customer_user'],
        ['create_role_assignment', 'role_assignment'],
      ],
    );
    t.match(first[0], { actor_type: 'application', application_id: 'customer-permissions import' });

    const again = await run(files);
    t.same(
      again.files.map(({ created, changed, unchanged }) => ({ created, changed, unchanged })),
      again.files.map(() => ({ created: 0, changed: 0, unchanged: 1 })),
    );
    t.equal((await logOf(customerId)).length, first.length);

    const renamed = await runOne({ items: [{ ...account, displayName: 'Olga Neu' }] });
    t.match(renamed, { changed: 1, created: 0 });
    const log = await logOf(customerId);
    t.match(log.at(-1), {
      operation_type: 'update_customer_user',
      old_value: '{"DisplayName":"Olga"}',
      new_value: '{"DisplayName":"Olga Neu"}',
    });
    const verifier = new ChainVerifier();
    for (const row of log) verifier.push(row as never);
    const [head] = await sql('select log_seq, log_head from customers where customer_id = $1', [customerId]);
    t.equal(verifier.finish(head as never), undefined);
  },
);

t.test(
  'a resource comes alone, in an array, in a collection, with a byte order mark, as UTF-16, in any case',
  async (t) => {
    const bom = (text: string) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]);
    const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
    const pascal = () => {
      const { id, companyProfile } = customer();
      const { domain, companyName } = companyProfile;
      return {
        Id: id,
        CompanyProfile: { Domain: domain, CompanyName: companyName },
        RelationshipToPartner: 'Reseller',
      };
    };
    for (const content of [
      customer(),
      [customer()],
      { items: [customer()] },
      { value: [customer()] },
      bom(JSON.stringify(customer())),
      utf16(JSON.stringify([customer()])),
      [pascal()],
    ]) {
      t.match(await runOne(content), { created: 1, refused: [] });
    }
  },
);

t.test('a file with a bad row is not imported at all, and every bad row is named with place and reason', async (t) => {
  const good = [customer(), customer(), customer()];
  const other = customer();
  const report = await run({
    'bad.json': {
      items: [
        good[0],
        customer({ companyProfile: { companyName: 'No domain' } }),
        good[1],
        customer({ billingProfile: { defaultAddress: { country: 'Germany' } } }),
        { id: randomUUID(), userPrincipalName: 'a@b.example' },
        'text',
        customer({ companyProfile: { domain: good[0]?.companyProfile.domain, companyName: 'Twice' } }),
        customer({ id: FABRIKAM }),
        good[2],
      ],
    },
    'good.json': [other],
  });
  t.equal(report.refused, 6);
  const [bad, fine] = report.files;
  t.same(bad?.refused.map(({ index, pointer }) => [index, pointer]).sort(), [
    [1, '/items/1/companyProfile'],
    [3, '/items/3/billingProfile/defaultAddress/country'],
    [4, '/items/4'],
    [5, '/items/5'],
    [6, '/items/6/companyProfile/domain'],
    [7, '/items/7/id'],
  ]);
  t.match(bad?.refused.map(({ reason }) => reason).join(' '), /is one of users, in a file of customers/);
  t.match(bad, { created: 0, changed: 0 });
  const ids = [...good, other].map(({ id }) => id);
  t.same(await sql('select customer_id from customers where customer_id = any($1)', [ids]), [
    { customer_id: other.id },
  ]);
  t.match(fine, { created: 1 });
});

t.test('a row refused behind rows that were written takes them away again', async (t) => {
  const many = Array.from({ length: 1200 }, () => customer());
  const report = await runOne([...many, customer({ relationshipToPartner: 7 })]);
  t.match(report, { rows: 1201, refused: [{ index: 1200, pointer: '/1200/relationshipToPartner' }] });
  t.same(await sql('select 1 from customers where customer_id = any($1)', [many.map(({ id }) => id)]), []);
  t.match(await runOne([...many, ...many]), { created: 1200, unchanged: 1200 }, 'repeated rows are one');
  const [first] = many;
  const twice = await runOne([first, { ...first, relationshipToPartner: 'none' }]);
  t.match(twice.refused, [{ index: 1, reason: /twice, with different content/ }]);
});

t.test('a file that cannot be read is refused and the others are imported', async (t) => {
  const { files } = await run({
    'a.json': '[{"id":',
    'b.json': 'name;id',
    'c.json': '[]',
    'd.json': [{ id: randomUUID(), hello: true }],
    'e.json': `[${JSON.stringify(customer())},{"id":"x","id":"y","companyProfile":{}}]`,
    'f.json': [customer()],
  });
  const byName = new Map(files.map((file) => [file.file, file]));
  t.match(byName.get('a.json')?.refused, [{ reason: /ends in the middle/ }]);
  t.match(byName.get('b.json')?.refused, [{ reason: /not JSON/ }]);
  t.match(byName.get('c.json')?.refused, [{ reason: /nothing that can be imported/ }]);
  t.match(byName.get('d.json')?.refused, [{ reason: /nothing that can be imported/ }]);
  t.match(byName.get('e.json')?.refused, [{ index: 1, reason: /twice/ }]);
  t.match(byName.get('f.json'), { created: 1, refused: [] });
});

t.test('an import that takes eligibility away lapses the permission and logs it, and gives it back', async (t) => {
  const { files, customerId, subscription } = eligibleExports();
  await run(files);
  t.equal((await request('PUT', permission(customerId), { body: { state: 'on' } })).status, 201);

  const suspended = await runOne([{ ...subscription, status: 'suspended' }]);
  t.same(suspended.eligibilityChanges, [
    { partnerId: CONTOSO, customerId, resource: 'AzureReservedInstances', effective: false },
  ]);
  t.match(await request('GET', permission(customerId)), { body: { state: 'on', effective: false } });
  t.match(await runOne([subscription]), { eligibilityChanges: [{ effective: true }] });
  const log = await logOf(customerId);
  t.same(
    log.slice(5).map(({ action, actor_type }) => [action, actor_type]),
    [
      ['Create Customer Purchase Permissions', 'user'],
      ['Update Subscription', 'application'],
      ['Lapse Customer Purchase Permissions', 'system'],
      ['Update Subscription', 'application'],
      ['Restore Customer Purchase Permissions', 'system'],
    ],
  );
});

t.test('what names no customer needs one, and what names an unknown one is refused', async (t) => {
  const { files, customerId, azure, scope, assignment } = eligibleExports();
  await run(files);
  const account = { id: randomUUID(), userPrincipalName: 'graph@example.example', accountEnabled: true };
  t.match((await runOne([account])).refused, [{ reason: /name it by --customer/ }]);
  t.match(await runOne([account], customerId), { created: 1 });
  t.match((await runOne([{ ...account, id: randomUUID() }], customerId)).refused, [
    { pointer: '/0/userPrincipalName' },
  ]);
  t.match((await runOne([account], randomUUID())).refused, [{ reason: /is not known: import it first/ }]);
  const elsewhere = scope.replace(azure, randomUUID());
  const foreign = { ...assignment, name: randomUUID(), scope: elsewhere };
  t.match((await runOne([foreign])).refused, [{ reason: /The Azure subscription .* is not known/ }]);
  t.match(
    (await runOne([assignment], undefined, FABRIKAM)).refused,
    [{ reason: /is not known/ }],
    "a partner sees nothing of another's",
  );
  t.match((await runOne([{ id: randomUUID(), status: 'active', subscriptionId: randomUUID() }], customerId)).refused, [
    { index: 0 },
  ]);
});

t.test('PIM tells when a listed assignment ends, and only what is held now counts', async (t) => {
  const { files, customerId, scope, assignment } = eligibleExports();
  await run(files);
  const instance = (over: Record<string, unknown>) => ({
    name: randomUUID(),
    type: 'Microsoft.Authorization/roleAssignmentScheduleInstances',
    properties: { ...assignment, name: undefined, status: 'Provisioned', memberType: 'Direct', ...over },
  });
  const ending = [
    instance({ endDateTime: '2090-01-01T00:00:00Z' }),
    instance({ endDateTime: '2095-01-01T00:00:00Z' }),
    instance({ endDateTime: '2099-01-01T00:00:00Z', startDateTime: '2098-01-01T00:00:00Z' }),
    instance({ endDateTime: '2099-01-01T00:00:00Z', memberType: 'Group' }),
    instance({ endDateTime: '2099-01-01T00:00:00Z', status: 'Revoked' }),
  ];
  t.match(await runOne(ending), { changed: 1, unchanged: 1, ignored: 3 });
  const rows = () =>
    sql(
      'select role_assignment_id, assignment_state, ends_on from role_assignments where customer_id = $1 order by assignment_state',
      [customerId],
    );
  const ends_on = new Date('2095-01-01T00:00:00Z');
  t.same(await rows(), [{ role_assignment_id: assignment.name, assignment_state: 'active', ends_on }]);
  t.match(await runOne([assignment]), { unchanged: 1 }, 'the list does not know the end and does not forget it');

  const eligible = {
    ...instance({ endDateTime: null }),
    type: 'Microsoft.Authorization/roleEligibilityScheduleInstances',
  };
  t.match(await runOne({ value: [eligible] }), { created: 1 });
  t.match(await rows(), [{ assignment_state: 'active' }, { assignment_state: 'eligible', ends_on: null }]);

  const renewed = { ...assignment, name: randomUUID(), scope: scope.toUpperCase() };
  t.match(await runOne([renewed]), { created: 1 }, 'granted anew under another name');
  t.match(await rows(), [{ role_assignment_id: renewed.name, ends_on: null }, {}]);
  const inherited = {
    ...renewed,
    roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${OWNER_ROLE}`,
  };
  t.match(await runOne([renewed, inherited]), { unchanged: 2 }, 'a list repeats what a scope inherits');
  const clash = { ...renewed, name: randomUUID() };
  t.match((await runOne([renewed, clash])).refused, [{ index: 1, reason: /same role/ }]);
});

t.test('an account that the directory disabled stays so when Partner Center lists it as active', async (t) => {
  const { files, customerId, account } = eligibleExports();
  await run(files);
  const enabled = async () => (await request('GET', `${permission(customerId)}/eligibility`)).body.eligible as boolean;
  const fromGraph = { id: account.id, userPrincipalName: account.userPrincipalName, userType: 'Member' };
  t.match(await runOne([{ ...fromGraph, accountEnabled: false }], customerId), { changed: 1 });
  t.equal(await enabled(), false);
  t.match(await runOne([{ ...account, state: 'active' }]), { unchanged: 1 });
  t.match(await runOne([{ ...fromGraph, accountEnabled: true }], customerId), { changed: 1 });
  t.equal(await enabled(), true);
  t.match(await runOne([{ ...account, softDeletionTime: '2024-05-01T10:00:00' }]), { changed: 1 });
  t.equal(await enabled(), false);
});

t.test('members of a group follow the export, unless it holds only a part of them', async (t) => {
  const { wire } = eligibleExports();
  await run({ 'c.json': [wire] });
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
  const group = { id: randomUUID(), displayName: 'Owners', securityEnabled: true };
  const members = async () =>
    (await sql('select member_id from group_members where group_id = $1', [group.id]))
      .map((row) => row.member_id)
      .sort();
  const of = (...ids: string[]) => ids.map((id) => ({ id }));
  t.match(await runOne([{ ...group, members: of(a, b) }], wire.id), { created: 1 });
  t.match(await runOne([{ ...group, members: of(b, c) }], wire.id), { changed: 1 });
  t.same(await members(), [b, c].sort());
  await runOne([{ ...group, members: of(a), 'members@odata.nextLink': 'https://graph.microsoft.com/x' }], wire.id);
  t.same(await members(), [a, b, c].sort());
  t.match(await runOne([group], wire.id), { unchanged: 1 }, 'without members it says nothing of them');
  const partners = [{ ...group, id: randomUUID(), displayName: 'AdminAgents' }];
  t.match(await runOne(partners), { changed: 1 });
  t.same(await sql('select admin_agents_group_id as id from partners where partner_id = $1', [CONTOSO]), [
    { id: partners[0]?.id },
  ]);
  t.match(await runOne(partners, wire.id), { created: 1 }, "a customer's, when one is named");
});

t.test('a transfer puts a subscription into transition while it is active', async (t) => {
  const { files, customerId, subscription } = eligibleExports();
  await run(files);
  const transfer = (status: string) => ({
    id: randomUUID(),
    status,
    customerTenantId: customerId,
    sourcePartnerTenantId: CONTOSO,
    lineItems: [{ subscriptionId: subscription.id }],
  });
  const state = async () =>
    (
      await sql('select transition_in_progress as t from subscriptions where subscription_id = $1', [subscription.id])
    )[0]?.t;
  await runOne([transfer('Active'), transfer('Completed')]);
  t.equal(await state(), true);
  t.match(await runOne([subscription]), { unchanged: 1 }, 'the subscription itself does not tell');
  await runOne([transfer('Completed')]);
  t.equal(await state(), false);
});

t.test('a file that is one page of several says so', async (t) => {
  const { notes } = await runOne({ value: [customer()], nextLink: 'https://example.com/next' });
  t.match(notes, [/further pages/]);
});

t.test('an organization profile makes the partner, and a set of files names its own', async (t) => {
  const partnerId = randomUUID();
  const profile = {
    id: partnerId,
    tenantId: partnerId,
    companyName: 'Third',
    domain: 'Third.example',
    defaultAddress: { country: 'fr' },
  };
  const wire = customer();
  const sources = [source('customers.json', [wire]), source('organization.json', profile)];
  const { files, refused } = await importFiles(service.db, sources, { rules });
  t.equal(refused, 0, JSON.stringify(files));
  t.match(await sql('select domain, country from partners where partner_id = $1', [partnerId]), [
    { domain: 'third.example', country: 'FR' },
  ]);
  t.match(await sql('select partner_id, country from customers where customer_id = $1', [wire.id]), [
    { partner_id: partnerId, country: 'FR' },
  ]);
  await t.rejects(importFiles(service.db, [source('c.json', [customer()])], { rules }), /several partners/);
  const tenant = { ...profile, id: wire.id, tenantId: wire.id };
  await t.rejects(importFiles(service.db, [source('o.json', tenant)], { rules }), /is a customer here/);
  const unknown = await runOne([customer()], undefined, randomUUID());
  t.match(unknown.refused, [{ reason: /import its organization profile first/ }]);
});

t.test('a switch waits for an import that changes its customer, and sees what it changed', async (t) => {
  const { files, customerId, subscription } = eligibleExports();
  await run(files);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let reading = () => {};
  const written = new Promise<void>((resolve) => {
    reading = resolve;
  });
  // The first 500 rows are written, and their customers locked, when the rest is asked for.
  const slow: Source = {
    name: 'slow.json',
    async *open() {
      yield Buffer.from(`[${JSON.stringify({ ...subscription, status: 'suspended' })}`);
      for (let i = 0; i < 499; i++) yield Buffer.from(`,${JSON.stringify({ ...subscription, id: randomUUID() })}`);
      yield Buffer.from(',');
      reading();
      await held;
      yield Buffer.from(`${JSON.stringify({ ...subscription, id: randomUUID(), status: 'suspended' })}]`);
    },
  };
  const importing = importFiles(service.db, [slow], { rules, partnerId: CONTOSO });
  await written;
  const switching = request('PUT', permission(customerId), { body: { state: 'on' } });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.same(await sql('select 1 from purchase_permissions where customer_id = $1', [customerId]), []);
  release();
  t.match((await importing).files, [{ created: 500, changed: 1 }]);
  t.match(await switching, { status: 403, body: { data: [/is suspended/] } });
});

t.test('the command reports counts and refused rows, and its exit code tells of refusals', async (t) => {
  const dir = t.testdir({
    'good.json': JSON.stringify([customer()]),
    'bad.json': JSON.stringify({ items: [customer(), customer({ companyProfile: {} })] }),
  });
  const call = async (...args: string[]) => {
    let [stdout, stderr] = ['', ''];
    const code = await runCommand({
      argv: ['import', '--database-url', service.urls.app, '--data-dir', dir, ...args],
      environment: {},
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      commands,
    });
    return { code, stdout, stderr };
  };
  const good = await call(`${dir}/good.json`, '--partner', CONTOSO);
  t.match(good, { code: EXIT.done, stdout: /good\.json \(customers\): 1 rows: 1 created/, stderr: '' });
  const bad = await call(`${dir}/good.json`, `${dir}/bad.json`, '--partner', CONTOSO);
  t.match(bad, {
    code: EXIT.negative,
    stdout: /bad\.json \(customers\): 2 rows, 1 refused: nothing of this file was imported/,
    stderr: /bad\.json: row 1, \/items\/1\/companyProfile: /,
  });
  t.match(await call(`${dir}/missing.json`, '--partner', CONTOSO), { code: EXIT.negative, stderr: /no such file/ });
  t.match(await call(`${dir}/good.json`, '--customer', 'x'), { code: EXIT.usage, stderr: /--customer/ });
  t.match(await call(), { code: EXIT.usage, stderr: /Usage: / });
});
