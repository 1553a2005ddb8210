import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { partnerCenterCollection } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import type { Outcome } from '../../plugins/idempotency/plugin.js';
import { announceEligibility } from '../purchase-permissions/service.js';
import {
  cancelEntitlement,
  type EntitlementKey,
  type EntitlementResult,
  entitlementOf,
  reactivateEntitlement,
} from './azure-entitlements.js';
import { createEntitlement } from './create-entitlement.js';
import { findMarket, findSubscription, listAzureSubscriptions } from './queries.js';
import { OneSubscription, type SubscriptionOptions, subscriptionKey } from './routes.js';
import {
  AzureEntitlement,
  AzureEntitlementCancellation,
  AzureEntitlementCollection,
  AzureEntitlementCreate,
} from './schemas.js';
import { entitlementsOf, type SubscriptionKey } from './service.js';
import { toAzureEntitlement } from './wire.js';

const OneEntitlement = Type.Object({ customer: Uuid, subscription: Uuid, entitlement: Uuid });

function entitlementKey(params: { customer: string; subscription: string; entitlement: string }): EntitlementKey {
  return { ...subscriptionKey(params), entitlementId: lowerCaseUuid(params.entitlement) };
}

/** An Azure plan's Azure subscriptions. */
export const azureEntitlements: FastifyPluginAsyncTypebox<SubscriptionOptions> = async (app, options) => {
  const { db, rules, events } = options;
  const tags = ['Subscriptions'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  async function read(partnerId: string, { customerId, subscriptionId }: SubscriptionKey) {
    const [market, subscription, azureSubscriptions] = await db.lookUp(partnerId, (reading) =>
      Promise.all([
        findMarket(reading, partnerId, customerId),
        findSubscription(reading, partnerId, customerId, subscriptionId),
        listAzureSubscriptions(reading, partnerId, customerId, subscriptionId),
      ]),
    );
    if (market === undefined) throw new ApiError('CustomerNotFound');
    if (!subscription) throw new ApiError('SubscriptionNotFound');
    return { subscription, azureSubscriptions };
  }

  const answer = (partnerId: string, customerId: string, result: EntitlementResult, status = 200): Outcome => ({
    status,
    body: result.entitlement,
    committed: () => announceEligibility(events, partnerId, customerId, result.changes),
  });

  app.get(
    '/v1/customers/:customer/subscriptions/:subscription/azureEntitlements',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listAzureEntitlements',
        summary: 'List the Azure subscriptions of an Azure plan',
        description: 'All of them in one answer. A subscription of another offer has none.',
        params: OneSubscription,
        response: { 200: ref(AzureEntitlementCollection), ...refusals() },
      },
    },
    async (request) => {
      const key = subscriptionKey(request.params);
      const { subscription, azureSubscriptions } = await read(request.caller.tenantId, key);
      return partnerCenterCollection(
        entitlementsOf(subscription, azureSubscriptions).map((row) => toAzureEntitlement(row, key.subscriptionId)),
      );
    },
  );

  app.post(
    '/v1/customers/:customer/subscriptions/:subscription/azureEntitlements',
    {
      config: { ...writable, strictBody: true },
      schema: {
        tags,
        operationId: 'createAzureEntitlement',
        summary: 'Add an Azure subscription to an Azure plan',
        description:
          "Not in the original, where Azure creates it. The partner's AdminAgents group is its Owner; a user of the customer too where one is named.",
        params: OneSubscription,
        body: ref(AzureEntitlementCreate),
        response: { 201: ref(AzureEntitlement), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const key = subscriptionKey(request.params);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) =>
        answer(partnerId, key.customerId, await createEntitlement(tx, act, commitWith, rules, key, request.body), 201),
      );
    },
  );

  app.get(
    '/v1/customers/:customer/subscriptions/:subscription/azureEntitlements/:entitlement',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getAzureEntitlement',
        summary: 'Get an Azure subscription of an Azure plan',
        params: OneEntitlement,
        response: { 200: ref(AzureEntitlement), ...refusals() },
      },
    },
    async (request) => {
      const key = entitlementKey(request.params);
      const row = entitlementOf(await read(request.caller.tenantId, key), key.entitlementId);
      return toAzureEntitlement(row, key.subscriptionId);
    },
  );

  app.post(
    '/v1/customers/:customer/subscriptions/:subscription/azureEntitlements/:entitlement/cancel',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'cancelAzureEntitlement',
        summary: 'Cancel an Azure subscription',
        description: 'Inactive at once; the original takes about ten minutes.',
        params: OneEntitlement,
        body: ref(AzureEntitlementCancellation),
        response: { 200: ref(AzureEntitlement), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const key = entitlementKey(request.params);
      const { cancellationReason } = request.body;
      return app.write(request, reply, partnerId, async (tx, act, commitWith) =>
        answer(partnerId, key.customerId, await cancelEntitlement(tx, act, commitWith, rules, key, cancellationReason)),
      );
    },
  );

  app.post(
    '/v1/customers/:customer/subscriptions/:subscription/azureEntitlements/:entitlement/reactivate',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'reactivateAzureEntitlement',
        summary: 'Reactivate a cancelled Azure subscription',
        description: 'Active at once, hence 200; the original accepts it with 202.',
        params: OneEntitlement,
        response: { 200: ref(AzureEntitlement), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const key = entitlementKey(request.params);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) =>
        answer(partnerId, key.customerId, await reactivateEntitlement(tx, act, commitWith, rules, key)),
      );
    },
  );
};
