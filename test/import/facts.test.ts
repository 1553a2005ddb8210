import { randomUUID } from 'node:crypto';
import { sql as query } from 'kysely';
import t from 'tap';
import { importFiles } from '../../src/import/import-files.js';
import { listCustomersWithPermission, listMembers, raiseLimits } from '../../src/import/queries.js';
import type { Source } from '../../src/import/read-export.js';
import { CONTOSO, OWNER_ROLE, startService } from '../helpers/service.js';
import { eligibleExports, importsInto, permission, rules } from './exports.js';

const service = await startService(t);
const { sql, request } = service;
const { run, runOne, logOf } = importsInto(service);

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

t.test('of many customers with a permission an import decides again about those that it changed', async (t) => {
  const [one, other] = [eligibleExports(), eligibleExports()];
  for (const { files, customerId } of [one, other]) {
    await run(files);
    t.equal((await request('PUT', permission(customerId), { body: { state: 'on' } })).status, 201);
  }
  const list = (...among: (readonly string[])[]) =>
    service.db.read(CONTOSO, (db) => listCustomersWithPermission(db, CONTOSO, ...among));
  t.same(await list([one.customerId, randomUUID()]), [one.customerId]);
  const all = await list();
  t.ok(all.includes(one.customerId) && all.includes(other.customerId));
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

t.test('members are found by their group, also with a plan from before there were any', async (t) => {
  const { customerId } = await service.newCustomer();
  const walks = await service.db.write(CONTOSO, async (tx) => {
    await raiseLimits(tx);
    const count = async () => {
      const counted = query<{ walks: string }>`
        select pg_stat_get_xact_numscans('group_members_by_member'::regclass) as walks`.execute(tx);
      return Number((await counted).rows[0]?.walks);
    };
    const before = await count();
    await listMembers(tx, CONTOSO, [{ customer_id: customerId, group_id: randomUUID() }]);
    return (await count()) - before;
  });
  t.equal(walks, 0, 'of all members of the customer');
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
