import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiVersion } from '../../http/api-version.js';
import { quoted } from '../../http/etag.js';
import { armRefusals } from '../../http/responses.js';
import { ref, textEnum } from '../../http/schemas.js';
import { openArmPage } from '../role-assignments/arm-paging.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { demandPartner, findVisibleOrder } from './access.js';
import {
  IfMatch,
  ONE_RESERVATION,
  ORDERS,
  ReservationParams,
  readIds,
  SkipToken,
  TAGS,
  VersionQuery,
} from './addresses.js';
import { readSubscription } from './applied-scope.js';
import { setArchived } from './archive.js';
import { pickReservation } from './change.js';
import type { ReservationOptions } from './options.js';
import { findOrderIds, listReservationsOf, listRevisions, listScopeSubscriptions } from './queries.js';
import {
  AvailableScopeProperties,
  AvailableScopeRequest,
  ReservationList,
  ReservationPatch,
  ReservationResponse,
} from './schemas.js';
import { isThePartners, updateOne } from './update.js';
import { toReservation, toRevision } from './wire.js';

const PAGE_SIZE = 100;
const READ = 'Microsoft.Capacity/reservationOrders/read';
const WRITE = 'Microsoft.Capacity/reservationOrders/write';

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation */
export const reservationRoutes: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, options) => {
  const { db, now } = options;
  const expand = Type.Optional(textEnum(['renewProperties'], { description: 'Adds what a renewal buys.' }));

  app.get(
    ONE_RESERVATION,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'getReservation',
        summary: 'Get a reservation',
        params: ReservationParams,
        querystring: Type.Object({ ...ApiVersion, $expand: expand, expand }),
        response: { 200: ref(ReservationResponse), ...armRefusals() },
      },
    },
    async (request, reply) => {
      const { reservationOrderId, reservationId } = readIds(request.params);
      const at = now();
      const { partnerId, order } = await findVisibleOrder(db, request.caller, reservationOrderId, READ, at);
      return db.read(partnerId, async (reading) => {
        const rows = await listReservationsOf(reading, partnerId, reservationOrderId);
        const row = pickReservation(rows, reservationId);
        const orderIds = await findOrderIds(reading, partnerId, [row]);
        const wanted = request.query.$expand ?? request.query.expand;
        reply.header('ETag', quoted(row.version));
        return toReservation(order, row, at, { expand: wanted, orderIds });
      });
    },
  );

  app.patch(
    ONE_RESERVATION,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'updateReservation',
        summary: 'Update a reservation: name, flexibility, review date; for the partner scope and renewal too',
        description:
          'A customer that asks for scope or renewal is refused whatever else the request changes. What is already so is not changed and not logged.',
        params: ReservationParams,
        querystring: VersionQuery,
        headers: IfMatch,
        body: ref(ReservationPatch),
        response: { 200: ref(ReservationResponse), ...armRefusals(409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const { caller, body } = request;
      const ids = readIds(request.params);
      const { partnerId, order } = await findVisibleOrder(db, caller, ids.reservationOrderId, WRITE, now());
      if (isThePartners(body)) demandPartner(caller);
      const key = { customerId: order.customer_id, ...ids };
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const reservation = await updateOne(tx, act, commitWith, key, body, request.headers['if-match']);
        return { status: 200, headers: { ETag: quoted(reservation.etag) }, body: reservation };
      });
    },
  );

  app.post(
    `${ONE_RESERVATION}/availableScopes`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'getAvailableScopes',
        summary: 'Tell which scopes a reservation can be applied to',
        description:
          'Valid is an active Azure subscription that this partner bought for the customer, or a resource group in it.',
        params: ReservationParams,
        querystring: VersionQuery,
        body: ref(AvailableScopeRequest),
        response: { 200: ref(AvailableScopeProperties), ...armRefusals(409, 413, 415) },
      },
    },
    async (request) => {
      const { reservationOrderId, reservationId } = readIds(request.params);
      const { partnerId, order } = await findVisibleOrder(db, request.caller, reservationOrderId, READ, now());
      const scopes = request.body.properties.scopes.map((scope) => ({ scope, subscription: readSubscription(scope) }));
      return db.read(partnerId, async (reading) => {
        const [rows, valid] = await Promise.all([
          listReservationsOf(reading, partnerId, reservationOrderId),
          listScopeSubscriptions(reading, partnerId, order.customer_id, [
            ...new Set(scopes.flatMap(({ subscription }) => subscription ?? [])),
          ]),
        ]);
        pickReservation(rows, reservationId);
        return {
          properties: {
            scopes: scopes.map(({ scope, subscription }) => ({ scope, valid: valid.has(subscription ?? '') })),
          },
        };
      });
    },
  );

  for (const archived of [true, false]) {
    const verb = archived ? 'archive' : 'unarchive';
    app.post(
      `${ONE_RESERVATION}/${verb}`,
      {
        config: ANY_CALLER,
        schema: {
          tags: TAGS,
          operationId: `${verb}Reservation`,
          summary: archived ? 'Archive a reservation that has ended' : 'Take a reservation out of the archive',
          params: ReservationParams,
          querystring: VersionQuery,
          response: { 200: Type.Null({ description: 'It is so.' }), ...armRefusals(409, 413, 415) },
        },
      },
      async (request, reply) => {
        const ids = readIds(request.params);
        const { partnerId, order } = await findVisibleOrder(db, request.caller, ids.reservationOrderId, WRITE, now());
        const key = { customerId: order.customer_id, ...ids };
        return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
          await setArchived(tx, act, commitWith, key, archived);
          return { status: 200 };
        });
      },
    );
  }

  app.get(
    `${ONE_RESERVATION}/revisions`,
    {
      config: ANY_CALLER,
      schema: {
        tags: TAGS,
        operationId: 'listReservationRevisions',
        summary: 'List what a reservation was',
        description: 'Newest first.',
        params: ReservationParams,
        querystring: Type.Object({ ...ApiVersion, ...SkipToken }),
        response: { 200: ref(ReservationList), ...armRefusals() },
      },
    },
    async (request) => {
      const { reservationOrderId, reservationId } = readIds(request.params);
      const at = now();
      const { partnerId, order } = await findVisibleOrder(db, request.caller, reservationOrderId, READ, at);
      const page = openArmPage(options, request, `revisions ${reservationId}`);
      return db.read(partnerId, async (reading) => {
        const row = pickReservation(await listReservationsOf(reading, partnerId, reservationOrderId), reservationId);
        const below = page.after === undefined ? undefined : Number(page.after);
        const found = await listRevisions(reading, partnerId, row, { below, limit: PAGE_SIZE + 1 });
        const shown = found.slice(0, PAGE_SIZE);
        const last = found.length > PAGE_SIZE ? shown.at(-1) : undefined;
        const path = `${ORDERS}/${reservationOrderId}/reservations/${reservationId}/revisions`;
        return page.answer(
          path,
          shown.map(({ content }) => toRevision(order, content)),
          last && String(last.version),
        );
      });
    },
  );
};
