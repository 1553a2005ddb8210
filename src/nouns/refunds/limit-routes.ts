import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS } from '../../plugins/authorization.js';
import { findCustomer } from '../customers/queries.js';
import { windowStart } from './appraise-return.js';
import type { RefundOptions } from './options.js';
import { getConsumedLimit, listLimitedRefunds } from './queries.js';
import { refundLimit } from './rules.js';
import { RefundLimit } from './schemas.js';
import { toRefundLimit } from './view.js';

const SHOWN_REFILLS = 100;

/** Own: the original shows the figure only where a refund is calculated, and never when it comes back. */
export const refundLimits: FastifyPluginAsyncTypebox<RefundOptions> = async (app, { db, now }) => {
  app.get(
    '/v1/customers/:customer/refundlimit',
    {
      config: { access: { partner: READERS } },
      schema: {
        tags: ['Reservations'],
        operationId: 'getRefundLimit',
        summary: 'Get how much commitment can still be cancelled by returns',
        description:
          'What returns of the last 365 days took of the limit, what is left, and when which part comes back.',
        params: Type.Object({ customer: Uuid }),
        response: { 200: ref(RefundLimit), ...refusals() },
      },
    },
    async (request) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const partnerId = request.caller.tenantId;
      const at = now();
      return db.read(partnerId, async (reading) => {
        const after = windowStart(at);
        const [customer, consumed, counted] = await Promise.all([
          findCustomer(reading, partnerId, customerId),
          getConsumedLimit(reading, partnerId, customerId, after),
          listLimitedRefunds(reading, partnerId, customerId, after, SHOWN_REFILLS),
        ]);
        if (!customer) throw new ApiError('CustomerNotFound');
        return toRefundLimit(customerId, refundLimit(at), consumed, counted);
      });
    },
  );
};
