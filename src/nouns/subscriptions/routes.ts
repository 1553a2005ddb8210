import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { batchByKey } from '../../db/batch-by-key.js';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { quoted } from '../../http/etag.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { announceEligibility, type PermissionRules } from '../purchase-permissions/service.js';
import { findMarket, findSubscription, loadSubscriptions } from './queries.js';
import { Subscription, SubscriptionCollection, SubscriptionRegistrationStatus, SubscriptionUpdate } from './schemas.js';
import { changeSubscription, registerSubscription, type SubscriptionKey } from './service.js';
import { type SubscriptionRow, subscriptionEtag, toRegistrationStatus, toSubscription } from './wire.js';

export interface SubscriptionOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
}

const Customer = Type.Object({ customer: Uuid });
export const OneSubscription = Type.Object({ customer: Uuid, subscription: Uuid });
const IfMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'ETag as read last; a stale one is 412.' })),
});

export function subscriptionKey(params: { customer: string; subscription: string }): SubscriptionKey {
  return { customerId: lowerCaseUuid(params.customer), subscriptionId: lowerCaseUuid(params.subscription) };
}

export const subscriptions: FastifyPluginAsyncTypebox<SubscriptionOptions> = async (app, options) => {
  const { db, rules, events } = options;
  const findSubscriptions = batchByKey(db.lookUpAlone, loadSubscriptions);
  const tags = ['Subscriptions'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  async function read(partnerId: string, key: SubscriptionKey): Promise<[SubscriptionRow, string]> {
    const [market, row] = await db.lookUp(partnerId, (reading) =>
      Promise.all([
        findMarket(reading, partnerId, key.customerId),
        findSubscription(reading, partnerId, key.customerId, key.subscriptionId),
      ]),
    );
    if (market === undefined) throw new ApiError('CustomerNotFound');
    if (!row) throw new ApiError('SubscriptionNotFound');
    return [row, market];
  }

  app.get(
    '/v1/customers/:customer/subscriptions',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listSubscriptions',
        summary: "List a customer's subscriptions",
        description: 'All of them in one answer, oldest first; those of one order or of one reseller where asked for.',
        params: Customer,
        querystring: Type.Object({
          order_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
          mpn_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
        }),
        response: { 200: ref(SubscriptionCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const { order_id: orderId, mpn_id: mpnId } = request.query;
      const found = await findSubscriptions(partnerId, customerId);
      if (!found) throw new ApiError('CustomerNotFound');
      const wanted = found.rows.filter(
        (row) => (orderId ?? row.order_id) === row.order_id && (mpnId ?? row.mpn_id) === row.mpn_id,
      );
      return partnerCenterPage({
        items: wanted.map((row) => toSubscription(row, found.market)),
        path: `/customers/${customerId}/subscriptions`,
        query: { order_id: orderId, mpn_id: mpnId },
      });
    },
  );

  app.get(
    '/v1/customers/:customer/subscriptions/:subscription',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getSubscription',
        summary: 'Get a subscription',
        params: OneSubscription,
        response: { 200: ref(Subscription), ...refusals() },
      },
    },
    async (request, reply) => {
      const [row, market] = await read(request.caller.tenantId, subscriptionKey(request.params));
      return reply.header('ETag', quoted(subscriptionEtag(row))).send(toSubscription(row, market));
    },
  );

  app.patch(
    '/v1/customers/:customer/subscriptions/:subscription',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'updateSubscription',
        summary: 'Update a subscription: suspend, reactivate, rename, auto-renew, quantity',
        description:
          'Takes the whole resource back; what is read-only is ignored, what is already so is not changed and not logged. A stale `If-Match` is 412, a stale `attributes.etag` is 400 with code 2055, neither is needed.',
        params: OneSubscription,
        headers: IfMatch,
        body: ref(SubscriptionUpdate),
        response: { 200: ref(Subscription), ...refusals(409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const key = subscriptionKey(request.params);
      const { body } = request;
      if (body.id !== undefined && body.id.toLowerCase() !== key.subscriptionId) {
        throw new ApiError('InvalidProperty', { data: ['body/id is not the subscription of the address.'] });
      }
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const ifMatch = request.headers['if-match'];
        const { subscription, changes } = await changeSubscription(tx, act, commitWith, rules, key, body, ifMatch);
        return {
          status: 200,
          headers: { ETag: quoted(subscription.attributes.etag ?? '') },
          body: subscription,
          committed: () => announceEligibility(events, partnerId, key.customerId, changes),
        };
      });
    },
  );

  app.post(
    '/v1/customers/:customer/subscriptions/:subscription/registrations',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'registerSubscription',
        summary: 'Register an Azure plan or MS-AZR-0145P for reservation purchases',
        description:
          'The body is empty, `null` or `{}`. `Location` is the registration status, relative and without /v1.',
        params: OneSubscription,
        response: {
          202: Type.Null({ description: 'Registered.', headers: { Location: { type: 'string' } } }),
          ...refusals(409, 413, 415),
        },
      },
    },
    async (request, reply) => {
      const key = subscriptionKey(request.params);
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => {
        await registerSubscription(tx, act, commitWith, key);
        const location = `/customers/${key.customerId}/subscriptions/${key.subscriptionId}/registrationstatus`;
        return { status: 202, headers: { Location: location } };
      });
    },
  );

  app.get(
    '/v1/customers/:customer/subscriptions/:subscription/registrationstatus',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getSubscriptionRegistrationStatus',
        summary: 'Get the registration status of a subscription',
        params: OneSubscription,
        response: { 200: ref(SubscriptionRegistrationStatus), ...refusals() },
      },
    },
    async (request) => {
      const [row] = await read(request.caller.tenantId, subscriptionKey(request.params));
      return toRegistrationStatus(row);
    },
  );
};
