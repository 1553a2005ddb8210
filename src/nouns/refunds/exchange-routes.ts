import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { armRefusals } from '../../http/responses.js';
import { lowerCaseUuid, ref } from '../../http/schemas.js';
import { demandPartner } from '../reservations/access.js';
import { readReservationPath, TAGS, VersionQuery } from '../reservations/addresses.js';
import { findReservationOrder } from '../reservations/queries.js';
import { calculateExchange, exchangeUnderSession } from './exchange-session.js';
import type { Units } from './given-back.js';
import { PARTNER_ALONE, type RefundOptions } from './options.js';
import { CalculateExchangeRequest, CalculateExchangeResult, ExchangeRequest, ExchangeResult } from './schemas.js';

/** @throws ApiError InvalidInput: nothing to buy, savings plans, a reservation named twice */
function readExchange({ properties }: CalculateExchangeRequest): Units[] {
  if ((properties.savingsPlansToPurchase ?? []).length > 0) {
    throw new ApiError('InvalidInput', {
      description: 'Savings plans are not sold here. Leave savingsPlansToPurchase out and name reservations.',
    });
  }
  if ((properties.reservationsToPurchase ?? []).length === 0) {
    throw new ApiError('InvalidInput', {
      description: 'An exchange needs something to buy. Name it in reservationsToPurchase, or return the reservation.',
    });
  }
  const returns = properties.reservationsToExchange.map(({ reservationId, quantity }) => ({
    ...readReservationPath(reservationId),
    quantity,
  }));
  if (new Set(returns.map((one) => one.reservationId)).size < returns.length) {
    throw new ApiError('InvalidInput', {
      description: 'A reservation is named twice in reservationsToExchange. Name it once, with the whole quantity.',
    });
  }
  return returns;
}

export const exchanges: FastifyPluginAsyncTypebox<RefundOptions> = async (app, { db }) => {
  const common = { tags: TAGS, querystring: VersionQuery };

  /** The customer that the reservations are of. @throws ApiError ReservationOrderNotFound, InvalidInput */
  async function customerOf(partnerId: string, returns: readonly Units[]): Promise<string> {
    const orders = await db.lookUp(partnerId, (reading) =>
      Promise.all(returns.map((one) => findReservationOrder(reading, partnerId, one.reservationOrderId))),
    );
    const [customerId, ...others] = new Set(orders.map((order) => order?.customer_id));
    if (orders.includes(undefined) || customerId === undefined) throw new ApiError('ReservationOrderNotFound');
    if (others.length === 0) return customerId;
    throw new ApiError('InvalidInput', {
      description: 'The reservations are of several customers. Exchange those of one customer at a time.',
    });
  }

  app.post(
    '/providers/Microsoft.Capacity/calculateExchange',
    {
      config: PARTNER_ALONE,
      schema: {
        ...common,
        operationId: 'calculateExchange',
        summary: 'Calculate an exchange of reservations',
        description:
          'Of one customer and one product family; the new ones come to at least what is left of the old ones. The amounts can be had for 30 minutes under the session id, as long as nothing of the orders changes.',
        body: ref(CalculateExchangeRequest),
        response: { 200: ref(CalculateExchangeResult), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      demandPartner(request.caller);
      const partnerId = request.caller.tenantId;
      const returns = readExchange(request.body);
      const purchases = request.body.properties.reservationsToPurchase ?? [];
      const customerId = await customerOf(partnerId, returns);
      return app.write(request, reply, partnerId, async (tx, _act, commitWith) => {
        const { customer, now } = await lockCustomer(tx, partnerId, customerId);
        if (!customer) throw new ApiError('ReservationOrderNotFound');
        const body = await calculateExchange(tx, commitWith, { customer, now }, returns, purchases);
        return { status: 200, body };
      });
    },
  );

  app.post(
    '/providers/Microsoft.Capacity/exchange',
    {
      config: PARTNER_ALONE,
      schema: {
        ...common,
        operationId: 'exchangeReservations',
        summary: 'Exchange reservations',
        description:
          'Under a live session of calculateExchange, at its amounts. Done at once, all of it or nothing; the same session again gets the same answer and does nothing.',
        body: ref(ExchangeRequest),
        response: { 200: ref(ExchangeResult), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      demandPartner(request.caller);
      const sessionId = lowerCaseUuid(request.body.properties.sessionId);
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 200,
        body: await exchangeUnderSession(tx, act, commitWith, sessionId),
      }));
    },
  );
};
