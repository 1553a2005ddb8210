import { type Kysely, type Selectable, sql } from 'kysely';
import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { Database, PermissionResource, PurchaseGuardsTable } from '../../db/tables.js';
import type { Spend } from './judge-guards.js';

export type GuardsRow = Selectable<PurchaseGuardsTable>;

const selectGuards = compileOnce((db, $: { partnerId: string; customerId: string; resource: PermissionResource }) =>
  db
    .selectFrom('purchase_guards')
    .selectAll()
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId)
    .where('resource', '=', $.resource),
);

/** Undefined while none were ever set. */
export async function findGuards(
  db: Reading,
  partnerId: string,
  customerId: string,
  resource: PermissionResource,
): Promise<GuardsRow | undefined> {
  const [row] = await selectGuards(db, { partnerId, customerId, resource });
  return row;
}

const upsert = insertOnce(
  'purchase_guards',
  ['partner_id', 'customer_id', 'resource', 'guards', 'version', 'changed_on', 'changed_by'],
  (insert) =>
    insert.onConflict((conflict) =>
      conflict.columns(['partner_id', 'customer_id', 'resource']).doUpdateSet((eb) => ({
        guards: eb.ref('excluded.guards'),
        version: eb.ref('excluded.version'),
        changed_on: eb.ref('excluded.changed_on'),
        changed_by: eb.ref('excluded.changed_by'),
      })),
    ),
);

export async function upsertGuards(tx: Tx, row: GuardsRow): Promise<void> {
  await upsert(tx, { ...row, guards: JSON.stringify(row.guards) });
}

interface SpendOf {
  [name: string]: unknown;
  partnerId: string;
  customerId: string;
  currencyCode: string;
  now: Date;
  /** Its order is left out; the nil uuid leaves out none. */
  except: string;
}

const NONE = '00000000-0000-0000-0000-000000000000';

/** The customer's own orders that stand, or wait for a partner who can still approve them. */
function ownOrders(db: Kysely<Database>, $: SpendOf) {
  return db
    .selectFrom('reservation_orders as o')
    .innerJoin('orders as p', (join) =>
      join
        .onRef('p.partner_id', '=', 'o.partner_id')
        .onRef('p.customer_id', '=', 'o.customer_id')
        .onRef('p.order_id', '=', 'o.order_id'),
    )
    .where('o.partner_id', '=', $.partnerId)
    .where('o.customer_id', '=', $.customerId)
    .where('o.origin', '=', 'customer')
    .where('o.currency_code', '=', $.currencyCode)
    .where('o.provisioning_state', '<>', 'Cancelled')
    .where((eb) => eb.or([eb('p.approval_expires_on', 'is', null), eb('p.approval_expires_on', '>', $.now)]))
    .where('o.reservation_order_id', '<>', $.except);
}

const sumMonth = compileOnce((db, $: SpendOf & { monthStart: Date }) =>
  ownOrders(db, $)
    .select(sql<number>`coalesce(sum(o.total_minor), 0)::bigint`.as('minor'))
    .where('o.created_on', '>=', $.monthStart),
);

// Whole microseconds: a division of integers that rounds up, exact whatever the term.
const sumOutstanding = compileOnce((db, $: SpendOf) => {
  const toRun = sql`extract(epoch from o.expires_on - ${$.now}::timestamptz) * 1000000`;
  const term = sql`extract(epoch from o.expires_on - o.benefit_start_on) * 1000000`;
  return ownOrders(db, $)
    .innerJoin('reservations as r', (join) =>
      join.onRef('r.partner_id', '=', 'o.partner_id').onRef('r.reservation_order_id', '=', 'o.reservation_order_id'),
    )
    .select(
      sql<number>`coalesce(sum(div(o.unit_minor * r.quantity * ${toRun} + ${term} - 1, ${term})), 0)::bigint`.as(
        'minor',
      ),
    )
    .where('o.expires_on', '>', $.now)
    .where('r.provisioning_state', 'in', ['Succeeded', 'PendingBilling']);
});

/**
 * What the customer's own purchases in the currency come to; those that wait for the partner's approval hold their place.
 * Both statements leave in one flight.
 * @param except a reservation order that is judged again, so does not count against itself
 */
export async function loadSpend(
  db: Reading,
  partnerId: string,
  customerId: string,
  currencyCode: string,
  now: Date,
  except: string = NONE,
): Promise<Spend> {
  const of = { partnerId, customerId, currencyCode, now, except };
  const monthStart = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const [[month], [outstanding]] = await Promise.all([sumMonth(db, { ...of, monthStart }), sumOutstanding(db, of)]);
  return { monthMinor: month?.minor ?? 0, outstandingMinor: outstanding?.minor ?? 0 };
}

/** Which of the ids are Azure subscriptions of the customer, whatever state they are in. */
export async function listKnownSubscriptions(
  db: Reading,
  partnerId: string,
  customerId: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('azure_subscriptions')
    .select('azure_subscription_id')
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('azure_subscription_id', 'in', ids)
    .execute();
  return rows.map((row) => row.azure_subscription_id);
}
