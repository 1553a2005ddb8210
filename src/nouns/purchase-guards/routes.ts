import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { PermissionResourceName } from '../purchase-permissions/schemas.js';
import { PurchaseGuards, PurchaseGuardsUpdate } from './schemas.js';
import { getGuards, replaceGuards } from './service.js';

const One = Type.Object({ customer: Uuid, resource: PermissionResourceName });
const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ description: 'ETag as read last.' })) });

export const purchaseGuards: FastifyPluginAsyncTypebox<{ db: DatabaseHandle }> = async (app, { db }) => {
  const tags = ['Purchase permissions'];

  app.get(
    '/v1/customers/:customer/purchasepermissions/:resource/guards',
    {
      config: { access: { partner: READERS } },
      schema: {
        tags,
        operationId: 'getPurchaseGuards',
        summary: 'Get the guards of a purchase permission',
        description: 'Without limits, with the etag "0", while none were ever set.',
        params: One,
        response: { 200: ref(PurchaseGuards), ...refusals() },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      const partnerId = request.caller.tenantId;
      const guards = await db.lookUp(partnerId, (reading) => getGuards(reading, partnerId, { customerId, resource }));
      return reply.header('ETag', guards.attributes.etag).send(guards);
    },
  );

  app.put(
    '/v1/customers/:customer/purchasepermissions/:resource/guards',
    {
      config: { access: { partner: WRITERS }, strictBody: true },
      schema: {
        tags,
        operationId: 'putPurchaseGuards',
        summary: 'Replace the guards of a purchase permission',
        description:
          'The whole set: what is left out is no longer limited, `{}` lifts every limit. Once guards were set it needs their etag, as `If-Match` (stale: 412) or as `attributes.etag` (stale: 400, code 2055). What is already so is not changed and not logged.',
        params: One,
        headers: IfMatch,
        body: ref(PurchaseGuardsUpdate),
        response: { 200: ref(PurchaseGuards), ...refusals(409, 412, 413, 415, 428) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const { resource } = request.params;
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => {
        const ifMatch = request.headers['if-match'];
        const body = await replaceGuards(tx, act, commitWith, { customerId, resource }, request.body, ifMatch);
        return { status: 200, headers: { ETag: body.attributes.etag ?? '' }, body };
      });
    },
  );
};
