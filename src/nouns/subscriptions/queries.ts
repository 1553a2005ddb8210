import { sql, type Updateable } from 'kysely';
import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { ArmSubscriptionState, AzureSubscriptionsTable, SubscriptionsTable } from '../../db/tables.js';
import type { AzureSubscriptionRow, SubscriptionRow } from './wire.js';

/** The customer's country; undefined when it is not there for this partner. */
export async function findMarket(db: Reading, partnerId: string, customerId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('customers')
    .select('country')
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('deleted_on', 'is', null)
    .executeTakeFirst();
  return row?.country;
}

/** All of a customer's subscriptions, oldest first. */
export async function listSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<SubscriptionRow[]> {
  return db
    .selectFrom('subscriptions')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .orderBy('creation_date')
    .orderBy('subscription_id')
    .execute();
}

export interface CustomerSubscriptions {
  market: string;
  /** All of them, oldest first: the original pages them neither. */
  rows: SubscriptionRow[];
}

const selectSubscriptions = compileOnce((db, $: { partnerId: string; customerIds: readonly string[] }) =>
  db
    .selectFrom('customers as c')
    .leftJoin('subscriptions as s', (join) =>
      join.onRef('s.partner_id', '=', 'c.partner_id').onRef('s.customer_id', '=', 'c.customer_id'),
    )
    .selectAll('s')
    .select(['c.customer_id as of_customer', 'c.country as market'])
    .where('c.partner_id', '=', $.partnerId)
    .where(sql<boolean>`c.customer_id = any(${$.customerIds}::uuid[])`)
    .where('c.deleted_on', 'is', null)
    .orderBy('s.creation_date')
    .orderBy('s.subscription_id'),
);

/** The subscriptions of each customer that this partner has; the others are not in the map. */
export async function loadSubscriptions(
  db: Reading,
  partnerId: string,
  customerIds: readonly string[],
): Promise<ReadonlyMap<string, CustomerSubscriptions>> {
  const byCustomer = new Map<string, CustomerSubscriptions>();
  const found = await selectSubscriptions(db, { partnerId, customerIds });
  for (const { of_customer: customerId, market, ...row } of found) {
    const of = byCustomer.get(customerId) ?? { market, rows: [] };
    if (row.subscription_id !== null) of.rows.push(row as SubscriptionRow);
    byCustomer.set(customerId, of);
  }
  return byCustomer;
}

export async function findSubscription(
  db: Reading,
  partnerId: string,
  customerId: string,
  subscriptionId: string,
): Promise<SubscriptionRow | undefined> {
  return db
    .selectFrom('subscriptions')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('subscription_id', '=', subscriptionId)
    .executeTakeFirst();
}

/** The Azure subscriptions that were bought under the subscription. */
export async function listAzureSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
  subscriptionId: string,
): Promise<AzureSubscriptionRow[]> {
  return db
    .selectFrom('azure_subscriptions')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('subscription_id', '=', subscriptionId)
    .orderBy('azure_subscription_id')
    .execute();
}

/** All Azure subscriptions of the customer, also those that others sold. Oldest first. */
export async function listAllAzureSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<AzureSubscriptionRow[]> {
  return db
    .selectFrom('azure_subscriptions')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .orderBy('created_on')
    .orderBy('azure_subscription_id')
    .execute();
}

/** What new subscriptions take of the partner that sells them. */
export interface Seller {
  mpnId: string | null;
  domain: string;
  /** The group that becomes Owner of what is sold; null: not known. */
  adminAgentsGroupId: string | null;
}

export async function getSeller(db: Reading, partnerId: string): Promise<Seller> {
  return db
    .selectFrom('partners')
    .select(['mpn_id as mpnId', 'domain', 'admin_agents_group_id as adminAgentsGroupId'])
    .where('partner_id', '=', partnerId)
    .executeTakeFirstOrThrow();
}

const insertSubscriptionRow = insertOnce('subscriptions', [
  'partner_id',
  'customer_id',
  'subscription_id',
  'offer_id',
  'offer_name',
  'friendly_name',
  'product_type_id',
  'product_type_name',
  'quantity',
  'unit_type',
  'status',
  'billing_type',
  'billing_cycle',
  'term_duration',
  'is_trial',
  'auto_renew_enabled',
  'has_purchasable_addons',
  'is_microsoft_product',
  'publisher_name',
  'mpn_id',
  'order_id',
  'entitlement_id',
  'suspension_reasons',
  'registration_status',
  'transition_in_progress',
  'creation_date',
  'effective_start_date',
  'commitment_end_date',
  'version',
]);

export async function insertSubscription(tx: Tx, row: SubscriptionRow): Promise<void> {
  await insertSubscriptionRow(tx, row);
}

export async function insertAzureSubscription(tx: Tx, row: AzureSubscriptionRow): Promise<void> {
  await tx.insertInto('azure_subscriptions').values(row).execute();
}

export async function updateSubscription(
  tx: Tx,
  row: SubscriptionRow,
  change: Updateable<SubscriptionsTable>,
): Promise<void> {
  await tx
    .updateTable('subscriptions')
    .set(change)
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('subscription_id', '=', row.subscription_id)
    .execute();
}

export async function updateAzureSubscription(
  tx: Tx,
  row: AzureSubscriptionRow,
  change: Updateable<AzureSubscriptionsTable>,
): Promise<void> {
  await tx
    .updateTable('azure_subscriptions')
    .set(change)
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('azure_subscription_id', '=', row.azure_subscription_id)
    .execute();
}

/** Lets the Azure subscriptions of a subscription follow it. Those that were cancelled by themselves stay as they are. */
export async function updateArmStates(tx: Tx, row: SubscriptionRow, state: ArmSubscriptionState): Promise<void> {
  await tx
    .updateTable('azure_subscriptions')
    .set({ arm_state: state, version: sql<number>`version + 1` })
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('subscription_id', '=', row.subscription_id)
    .where('status', '=', 'active')
    .where('arm_state', 'not in', [state, 'Deleted'])
    .execute();
}
