import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Reading, Tx } from '../db/connect.js';
import type { LockedCustomer } from '../db/customer-lock.js';
import type { Database } from '../db/tables.js';
import type { LogRow } from '../nouns/activity-log/queries.js';
import { COLUMNS, type ImportTable, INSERT_ONLY, KEYS, LOG_COLUMNS, type PgType } from './columns.js';

/** The head of a chain has writers of its own. */
const NOT_UPDATED: readonly string[] = ['log_seq', 'log_head'];

const columnList = (names: readonly string[], of?: string) =>
  sql.join(names.map((name) => sql.ref(of ? `${of}.${name}` : name)));

/** Rows as one JSON parameter: the text of the statement does not depend on their number, so it is prepared once. */
function recordset(rows: readonly object[], columns: Readonly<Record<string, PgType>>): RawBuilder<unknown> {
  const text = JSON.stringify(rows, function (this: Record<string, unknown>, name, value) {
    const raw = this[name];
    return Buffer.isBuffer(raw) ? `\\x${raw.toString('hex')}` : value;
  });
  const types = sql.join(Object.entries(columns).map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`));
  return sql`jsonb_to_recordset(${text}::jsonb) as r(${types})`;
}

const pick = (columns: Readonly<Record<string, PgType>>, names: readonly string[]) =>
  Object.fromEntries(names.flatMap((name) => (columns[name] ? [[name, columns[name]]] : [])));

/**
 * Raises the limits of the role for one file, which is a transaction of its own. Plans are made when the tables are as
 * they were before the file, perhaps empty, and kept: without `enable_seqscan` every batch would scan them whole.
 */
export async function raiseLimits(tx: Tx): Promise<void> {
  const { rows } = await sql<{ version: number }>`select current_setting('server_version_num')::int as version`.execute(
    tx,
  );
  const settings = ['statement_timeout = 0', 'idle_in_transaction_session_timeout = 0', "lock_timeout = '10s'"];
  if ((rows[0]?.version ?? 0) >= 170000) settings.push('transaction_timeout = 0');
  settings.push('enable_seqscan = off');
  await Promise.all(settings.map((setting) => sql.raw(`set local ${setting}`).execute(tx)));
}

/**
 * Lets one import of a partner run at a time: two that touch the same customers in another order would end in a
 * deadlock. Does not stop anything else: foreign keys take a weaker lock.
 */
export async function lockPartner(tx: Tx, partnerId: string): Promise<Selectable<Database['partners']> | undefined> {
  return tx.selectFrom('partners').selectAll().where('partner_id', '=', partnerId).forNoKeyUpdate().executeTakeFirst();
}

/**
 * Rows by a unique key (without partner_id), in any order.
 *
 * Asked so that no plan but a descent of that key's index is cheap. On tables without statistics, as in a first import,
 * the planner takes every index that starts with partner_id for as good, and then reads all rows of the partner for each
 * key (20 000 customers: 2 s for 500 domains instead of 10 ms). The last column as a range gives the order by it a
 * meaning, which that index alone has.
 * @param live leaves out what is deleted: the unique names hold among the others
 */
export async function findRows<T extends ImportTable>(
  db: Reading,
  table: T,
  partnerId: string,
  keys: readonly object[],
  by: readonly string[] = KEYS[table],
  live: 'live' | 'all' = 'all',
): Promise<Selectable<Database[T]>[]> {
  if (keys.length === 0) return [];
  const columns: Readonly<Record<string, PgType>> = COLUMNS[table];
  const last = sql.ref(by.at(-1) ?? '');
  const equal = by.slice(0, -1).map((name) => sql`t.${sql.ref(name)} = r.${sql.ref(name)}`);
  const matches = sql.join([...equal, sql`t.${last} >= r.${last}`, sql`t.${last} <= r.${last}`], sql` and `);
  const statement = sql<Selectable<Database[T]>>`select found.*
    from ${recordset(keys, pick(columns, by))} cross join lateral (
      select ${columnList(Object.keys(columns), 't')} from ${sql.table(table)} as t
      where t.partner_id = ${partnerId} and ${matches} ${sql.raw(live === 'live' ? 'and t.deleted_on is null' : '')}
      order by t.${last} limit 1
    ) as found`;
  return (await statement.execute(db)).rows;
}

export async function upsertRows(tx: Tx, table: ImportTable, rows: readonly object[]): Promise<void> {
  const columns: Readonly<Record<string, PgType>> = COLUMNS[table];
  const names = Object.keys(columns);
  const keys: readonly string[] = ['partner_id', ...KEYS[table]];
  const updated = names.filter((name) => !keys.includes(name) && !NOT_UPDATED.includes(name));
  const update =
    updated.length === 0 || INSERT_ONLY.includes(table)
      ? sql`nothing`
      : sql`update set ${sql.join(updated.map((name) => sql`${sql.ref(name)} = excluded.${sql.ref(name)}`))}`;
  await sql`insert into ${sql.table(table)} as t (${columnList(names)})
    select ${columnList(names, 'r')} from ${recordset(rows, columns)}
    on conflict (${columnList(keys)}) do ${update} returning 1`.execute(tx);
}

export async function deleteRows(
  tx: Tx,
  table: ImportTable,
  partnerId: string,
  keys: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const by = KEYS[table];
  const matches = sql.join(
    by.map((name) => sql`t.${sql.ref(name)} = r.${sql.ref(name)}`),
    sql` and `,
  );
  const customerIds = [...new Set(keys.map((key) => key.customer_id))];
  await sql`delete from ${sql.table(table)} as t using ${recordset(keys, pick(COLUMNS[table], by))}
    where t.partner_id = ${partnerId} and t.customer_id = any(${customerIds}::uuid[]) and ${matches}`.execute(tx);
}

/** Locks customers in the order of their ids, as every lock of several has to. */
export async function lockCustomers(
  tx: Tx,
  partnerId: string,
  customerIds: readonly string[],
): Promise<{ customers: LockedCustomer[]; now: Date }> {
  const locked = sql<LockedCustomer>`select * from customers
    where partner_id = ${partnerId} and customer_id = any(${[...customerIds].sort()}::uuid[])
    order by customer_id for update`;
  const clock = sql<{ now: Date }>`select clock_timestamp() as now`;
  const [{ rows: customers }, { rows }] = await Promise.all([locked.execute(tx), clock.execute(tx)]);
  const now = rows[0]?.now;
  if (!now) throw new Error('the database did not tell the time');
  return { customers, now };
}

/** Lets whoever has begun to decide about a customer of the partner end, and whoever begins wait. */
export async function lockEveryCustomer(tx: Tx, partnerId: string): Promise<void> {
  await sql`select count(*) from (
    select 1 from customers where partner_id = ${partnerId} order by customer_id for update
  ) as locked`.execute(tx);
}

export async function insertLogRows(tx: Tx, rows: readonly LogRow[]): Promise<void> {
  const names = Object.keys(LOG_COLUMNS);
  await sql`insert into activity_log (${columnList(names)})
    select ${columnList(names, 'r')} from ${recordset(rows, LOG_COLUMNS)} returning 1`.execute(tx);
}

export async function updateLogHeads(tx: Tx, partnerId: string, customers: readonly LockedCustomer[]): Promise<void> {
  const heads = customers.map(({ customer_id, log_seq, log_head }) => ({ customer_id, log_seq, log_head }));
  await sql`update customers as t set log_seq = r.log_seq, log_head = r.log_head
    from ${recordset(heads, pick(COLUMNS.customers, ['customer_id', 'log_seq', 'log_head']))}
    where t.partner_id = ${partnerId} and t.customer_id = r.customer_id
      and t.customer_id = any(${heads.map((head) => head.customer_id)}::uuid[])`.execute(tx);
}

/** Which of the ids are live customers of the partner. */
export async function listKnownCustomers(db: Reading, partnerId: string, ids: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ customer_id: string }>`select customer_id from customers
    where partner_id = ${partnerId} and customer_id = any(${ids}::uuid[]) and deleted_on is null`.execute(db);
  return rows.map((row) => row.customer_id);
}

/** Whose the Partner Center subscriptions are. */
export async function listCustomersOfSubscriptions(db: Reading, partnerId: string, ids: readonly string[]) {
  const { rows } = await sql<{ id: string; customer_id: string }>`select subscription_id as id, customer_id
    from subscriptions where partner_id = ${partnerId} and subscription_id = any(${ids}::uuid[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row.customer_id]));
}

/** Whose the Azure subscriptions are. */
export async function listCustomersOfAzureSubscriptions(db: Reading, partnerId: string, ids: readonly string[]) {
  const { rows } = await sql<{ id: string; customer_id: string }>`select azure_subscription_id as id, customer_id
    from azure_subscriptions where partner_id = ${partnerId} and azure_subscription_id = any(${ids}::uuid[])`.execute(
    db,
  );
  return new Map(rows.map((row) => [row.id, row.customer_id]));
}

export async function findPartner(
  db: Reading,
  partnerId: string,
): Promise<Selectable<Database['partners']> | undefined> {
  return db.selectFrom('partners').selectAll().where('partner_id', '=', partnerId).executeTakeFirst();
}

/** Members of groups, asked in the order of their key for the reason that `findRows` has. */
export async function listMembers(
  db: Reading,
  partnerId: string,
  groups: readonly { customer_id: string; group_id: string }[],
): Promise<Selectable<Database['group_members']>[]> {
  if (groups.length === 0) return [];
  const columns = pick(COLUMNS.group_members, ['customer_id', 'group_id']);
  const statement = sql<Selectable<Database['group_members']>>`select m.*
    from ${recordset(groups, columns)} cross join lateral (
      select ${columnList(Object.keys(COLUMNS.group_members), 't')} from group_members as t
      where t.partner_id = ${partnerId} and t.customer_id = r.customer_id
        and t.group_id >= r.group_id and t.group_id <= r.group_id
      order by t.group_id, t.member_id offset 0
    ) as m`;
  return (await statement.execute(db)).rows;
}

/**
 * Customers with a permission that is on: those whose eligibility somebody relies on.
 * @param among these; default: all of the partner, who may have some hundred thousand
 */
export async function listCustomersWithPermission(
  db: Reading,
  partnerId: string,
  among?: readonly string[],
): Promise<string[]> {
  const asked = among ? sql`and customer_id = any(${among}::uuid[])` : sql``;
  const { rows } = await sql<{ customer_id: string }>`select distinct customer_id from purchase_permissions
    where partner_id = ${partnerId} ${asked} and state = 'on' order by customer_id`.execute(db);
  return rows.map((row) => row.customer_id);
}

/** Whether the tenant is a live customer, of whatever partner is visible. */
export async function isCustomer(db: Reading, tenantId: string): Promise<boolean> {
  const row = await db
    .selectFrom('customers')
    .select('customer_id')
    .where('customer_id', '=', tenantId)
    .where('deleted_on', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
