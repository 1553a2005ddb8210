import { type Selectable, sql } from 'kysely';
import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { CustomersTable, PurchasePermissionsTable } from '../../db/tables.js';

export type PermissionRow = Selectable<PurchasePermissionsTable>;

const selectPermissionRows = compileOnce(
  (db, $: { partnerId: string; customerId: string }) =>
    db
      .selectFrom('purchase_permissions')
      .selectAll()
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId)
      .orderBy('resource'),
  { customerId: 'uuid' },
);

export async function listPermissionRows(db: Reading, partnerId: string, customerId: string): Promise<PermissionRow[]> {
  return selectPermissionRows(db, { partnerId, customerId });
}

const upsert = insertOnce(
  'purchase_permissions',
  [
    'partner_id',
    'customer_id',
    'resource',
    'state',
    'effective',
    'effective_until',
    'ineligibility_reasons',
    'version',
    'changed_on',
    'changed_by',
  ],
  (insert) =>
    insert.onConflict((conflict) =>
      conflict.columns(['partner_id', 'customer_id', 'resource']).doUpdateSet((eb) => ({
        state: eb.ref('excluded.state'),
        effective: eb.ref('excluded.effective'),
        effective_until: eb.ref('excluded.effective_until'),
        ineligibility_reasons: eb.ref('excluded.ineligibility_reasons'),
        version: eb.ref('excluded.version'),
        changed_on: eb.ref('excluded.changed_on'),
        changed_by: eb.ref('excluded.changed_by'),
      })),
    ),
);

export async function upsertPermission(tx: Tx, row: PermissionRow): Promise<void> {
  await upsert(tx, { ...row, ineligibility_reasons: JSON.stringify(row.ineligibility_reasons) });
}

const selectCustomerPermissions = compileOnce((db, $: { partnerId: string; customerIds: readonly string[] }) =>
  db
    .selectFrom('customers as c')
    .leftJoin('purchase_permissions as p', (join) =>
      join.onRef('p.partner_id', '=', 'c.partner_id').onRef('p.customer_id', '=', 'c.customer_id'),
    )
    .selectAll('p')
    .select('c.customer_id as of_customer')
    .where('c.partner_id', '=', $.partnerId)
    .where(sql<boolean>`c.customer_id = any(${$.customerIds}::uuid[])`)
    .where('c.deleted_on', 'is', null),
);

/** The permissions ever switched of each customer that this partner has; the others are not in the map. */
export async function loadCustomerPermissions(
  db: Reading,
  partnerId: string,
  customerIds: readonly string[],
): Promise<ReadonlyMap<string, PermissionRow[]>> {
  const byCustomer = new Map<string, PermissionRow[]>();
  for (const { of_customer: customerId, ...row } of await selectCustomerPermissions(db, { partnerId, customerIds })) {
    const rows = byCustomer.get(customerId) ?? [];
    if (row.resource !== null) rows.push(row as PermissionRow);
    byCustomer.set(customerId, rows);
  }
  return byCustomer;
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
          .innerJoin('customers as c', (join) =>
            join.onRef('c.partner_id', '=', 'q.partner_id').onRef('c.customer_id', '=', 'q.customer_id'),
          )
          .select(['q.partner_id', 'q.customer_id'])
          .distinct()
          .where('q.partner_id', '=', partnerId)
          .where('q.state', '=', 'on')
          .where('c.deleted_on', 'is', null)
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

/** Customers with a permission whose effect has ended by its date. In the order of the index, as every other reads all permissions. */
export async function listEndedPermissions(db: Reading, partnerId: string, now: Date): Promise<Set<string>> {
  const rows = await db
    .selectFrom('purchase_permissions')
    .select('customer_id')
    .where('partner_id', '=', partnerId)
    .where('effective', '=', true)
    .where('effective_until', '<=', now)
    .orderBy('effective_until')
    .limit(500)
    .execute();
  return new Set(rows.map((row) => row.customer_id));
}
