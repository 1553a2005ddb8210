import { ApiError } from '../errors/api-error.js';

/**
 * What `$filter` of role assignments asks for
 * (https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest).
 */
export interface ArmFilter {
  /** At the scope or above it, nothing below. */
  atScope: boolean;
  /** Held by this principal itself; lower case. */
  principalId?: string;
  /** Held by this user or service principal, directly or through groups; lower case. */
  assignedTo?: string;
}

const MAX_FILTER_LENGTH = 1024;
const uuid = "'([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'";
const atScope = /^atScope ?\( ?\)$/i;
const principalId = new RegExp(`^principalId eq ?${uuid}$`, 'i');
const assignedTo = new RegExp(`^assignedTo ?\\( ?${uuid} ?\\)$`, 'i');

function invalid(): ApiError {
  return new ApiError('InvalidInput', {
    armCode: 'InvalidFilter',
    description:
      "The $filter is not supported. Supported: atScope(), principalId eq '{id}' and assignedTo('{id}'), each once, joined by and; the id is a GUID.",
  });
}

/**
 * Reads `$filter` of role assignments, names in any case.
 *
 * @throws ApiError InvalidInput, ARM code InvalidFilter
 */
export function parseArmFilter(text: string): ArmFilter {
  if (text.length > MAX_FILTER_LENGTH) throw invalid();
  const filter: ArmFilter = { atScope: false };
  for (const term of text
    .replace(/\s+/g, ' ')
    .trim()
    .split(/ ?\band /i)) {
    const principal = principalId.exec(term)?.[1]?.toLowerCase();
    const assignee = assignedTo.exec(term)?.[1]?.toLowerCase();
    if (atScope.test(term) && !filter.atScope) filter.atScope = true;
    else if (principal !== undefined && filter.principalId === undefined) filter.principalId = principal;
    else if (assignee !== undefined && filter.assignedTo === undefined) filter.assignedTo = assignee;
    else throw invalid();
  }
  return filter;
}
