import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { requireApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { lowerCaseUuid, ref } from '../../http/schemas.js';
import type { Caller } from '../../plugins/authentication.js';
import { demandPartner, findVisibleOrder } from '../reservations/access.js';
import {
  ONE_ORDER,
  OrderParams,
  readOrderId,
  readReservationPath,
  TAGS,
  VersionQuery,
} from '../reservations/addresses.js';
import { ReservationOrderResponse } from '../reservations/schemas.js';
import { toReservationOrder } from '../reservations/wire.js';
import { exchanges } from './exchange-routes.js';
import { refundLimits } from './limit-routes.js';
import { PARTNER_ALONE, type RefundOptions } from './options.js';
import { calculateRefund, returnUnderSession } from './refund-session.js';
import { CalculateRefundRequest, RefundRequest, RefundResponse, type ReservationToReturn } from './schemas.js';

/** What the partner gives back: returns, exchanges, and how much of both there may be. */
export const refunds: FastifyPluginAsyncTypebox<RefundOptions> = async (app, options) => {
  await app.register(async (arm) => {
    requireApiVersion(arm);
    await arm.register(returns, options);
    await arm.register(exchanges, options);
  });
  await app.register(refundLimits, options);
};

const returns: FastifyPluginAsyncTypebox<RefundOptions> = async (app, { db, fees, now }) => {
  const common = { tags: TAGS, params: OrderParams, querystring: VersionQuery };

  /** Where the order is. @throws ApiError PartnerOnly, and what findVisibleOrder throws */
  async function locate(caller: Caller, id: string) {
    const reservationOrderId = readOrderId(id);
    const action = 'Microsoft.Capacity/reservationOrders/read';
    const { partnerId, order } = await findVisibleOrder(db, caller, reservationOrderId, action, now());
    demandPartner(caller);
    return { partnerId, customerId: order.customer_id, reservationOrderId };
  }

  const unitsOf = (reservationOrderId: string, { reservationId, quantity }: ReservationToReturn) => ({
    ...readReservationPath(reservationId, reservationOrderId),
    quantity,
  });

  app.post(
    `${ONE_ORDER}/calculateRefund`,
    {
      config: PARTNER_ALONE,
      schema: {
        ...common,
        operationId: 'calculateRefund',
        summary: 'Calculate what returning a reservation pays back',
        description:
          'The amounts can be had for 30 minutes under the session id, as long as nothing of the order changes. Where the return would be refused there is no session, and `policyErrors` says why.',
        body: ref(CalculateRefundRequest),
        response: { 200: ref(RefundResponse), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { partnerId, customerId, reservationOrderId } = await locate(
        request.caller,
        request.params.reservationOrderId,
      );
      const units = unitsOf(reservationOrderId, request.body.properties.reservationToReturn);
      return app.write(request, reply, partnerId, async (tx, _act, commitWith) => {
        const { customer, now } = await lockCustomer(tx, partnerId, customerId);
        if (!customer) throw new ApiError('ReservationOrderNotFound');
        const body = await calculateRefund(tx, commitWith, fees, { customer, now }, units);
        return { status: 200, body };
      });
    },
  );

  app.post(
    `${ONE_ORDER}/return`,
    {
      config: PARTNER_ALONE,
      schema: {
        ...common,
        operationId: 'returnReservation',
        summary: 'Return a reservation',
        description:
          'Under a live session of calculateRefund for the same reservation and quantity, at its amounts. Done at once; the same session again answers the order and does nothing.',
        body: ref(RefundRequest),
        response: { 200: ref(ReservationOrderResponse), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { partnerId, customerId, reservationOrderId } = await locate(
        request.caller,
        request.params.reservationOrderId,
      );
      const { sessionId, reservationToReturn, returnReason } = request.body.properties;
      const wanted = {
        ...unitsOf(reservationOrderId, reservationToReturn),
        sessionId: lowerCaseUuid(sessionId),
        reason: returnReason ?? null,
      };
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const { customer, now } = await lockCustomer(tx, partnerId, customerId);
        if (!customer) throw new ApiError('ReservationOrderNotFound');
        const state = await returnUnderSession(tx, act, commitWith, fees, { customer, now }, wanted);
        return { status: 200, body: toReservationOrder(state.order, state.reservations, now) };
      });
    },
  );
};
