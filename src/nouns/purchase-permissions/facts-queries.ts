import { type Kysely, type RawBuilder, sql } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading } from '../../db/connect.js';
import { oneByOne } from '../../db/one-by-one.js';
import type { Database } from '../../db/tables.js';
import type { Facts, UserFact } from './decide.js';

/** Live members looked at per group: one is enough to count, further ones in case a deny assignment hits some. */
const MEMBERS_PER_GROUP = 10;

interface Of {
  [name: string]: unknown;
  partnerId: string;
  customerId: string;
  roleIds: readonly string[];
}

const holdsRole = (roleIds: readonly string[]): RawBuilder<boolean> =>
  sql`a.role_definition_id = any(${roleIds}::uuid[])`;

const subscriptionsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom('subscriptions')
    .select([
      'subscription_id as subscriptionId',
      'offer_id as offerId',
      'offer_name as offerName',
      'product_type_id as productTypeId',
      'billing_type as billingType',
      'status',
      'is_trial as isTrial',
      'transition_in_progress as transitionInProgress',
      'entitlement_id as entitlementId',
    ])
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId);

const azureSubscriptionsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom('azure_subscriptions')
    .select([
      'azure_subscription_id as azureSubscriptionId',
      'subscription_id as subscriptionId',
      'friendly_name as friendlyName',
      'status',
      'arm_state as armState',
      'quota_id as quotaId',
      'management_groups as managementGroups',
    ])
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId);

const roleAssignmentsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom('role_assignments as a')
    .select([
      'a.role_assignment_id as roleAssignmentId',
      'a.scope',
      'a.scope_level as scopeLevel',
      'a.azure_subscription_id as azureSubscriptionId',
      'a.role_definition_id as roleDefinitionId',
      'a.principal_id as principalId',
      'a.principal_type as principalType',
      'a.assignment_state as assignmentState',
      'a.ends_on as endsOn',
      'a.created_on as createdOn',
      'a.condition',
    ])
    .where('a.partner_id', '=', $.partnerId)
    .where('a.customer_id', '=', $.customerId)
    .where(holdsRole($.roleIds));

/** Who holds one of the roles, each once. */
const holdersOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom('role_assignments as a')
    .select('a.principal_id as id')
    .distinct()
    .where('a.partner_id', '=', $.partnerId)
    .where('a.customer_id', '=', $.customerId)
    .where(holdsRole($.roleIds));

/** @param id column of a row before */
const userWith = (db: Kysely<Database>, $: Of, id: string) =>
  oneByOne(
    db
      .selectFrom('users')
      .select(['user_id', 'user_principal_name', 'user_type', 'account_state', 'home_domain', 'deleted_on'])
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId)
      .where('user_id', '=', sql.ref<string>(id)),
  ).as('u');

/** @param id column of a row before */
const groupWith = (db: Kysely<Database>, $: Of, id: string) =>
  oneByOne(
    db
      .selectFrom('groups')
      .select('group_id')
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId)
      .where('group_id', '=', sql.ref<string>(id)),
  ).as('g');

const membersOf = (db: Kysely<Database>, $: Of, group: string) =>
  db
    .selectFrom('group_members as m')
    .where('m.partner_id', '=', $.partnerId)
    .where('m.customer_id', '=', $.customerId)
    .where('m.group_id', '=', sql.ref<string>(group));

/** Users that hold one of the roles themselves. */
const principalsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom(holdersOf(db, $).as('holder'))
    .innerJoinLateral(userWith(db, $, 'holder.id'), (join) => join.onTrue())
    .selectAll('u');

const groupsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom(holdersOf(db, $).as('holder'))
    .innerJoinLateral(groupWith(db, $, 'holder.id'), (join) => join.onTrue())
    .selectAll('g');

/** Groups in a group. */
const nestedIn = (db: Kysely<Database>, $: Of, group: string) =>
  oneByOne(
    membersOf(db, $, group)
      .innerJoinLateral(groupWith(db, $, 'm.member_id'), (join) => join.onTrue())
      .selectAll('g'),
  ).as('nested');

/** Home users in a group, the first by their ids. */
const liveMembersOf = (db: Kysely<Database>, $: Of, group: string) =>
  membersOf(db, $, group)
    .innerJoinLateral(userWith(db, $, 'm.member_id'), (join) => join.onTrue())
    .selectAll('u')
    .where('u.account_state', '=', 'active')
    .where('u.user_type', '=', 'member')
    .where('u.home_domain', 'is', null)
    .where('u.deleted_on', 'is', null)
    .orderBy('m.member_id')
    .limit(sql.lit(MEMBERS_PER_GROUP))
    .as('u');

/**
 * Home users that are in a group holding one of the roles, directly or through nested groups; some per group, which are among
 * the first of each of the groups in it.
 */
const selectLiveMembers = compileOnce(
  (db, $: Of) =>
    db
      .withRecursive('reach(root_id, group_id)', (cte) =>
        cte
          .selectFrom(holdersOf(db, $).as('holder'))
          .select(['holder.id as root_id', 'holder.id as group_id'])
          .union(
            cte
              .selectFrom('reach')
              .innerJoinLateral(nestedIn(db, $, 'reach.group_id'), (join) => join.onTrue())
              .select(['reach.root_id', 'nested.group_id']),
          ),
      )
      .selectFrom((eb) =>
        eb
          .selectFrom('reach')
          .innerJoinLateral(liveMembersOf(db, $, 'reach.group_id'), (join) => join.onTrue())
          .select('reach.root_id')
          .selectAll('u')
          .select(sql<number>`dense_rank() over (partition by reach.root_id order by u.user_id)`.as('nth'))
          .distinct()
          .as('live'),
      )
      .selectAll('live')
      .where('nth', '<=', MEMBERS_PER_GROUP),
  { customerId: 'uuid' },
);

const denyAssignmentsOf = (db: Kysely<Database>, $: Of) =>
  db
    .selectFrom('deny_assignments')
    .select([
      'display_name as displayName',
      'scope',
      'actions',
      'not_actions as notActions',
      'principal_ids as principalIds',
      'everyone',
    ])
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId);

/**
 * One statement for all but the members of groups: each would be a round of its own in the server, and the eight of them
 * were most of the cost of a switch. A recursive query stays outside, where Citus takes it.
 */
const selectFacts = compileOnce(
  (db, $: Of) =>
    db
      .selectFrom('partners')
      .select('domain')
      .select([
        jsonArrayFrom(subscriptionsOf(db, $)).as('subscriptions'),
        jsonArrayFrom(azureSubscriptionsOf(db, $)).as('azureSubscriptions'),
        jsonArrayFrom(roleAssignmentsOf(db, $)).as('roleAssignments'),
        jsonArrayFrom(principalsOf(db, $)).as('principals'),
        jsonArrayFrom(groupsOf(db, $)).as('groups'),
        jsonArrayFrom(denyAssignmentsOf(db, $)).as('denyAssignments'),
      ])
      .where('partner_id', '=', $.partnerId),
  { customerId: 'uuid' },
);

interface UserColumns {
  user_id: string;
  user_principal_name: string;
  user_type: 'member' | 'guest';
  account_state: 'active' | 'inactive';
  home_domain: string | null;
  deleted_on: Date | string | null;
}

function userFact(user: UserColumns): UserFact {
  return {
    userId: user.user_id,
    userPrincipalName: user.user_principal_name,
    userType: user.user_type,
    accountState: user.account_state,
    homeDomain: user.home_domain,
    deleted: user.deleted_on !== null,
  };
}

/**
 * Reads what the decision rests on, in one flight. Under the customer's lock when it is made for a switch: every writer
 * of these rows takes that lock first.
 * @param roleIds role definitions whose assignments are read, with their principals; others cannot change the verdict
 */
export async function loadFacts(
  db: Reading,
  partnerId: string,
  customerId: string,
  roleIds: readonly string[],
): Promise<Omit<Facts, 'customer'>> {
  const of: Of = { partnerId, customerId, roleIds };
  const [[facts], members] = await Promise.all([selectFacts(db, of), selectLiveMembers(db, of)]);
  if (!facts) throw new Error('a partner has no row of its own');
  const userById = new Map<string, UserFact>();
  for (const user of [...facts.principals, ...members]) userById.set(user.user_id, userFact(user));
  return {
    partnerDomain: facts.domain,
    subscriptions: facts.subscriptions,
    azureSubscriptions: facts.azureSubscriptions,
    // JSON has no dates: these two arrive as text.
    roleAssignments: facts.roleAssignments.map((assignment) => ({
      ...assignment,
      createdOn: new Date(assignment.createdOn),
      endsOn: assignment.endsOn === null ? null : new Date(assignment.endsOn),
    })),
    users: [...userById.values()],
    groupIds: facts.groups.map((group) => group.group_id),
    groupMemberships: members.map((member) => ({ groupId: member.root_id, userId: member.user_id })),
    denyAssignments: facts.denyAssignments,
  };
}

const selectUser = compileOnce((db, $: { partnerId: string; customerId: string; userId: string }) =>
  db
    .selectFrom('users')
    .select(['user_id', 'user_principal_name', 'user_type', 'account_state', 'home_domain', 'deleted_on'])
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId)
    .where('user_id', '=', $.userId),
);

/** One user of the customer's directory, deleted ones too. */
export async function findUserFact(
  db: Reading,
  partnerId: string,
  customerId: string,
  userId: string,
): Promise<UserFact | undefined> {
  const [user] = await selectUser(db, { partnerId, customerId, userId });
  return user && userFact(user);
}
