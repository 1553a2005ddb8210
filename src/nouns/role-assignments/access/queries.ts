import { type SqlBool, sql } from 'kysely';
import { compileEach, compileOnce } from '../../../db/compile-once.js';
import type { Reading } from '../../../db/connect.js';
import { folded } from '../../../db/folded.js';
import type { ArmSubscriptionState } from '../../../db/tables.js';
import { anyOf } from '../queries.js';
import type { Denial, HeldRole } from '../rights.js';
import type { SubscriptionChain } from '../scopes.js';

export interface FoundSubscription extends SubscriptionChain {
  customerId: string;
  /** The subscription it was bought under through this partner; null: it was not. */
  subscriptionId: string | null;
}

const selectAzureSubscription = compileOnce(
  (db, $: { partnerId: string; azureSubscriptionId: string }) =>
    db
      .selectFrom('azure_subscriptions as a')
      .innerJoin('customers as c', (join) =>
        join.onRef('c.partner_id', '=', 'a.partner_id').onRef('c.customer_id', '=', 'a.customer_id'),
      )
      .select([
        'a.azure_subscription_id as azureSubscriptionId',
        'a.customer_id as customerId',
        'a.subscription_id as subscriptionId',
        'a.management_groups as managementGroups',
      ])
      .where('a.partner_id', '=', $.partnerId)
      .where('c.partner_id', '=', $.partnerId)
      .where('a.azure_subscription_id', '=', $.azureSubscriptionId)
      .where('c.deleted_on', 'is', null),
  { azureSubscriptionId: 'uuid' },
);

export async function findAzureSubscription(
  db: Reading,
  partnerId: string,
  azureSubscriptionId: string,
): Promise<FoundSubscription | undefined> {
  const [found] = await selectAzureSubscription(db, { partnerId, azureSubscriptionId });
  return found;
}

export async function listAzureSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<FoundSubscription[]> {
  return db
    .selectFrom('azure_subscriptions')
    .select([
      'azure_subscription_id as azureSubscriptionId',
      'customer_id as customerId',
      'subscription_id as subscriptionId',
      'management_groups as managementGroups',
    ])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .orderBy('azure_subscription_id')
    .execute();
}

const selectAdminAgentsGroup = compileOnce(
  (db, $: { partnerId: string }) =>
    db.selectFrom('partners').select('admin_agents_group_id').where('partner_id', '=', $.partnerId),
  {},
);

export async function findAdminAgentsGroup(db: Reading, partnerId: string): Promise<string | null> {
  const [row] = await selectAdminAgentsGroup(db, { partnerId });
  return row?.admin_agents_group_id ?? null;
}

export interface DirectoryUser {
  user_id: string;
  user_principal_name: string;
  account_state: 'active' | 'inactive';
  deleted_on: Date | null;
}

export async function findUser(
  db: Reading,
  partnerId: string,
  customerId: string,
  userId: string,
): Promise<DirectoryUser | undefined> {
  return db
    .selectFrom('users')
    .select(['user_id', 'user_principal_name', 'account_state', 'deleted_on'])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
}

export async function listNamesOfUsers(db: Reading, partnerId: string, customerId: string, ids: readonly string[]) {
  const rows = await db
    .selectFrom('users')
    .select(['user_id', 'user_principal_name'])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where(anyOf('user_id', ids))
    .execute();
  return new Map(rows.map((row) => [row.user_id, row.user_principal_name]));
}

export async function groupExists(db: Reading, partnerId: string, customerId: string, groupId: string) {
  const row = await db
    .selectFrom('groups')
    .select('group_id')
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  return row !== undefined;
}

const selectHeldRoles = compileEach(
  (
    db,
    $: { partnerId: string; customerId: string; principalIds: readonly string[] },
    { kind }: { kind: 'home' | 'foreign' },
  ) =>
    db
      .selectFrom('role_assignments')
      .select([
        'role_definition_id as roleDefinitionId',
        'scope_key as scopeKey',
        'assignment_state as assignmentState',
        'ends_on as endsOn',
        'condition',
      ])
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId)
      .where(sql<SqlBool>`principal_id = any(${$.principalIds}::uuid[])`)
      .where('principal_type', kind === 'foreign' ? '=' : '<>', 'ForeignGroup'),
  { customerId: 'uuid' },
);

/** @param kind `home`: principals of the customer's directory; `foreign`: the partner's group */
export async function listHeldRoles(
  db: Reading,
  partnerId: string,
  customerId: string,
  principalIds: readonly string[],
  kind: 'home' | 'foreign',
): Promise<HeldRole[]> {
  return selectHeldRoles(db, { kind }, { partnerId, customerId, principalIds });
}

const selectDenials = compileOnce(
  (db, $: { partnerId: string; customerId: string }) =>
    db
      .selectFrom('deny_assignments')
      .select([
        'scope_key as scopeKey',
        'actions',
        'not_actions as notActions',
        'principal_ids as principalIds',
        'everyone',
      ])
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId),
  { customerId: 'uuid' },
);

export async function listDenials(db: Reading, partnerId: string, customerId: string): Promise<Denial[]> {
  return selectDenials(db, { partnerId, customerId });
}

export interface VisibleSubscription {
  azureSubscriptionId: string;
  customerId: string;
  friendlyName: string;
  armState: ArmSubscriptionState;
  quotaId: string;
  boughtHere: boolean;
}

/**
 * Azure subscriptions at, above or below which one of the principals holds one of the roles.
 * @param holder the principals, and whether they are of the customer's directory or the partner's group
 */
export async function listVisibleSubscriptions(
  db: Reading,
  partnerId: string,
  holder: { principalIds: readonly string[]; kind: 'home' | 'foreign'; roleIds: readonly string[] },
  page: { customerId?: string; azureSubscriptionId?: string; after?: string; limit: number; now: Date },
): Promise<VisibleSubscription[]> {
  const { customerId, azureSubscriptionId, after } = page;
  return db
    .selectFrom('azure_subscriptions as a')
    .innerJoin('customers as c', (join) =>
      join.onRef('c.partner_id', '=', 'a.partner_id').onRef('c.customer_id', '=', 'a.customer_id'),
    )
    .select([
      'a.azure_subscription_id as azureSubscriptionId',
      'a.customer_id as customerId',
      'a.friendly_name as friendlyName',
      'a.arm_state as armState',
      'a.quota_id as quotaId',
      sql<boolean>`a.subscription_id is not null`.as('boughtHere'),
    ])
    .where('a.partner_id', '=', partnerId)
    .where('c.partner_id', '=', partnerId)
    .where('c.deleted_on', 'is', null)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('role_assignments as r')
          .select('r.role_assignment_id')
          .where('r.partner_id', '=', partnerId)
          .whereRef('r.customer_id', '=', 'a.customer_id')
          .where(anyOf('r.principal_id', holder.principalIds))
          .where('r.principal_type', holder.kind === 'foreign' ? '=' : '<>', 'ForeignGroup')
          .where(anyOf('r.role_definition_id', holder.roleIds))
          .where('r.assignment_state', '=', 'active')
          .where((eb) => eb.or([eb('r.ends_on', 'is', null), eb('r.ends_on', '>', page.now)]))
          .where((eb) =>
            eb.or([
              sql<SqlBool>`r.azure_subscription_id = a.azure_subscription_id`,
              eb('r.scope_level', '=', 'root'),
              sql<SqlBool>`r.scope_key = any(select '/providers/microsoft.management/managementgroups/' || ${folded(sql`g.name`)} from unnest(a.management_groups) as g(name))`,
            ]),
          ),
      ),
    )
    .$if(customerId !== undefined, (q) => q.where('a.customer_id', '=', customerId ?? ''))
    .$if(azureSubscriptionId !== undefined, (q) => q.where('a.azure_subscription_id', '=', azureSubscriptionId ?? ''))
    .$if(after !== undefined, (q) => q.where('a.azure_subscription_id', '>', after ?? ''))
    .orderBy('a.azure_subscription_id')
    .limit(page.limit)
    .execute();
}
