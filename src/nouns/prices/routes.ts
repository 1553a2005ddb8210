import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { replacePriceBook, toPriceBook, toPriceBookVersion } from './price-book.js';
import { findPriceBook, findPriceBookVersion, listPriceBookVersions } from './queries.js';
import { PriceBook, PriceBookUpdate, PriceBookVersion, PriceBookVersionCollection } from './schemas.js';

export interface PriceBookOptions {
  db: DatabaseHandle;
  tokens: TokenCodec;
  now: () => Date;
}

/** What the partner's customers pay. Margins and costs are the partner's own: a customer sees its prices alone. */
export const priceBook: FastifyPluginAsyncTypebox<PriceBookOptions> = async (app, { db, tokens, now }) => {
  const tags = ['Price book'];
  const readable = { access: { partner: READERS } };

  app.get(
    '/v1/pricebook',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getPriceBook',
        summary: 'Get the price book',
        description: 'The version in force. Without one, customers pay retail in USD.',
        response: { 200: ref(PriceBook), ...refusals() },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const body = toPriceBook(await db.lookUp(partnerId, (reading) => findPriceBook(reading, partnerId)));
      return reply.header('ETag', body.attributes.etag).send(body);
    },
  );

  app.put(
    '/v1/pricebook',
    {
      config: { access: { partner: WRITERS }, strictBody: true },
      schema: {
        tags,
        operationId: 'putPriceBook',
        summary: 'Replace the price book',
        description:
          'The whole book, as a new version; what was quoted or bought before keeps its price. Once there is a book, `If-Match` or `attributes.etag` is needed: 428 without, 412 when it is an older one.',
        headers: Type.Object({
          'if-match': Type.Optional(Type.String({ description: 'ETag as read last; a stale one is 412.' })),
        }),
        body: ref(PriceBookUpdate),
        response: { 200: ref(PriceBook), ...refusals(409, 412, 413, 415, 428) },
      },
    },
    async (request, reply) =>
      app.write(request, reply, request.caller.tenantId, async (tx, act) => {
        const body = await replacePriceBook(tx, act, request.body, request.headers['if-match'], now());
        return { status: 200, headers: { ETag: body.attributes.etag ?? '' }, body };
      }),
  );

  app.get(
    '/v1/pricebook/versions',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listPriceBookVersions',
        summary: 'List the versions of the price book',
        description: 'Newest first, without their entries.',
        querystring: Type.Object({
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
          ...pagingQuery,
        }),
        response: { 200: ref(PriceBookVersionCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const page = openPage<{ size?: number }, number>(tokens, request, 'listPriceBookVersions', ['size']);
      const { size = 100 } = page.query;
      const before = page.position;
      const rows = await db.lookUp(partnerId, (reading) =>
        listPriceBookVersions(reading, partnerId, { ...(before !== undefined && { before }), limit: size + 1 }),
      );
      const shown = rows.slice(0, size);
      const last = rows.length > size ? shown.at(-1) : undefined;
      return partnerCenterPage({
        items: shown.map(toPriceBookVersion),
        path: '/pricebook/versions',
        query: { size: page.query.size },
        nextToken: last && page.seal(last.version),
      });
    },
  );

  app.get(
    '/v1/pricebook/versions/:version',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getPriceBookVersion',
        summary: 'Get a version of the price book',
        params: Type.Object({ version: Type.Integer({ minimum: 1 }) }),
        response: { 200: ref(PriceBookVersion), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const { version } = request.params;
      const row = await db.lookUp(partnerId, (reading) => findPriceBookVersion(reading, partnerId, version));
      if (!row) throw new ApiError('PriceBookVersionNotFound');
      return toPriceBookVersion(row);
    },
  );
};
