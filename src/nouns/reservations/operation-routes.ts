import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { findVisibleOrder } from './access.js';
import { readOrderId, TAGS, VersionQuery } from './addresses.js';
import type { ReservationOptions } from './options.js';
import { CapacityOperationList, CapacityOperationResult } from './schemas.js';
import { hasLapsed, stateOfOrder } from './wire.js';

/** Seconds until a purchase that waits for a person is worth another look. */
const RETRY_AFTER = '60';

const OPERATIONS = [
  ['reservationOrders', 'read', 'Read', 'Read all reservations'],
  ['reservationOrders', 'write', 'Write', 'Change a reservation'],
].map(([resource, action, operation = '', description = '']) => ({
  name: `Microsoft.Capacity/${resource}/${action}`,
  isDataAction: false,
  display: { provider: 'Microsoft Capacity', resource: 'Reservation Orders', operation, description },
  origin: 'user,system',
}));

export const operationRoutes: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, { db, now }) => {
  app.get(
    '/providers/Microsoft.Capacity/operationResults/:operationId',
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'getCapacityOperationResult',
        summary: 'Tell what became of a purchase',
        description:
          'The id is that of the reservation order. 202 and `InProgress` while it waits for the approval of the partner; `Failed` when that was declined or did not come in time.',
        params: Type.Object({ operationId: Type.String({ description: 'GUID', maxLength: 100 }) }),
        querystring: VersionQuery,
        response: {
          200: ref(CapacityOperationResult),
          202: { ...ref(CapacityOperationResult), description: 'It is not settled yet.' },
          ...armRefusals(),
        },
      },
    },
    async (request, reply) => {
      const name = readOrderId(request.params.operationId);
      const at = now();
      const action = 'Microsoft.Capacity/reservationOrders/read';
      const { order } = await findVisibleOrder(db, request.caller, name, action, at);
      const id = `/providers/Microsoft.Capacity/operationResults/${name}`;
      const state = stateOfOrder(order, at);
      if (state === 'PendingBilling') {
        return reply
          .code(202)
          .header('Retry-After', RETRY_AFTER)
          .send({ id, name, status: 'InProgress' as const });
      }
      if (state === 'Succeeded') return reply.code(200).send({ id, name, status: 'Succeeded' as const });
      const message = hasLapsed(order, at)
        ? 'The partner did not approve the purchase in time. Buy again.'
        : 'The reservation order is cancelled. Ask the partner why, or buy again.';
      return reply.code(200).send({ id, name, status: 'Failed' as const, error: { code: 'OperationFailed', message } });
    },
  );

  app.get(
    '/providers/Microsoft.Capacity/operations',
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'listCapacityOperations',
        summary: 'List the actions on reservations that roles can allow',
        querystring: VersionQuery,
        response: { 200: ref(CapacityOperationList), ...armRefusals() },
      },
    },
    async () => ({ value: OPERATIONS }),
  );
};
