import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { ApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { ref, textEnum } from '../../http/schemas.js';
import { openArmPage } from '../role-assignments/arm-paging.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { findVisibleOrder } from './access.js';
import { listQuery, ONE_ORDER, ORDERS, OrderParams, readOrderId, SkipToken, TAGS, VersionQuery } from './addresses.js';
import { listVisibleOrders } from './list.js';
import type { ReservationOptions } from './options.js';
import { findOrderIds, listReservationsOf } from './queries.js';
import {
  ChangeDirectoryRequest,
  ChangeDirectoryResponse,
  MergeRequest,
  ReservationList,
  ReservationOrderList,
  ReservationOrderResponse,
  ReservationResponses,
  SplitRequest,
} from './schemas.js';
import { mergeReservations, splitReservation } from './split-merge.js';
import { toReservation, toReservationOrder } from './wire.js';

const PAGE_SIZE = 100;
const READ = 'Microsoft.Capacity/reservationOrders/read';
const WRITE = 'Microsoft.Capacity/reservationOrders/write';

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation-order */
export const orderRoutes: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, options) => {
  const { db, now } = options;

  app.get(
    ORDERS,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'listReservationOrders',
        summary: 'List the reservation orders the caller can see',
        description:
          "A partner's agents see those of all its customers, or of the one that `tenantId` names. A customer's users see what they bought or could own then, all of the tenant with a role over it, from every partner.",
        querystring: listQuery(SkipToken),
        response: { 200: ref(ReservationOrderList), ...armRefusals() },
      },
    },
    async (request) => {
      const { caller, query } = request;
      const page = openArmPage(options, request, 'reservationOrders');
      const viewer = { caller, tenantId: query.tenantId?.toLowerCase(), now: now() };
      const { value, next } = await listVisibleOrders(db, viewer, { after: page.after, take: PAGE_SIZE });
      return page.answer(ORDERS, value, next);
    },
  );

  app.get(
    ONE_ORDER,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'getReservationOrder',
        summary: 'Get a reservation order',
        params: OrderParams,
        querystring: Type.Object({
          ...ApiVersion,
          $expand: Type.Optional(textEnum(['schedule'], { description: 'Adds `planInformation` with the payments.' })),
        }),
        response: { 200: ref(ReservationOrderResponse), ...armRefusals() },
      },
    },
    async (request) => {
      const id = readOrderId(request.params.reservationOrderId);
      const at = now();
      const { partnerId, order } = await findVisibleOrder(db, request.caller, id, READ, at);
      const rows = await db.lookUp(partnerId, (reading) => listReservationsOf(reading, partnerId, id));
      return toReservationOrder(order, rows, at, { expand: request.query.$expand });
    },
  );

  app.get(
    `${ONE_ORDER}/reservations`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'listReservationsOfOrder',
        summary: 'List the reservations of an order',
        description: 'All of them, oldest first, those that were split, merged or returned too.',
        params: OrderParams,
        querystring: VersionQuery,
        response: { 200: ref(ReservationList), ...armRefusals() },
      },
    },
    async (request) => {
      const id = readOrderId(request.params.reservationOrderId);
      const at = now();
      const { partnerId, order } = await findVisibleOrder(db, request.caller, id, READ, at);
      return db.read(partnerId, async (reading) => {
        const rows = await listReservationsOf(reading, partnerId, id);
        const orderIds = await findOrderIds(reading, partnerId, rows);
        return { value: rows.map((row) => toReservation(order, row, at, { orderIds })) };
      });
    },
  );

  app.post(
    `${ONE_ORDER}/split`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'splitReservation',
        summary: 'Split a reservation',
        description:
          'Answers the parts, then what was split. The parts end when it would have; an automatic renewal is cancelled.',
        params: OrderParams,
        querystring: VersionQuery,
        body: ref(SplitRequest),
        response: { 200: ref(ReservationResponses), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const reservationOrderId = readOrderId(request.params.reservationOrderId);
      const { partnerId, order } = await findVisibleOrder(db, request.caller, reservationOrderId, WRITE, now());
      const key = { customerId: order.customer_id, reservationOrderId };
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => ({
        status: 200,
        body: await splitReservation(tx, act, commitWith, key, request.body),
      }));
    },
  );

  app.post(
    `${ONE_ORDER}/merge`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'mergeReservations',
        summary: 'Merge reservations of one order',
        description: 'Answers what was merged, then what it became. An automatic renewal is cancelled.',
        params: OrderParams,
        querystring: VersionQuery,
        body: ref(MergeRequest),
        response: { 200: ref(ReservationResponses), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const reservationOrderId = readOrderId(request.params.reservationOrderId);
      const { partnerId, order } = await findVisibleOrder(db, request.caller, reservationOrderId, WRITE, now());
      const key = { customerId: order.customer_id, reservationOrderId };
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => ({
        status: 200,
        body: await mergeReservations(tx, act, commitWith, key, request.body),
      }));
    },
  );

  app.post(
    `${ONE_ORDER}/changeDirectory`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'changeReservationDirectory',
        summary: 'Move a reservation order to another tenant: always refused',
        description: 'What a partner bought for a customer, or lets it buy, belongs to the tenant of that customer.',
        params: OrderParams,
        querystring: VersionQuery,
        body: ref(ChangeDirectoryRequest),
        response: { 200: ref(ChangeDirectoryResponse), ...armRefusals(409, 413, 415) },
      },
    },
    async (request) => {
      const id = readOrderId(request.params.reservationOrderId);
      await findVisibleOrder(db, request.caller, id, READ, now());
      throw new ApiError('ChangeDirectoryNotSupported');
    },
  );
};
