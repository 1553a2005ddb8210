import { type Insertable, type SqlBool, sql } from 'kysely';
import { compileOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
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

export interface ListPosition {
  /** `company_name_key` of the last row shown. */
  key: string;
  customerId: string;
}

/** What a listed customer's column starts with, in lower case. */
export interface StartsWith {
  column: 'company_name_key' | 'domain' | 'associated_partner_id';
  prefix: string;
}

export async function listCustomers(
  db: Reading,
  partnerId: string,
  page: { startsWith?: StartsWith; after?: ListPosition; limit: number },
): Promise<(PartialCustomerRow & { company_name_key: string })[]> {
  const { startsWith, after } = page;
  return db
    .selectFrom('customers')
    .select(['customer_id', 'company_name', 'company_name_key', 'domain', 'relationship'])
    .where('partner_id', '=', partnerId)
    .where('deleted_on', 'is', null)
    .$if(startsWith !== undefined, (query) => query.where(startsWithCondition(startsWith)))
    .$if(after !== undefined, (query) =>
      query.where(
        sql<SqlBool>`(company_name_key, customer_id) > (${after?.key ?? ''}, ${after?.customerId ?? ''}::uuid)`,
      ),
    )
    .orderBy('company_name_key')
    .orderBy('customer_id')
    .limit(page.limit)
    .execute();
}

/** The greatest character of Unicode: behind every text that goes on after the prefix, in the byte order of "C". */
const LAST_CHARACTER = '\u{10ffff}';

function startsWithCondition(filter: StartsWith | undefined) {
  if (filter === undefined) return sql<SqlBool>`true`;
  const { column, prefix } = filter;
  if (column === 'associated_partner_id') return sql<SqlBool>`starts_with(lower(associated_partner_id), ${prefix})`;
  // Bounds, not LIKE: of a pattern that is a parameter the planner cannot make a range of the index.
  return sql<SqlBool>`${sql.ref(column)} >= ${prefix} and ${sql.ref(column)} < ${prefix + LAST_CHARACTER}`;
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
