import { type Insertable, type Selectable, sql } from 'kysely';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { CustomersTable, PurchasePermissionsTable } from '../../db/tables.js';
import type { Facts, GroupMembershipFact, RoleAssignmentFact, UserFact } from './decide.js';

export type PermissionRow = Selectable<PurchasePermissionsTable>;

/** Live members looked at per group: one is enough to count, further ones in case a deny assignment hits some. */
const MEMBERS_PER_GROUP = 10;

export async function listPermissionRows(db: Reading, partnerId: string, customerId: string): Promise<PermissionRow[]> {
  return db
    .selectFrom('purchase_permissions')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .orderBy('resource')
    .execute();
}

export async function upsertPermission(tx: Tx, row: Insertable<PurchasePermissionsTable>): Promise<void> {
  await tx
    .insertInto('purchase_permissions')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['partner_id', 'customer_id', 'resource']).doUpdateSet((eb) => ({
        state: eb.ref('excluded.state'),
        effective: eb.ref('excluded.effective'),
        effective_until: eb.ref('excluded.effective_until'),
        ineligibility_reasons: eb.ref('excluded.ineligibility_reasons'),
        version: eb.ref('excluded.version'),
        changed_on: eb.ref('excluded.changed_on'),
        changed_by: eb.ref('excluded.changed_by'),
      })),
    )
    .execute();
}

const selectCustomerPermissions = compileOnce((db, $: { partnerId: string; customerId: string }) =>
  db
    .selectFrom('customers as c')
    .leftJoin('purchase_permissions as p', (join) =>
      join.onRef('p.partner_id', '=', 'c.partner_id').onRef('p.customer_id', '=', 'c.customer_id'),
    )
    .selectAll('p')
    .where('c.partner_id', '=', $.partnerId)
    .where('c.customer_id', '=', $.customerId)
    .where('c.deleted_on', 'is', null),
);

/** The permissions of a customer ever switched, or undefined when there is no such customer of this partner. */
export async function findCustomerPermissions(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<PermissionRow[] | undefined> {
  const rows = await selectCustomerPermissions(db, { partnerId, customerId });
  if (rows.length === 0) return undefined;
  return rows.filter((row): row is PermissionRow => row.resource !== null);
}

export async function findCustomer(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<Selectable<CustomersTable> | undefined> {
  return db
    .selectFrom('customers')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('deleted_on', 'is', null)
    .executeTakeFirst();
}

export interface ListPosition {
  customerId: string;
  resource: string;
}

/** All permissions ever switched of the partner's customers, by customer and resource. */
export async function listPartnerPermissions(
  db: Reading,
  partnerId: string,
  filter: { state?: 'on' | 'off'; effective?: boolean; now: Date; after?: ListPosition; limit: number },
): Promise<(PermissionRow & { company_name: string })[]> {
  const { after } = filter;
  return db
    .selectFrom('purchase_permissions as p')
    .innerJoin('customers as c', (join) =>
      join.onRef('c.partner_id', '=', 'p.partner_id').onRef('c.customer_id', '=', 'p.customer_id'),
    )
    .selectAll('p')
    .select('c.company_name')
    .where('p.partner_id', '=', partnerId)
    .where('c.deleted_on', 'is', null)
    .$if(filter.state !== undefined, (query) => query.where('p.state', '=', filter.state ?? 'on'))
    .$if(filter.effective === true, (query) =>
      query
        .where('p.effective', '=', true)
        .where((eb) => eb.or([eb('p.effective_until', 'is', null), eb('p.effective_until', '>', filter.now)])),
    )
    .$if(filter.effective === false, (query) =>
      query.where((eb) => eb.or([eb('p.effective', '=', false), eb('p.effective_until', '<=', filter.now)])),
    )
    .$if(after !== undefined, (query) =>
      query.where(
        sql<boolean>`(p.customer_id, p.resource) > (${after?.customerId ?? ''}::uuid, ${after?.resource ?? ''})`,
      ),
    )
    .orderBy('p.customer_id')
    .orderBy('p.resource')
    .limit(filter.limit)
    .execute();
}

/** Policies = customers with a permission on, one row a permission, whole customers. */
export async function listPolicyRows(
  db: Reading,
  partnerId: string,
  page: { after?: string; customers: number },
): Promise<PermissionRow[]> {
  const { after } = page;
  return db
    .selectFrom('purchase_permissions as p')
    .innerJoin(
      (eb) =>
        eb
          .selectFrom('purchase_permissions as q')
          .select(['q.partner_id', 'q.customer_id'])
          .distinct()
          .where('q.partner_id', '=', partnerId)
          .where('q.state', '=', 'on')
          .$if(after !== undefined, (query) => query.where('q.customer_id', '>', after ?? ''))
          .orderBy('q.customer_id')
          .limit(page.customers)
          .as('on_page'),
      (join) =>
        join.onRef('on_page.partner_id', '=', 'p.partner_id').onRef('on_page.customer_id', '=', 'p.customer_id'),
    )
    .selectAll('p')
    .where('p.partner_id', '=', partnerId)
    .orderBy('p.customer_id')
    .orderBy('p.resource')
    .execute();
}

export async function listEndedPermissions(
  db: Reading,
  partnerId: string,
  now: Date,
): Promise<{ customer_id: string }[]> {
  return db
    .selectFrom('purchase_permissions')
    .select('customer_id')
    .distinct()
    .where('partner_id', '=', partnerId)
    .where('effective', '=', true)
    .where('effective_until', '<=', now)
    .limit(500)
    .execute();
}

/**
 * Reads what the decision rests on, in one flight. Under the customer's lock when it is made for a switch: every writer
 * of these rows takes that lock first.
 * @param roleDefinitionIds the roles that could make a buyer; assignments of others are not read
 */
export async function loadFacts(
  db: Reading,
  partnerId: string,
  customerId: string,
  roleDefinitionIds: readonly string[],
): Promise<Omit<Facts, 'customer'>> {
  const [partner, subscriptions, azureSubscriptions, roleAssignments, users, groups, members, denyAssignments] =
    await Promise.all([
      db.selectFrom('partners').select('domain').where('partner_id', '=', partnerId).executeTakeFirstOrThrow(),
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
        .where('partner_id', '=', partnerId)
        .where('customer_id', '=', customerId)
        .execute(),
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
        .where('partner_id', '=', partnerId)
        .where('customer_id', '=', customerId)
        .execute(),
      listRoleAssignmentFacts(db, partnerId, customerId, roleDefinitionIds),
      listPrincipals(db, partnerId, customerId, roleDefinitionIds),
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
        .where('g.partner_id', '=', partnerId)
        .where('g.customer_id', '=', customerId)
        .where('a.partner_id', '=', partnerId)
        .where('a.role_definition_id', 'in', roleDefinitionIds)
        .execute(),
      listLiveMembers(db, partnerId, customerId, roleDefinitionIds),
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
        .where('partner_id', '=', partnerId)
        .where('customer_id', '=', customerId)
        .execute(),
    ]);
  const userById = new Map<string, UserFact>();
  for (const user of [...users, ...members]) userById.set(user.user_id, userFact(user));
  return {
    partnerDomain: partner.domain,
    subscriptions,
    azureSubscriptions,
    roleAssignments,
    users: [...userById.values()],
    groupIds: groups.map((group) => group.group_id),
    groupMemberships: members.map(
      (member): GroupMembershipFact => ({ groupId: member.root_id, userId: member.user_id }),
    ),
    denyAssignments,
  };
}

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

export async function listRoleAssignmentFacts(
  db: Reading,
  partnerId: string,
  customerId: string,
  roleDefinitionIds: readonly string[],
): Promise<RoleAssignmentFact[]> {
  return db
    .selectFrom('role_assignments')
    .select([
      'role_assignment_id as roleAssignmentId',
      'scope',
      'scope_level as scopeLevel',
      'azure_subscription_id as azureSubscriptionId',
      'role_definition_id as roleDefinitionId',
      'principal_id as principalId',
      'principal_type as principalType',
      'assignment_state as assignmentState',
      'ends_on as endsOn',
      'created_on as createdOn',
      'condition',
    ])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('role_definition_id', 'in', roleDefinitionIds)
    .execute();
}

/** Users that hold one of the roles themselves. */
async function listPrincipals(
  db: Reading,
  partnerId: string,
  customerId: string,
  roleDefinitionIds: readonly string[],
) {
  return db
    .selectFrom('users as u')
    .innerJoin('role_assignments as a', (join) =>
      join
        .onRef('a.partner_id', '=', 'u.partner_id')
        .onRef('a.customer_id', '=', 'u.customer_id')
        .onRef('a.principal_id', '=', 'u.user_id'),
    )
    .select(['u.user_id', 'u.user_principal_name', 'u.user_type', 'u.account_state', 'u.home_domain', 'u.deleted_on'])
    .distinct()
    .where('u.partner_id', '=', partnerId)
    .where('u.customer_id', '=', customerId)
    .where('a.partner_id', '=', partnerId)
    .where('a.role_definition_id', 'in', roleDefinitionIds)
    .execute();
}

/** Home users that are in a group holding one of the roles, directly or through nested groups; some per group. */
async function listLiveMembers(
  db: Reading,
  partnerId: string,
  customerId: string,
  roleDefinitionIds: readonly string[],
) {
  return db
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
        .where('m.partner_id', '=', partnerId)
        .where('m.customer_id', '=', customerId)
        .where('a.partner_id', '=', partnerId)
        .where('a.role_definition_id', 'in', roleDefinitionIds)
        .union(
          cte
            .selectFrom('reach')
            .innerJoin('group_members as n', 'n.group_id', 'reach.member_id')
            .select(['reach.root_id', 'n.member_id'])
            .where('n.partner_id', '=', partnerId)
            .where('n.customer_id', '=', customerId),
        ),
    )
    .selectFrom((eb) =>
      eb
        .selectFrom('reach')
        .innerJoin('users as u', 'u.user_id', 'reach.member_id')
        .select(['reach.root_id', 'u.user_id', 'u.user_principal_name', 'u.user_type', 'u.account_state'])
        .select(['u.home_domain', 'u.deleted_on'])
        .select(sql<number>`row_number() over (partition by reach.root_id order by u.user_id)`.as('nth'))
        .where('u.partner_id', '=', partnerId)
        .where('u.customer_id', '=', customerId)
        .where('u.account_state', '=', 'active')
        .where('u.user_type', '=', 'member')
        .where('u.home_domain', 'is', null)
        .where('u.deleted_on', 'is', null)
        .as('live'),
    )
    .selectAll('live')
    .where('nth', '<=', MEMBERS_PER_GROUP)
    .execute();
}
