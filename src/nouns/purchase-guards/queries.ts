import { type Selectable, sql } from 'kysely';
import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import type { PermissionResource, PurchaseGuardsTable } from '../../db/tables.js';
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
  /** Its order is left out; the nil uuid leaves out none. */
  except: string;
}

const NONE = '00000000-0000-0000-0000-000000000000';

const sumMonth = compileOnce((db, $: SpendOf & { monthStart: Date }) =>
  db
    .selectFrom('reservation_orders')
    .select(sql<number>`coalesce(sum(total_minor), 0)::bigint`.as('minor'))
    .where('partner_id', '=', $.partnerId)
    .where('customer_id', '=', $.customerId)
    .where('created_on', '>=', $.monthStart)
    .where('origin', '=', 'customer')
    .where('currency_code', '=', $.currencyCode)
    .where('provisioning_state', '<>', 'Cancelled')
    .where('reservation_order_id', '<>', $.except),
);

// Whole microseconds: a division of integers that rounds up, exact whatever the term.
const sumOutstanding = compileOnce((db, $: SpendOf & { now: Date }) => {
  const toRun = sql`extract(epoch from o.expires_on - ${$.now}::timestamptz) * 1000000`;
  const term = sql`extract(epoch from o.expires_on - o.benefit_start_on) * 1000000`;
  return db
    .selectFrom('reservations as r')
    .innerJoin('reservation_orders as o', (join) =>
      join.onRef('o.partner_id', '=', 'r.partner_id').onRef('o.reservation_order_id', '=', 'r.reservation_order_id'),
    )
    .select(
      sql<number>`coalesce(sum(div(o.unit_minor * r.quantity * ${toRun} + ${term} - 1, ${term})), 0)::bigint`.as(
        'minor',
      ),
    )
    .where('r.partner_id', '=', $.partnerId)
    .where('r.customer_id', '=', $.customerId)
    .where('r.provisioning_state', 'in', ['Succeeded', 'PendingBilling'])
    .where('o.origin', '=', 'customer')
    .where('o.currency_code', '=', $.currencyCode)
    .where('o.provisioning_state', '<>', 'Cancelled')
    .where('o.expires_on', '>', $.now)
    .where('o.reservation_order_id', '<>', $.except);
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
  const of = { partnerId, customerId, currencyCode, except };
  const monthStart = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const [[month], [outstanding]] = await Promise.all([
    sumMonth(db, { ...of, monthStart }),
    sumOutstanding(db, { ...of, now }),
  ]);
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
