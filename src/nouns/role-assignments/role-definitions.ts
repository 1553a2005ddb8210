import { ApiError } from '../../errors/api-error.js';
import { isUuid } from '../../lib/uuid.js';
import { BUILT_IN_ROLES, type BuiltInRole, findBuiltInRole } from './built-in-roles.js';

const ROLE_DEFINITION_ID = /\/providers\/Microsoft\.Authorization\/roleDefinitions\/([^/]+)$/i;

/** What `$filter` of role definitions asks for (https://learn.microsoft.com/azure/role-based-access-control/role-definitions-list). */
export interface RoleDefinitionFilter {
  /** Lower case. */
  roleName?: string;
  /** Lower case: `builtinrole` or `customrole`. */
  type?: string;
}

const MAX_FILTER_LENGTH = 1024;
const TERM = /^(?:(atScopeAndBelow|atScope) ?\( ?\)|(roleName|type) eq ?'((?:[^']|'')*)')(?: and (?=\S)|$)/i;

/**
 * Reads `$filter` of role definitions: `roleName eq '…'`, `type eq '…'`, `atScopeAndBelow()` and `atScope()`, joined by
 * and. The last two change nothing: there are built-in roles only, and those are everywhere the same.
 *
 * @throws ApiError InvalidInput, ARM code InvalidFilter
 */
export function parseRoleDefinitionFilter(text: string): RoleDefinitionFilter {
  const filter: RoleDefinitionFilter = {};
  let rest = text.trim().replace(/\s+/g, ' ');
  if (text.length > MAX_FILTER_LENGTH || rest === '') throw invalid();
  while (rest !== '') {
    const match = TERM.exec(rest);
    if (match === null) throw invalid();
    const [term, , field, value] = match;
    if (field !== undefined && value !== undefined) {
      const name = field.toLowerCase() === 'type' ? 'type' : 'roleName';
      if (filter[name] !== undefined) throw invalid();
      filter[name] = value.replaceAll("''", "'").toLowerCase();
    }
    rest = rest.slice(term.length);
  }
  return filter;
}

function invalid(): ApiError {
  return new ApiError('InvalidInput', {
    armCode: 'InvalidFilter',
    description:
      "The $filter is not supported. Supported: roleName eq '{name}', type eq '{type}', atScopeAndBelow() and atScope(), each once, joined by and.",
  });
}

/** The roles that can be assigned at scopes of subscriptions and management groups, and pass the filter. */
export function listRoleDefinitions(filter: RoleDefinitionFilter): BuiltInRole[] {
  if (filter.type !== undefined && filter.type !== 'builtinrole') return [];
  return BUILT_IN_ROLES.filter(
    (role) =>
      role.assignableScope === '/' && (filter.roleName === undefined || role.name.toLowerCase() === filter.roleName),
  );
}

/**
 * The role that a role definition's id names, whatever scope qualifies the id.
 * @throws ApiError InvalidInput, RoleDefinitionNotFound
 */
export function readAssignableRole(roleDefinitionId: string, scopePath: string): BuiltInRole {
  const id = ROLE_DEFINITION_ID.exec(roleDefinitionId)?.[1]?.toLowerCase();
  if (id === undefined || !isUuid(id)) {
    throw new ApiError('InvalidInput', {
      armCode: 'InvalidRoleDefinitionId',
      description:
        'properties.roleDefinitionId is not the id of a role definition. It ends in /providers/Microsoft.Authorization/roleDefinitions/{guid}.',
    });
  }
  const role = findBuiltInRole(id);
  if (!role) {
    throw new ApiError('RoleDefinitionNotFound', {
      description: `The specified role definition with ID '${id}' does not exist.`,
    });
  }
  if (role.assignableScope !== '/') {
    throw new ApiError('InvalidInput', {
      armCode: 'RoleAssignmentScopeNotAssignableToRoleDefinition',
      description: `The given role assignment scope '${scopePath}' is not assignable to role definition '${role.name}'. It is assignable at ${role.assignableScope}.`,
    });
  }
  return role;
}
