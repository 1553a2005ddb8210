import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { requireApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { isUuid } from '../../lib/uuid.js';
import { locate } from './access/access.js';
import { openArmPage } from './arm-paging.js';
import { putRoleAssignment, removeRoleAssignment } from './changes.js';
import { customerRoleAssignments } from './judged-routes.js';
import type { RoleAssignmentOptions } from './options.js';
import { roleDefinitions } from './role-definition-routes.js';
import { RoleAssignment, RoleAssignmentCreateParameters, RoleAssignmentListResult } from './schemas.js';
import { ANY_CALLER, ArmQuery, SCOPE_SHAPES, type ScopeShape } from './scope-shapes.js';
import { type ScopeParams, scopeOf } from './scopes.js';
import { getRoleAssignment, listRoleAssignments } from './service.js';
import { armSubscriptions } from './subscription-routes.js';
import { assignmentsPath, toRoleAssignment } from './view.js';

/** @throws ApiError InvalidInput, ARM code InvalidRoleAssignmentId */
function readName(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidRoleAssignmentId',
    description: `The role assignment ID '${text.slice(0, 100)}' is not valid. The role assignment ID must be a GUID.`,
  });
}

/** Azure Resource Manager's face of role assignments, and Partner Center's view of the same rows. */
export const roleAssignments: FastifyPluginAsyncTypebox<RoleAssignmentOptions> = async (app, options) => {
  await app.register(async (arm) => {
    requireApiVersion(arm);
    await arm.register(armSubscriptions, options);
    for (const shape of SCOPE_SHAPES) {
      await arm.register(assignmentsAt, { ...options, shape });
      await arm.register(roleDefinitions, { ...options, shape });
    }
  });
  await app.register(customerRoleAssignments, options);
};

const assignmentsAt: FastifyPluginAsyncTypebox<RoleAssignmentOptions & { shape: ScopeShape }> = async (
  app,
  { db, rules, events, tokens, now, publicUrl, shape },
) => {
  const tags = ['Role assignments'];
  const path = `${shape.path}/providers/Microsoft.Authorization/roleAssignments`;
  const one = {
    config: ANY_CALLER,
    schema: {
      tags,
      params: Type.Object({
        ...shape.params,
        roleAssignmentName: Type.String({ description: 'GUID', maxLength: 100 }),
      }),
      querystring: Type.Object(ArmQuery),
    },
  };
  type Params = ScopeParams & { roleAssignmentName: string };

  app.get(
    path,
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: `list${shape.name}RoleAssignments`,
        summary: `List the role assignments of ${shape.title}`,
        description:
          "Without `$filter` all that apply: inherited ones and those further down included. `atScope()` leaves out those further down; `principalId eq '{id}'` names the principal; `assignedTo('{id}')` finds what a user or service principal holds, through nested groups too.",
        params: Type.Object({ ...shape.params }),
        querystring: Type.Object({
          ...ArmQuery,
          $filter: Type.Optional(Type.String()),
          $skipToken: Type.Optional(Type.String({ description: 'From `nextLink`.' })),
        }),
        response: { 200: ref(RoleAssignmentListResult), ...armRefusals() },
      },
    },
    async (request) => {
      const scope = scopeOf(request.params as ScopeParams);
      const { caller, query } = request;
      const target = await locate(db, caller, scope, 'Microsoft.Authorization/roleAssignments/read', query.tenantId);
      const route = `roleAssignments ${target.customerId} ${scope.key}`;
      const page = openArmPage({ tokens, publicUrl }, request, route);
      const { filter, after } = page;
      const { rows, next } = await listRoleAssignments(db, caller, target, {
        ...(filter !== undefined && { filter }),
        ...(after !== undefined && { after }),
        now: now(),
      });
      return page.answer(assignmentsPath(scope.path), rows.map(toRoleAssignment), next);
    },
  );

  app.get(
    `${path}/:roleAssignmentName`,
    {
      ...one,
      schema: {
        ...one.schema,
        operationId: `get${shape.name}RoleAssignment`,
        summary: `Get a role assignment of ${shape.title}`,
        response: { 200: ref(RoleAssignment), ...armRefusals() },
      },
    },
    async (request) => {
      const params = request.params as Params;
      const { caller, query } = request;
      const name = readName(params.roleAssignmentName);
      const action = 'Microsoft.Authorization/roleAssignments/read';
      const target = await locate(db, caller, scopeOf(params), action, query.tenantId);
      return toRoleAssignment(await getRoleAssignment(db, caller, target, name, now()));
    },
  );

  app.put(
    `${path}/:roleAssignmentName`,
    {
      ...one,
      schema: {
        ...one.schema,
        operationId: `put${shape.name}RoleAssignment`,
        summary: `Assign a role at ${shape.title}`,
        description:
          '201 when it is new, 200 when there is one of this name: only description and condition can be changed. The same role for the same principal under another name is 409.',
        body: ref(RoleAssignmentCreateParameters),
        response: { 200: ref(RoleAssignment), 201: ref(RoleAssignment), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const params = request.params as Params;
      const { caller, query, body } = request;
      const name = readName(params.roleAssignmentName);
      const action = 'Microsoft.Authorization/roleAssignments/write';
      const target = await locate(db, caller, scopeOf(params), action, query.tenantId);
      return app.write(request, reply, target.partnerId, (tx, act, commitWith) =>
        putRoleAssignment({ tx, act, commitWith, caller, target, name, rules, events }, body),
      );
    },
  );

  app.delete(
    `${path}/:roleAssignmentName`,
    {
      ...one,
      schema: {
        ...one.schema,
        operationId: `delete${shape.name}RoleAssignment`,
        summary: `Remove a role assignment of ${shape.title}`,
        description: '200 with what was removed, 204 when it was not there.',
        response: {
          200: ref(RoleAssignment),
          204: Type.Null({ description: 'It was not there.' }),
          ...armRefusals(409, 413, 415),
        },
      },
    },
    async (request, reply) => {
      const params = request.params as Params;
      const { caller, query } = request;
      const name = readName(params.roleAssignmentName);
      const action = 'Microsoft.Authorization/roleAssignments/delete';
      const target = await locate(db, caller, scopeOf(params), action, query.tenantId);
      return app.write(request, reply, target.partnerId, (tx, act, commitWith) =>
        removeRoleAssignment({ tx, act, commitWith, caller, target, name, rules, events }),
      );
    },
  );
};
