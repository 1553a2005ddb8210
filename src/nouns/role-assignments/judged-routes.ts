import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { PermissionResource } from '../../db/tables.js';
import { openPage, pagingQuery } from '../../http/page-tokens.js';
import { partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS } from '../../plugins/authorization.js';
import type { RoleAssignmentOptions } from './options.js';
import { JudgedRoleAssignmentCollection } from './schemas.js';
import { listJudgedRoleAssignments } from './service.js';
import { toJudgedRoleAssignment } from './view.js';

/** The partner's view: the same rows, each with a verdict. The original has nothing like it. */
export const customerRoleAssignments: FastifyPluginAsyncTypebox<RoleAssignmentOptions> = async (
  app,
  { db, rules, tokens, now },
) => {
  app.get(
    '/v1/customers/:customer/subscriptions/:subscription/roleassignments',
    {
      config: { access: { partner: READERS } },
      schema: {
        tags: ['Role assignments'],
        operationId: 'listCustomerRoleAssignments',
        summary: "List role assignments, each with whether it counts as the customer's Owner",
        description:
          'Those at, above and below the Azure subscriptions of an Azure plan or MS-AZR-0145P, or of one Azure subscription. Also those that are to be activated first, and those that have ended.',
        params: Type.Object({
          customer: Uuid,
          subscription: Type.String({ ...Uuid, description: 'Id of the subscription, or of an Azure subscription.' }),
        }),
        querystring: Type.Object({
          resource: Type.Optional(
            textEnum(['AzureReservedInstances', 'AzureSavingsPlan'], {
              description: 'What is to be bought; default AzureReservedInstances.',
            }),
          ),
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
          ...pagingQuery,
        }),
        response: { 200: ref(JudgedRoleAssignmentCollection), ...refusals() },
      },
    },
    async (request) => {
      const customerId = lowerCaseUuid(request.params.customer);
      const subscriptionId = lowerCaseUuid(request.params.subscription);
      const path = `/customers/${customerId}/subscriptions/${subscriptionId}/roleassignments`;
      const page = openPage<Filter, string>(tokens, request, path, ['resource', 'size']);
      const { resource = 'AzureReservedInstances', size = 100 } = page.query;
      const { rows, next } = await listJudgedRoleAssignments(db, request.caller.tenantId, {
        customerId,
        subscriptionId,
        resource,
        size,
        purchaserRoles: rules.purchaserRoles,
        ...(page.position !== undefined && { after: page.position }),
        now: now(),
      });
      return partnerCenterPage({
        items: rows.map(({ row, verdict, principalName }) => toJudgedRoleAssignment(row, verdict, principalName)),
        path,
        query: { resource: page.query.resource, size: page.query.size },
        nextToken: next === undefined ? undefined : page.seal(next),
      });
    },
  );
};

interface Filter {
  resource?: PermissionResource;
  size?: number;
}
