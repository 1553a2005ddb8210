import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { loadFacts } from '../../../src/nouns/purchase-permissions/facts-queries.js';
import { type MadeCustomer, OWNER_ROLE, startService } from '../../helpers/service.js';

const service = await startService(t);
const GROUPS = 5;
const USERS = 16;

/** Who is in which group, by numbers; users that cannot sign in as home users; groups that hold the role. */
const directory = fc.record({
  users: fc.array(fc.tuple(fc.nat(GROUPS - 1), fc.nat(USERS - 1)), { maxLength: 60 }),
  nested: fc.array(fc.tuple(fc.nat(GROUPS - 1), fc.nat(GROUPS - 1)), { maxLength: 8 }),
  foreign: fc.subarray([...Array(USERS).keys()], { maxLength: 5 }),
  holders: fc.subarray([...Array(GROUPS).keys()]),
});
type Directory = typeof directory extends fc.Arbitrary<infer D> ? D : never;

const NOT_AT_HOME = [
  { account_state: 'inactive' },
  { user_type: 'guest' },
  { home_domain: 'elsewhere.example' },
  { deleted_on: '2026-01-01T00:00:00Z' },
];

const idsOf = (count: number): string[] => Array.from({ length: count }, () => randomUUID()).sort();

async function write(customer: MadeCustomer, { users, nested, foreign, holders }: Directory) {
  const { partnerId, customerId, azureSubscriptionId } = customer;
  const userIds = idsOf(USERS);
  const groupIds = idsOf(GROUPS);
  await service.sql('delete from group_members where customer_id = $1', [customerId]);
  await service.sql('delete from groups where customer_id = $1', [customerId]);
  await service.sql("delete from role_assignments where customer_id = $1 and principal_type = 'Group'", [customerId]);
  await service.sql('delete from users where customer_id = $1', [customerId]);
  for (const [number, userId] of userIds.entries()) {
    const lacks = foreign.includes(number) ? NOT_AT_HOME[number % NOT_AT_HOME.length] : {};
    await service.sql(
      `insert into users select (jsonb_populate_record(null::users, jsonb_build_object('partner_id', $1::uuid,
         'customer_id', $2::uuid, 'user_id', $3::uuid, 'user_principal_name', $3, 'upn_key', $3, 'display_name', $3,
         'user_domain_type', 'managed', 'user_type', 'member', 'account_state', 'active', 'version', 1,
         'created_on', now()) || $4::jsonb)).*`,
      [partnerId, customerId, userId, JSON.stringify(lacks)],
    );
  }
  await service.sql('insert into groups select $1, $2, id, id from unnest($3::uuid[]) id', [
    partnerId,
    customerId,
    groupIds,
  ]);
  const members = [
    ...users.map(([group, user]) => [groupIds[group], userIds[user]]),
    ...nested.map(([outer, inner]) => [groupIds[outer], groupIds[inner]]),
  ];
  await service.sql(
    `insert into group_members select distinct $1::uuid, $2::uuid, m.group_id, m.member_id
     from unnest($3::uuid[], $4::uuid[]) m (group_id, member_id)`,
    [partnerId, customerId, members.map(([group]) => group), members.map(([, member]) => member)],
  );
  await service.sql(
    `insert into role_assignments (partner_id, customer_id, role_assignment_id, scope, scope_key, scope_level,
       azure_subscription_id, role_definition_id, principal_id, principal_type, assignment_state, created_on, updated_on)
     select $1, $2, gen_random_uuid(), s, s, 'subscription', $3, $4, id, 'Group', 'active', now(), now()
     from unnest($5::uuid[]) id, lateral (select '/subscriptions/' || $3::uuid as s) scope`,
    [partnerId, customerId, azureSubscriptionId, OWNER_ROLE, holders.map((group) => groupIds[group])],
  );
  return { userIds, groupIds };
}

/** Of each group that holds the role, the first ten home users in it or in a group within it. */
function expected({ users, nested, foreign, holders }: Directory): string[] {
  return holders.flatMap((root) => {
    const reached = new Set([root]);
    for (const group of reached) for (const [outer, inner] of nested) if (outer === group) reached.add(inner);
    const members = users.filter(([group, user]) => reached.has(group) && !foreign.includes(user));
    const first = [...new Set(members.map(([, user]) => user))].sort((one, other) => one - other).slice(0, 10);
    return first.map((user) => `${root},${user}`);
  });
}

t.test(
  'of each group that holds a role the first ten home users are read, through whatever groups, for several customers at once',
  async (t) => {
    const customers = [await service.newCustomer(), await service.newCustomer()];
    await fc.assert(
      fc.asyncProperty(fc.tuple(directory, directory), async (drawn) => {
        const ids = await Promise.all(customers.map((customer, n) => write(customer, drawn[n] as Directory)));
        const facts = await Promise.all(
          customers.map(({ partnerId, customerId }) =>
            service.db.writeTogether(partnerId, (tx) => loadFacts(tx, partnerId, customerId, [OWNER_ROLE])),
          ),
        );
        for (const [n, { groupMemberships, groupIds }] of facts.entries()) {
          const { userIds = [], groupIds: allGroups = [] } = ids[n] ?? {};
          const found = groupMemberships.map((one) => [allGroups.indexOf(one.groupId), userIds.indexOf(one.userId)]);
          const { holders } = drawn[n] as Directory;
          assert.deepEqual(found.map(String).sort(), expected(drawn[n] as Directory).sort());
          assert.deepEqual(groupIds.toSorted(), holders.map((group) => allGroups[group]).sort());
        }
      }),
      { numRuns: 40 },
    );
    t.pass();
  },
);
