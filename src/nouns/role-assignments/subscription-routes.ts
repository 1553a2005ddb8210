import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { locate } from './access/access.js';
import { openArmPage } from './arm-paging.js';
import type { RoleAssignmentOptions } from './options.js';
import { authorizationFailed } from './rights.js';
import { ArmSubscription, ArmSubscriptionListResult } from './schemas.js';
import { ANY_CALLER } from './scope-shapes.js';
import { scopeOf } from './scopes.js';
import { listSubscriptions } from './service.js';
import { toArmSubscription } from './view.js';

/** What `az login` asks for first, and what an owner looks up (https://learn.microsoft.com/rest/api/resources/subscriptions). */
export const armSubscriptions: FastifyPluginAsyncTypebox<RoleAssignmentOptions> = async (
  app,
  { db, tokens, now, publicUrl },
) => {
  const tags = ['Role assignments'];

  app.get(
    '/subscriptions',
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: 'listArmSubscriptions',
        summary: 'List the Azure subscriptions the caller can see',
        description: 'Those at, above or below which the caller or one of its groups holds a role.',
        querystring: Type.Object({
          ...ApiVersion,
          $skipToken: Type.Optional(Type.String({ description: 'From `nextLink`.' })),
        }),
        response: { 200: ref(ArmSubscriptionListResult), ...armRefusals() },
      },
    },
    async (request) => {
      const page = openArmPage({ tokens, publicUrl }, request, 'subscriptions');
      const { after } = page;
      const { rows, next } = await listSubscriptions(db, request.caller, {
        ...(after !== undefined && { after }),
        now: now(),
      });
      return page.answer('/subscriptions', rows.map(toArmSubscription), next);
    },
  );

  app.get(
    '/subscriptions/:subscriptionId',
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: 'getArmSubscription',
        summary: 'Get an Azure subscription',
        params: Type.Object({
          subscriptionId: Type.String({ description: 'Id of the Azure subscription.', maxLength: 100 }),
        }),
        querystring: Type.Object(ApiVersion),
        response: { 200: ref(ArmSubscription), ...armRefusals() },
      },
    },
    async (request) => {
      const { caller } = request;
      const action = 'Microsoft.Resources/subscriptions/read';
      const { scope } = await locate(db, caller, scopeOf(request.params), action, undefined);
      const azureSubscriptionId = scope.azureSubscriptionId ?? '';
      const [row] = (await listSubscriptions(db, caller, { azureSubscriptionId, now: now() })).rows;
      if (!row) throw authorizationFailed(caller, action, scope.path);
      return toArmSubscription(row);
    },
  );
};
