import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, PartnerDecision, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import type { RefundFee } from '../refunds/rules.js';
import { findVisibleOrder } from '../reservations/access.js';
import { approveChangeRequest, declineChangeRequest } from './decide-change-request.js';
import type { ChangeRequestPosition, ChangeRequestRow } from './queries.js';
import { ChangeRequest, ChangeRequestCollection, ChangeRequestCreate, ChangeRequestStatus } from './schemas.js';
import { demandOwnTenant, fileChangeRequest, getVisibleChangeRequest, listVisibleChangeRequests } from './service.js';
import { toChangeRequest } from './view.js';

export interface ChangeRequestOptions {
  db: DatabaseHandle;
  tokens: TokenCodec;
  fees: readonly RefundFee[];
  now: () => Date;
}

interface Filter {
  status?: ChangeRequestRow['status'];
  size?: number;
}

const Customer = Type.Object({ customer: Uuid });
const One = Type.Object({ customer: Uuid, request: Uuid });

export const changeRequests: FastifyPluginAsyncTypebox<ChangeRequestOptions> = async (app, options) => {
  const { db, tokens, fees, now } = options;
  const tags = ['Change requests'];
  const readable = { access: { partner: READERS, customer: true } };

  app.get(
    '/v1/customers/:customer/changerequests',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listChangeRequests',
        summary: "List a customer's change requests",
        description: "Newest first. The customer's users see those of their tenant, at each of its partners.",
        params: Customer,
        querystring: Type.Object({
          status: Type.Optional(ChangeRequestStatus),
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
          ...pagingQuery,
        }),
        response: { 200: ref(ChangeRequestCollection), ...refusals() },
      },
    },
    async (request) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const route = `listChangeRequests ${customerId}`;
      const page = openPage<Filter, ChangeRequestPosition>(tokens, request, route, ['status', 'size']);
      const { status, size = 100 } = page.query;
      const { rows, next } = await listVisibleChangeRequests(db, request.caller, customerId, {
        ...(status && { status }),
        ...(page.position && { after: page.position }),
        size,
      });
      return partnerCenterPage({
        items: rows.map(toChangeRequest),
        path: `/customers/${customerId}/changerequests`,
        query: { status, size: page.query.size },
        nextToken: next && page.seal(next),
      });
    },
  );

  app.get(
    '/v1/customers/:customer/changerequests/:request',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getChangeRequest',
        summary: 'Get a change request',
        params: One,
        response: { 200: ref(ChangeRequest), ...refusals() },
      },
    },
    async (request, reply) => {
      const { customerId, changeRequestId } = keyOf(request.params);
      const row = toChangeRequest(await getVisibleChangeRequest(db, request.caller, customerId, changeRequestId));
      return reply.header('ETag', row.attributes.etag).send(row);
    },
  );

  app.post(
    '/v1/customers/:customer/changerequests',
    {
      config: { access: { customer: true, appOnly: false }, strictBody: true },
      schema: {
        tags,
        operationId: 'createChangeRequest',
        summary: 'File a change request: exchange, cancel, renew or rescope a reservation',
        description:
          'By a user of the customer who may manage the reservation. One request of a kind can be open for a reservation (409). Nothing is changed before the partner approves.',
        params: Customer,
        body: ref(ChangeRequestCreate),
        response: { 201: ref(ChangeRequest), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      demandOwnTenant(request.caller, customerId);
      const { body } = request;
      const reservationOrderId = lowerCaseUuid(body.reservationOrderId);
      const { partnerId } = await findVisibleOrder(
        db,
        request.caller,
        reservationOrderId,
        'Microsoft.Capacity/reservationOrders/write',
        now(),
      );
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const made = await fileChangeRequest(tx, act, commitWith, customerId, body);
        return { status: 201, headers: { ETag: made.attributes.etag ?? '' }, body: made };
      });
    },
  );

  app.post(
    '/v1/customers/:customer/changerequests/:request/approve',
    {
      config: { access: { partner: WRITERS }, strictBody: true },
      schema: {
        tags,
        operationId: 'approveChangeRequest',
        summary: 'Approve a change request: do what it asks for',
        description:
          'At the prices of now; calculateRefund and calculateExchange tell them before. Where it is refused, as over the limit of returns, the request stays open. What was decided stays decided (409).',
        params: One,
        body: ref(PartnerDecision),
        response: { 200: ref(ChangeRequest), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => {
        const key = keyOf(request.params);
        const body = await approveChangeRequest(tx, act, commitWith, fees, key, request.body ?? {});
        return { status: 200, headers: { ETag: body.attributes.etag ?? '' }, body };
      }),
  );

  app.post(
    '/v1/customers/:customer/changerequests/:request/decline',
    {
      config: { access: { partner: WRITERS }, strictBody: true },
      schema: {
        tags,
        operationId: 'declineChangeRequest',
        summary: 'Decline a change request',
        description: 'Nothing is changed. What was decided stays decided (409).',
        params: One,
        body: ref(PartnerDecision),
        response: { 200: ref(ChangeRequest), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => {
        const key = keyOf(request.params);
        const body = await declineChangeRequest(tx, act, commitWith, key, request.body ?? {});
        return { status: 200, headers: { ETag: body.attributes.etag ?? '' }, body };
      }),
  );
};

function keyOf(params: { customer: string; request: string }) {
  return { customerId: lowerCaseUuid(params.customer), changeRequestId: lowerCaseUuid(params.request) };
}
