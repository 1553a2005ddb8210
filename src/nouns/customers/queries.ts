import { type Insertable, type SqlBool, sql } from 'kysely';
import { compileEach, compileOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import { folded } from '../../db/folded.js';
import type { CustomersTable } from '../../db/tables.js';
import type { CustomerRow, PartialCustomerRow } from './view.js';

export async function findCustomer(
  db: Reading,
  partnerId: string,
  customerId: string,
): Promise<CustomerRow | undefined> {
  return db
    .selectFrom('customers')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('deleted_on', 'is', null)
    .executeTakeFirst();
}

const selectCustomers = compileOnce((db, $: { partnerId: string; customerIds: readonly string[] }) =>
  db
    .selectFrom('customers')
    .selectAll()
    .where('partner_id', '=', $.partnerId)
    .where(sql<boolean>`customer_id = any(${$.customerIds}::uuid[])`)
    .where('deleted_on', 'is', null),
);

/** Those of the customers that this partner has, by id. */
export async function loadCustomers(
  db: Reading,
  partnerId: string,
  customerIds: readonly string[],
): Promise<ReadonlyMap<string, CustomerRow>> {
  const rows = await selectCustomers(db, { partnerId, customerIds });
  return new Map(rows.map((row) => [row.customer_id, row]));
}

export async function domainIsTaken(db: Reading, partnerId: string, domain: string): Promise<boolean> {
  const row = await db
    .selectFrom('customers')
    .select('customer_id')
    .where('partner_id', '=', partnerId)
    .where('domain', '=', domain)
    .where('deleted_on', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** What a listed customer's column starts with, in lower case. */
export interface StartsWith {
  column: 'company_name_key' | 'domain' | 'associated_partner_id';
  prefix: string;
}

export type ListOrder = 'company_name_key' | 'domain';

/** What a list is in the order of: names, or the domains that are looked for, so that an index has it. */
export const orderOf = (column: StartsWith['column'] | undefined): ListOrder =>
  column === 'domain' ? 'domain' : 'company_name_key';

export interface ListPosition {
  /** The last row's value of the column that the list is in the order of. */
  key: string;
  customerId: string;
}

/** The greatest character of Unicode: behind every text that goes on after the prefix, in the byte order of "C". */
const LAST_CHARACTER = '\u{10ffff}';

const selectListed = compileEach(
  (
    db,
    $: { partnerId: string; prefix: string; end: string; key: string; customerId: string; limit: number },
    shape: { startsWith?: StartsWith['column']; continued: boolean },
  ) => {
    const order = orderOf(shape.startsWith);
    let query = db
      .selectFrom('customers')
      .select(['customer_id', 'company_name', 'company_name_key', 'domain', 'relationship'])
      .where('partner_id', '=', $.partnerId)
      .where('deleted_on', 'is', null);
    if (shape.startsWith === 'associated_partner_id') {
      query = query.where(sql<SqlBool>`starts_with(${folded(sql`associated_partner_id`)}, ${$.prefix})`);
    } else if (shape.startsWith) {
      // Bounds, not LIKE: of a pattern that is a parameter the planner cannot make a range of the index. The place of the
      // last row is the lower one of a further page: given both, the scan may start at the other.
      if (!shape.continued) query = query.where(order, '>=', $.prefix);
      query = query.where(order, '<', $.end);
    }
    // A domain is one customer's.
    const place = order === 'domain' ? sql`domain` : sql`(company_name_key, customer_id)`;
    const last = order === 'domain' ? sql`${$.key}` : sql`(${$.key}, ${$.customerId}::uuid)`;
    if (shape.continued) query = query.where(sql<SqlBool>`${place} > ${last}`);
    query = query.orderBy(order);
    return (order === 'domain' ? query : query.orderBy('customer_id')).limit($.limit);
  },
);

export async function listCustomers(
  db: Reading,
  partnerId: string,
  page: { startsWith?: StartsWith; after?: ListPosition; limit: number },
): Promise<(PartialCustomerRow & { company_name_key: string })[]> {
  const { startsWith, after, limit } = page;
  const prefix = startsWith?.prefix ?? '';
  return selectListed(
    db,
    { ...(startsWith && { startsWith: startsWith.column }), continued: after !== undefined },
    {
      partnerId,
      prefix,
      end: prefix + LAST_CHARACTER,
      key: after?.key ?? '',
      customerId: after?.customerId ?? '',
      limit,
    },
  );
}

/** Names of subscriptions that are active, a few of them: what has to be suspended before a relationship can end. */
export async function listActiveSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
  limit: number,
): Promise<{ subscription_id: string; friendly_name: string }[]> {
  return db
    .selectFrom('subscriptions')
    .select(['subscription_id', 'friendly_name'])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('status', '=', 'active')
    .orderBy('subscription_id')
    .limit(limit)
    .execute();
}

export async function insertCustomer(tx: Tx, row: Insertable<CustomersTable>): Promise<void> {
  await tx.insertInto('customers').values(row).execute();
}

/** Writes what a change of the locked customer may have touched; the head of its log moves with its entries alone. */
export async function updateCustomer(tx: Tx, customer: LockedCustomer): Promise<void> {
  await tx
    .updateTable('customers')
    .set({
      relationship: customer.relationship,
      allow_delegated_access: customer.allow_delegated_access,
      country: customer.country,
      billing_profile: JSON.stringify(customer.billing_profile),
      deleted_on: customer.deleted_on,
      version: customer.version,
    })
    .where('partner_id', '=', customer.partner_id)
    .where('customer_id', '=', customer.customer_id)
    .execute();
}
