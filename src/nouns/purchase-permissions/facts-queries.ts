import { type RawBuilder, sql } from 'kysely';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading } from '../../db/connect.js';
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

const selectPartnerDomain = compileOnce((db, $: Of) =>
  db.selectFrom('partners').select('domain').where('partner_id', '=', $.partnerId),
);

const selectSubscriptions = compileOnce((db, $: Of) =>
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
    .where('customer_id', '=', $.customerId),
);

const selectAzureSubscriptions = compileOnce((db, $: Of) =>
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
    .where('customer_id', '=', $.customerId),
);

const selectRoleAssignments = compileOnce((db, $: Of) =>
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
    .where(holdsRole($.roleIds)),
);

/** Users that hold one of the roles themselves. */
const selectPrincipals = compileOnce((db, $: Of) =>
  db
    .selectFrom('users as u')
    .innerJoin('role_assignments as a', (join) =>
      join
        .onRef('a.partner_id', '=', 'u.partner_id')
        .onRef('a.customer_id', '=', 'u.customer_id')
        .onRef('a.principal_id', '=', 'u.user_id'),
    )
    .select(['u.user_id', 'u.user_principal_name', 'u.user_type', 'u.account_state', 'u.home_domain', 'u.deleted_on'])
    .distinct()
    .where('u.partner_id', '=', $.partnerId)
    .where('u.customer_id', '=', $.customerId)
    .where('a.partner_id', '=', $.partnerId)
    .where(holdsRole($.roleIds)),
);

const selectGroups = compileOnce((db, $: Of) =>
  db
    .selectFrom('groups as g')
    .innerJoin('role_assignments as a', (join) =>
      join
        .onRef('a.partner_id', '=', 'g.partner_id')
        .onRef('a.customer_id', '=', 'g.customer_id')
        .onRef('a.principal_id', '=', 'g.group_id'),
    )
    .select('g.group_id')
    .distinct()
    .where('g.partner_id', '=', $.partnerId)
    .where('g.customer_id', '=', $.customerId)
    .where('a.partner_id', '=', $.partnerId)
    .where(holdsRole($.roleIds)),
);

/** Home users that are in a group holding one of the roles, directly or through nested groups; some per group. */
const selectLiveMembers = compileOnce((db, $: Of) =>
  db
    .withRecursive('reach(root_id, member_id)', (cte) =>
      cte
        .selectFrom('group_members as m')
        .innerJoin('role_assignments as a', (join) =>
          join
            .onRef('a.partner_id', '=', 'm.partner_id')
            .onRef('a.customer_id', '=', 'm.customer_id')
            .onRef('a.principal_id', '=', 'm.group_id'),
        )
        .select(['m.group_id as root_id', 'm.member_id'])
        .where('m.partner_id', '=', $.partnerId)
        .where('m.customer_id', '=', $.customerId)
        .where('a.partner_id', '=', $.partnerId)
        .where(holdsRole($.roleIds))
        .union(
          cte
            .selectFrom('reach')
            .innerJoin('group_members as n', 'n.group_id', 'reach.member_id')
            .select(['reach.root_id', 'n.member_id'])
            .where('n.partner_id', '=', $.partnerId)
            .where('n.customer_id', '=', $.customerId),
        ),
    )
    .selectFrom((eb) =>
      eb
        .selectFrom('reach')
        .innerJoin('users as u', 'u.user_id', 'reach.member_id')
        .select(['reach.root_id', 'u.user_id', 'u.user_principal_name', 'u.user_type', 'u.account_state'])
        .select(['u.home_domain', 'u.deleted_on'])
        .select(sql<number>`row_number() over (partition by reach.root_id order by u.user_id)`.as('nth'))
        .where('u.partner_id', '=', $.partnerId)
        .where('u.customer_id', '=', $.customerId)
        .where('u.account_state', '=', 'active')
        .where('u.user_type', '=', 'member')
        .where('u.home_domain', 'is', null)
        .where('u.deleted_on', 'is', null)
        .as('live'),
    )
    .selectAll('live')
    .where('nth', '<=', MEMBERS_PER_GROUP),
);

const selectDenyAssignments = compileOnce((db, $: Of) =>
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
    .where('customer_id', '=', $.customerId),
);

interface UserColumns {
  user_id: string;
  user_principal_name: string;
  user_type: 'member' | 'guest';
  account_state: 'active' | 'inactive';
  home_domain: string | null;
  deleted_on: Date | null;
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
  const [partners, subscriptions, azureSubscriptions, roleAssignments, users, groups, members, denyAssignments] =
    await Promise.all([
      selectPartnerDomain(db, of),
      selectSubscriptions(db, of),
      selectAzureSubscriptions(db, of),
      selectRoleAssignments(db, of),
      selectPrincipals(db, of),
      selectGroups(db, of),
      selectLiveMembers(db, of),
      selectDenyAssignments(db, of),
    ]);
  const userById = new Map<string, UserFact>();
  for (const user of [...users, ...members]) userById.set(user.user_id, userFact(user));
  return {
    partnerDomain: partners[0]?.domain ?? '',
    subscriptions,
    azureSubscriptions,
    roleAssignments,
    users: [...userById.values()],
    groupIds: groups.map((group) => group.group_id),
    groupMemberships: members.map((member) => ({ groupId: member.root_id, userId: member.user_id })),
    denyAssignments,
  };
}
