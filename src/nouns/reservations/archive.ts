import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { changed, lockOrder, pickReservation, type ReservationKey, writeChanges } from './change.js';
import { stateOf } from './wire.js';

/**
 * Puts a reservation that has ended out of sight, or back. What is already so is not changed.
 * @throws ApiError NotInThisState for the archival of one that is in force or waits for approval
 */
export async function setArchived(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  key: ReservationKey,
  archived: boolean,
): Promise<void> {
  const locked = await lockOrder(tx, act, key);
  const row = pickReservation(locked.reservations, key.reservationId);
  const state = stateOf(locked.order, row, locked.now);
  if (archived && (state === 'Succeeded' || state === 'PendingBilling')) {
    throw new ApiError('NotInThisState', {
      description: `The reservation is ${state}. Archive it when it has expired, or was cancelled, split or merged.`,
    });
  }
  if (row.archived === archived) return;
  await writeChanges(tx, act, commitWith, locked, [{ from: row, to: changed(row, locked.now, { archived }) }]);
}
