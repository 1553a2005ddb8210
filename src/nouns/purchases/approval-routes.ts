import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, PartnerDecision, ref, Uuid } from '../../http/schemas.js';
import { WRITERS } from '../../plugins/authorization.js';
import { decideOrder } from './approvals.js';
import type { PurchaseOptions } from './routes.js';
import { OrderDecision } from './schemas.js';

const DECISIONS = [
  {
    decision: 'approve',
    operationId: 'approveOrder',
    summary: 'Approve a purchase that waits',
    description:
      'It is bought now, at the price it was quoted at. What a purchase needs is judged again: 403 with every reason, and the order goes on waiting.',
  },
  {
    decision: 'decline',
    operationId: 'declineOrder',
    summary: 'Decline a purchase that waits',
    description: 'It is cancelled; nothing of it is paid.',
  },
] as const;

/** What the partner decides about purchases above the guard's threshold. The original has no such step. */
export const orderApprovals: FastifyPluginAsyncTypebox<PurchaseOptions> = async (app, { rules, events }) => {
  for (const { decision, ...texts } of DECISIONS) {
    app.post(
      `/v1/customers/:customer/orders/:order/${decision}`,
      {
        config: { access: { partner: WRITERS }, strictBody: true },
        schema: {
          tags: ['Orders'],
          ...texts,
          params: Type.Object({ customer: Uuid, order: Uuid }),
          body: ref(PartnerDecision),
          response: { 200: ref(OrderDecision), ...refusals(409, 413, 415) },
        },
      },
      async (request, reply) => {
        const customerId = lowerCaseUuid(request.params.customer);
        const orderId = lowerCaseUuid(request.params.order);
        const comment = request.body?.comment;
        return app.write(request, reply, request.caller.tenantId, (tx, act, commitWith) =>
          decideOrder(
            tx,
            act,
            commitWith,
            { rules, events },
            { customerId, orderId, decision, ...(comment !== undefined && { comment }) },
          ),
        );
      },
    );
  }
};
