import type { Reading } from '../../db/connect.js';
import type { PrincipalType } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import type { Target } from './access/access.js';
import { findAdminAgentsGroup, findUser, groupExists } from './access/queries.js';

export interface Principal {
  id: string;
  /** The type it has in the directory, or as the partner's group; undefined: not there. */
  type: PrincipalType | undefined;
}

export async function loadPrincipal(db: Reading, { partnerId, customerId }: Target, id: string): Promise<Principal> {
  const [adminAgents, user, isGroup] = await Promise.all([
    findAdminAgentsGroup(db, partnerId),
    findUser(db, partnerId, customerId, id),
    groupExists(db, partnerId, customerId, id),
  ]);
  if (adminAgents === id) return { id, type: 'ForeignGroup' };
  if (user?.deleted_on === null) return { id, type: 'User' };
  return { id, type: isGroup ? 'Group' : undefined };
}

/**
 * The type to store. Service principals are not kept here: one that is named as such is taken as it is.
 * @param tenantId the customer's, for the text of the refusal
 * @throws ApiError PrincipalNotFound, UnmatchedPrincipalType
 */
export function principalType(principal: Principal, sent: PrincipalType | undefined, tenantId: string): PrincipalType {
  const { id, type } = principal;
  if (type === undefined) {
    if (sent === 'ServicePrincipal') return sent;
    throw new ApiError('PrincipalNotFound', {
      description: `Principal ${id} does not exist in the directory ${tenantId}. Check that you have the correct principal ID. For a service principal, send principalType ServicePrincipal.`,
    });
  }
  if (sent === undefined || sent === type) return type;
  throw new ApiError('UnmatchedPrincipalType', {
    description: `The principal ${id} has type '${type}', which is different from specified PrincipalType '${sent}'.`,
  });
}
