import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import type { Caller } from '../../plugins/authentication.js';
import { locate } from './access/access.js';
import { findBuiltInRole } from './built-in-roles.js';
import type { RoleAssignmentOptions } from './options.js';
import { listRoleDefinitions, parseRoleDefinitionFilter } from './role-definitions.js';
import { RoleDefinition, RoleDefinitionListResult } from './schemas.js';
import { ANY_CALLER, ArmQuery, type ScopeShape } from './scope-shapes.js';
import { type Scope, type ScopeParams, scopeOf } from './scopes.js';
import { demandRoleDefinitionsRead } from './service.js';
import { toRoleDefinition } from './view.js';

/** The built-in roles, at one form of scope. At the tenant anybody may read them: they are the same everywhere. */
export const roleDefinitions: FastifyPluginAsyncTypebox<RoleAssignmentOptions & { shape: ScopeShape }> = async (
  app,
  { db, now, shape },
) => {
  const tags = ['Role assignments'];
  const path = `${shape.path}/providers/Microsoft.Authorization/roleDefinitions`;

  async function demandRead(caller: Caller, scope: Scope, tenantId: string | undefined): Promise<void> {
    if (scope.level === 'root') return;
    const target = await locate(db, caller, scope, 'Microsoft.Authorization/roleDefinitions/read', tenantId);
    await demandRoleDefinitionsRead(db, caller, target, now());
  }

  app.get(
    path,
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: `list${shape.name}RoleDefinitions`,
        summary: `List the roles that can be assigned at ${shape.title}`,
        description:
          "`$filter`: `roleName eq '{name}'`, `type eq 'BuiltInRole'`, `atScopeAndBelow()`, joined by `and`.",
        params: Type.Object({ ...shape.params }),
        querystring: Type.Object({ ...ArmQuery, $filter: Type.Optional(Type.String()) }),
        response: { 200: ref(RoleDefinitionListResult), ...armRefusals() },
      },
    },
    async (request) => {
      const scope = scopeOf(request.params as ScopeParams);
      const { $filter, tenantId } = request.query;
      await demandRead(request.caller, scope, tenantId);
      const filter = $filter === undefined ? {} : parseRoleDefinitionFilter($filter);
      return { value: listRoleDefinitions(filter).map((role) => toRoleDefinition(role, scope.path)) };
    },
  );

  app.get(
    `${path}/:roleDefinitionId`,
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: `get${shape.name}RoleDefinition`,
        summary: `Get a role definition at ${shape.title}`,
        params: Type.Object({
          ...shape.params,
          roleDefinitionId: Type.String({ description: 'GUID of the role', maxLength: 100 }),
        }),
        querystring: Type.Object(ArmQuery),
        response: { 200: ref(RoleDefinition), ...armRefusals() },
      },
    },
    async (request) => {
      const params = request.params as ScopeParams & { roleDefinitionId: string };
      const scope = scopeOf(params);
      await demandRead(request.caller, scope, request.query.tenantId);
      const role = findBuiltInRole(params.roleDefinitionId.toLowerCase());
      if (!role) {
        throw new ApiError('RoleDefinitionNotFound', {
          description: `The specified role definition with ID '${params.roleDefinitionId}' does not exist.`,
        });
      }
      return toRoleDefinition(role, scope.path);
    },
  );
};
