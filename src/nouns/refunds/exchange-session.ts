import type { CommitWith, Tx } from '../../db/connect.js';
import { lockCustomer } from '../../db/customer-lock.js';
import type { QuotedPrice } from '../../db/purchase-tables.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import type { Locked } from '../reservations/change.js';
import { type PurchaseRequest, readPurchaseRequest } from '../reservations/purchase-request.js';
import { listReservationsOf, type ReservationRow } from '../reservations/queries.js';
import { appraiseExchange, type PromisedExchange } from './appraise-exchange.js';
import { exchangeReservations } from './exchange.js';
import type { Units } from './given-back.js';
import { findRefund, findRefundSession, insertRefundSession } from './queries.js';
import { sessionEnd } from './refund-session.js';
import type { CalculateExchangeResult, ExchangeResult } from './schemas.js';
import { toCalculateExchangeResult, toExchangeResult } from './view.js';

/** What a session of calculateExchange keeps. */
interface ExchangeSession {
  returns: Units[];
  orderVersions: Record<string, number>;
  purchases: { body: PurchaseRequest; reservationOrderId: string; price: QuotedPrice }[];
}

/**
 * Prices an exchange and keeps the amounts under a session, unless it would be refused.
 * @throws ApiError ReservationOrderNotFound, ReservationNotFound, InvalidInput
 */
export async function calculateExchange(
  tx: Tx,
  commitWith: CommitWith,
  locked: Locked,
  returns: readonly Units[],
  bodies: readonly PurchaseRequest[],
): Promise<CalculateExchangeResult> {
  const { customer, now } = locked;
  const appraisal = await appraiseExchange(tx, locked, { returns, purchases: bodies.map(readPurchaseRequest) });
  const sessionId = uuidv4();
  const result = toCalculateExchangeResult(appraisal, bodies, sessionId);
  if (appraisal.reasons.length > 0) return result;
  const session: ExchangeSession = {
    returns: [...returns],
    orderVersions: {},
    purchases: bodies.flatMap((body, index) => {
      const price = appraisal.purchases[index]?.price;
      return price ? [{ body, reservationOrderId: uuidv4(), price }] : [];
    }),
  };
  // The first look at an order is the one before anything of it is given back.
  for (const { before } of appraisal.returned) {
    session.orderVersions[before.order.reservation_order_id] ??= before.order.version;
  }
  commitWith(
    insertRefundSession(tx, {
      partner_id: customer.partner_id,
      session_id: sessionId,
      customer_id: customer.customer_id,
      kind: 'exchange',
      request: session,
      result,
      created_on: now,
      expires_on: sessionEnd(now),
    }),
  );
  return result;
}

/**
 * Exchanges what a session was made for, at its amounts. A session that was used answers the same and does nothing.
 * @throws ApiError RefundSessionExpired, and what {@link exchangeReservations} throws
 */
export async function exchangeUnderSession(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  sessionId: string,
): Promise<ExchangeResult> {
  const session = await findRefundSession(tx, act.partnerId, sessionId, 'exchange');
  if (!session) throw new ApiError('RefundSessionExpired');
  const { customer, now } = await lockCustomer(tx, act.partnerId, session.customer_id);
  if (!customer) throw new ApiError('RefundSessionExpired');
  const { returns, purchases, orderVersions } = session.request as ExchangeSession;
  const calculated = session.result as CalculateExchangeResult;
  if (await findRefund(tx, act.partnerId, session.customer_id, sessionId)) {
    const orders = purchases.map((one) => listReservationsOf(tx, act.partnerId, one.reservationOrderId));
    const bought = (await Promise.all(orders)).map(([first]) => first);
    return toExchangeResult(
      calculated,
      bought.filter((row): row is ReservationRow => row !== undefined),
    );
  }
  if (session.expires_on <= now) throw new ApiError('RefundSessionExpired');
  const promised: PromisedExchange = { sessionId, pricedAt: session.created_on, orderVersions, purchases };
  const wanted = { returns, purchases: purchases.map(({ body }) => readPurchaseRequest(body)) };
  const { made } = await exchangeReservations(tx, act, commitWith, { customer, now }, wanted, promised);
  return toExchangeResult(
    calculated,
    made.map(({ reservation }) => reservation),
  );
}
