import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { type Locked, type OrderRows, readOrder } from '../reservations/change.js';
import { appraiseReturn } from './appraise-return.js';
import type { Units } from './given-back.js';
import { findRefund, findRefundSession, insertRefundSession } from './queries.js';
import { returnReservation } from './return.js';
import { type RefundFee, SESSION_MINUTES } from './rules.js';
import type { RefundResponse } from './schemas.js';
import { toRefundResponse } from './view.js';

/** What a session of calculateRefund keeps. */
interface RefundSession extends Units {
  orderVersion: number;
  currentUnitMinor: number | null;
}

export function sessionEnd(now: Date): Date {
  return new Date(now.getTime() + SESSION_MINUTES * 60_000);
}

/**
 * Prices a return and keeps the amounts under a session, unless it would be refused.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound
 */
export async function calculateRefund(
  tx: Tx,
  commitWith: CommitWith,
  fees: readonly RefundFee[],
  locked: Locked,
  units: Units,
): Promise<RefundResponse> {
  const { customer, now } = locked;
  const appraisal = await appraiseReturn(tx, fees, locked, units);
  if (appraisal.reasons.length > 0) return toRefundResponse(appraisal, units.quantity, undefined);
  const sessionId = uuidv4();
  const result = toRefundResponse(appraisal, units.quantity, sessionId);
  const request: RefundSession = {
    ...units,
    orderVersion: appraisal.state.order.version,
    currentUnitMinor: appraisal.currentUnitMinor ?? null,
  };
  commitWith(
    insertRefundSession(tx, {
      partner_id: customer.partner_id,
      session_id: sessionId,
      customer_id: customer.customer_id,
      kind: 'refund',
      request,
      result,
      created_on: now,
      expires_on: sessionEnd(now),
    }),
  );
  return result;
}

/**
 * Returns what a session was made for, at its amounts. A session that was used answers the order again and does nothing.
 * @throws ApiError RefundSessionExpired, RefundSessionMismatch, and what {@link returnReservation} throws
 */
export async function returnUnderSession(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  fees: readonly RefundFee[],
  locked: Locked,
  wanted: Units & { sessionId: string; reason: string | null },
): Promise<OrderRows> {
  const { partner_id: partnerId, customer_id: customerId } = locked.customer;
  const { sessionId, reservationOrderId } = wanted;
  const [session, used] = await Promise.all([
    findRefundSession(tx, partnerId, sessionId, 'refund'),
    findRefund(tx, partnerId, customerId, sessionId),
  ]);
  if (!session || session.customer_id !== customerId) throw new ApiError('RefundSessionExpired');
  const kept = session.request as RefundSession;
  const same =
    kept.reservationOrderId === reservationOrderId &&
    kept.reservationId === wanted.reservationId &&
    kept.quantity === wanted.quantity;
  if (!same) throw new ApiError('RefundSessionMismatch');
  if (used) return readOrder(tx, partnerId, { customerId, reservationOrderId });
  if (session.expires_on <= locked.now) throw new ApiError('RefundSessionExpired');
  const { orderVersion, currentUnitMinor } = kept;
  const promised = { sessionId, pricedAt: session.created_on, orderVersion, currentUnitMinor };
  const { state } = await returnReservation(tx, act, commitWith, fees, locked, { ...wanted, promised });
  return state;
}
