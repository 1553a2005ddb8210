import type { DatabaseHandle, Reading } from '../../db/connect.js';
import type { Caller } from '../../plugins/authentication.js';
import { loadRights, partnersOf } from '../role-assignments/access/access.js';
import { coversReservations } from './access.js';
import type { ListFilter, ListOrder } from './list-filter.js';
import {
  countReservations,
  findReservationOrders,
  type ListedReservation,
  listReservationIdsOf,
  listReservationOrders,
  listReservations,
  type Moment,
  type Position,
  type Sight,
} from './list-queries.js';
import { type FoundOrder, findOrderIds } from './queries.js';
import type { ReservationOrderResponse, ReservationResponse, ReservationSummary } from './schemas.js';
import { EXPIRING_MILLISECONDS, toReservation, toReservationOrder } from './wire.js';

/** Who lists, and through which partner where it is one. */
export interface Viewer {
  caller: Caller;
  /** Narrows a partner's list to one customer. */
  tenantId: string | undefined;
  now: Date;
}

/**
 * A partner's agents see the reservations of all its customers; a customer's users those that they bought or could own
 * then, and all of the tenant with a role over it.
 * @returns undefined: nothing
 */
async function sightOf(db: Reading, partnerId: string, viewer: Viewer): Promise<Sight | undefined> {
  const { caller, tenantId, now } = viewer;
  if (caller.kind === 'partner') return { customerId: tenantId };
  const customerId = caller.tenantId;
  const rights = await loadRights(db, caller, { partnerId, customerId });
  if (rights.principalIds.length === 0) return undefined;
  if (coversReservations('Microsoft.Capacity/reservationOrders/read', rights, now)) return { customerId };
  return { customerId, userId: caller.objectId };
}

/** Runs `list` for every partner that serves the caller's tenant, each in a transaction of its own. */
async function ofEachPartner<T>(
  db: DatabaseHandle,
  viewer: Viewer,
  list: (reading: Reading, partnerId: string, sight: Sight) => Promise<T>,
): Promise<T[]> {
  const lists: T[] = [];
  for (const partnerId of await partnersOf(db, viewer.caller)) {
    const listed = await db.read(partnerId, async (reading) => {
      const sight = await sightOf(reading, partnerId, viewer);
      return sight && { list: await list(reading, partnerId, sight) };
    });
    if (listed) lists.push(listed.list);
  }
  return lists;
}

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

interface ShownReservation {
  row: ListedReservation;
  order: FoundOrder;
  orderIds: ReadonlyMap<string, string>;
}

/** Reservations with what their answers need beside their own rows. */
async function withOrders(db: Reading, partnerId: string, rows: readonly ListedReservation[]) {
  const [orders, orderIds] = await Promise.all([
    findReservationOrders(db, partnerId, [...new Set(rows.map((row) => row.reservation_order_id))]),
    findOrderIds(db, partnerId, rows),
  ]);
  const byId = new Map(orders.map((order) => [order.reservation_order_id, order]));
  return rows.flatMap((row): ShownReservation[] => {
    const order = byId.get(row.reservation_order_id);
    return order ? [{ row, order, orderIds }] : [];
  });
}

const COUNTS: Readonly<Record<keyof ReservationSummary, string>> = {
  succeededCount: 'Succeeded',
  failedCount: 'Failed',
  expiringCount: 'Expiring',
  expiredCount: 'Expired',
  pendingCount: 'Pending',
  cancelledCount: 'Cancelled',
  processingCount: 'Processing',
  warningCount: 'Warning',
  noBenefitCount: 'NoBenefit',
};

function summaryOf(counts: readonly ReadonlyMap<string, number>[]): ReservationSummary {
  const total = (state: string) => counts.reduce((sum, one) => sum + (one.get(state) ?? 0), 0);
  return Object.fromEntries(
    Object.entries(COUNTS).map(([name, state]) => [name, total(state)]),
  ) as unknown as ReservationSummary;
}

export interface ReservationsWanted {
  filter: ListFilter | undefined;
  order: ListOrder | undefined;
  selectedState: string | undefined;
  after: Position | undefined;
  /** Rows left out before the page. */
  skip: number;
  take: number;
  withSummary: boolean;
}

export interface ReservationsPage {
  value: ReservationResponse[];
  /** The last row of the page, where there are more. */
  next: Position | undefined;
  summary: ReservationSummary | undefined;
}

/** A page of the reservations that the caller sees, over all the partners that serve its tenant. */
export async function listVisibleReservations(
  db: DatabaseHandle,
  viewer: Viewer,
  wanted: ReservationsWanted,
): Promise<ReservationsPage> {
  const { now } = viewer;
  const { filter, order, selectedState, after, skip, take, withSummary } = wanted;
  const moment: Moment = { now, expiringUntil: new Date(now.getTime() + EXPIRING_MILLISECONDS) };
  const limit = skip + take + 1;
  const lists = await ofEachPartner(db, viewer, async (reading, partnerId, sight) => {
    const query = { filter, order, selectedState, after, limit };
    const rows = await listReservations(reading, partnerId, sight, moment, query);
    const [shown, counts] = await Promise.all([
      withOrders(reading, partnerId, rows),
      withSummary ? countReservations(reading, partnerId, sight, moment) : undefined,
    ]);
    return { shown, counts };
  });
  const sign = order?.descending ? -1 : 1;
  const merged = lists
    .flatMap(({ shown }) => shown)
    .sort(
      ({ row: left }, { row: right }) =>
        sign *
        (byBytes(left.sort_text, right.sort_text) ||
          byBytes(left.reservation_order_id, right.reservation_order_id) ||
          byBytes(left.reservation_id, right.reservation_id)),
    );
  const page = merged.slice(skip, skip + take);
  const last = merged.length > skip + take ? page.at(-1)?.row : undefined;
  return {
    value: page.map(({ row, order: of, orderIds }) => toReservation(of, row, now, { orderIds })),
    next: last && [last.sort_text, last.reservation_order_id, last.reservation_id],
    summary: withSummary ? summaryOf(lists.flatMap(({ counts }) => counts ?? [])) : undefined,
  };
}

/** A page of the reservation orders that the caller sees, by id. */
export async function listVisibleOrders(
  db: DatabaseHandle,
  viewer: Viewer,
  page: { after: string | undefined; take: number },
): Promise<{ value: ReservationOrderResponse[]; next: string | undefined }> {
  const { after, take } = page;
  const lists = await ofEachPartner(db, viewer, async (reading, partnerId, sight) => {
    const orders = await listReservationOrders(reading, partnerId, sight, { after, limit: take + 1 });
    const ids = orders.map((order) => order.reservation_order_id);
    const reservations = new Map(ids.map((id) => [id, [] as { reservation_id: string }[]]));
    for (const row of await listReservationIdsOf(reading, partnerId, ids)) {
      reservations.get(row.reservation_order_id)?.push(row);
    }
    return orders.map((order) => ({ order, reservations: reservations.get(order.reservation_order_id) ?? [] }));
  });
  const merged = lists
    .flat()
    .sort((left, right) => byBytes(left.order.reservation_order_id, right.order.reservation_order_id));
  const shown = merged.slice(0, take);
  return {
    value: shown.map(({ order, reservations }) => toReservationOrder(order, reservations, viewer.now)),
    next: merged.length > take ? shown.at(-1)?.order.reservation_order_id : undefined,
  };
}
