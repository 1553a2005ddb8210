import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv7 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { readReservationPath } from './addresses.js';
import {
  changed,
  demandInForce,
  type LockedOrder,
  lockOrder,
  pickReservation,
  type ReservationOrderKey,
  writeChanges,
} from './change.js';
import type { ReservationRow } from './queries.js';
import type { MergeRequest, ReservationResponse, SplitRequest } from './schemas.js';

/** Answers hold whole orders: this keeps them below a megabyte. */
const MAX_RESERVATIONS_PER_ORDER = 500;

function demandRoom({ reservations }: LockedOrder, more: number): void {
  if (reservations.length + more <= MAX_RESERVATIONS_PER_ORDER) return;
  throw new ApiError('NotInThisState', {
    description: `A reservation order holds ${MAX_RESERVATIONS_PER_ORDER} reservations at the most, those that were split and merged included.`,
  });
}

/** A reservation that takes the place of others: the term goes on, the renewal is cancelled. */
function successor(of: ReservationRow, now: Date, columns: Partial<ReservationRow>): ReservationRow {
  return {
    ...of,
    reservation_id: uuidv7(now.getTime()),
    renew: false,
    renew_properties: null,
    renew_source: null,
    archived: false,
    updated_on: now,
    split_source: null,
    split_destinations: [],
    merge_sources: [],
    merge_destination: null,
    swap_source: null,
    swap_destination: null,
    version: 1,
    ...columns,
  };
}

/**
 * Splits a reservation in force into parts that add up to it.
 * @returns the parts, then what was split
 * @throws ApiError InvalidInput, ReservationNotFound, NotInThisState
 */
export async function splitReservation(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: ReservationOrderKey,
  { properties }: SplitRequest,
): Promise<ReservationResponse[]> {
  const { quantities } = properties;
  const { reservationId } = readReservationPath(properties.reservationId, key.reservationOrderId);
  const locked = await lockOrder(tx, act, key);
  const { now } = locked;
  const row = pickReservation(locked.reservations, reservationId);
  demandInForce(locked, row);
  const total = quantities.reduce((sum, quantity) => sum + quantity, 0);
  if (total !== row.quantity) {
    throw new ApiError('InvalidInput', {
      description: `The quantities add up to ${total}, the reservation has ${row.quantity}. Send quantities that add up to it.`,
    });
  }
  demandRoom(locked, quantities.length);
  const parts = quantities.map((quantity) => successor(row, now, { quantity, split_source: row.reservation_id }));
  const source = changed(row, now, {
    provisioning_state: 'Split',
    renew: false,
    renew_properties: null,
    split_destinations: parts.map((part) => part.reservation_id),
  });
  return writeChanges(tx, act, commitWith, locked, [...parts.map((to) => ({ to })), { from: row, to: source }]);
}

/** What reservations have to have in common, under the names that answers show. */
const COMMON: readonly [string, (row: ReservationRow) => string][] = [
  ['sku', (row) => row.sku_name],
  ['location', (row) => row.location],
  ['appliedScopeType', (row) => row.applied_scope_type],
  ['appliedScopes', (row) => (row.applied_scope ?? '').toLowerCase()],
  ['instanceFlexibility', (row) => row.instance_flexibility],
  ['expiryDateTime', (row) => row.expires_on.toISOString()],
  ['renew', (row) => String(row.renew)],
];

/**
 * Merges reservations in force that differ in nothing but quantity and name.
 * @returns what was merged, then what it became
 * @throws ApiError InvalidInput, ReservationNotFound, NotInThisState
 */
export async function mergeReservations(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: ReservationOrderKey,
  { properties }: MergeRequest,
): Promise<ReservationResponse[]> {
  const ids = properties.sources.map((id) => readReservationPath(id, key.reservationOrderId).reservationId);
  if (new Set(ids).size < ids.length) {
    throw new ApiError('InvalidInput', {
      description: 'properties.sources names a reservation twice. Send each once.',
    });
  }
  const locked = await lockOrder(tx, act, key);
  const { now } = locked;
  const rows = ids.map((id) => pickReservation(locked.reservations, id));
  for (const row of rows) demandInForce(locked, row);
  const [first, ...others] = rows;
  if (!first) throw new ApiError('ReservationNotFound');
  const different = COMMON.filter(([, of]) => others.some((row) => of(row) !== of(first))).map(([name]) => name);
  if (different.length > 0) {
    throw new ApiError('InvalidInput', {
      description: `The reservations differ in ${different.join(', ')}. Only those that are alike can be merged.`,
    });
  }
  demandRoom(locked, 1);
  const whole = successor(first, now, {
    quantity: rows.reduce((sum, row) => sum + row.quantity, 0),
    merge_sources: ids,
  });
  const sources = rows.map((from) => ({
    from,
    to: changed(from, now, {
      provisioning_state: 'Merged',
      renew: false,
      renew_properties: null,
      merge_destination: whole.reservation_id,
    }),
  }));
  return writeChanges(tx, act, commitWith, locked, [...sources, { to: whole }]);
}
