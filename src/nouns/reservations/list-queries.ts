import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Reading } from '../../db/connect.js';
import { folded } from '../../db/folded.js';
import { type Comparison, LIST_PROPERTIES, type ListFilter, type ListOrder, type ListProperty } from './list-filter.js';
import { anyOf, type FoundOrder, type ReservationRow, selectOrders } from './queries.js';

/** Which reservations a caller sees of one partner. */
export interface Sight {
  /** Undefined: of all its customers. */
  customerId?: string | undefined;
  /** Only those that this user bought, or could own when they were bought. */
  userId?: string | undefined;
}

/** The moment that states are told for, and the one until which a reservation that ends is `Expiring`. */
export interface Moment {
  now: Date;
  expiringUntil: Date;
}

/** The derived properties again, as SQL: a list has to be filtered and ordered before it is cut. `wire.ts` shows them. */
function expressionsAt({ now, expiringUntil }: Moment): Readonly<Record<ListProperty, RawBuilder<unknown>>> {
  const state = sql`case when r.provisioning_state = 'Succeeded' and r.expires_on <= ${now} then 'Expired'
    when r.provisioning_state = 'PendingBilling' and p.approval_expires_on <= ${now} then 'Cancelled'
    else r.provisioning_state end`;
  return {
    'sku/name': sql`r.sku_name`,
    'properties/appliedScopeType': sql`r.applied_scope_type`,
    'properties/archived': sql`r.archived`,
    'properties/displayName': sql`r.display_name`,
    'properties/displayProvisioningState': sql`case ${state}
      when 'Succeeded' then case when r.expires_on <= ${expiringUntil} then 'Expiring' else 'Succeeded' end
      when 'PendingBilling' then 'Pending' when 'Expired' then 'Expired' else 'Cancelled' end`,
    'properties/effectiveDateTime': sql`r.effective_on`,
    'properties/expiryDate': sql`(r.expires_on at time zone 'UTC')::date`,
    'properties/expiryDateTime': sql`r.expires_on`,
    'properties/provisioningState': state,
    'properties/quantity': sql`r.quantity`,
    'properties/renew': sql`r.renew`,
    'properties/reservedResourceType': sql`r.reserved_resource_type`,
    'properties/term': sql`o.term`,
    'properties/userFriendlyAppliedScopeType': sql`case when r.applied_scope_type = 'Single'
      and strpos(r.applied_scope, '/resourceGroups/') > 0 then 'ResourceGroup' else r.applied_scope_type end`,
    'properties/userFriendlyRenewState': sql`case when r.renew_destination is not null then 'Renewed'
      when ${state} = 'Expired' then 'NotRenewed'
      when ${state} not in ('Succeeded', 'PendingBilling') then 'NotApplicable'
      when r.renew then 'On' else 'Off' end`,
  };
}

type Expressions = ReturnType<typeof expressionsAt>;

const OPERATORS: Readonly<Record<Comparison, RawBuilder<unknown>>> = {
  eq: sql`=`,
  ne: sql`<>`,
  gt: sql`>`,
  ge: sql`>=`,
  lt: sql`<`,
  le: sql`<=`,
};

function compare(expressions: Expressions, filter: Extract<ListFilter, { property: ListProperty }>) {
  const { property, comparison, value } = filter;
  const left = expressions[property];
  const operator = OPERATORS[comparison];
  switch (LIST_PROPERTIES[property]) {
    case 'text':
      return sql<SqlBool>`${folded(left)} ${operator} ${value.toLowerCase()}`;
    case 'boolean':
      return sql<SqlBool>`${left} ${operator} ${value}::boolean`;
    case 'number':
      return sql<SqlBool>`${left} ${operator} ${value}::bigint`;
    case 'day':
      return sql<SqlBool>`${left} ${operator} ${value}::date`;
    case 'time':
      return sql<SqlBool>`${left} ${operator} ${value}::timestamptz`;
  }
}

function predicate(expressions: Expressions, filter: ListFilter): RawBuilder<SqlBool> {
  if ('property' in filter) return compare(expressions, filter);
  const parts = 'all' in filter ? filter.all : filter.any;
  const joined = sql.join(
    parts.map((part) => predicate(expressions, part)),
    'all' in filter ? sql` and ` : sql` or `,
  );
  return sql<SqlBool>`(${joined})`;
}

/** Text that sorts by bytes as the property does: one kind of position for every order, here and in the merge of lists. */
function sortText(expressions: Expressions, { property }: ListOrder): RawBuilder<string> {
  const of = expressions[property];
  switch (LIST_PROPERTIES[property]) {
    case 'text':
      return folded(of);
    case 'boolean':
      return sql`(${of})::text collate "C"`;
    case 'number':
      return sql`lpad((${of})::text, 19, '0') collate "C"`;
    case 'day':
      return sql`to_char(${of}, 'YYYY-MM-DD') collate "C"`;
    case 'time':
      return sql`to_char(${of} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') collate "C"`;
  }
}

/** Where a page starts: the sort text, the reservation order id and the reservation id of the last row before it. */
export type Position = readonly [sort: string, reservationOrderId: string, reservationId: string];

export type ListedReservation = ReservationRow & { sort_text: string };

export interface ListQuery {
  filter?: ListFilter | undefined;
  /** Undefined: by id. */
  order?: ListOrder | undefined;
  selectedState?: string | undefined;
  after?: Position | undefined;
  limit: number;
}

function seenBy({ customerId, userId }: Sight): RawBuilder<SqlBool> {
  const conditions = [
    ...(customerId === undefined ? [] : [sql<SqlBool>`o.customer_id = ${customerId}::uuid`]),
    ...(userId === undefined
      ? []
      : [sql<SqlBool>`(o.bought_by_id = ${userId}::uuid or ${userId}::uuid = any(o.owner_ids))`]),
  ];
  return conditions.length === 0 ? sql`true` : sql`${sql.join(conditions, sql` and `)}`;
}

function visibleReservations(db: Reading, partnerId: string, sight: Sight) {
  return db
    .selectFrom('reservations as r')
    .innerJoin('reservation_orders as o', (join) =>
      join.onRef('o.partner_id', '=', 'r.partner_id').onRef('o.reservation_order_id', '=', 'r.reservation_order_id'),
    )
    .innerJoin('orders as p', (join) =>
      join
        .onRef('p.partner_id', '=', 'o.partner_id')
        .onRef('p.customer_id', '=', 'o.customer_id')
        .onRef('p.order_id', '=', 'o.order_id'),
    )
    .where('r.partner_id', '=', partnerId)
    .where('o.partner_id', '=', partnerId)
    .where('p.partner_id', '=', partnerId)
    .where(seenBy(sight));
}

/** Of one partner. Without `order` it walks the primary key; with one, everything that the caller sees is sorted. */
export async function listReservations(
  db: Reading,
  partnerId: string,
  sight: Sight,
  moment: Moment,
  query: ListQuery,
): Promise<ListedReservation[]> {
  const { filter, order, selectedState, after, limit } = query;
  const expressions = expressionsAt(moment);
  const sort = order ? sortText(expressions, order) : sql<string>`''`;
  const direction = order?.descending ? 'desc' : 'asc';
  const key = order
    ? sql`(${sort}, r.reservation_order_id, r.reservation_id)`
    : sql`(r.reservation_order_id, r.reservation_id)`;
  const beyond = order?.descending ? sql`<` : sql`>`;
  const [sortAfter, orderAfter, reservationAfter] = after ?? [];
  const position = order
    ? sql`(${sortAfter}::text, ${orderAfter}::uuid, ${reservationAfter}::uuid)`
    : sql`(${orderAfter}::uuid, ${reservationAfter}::uuid)`;
  return visibleReservations(db, partnerId, sight)
    .selectAll('r')
    .select(sort.as('sort_text'))
    .$if(filter !== undefined, (q) => q.where(predicate(expressions, filter as ListFilter)))
    .$if(selectedState !== undefined, (q) =>
      q.where(sql<SqlBool>`${expressions['properties/displayProvisioningState']} = ${selectedState}::text`),
    )
    .$if(after !== undefined, (q) => q.where(sql<SqlBool>`${key} ${beyond} ${position}`))
    .$if(order !== undefined, (q) => q.orderBy(sort, direction))
    .orderBy('r.reservation_order_id', direction)
    .orderBy('r.reservation_id', direction)
    .limit(limit)
    .execute();
}

/** How many reservations there are in each displayed state. */
export async function countReservations(
  db: Reading,
  partnerId: string,
  sight: Sight,
  moment: Moment,
): Promise<Map<string, number>> {
  const state = expressionsAt(moment)['properties/displayProvisioningState'] as RawBuilder<string>;
  const rows = await visibleReservations(db, partnerId, sight)
    .select([state.as('state'), sql<number>`count(*)`.as('count')])
    .groupBy(sql`1`)
    .execute();
  return new Map(rows.map((row) => [row.state, row.count]));
}

export async function findReservationOrders(
  db: Reading,
  partnerId: string,
  reservationOrderIds: readonly string[],
): Promise<FoundOrder[]> {
  return selectOrders(db, partnerId).where(anyOf('o.reservation_order_id', reservationOrderIds)).execute();
}

/** By id, of one partner. */
export async function listReservationOrders(
  db: Reading,
  partnerId: string,
  sight: Sight,
  page: { after: string | undefined; limit: number },
): Promise<FoundOrder[]> {
  const { after } = page;
  return selectOrders(db, partnerId)
    .where(seenBy(sight))
    .$if(after !== undefined, (query) => query.where('o.reservation_order_id', '>', after ?? ''))
    .orderBy('o.reservation_order_id')
    .limit(page.limit)
    .execute();
}

export async function listReservationIdsOf(
  db: Reading,
  partnerId: string,
  reservationOrderIds: readonly string[],
): Promise<Pick<ReservationRow, 'reservation_order_id' | 'reservation_id'>[]> {
  return db
    .selectFrom('reservations')
    .select(['reservation_order_id', 'reservation_id'])
    .where('partner_id', '=', partnerId)
    .where(anyOf('reservation_order_id', reservationOrderIds))
    .orderBy('reservation_id')
    .execute();
}

/**
 * The reservation orders whose discount an Azure subscription that this partner bought for the customer gets now: the
 * shared ones and those that name it or a resource group in it. Of another partner's subscription none.
 */
export async function listAppliedOrderIds(
  db: Reading,
  partnerId: string,
  customerId: string,
  azureSubscriptionId: string,
  page: { now: Date; after: string | undefined; limit: number },
): Promise<string[]> {
  const { now, after } = page;
  const scope = `/subscriptions/${azureSubscriptionId}`;
  const rows = await db
    .selectFrom('reservations as r')
    .select('r.reservation_order_id')
    .distinct()
    .where('r.partner_id', '=', partnerId)
    .where('r.customer_id', '=', customerId)
    .where('r.provisioning_state', '=', 'Succeeded')
    .where('r.effective_on', '<=', now)
    .where('r.expires_on', '>', now)
    .where((eb) =>
      eb.or([
        eb('r.applied_scope_type', '=', 'Shared'),
        eb('r.applied_scope', '=', scope),
        sql<SqlBool>`starts_with(r.applied_scope, ${`${scope}/`})`,
      ]),
    )
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('azure_subscriptions as a')
          .select('a.azure_subscription_id')
          .where('a.partner_id', '=', partnerId)
          .where('a.customer_id', '=', customerId)
          .where('a.azure_subscription_id', '=', azureSubscriptionId)
          .where('a.subscription_id', 'is not', null),
      ),
    )
    .$if(after !== undefined, (query) => query.where('r.reservation_order_id', '>', after ?? ''))
    .orderBy('r.reservation_order_id')
    .limit(page.limit)
    .execute();
  return rows.map((row) => row.reservation_order_id);
}
