import type { DatabaseHandle, Reading } from '../../../db/connect.js';
import { ApiError } from '../../../errors/api-error.js';
import { isUuid } from '../../../lib/uuid.js';
import type { Caller } from '../../../plugins/authentication.js';
import { listGroupsOf, listPartnersOf } from '../../identity/queries.js';
import { type Action, authorizationFailed, mayPerform, type Rights } from '../rights.js';
import { type Scope, type SubscriptionChain, scopeKeysAtAndAbove } from '../scopes.js';
import {
  type FoundSubscription,
  findAdminAgentsGroup,
  findAzureSubscription,
  findUser,
  listAzureSubscriptions,
  listDenials,
  listHeldRoles,
} from './queries.js';

/** Where a scope is: whose rows it belongs to, and what is above it. */
export interface Target {
  partnerId: string;
  customerId: string;
  scope: Scope;
  /** Keys of the scope and of all above it. */
  atAndAbove: readonly string[];
  /** The Azure subscriptions that the scope may reach into. */
  chains: readonly SubscriptionChain[];
  /** As the caller was when the rows were found: good for reading. A write looks again. */
  holder: Holder;
}

/** How the caller appears in the customer's directory. */
export interface Holder {
  /** `foreign`: an AdminAgent of the partner, through the partner's group and nothing else. */
  kind: 'home' | 'foreign';
  /** Empty: the caller can hold nothing there. */
  principalIds: readonly string[];
}

/** A subscription that is not there, is of another tenant or of another partner: all the same answer. */
export function subscriptionNotFound(azureSubscriptionId: string): ApiError {
  return new ApiError('SubscriptionNotFound', {
    description: `The subscription '${azureSubscriptionId}' could not be found.`,
  });
}

/** The partners whose rows the caller may ask for: itself, or those that the caller's tenant is a customer of. */
export async function partnersOf(db: DatabaseHandle, caller: Caller): Promise<string[]> {
  if (caller.kind === 'partner') return [caller.tenantId];
  return listPartnersOf(db, caller.tenantId);
}

/**
 * Finds the rows that a scope is made of. A customer's subscription is looked for at each of its partners; the one that
 * it was bought through comes first.
 * @param tenantId the `tenantId` parameter: names the customer where the scope does not, for partners
 * @throws ApiError SubscriptionNotFound; RoleLacksRights for a management group or tenant that is not known
 */
export async function locate(
  db: DatabaseHandle,
  caller: Caller,
  scope: Scope,
  action: Action,
  tenantId: string | undefined,
): Promise<Target> {
  const partnerIds = await partnersOf(db, caller);
  if (scope.azureSubscriptionId !== null) return locateSubscription(db, caller, scope, partnerIds);
  const named = scope.managementGroup ?? '';
  const customerId =
    caller.kind === 'customer' ? caller.tenantId : (tenantId?.toLowerCase() ?? (isUuid(named) ? named : undefined));
  for (const partnerId of customerId === undefined ? [] : partnerIds) {
    const [chains, holder] = await db.lookUp(partnerId, (reading) =>
      Promise.all([
        listAzureSubscriptions(reading, partnerId, customerId ?? ''),
        findHolder(reading, caller, partnerId),
      ]),
    );
    const atAndAbove = scopeKeysAtAndAbove(scope, chains, customerId ?? '');
    if (customerId !== undefined && atAndAbove) return { partnerId, customerId, scope, atAndAbove, chains, holder };
  }
  throw authorizationFailed(caller, action, scope.path);
}

async function locateSubscription(
  db: DatabaseHandle,
  caller: Caller,
  scope: Scope,
  partnerIds: readonly string[],
): Promise<Target> {
  const id = scope.azureSubscriptionId ?? '';
  let nearest: { partnerId: string; found: FoundSubscription; holder: Holder } | undefined;
  for (const partnerId of partnerIds) {
    const [found, holder] = await db.lookUp(partnerId, (reading) =>
      Promise.all([findAzureSubscription(reading, partnerId, id), findHolder(reading, caller, partnerId)]),
    );
    if (!found || (caller.kind === 'customer' && found.customerId !== caller.tenantId)) continue;
    if (!nearest || (nearest.found.subscriptionId === null && found.subscriptionId !== null)) {
      nearest = { partnerId, found, holder };
    }
  }
  const atAndAbove = nearest && scopeKeysAtAndAbove(scope, [nearest.found], nearest.found.customerId);
  if (!nearest || !atAndAbove) throw subscriptionNotFound(id);
  const { partnerId, found, holder } = nearest;
  return { partnerId, customerId: found.customerId, scope, atAndAbove, chains: [found], holder };
}

/**
 * A partner's AdminAgent acts as a member of the partner's AdminAgents group, "admin on behalf of"
 * (https://learn.microsoft.com/partner-center/customers/revoke-reinstate-csp): its other agents are nobody there. A user of the
 * customer acts by its own id and its groups', unless the account is disabled or deleted.
 */
export async function findHolder(db: Reading, caller: Caller, partnerId: string): Promise<Holder> {
  if (caller.kind === 'partner') {
    const group = caller.roles.has('AdminAgent') ? await findAdminAgentsGroup(db, partnerId) : null;
    return { kind: 'foreign', principalIds: group === null ? [] : [group] };
  }
  const { tenantId, objectId } = caller;
  const [user, groups] = await Promise.all([
    findUser(db, partnerId, tenantId, objectId),
    listGroupsOf(db, partnerId, tenantId, objectId),
  ]);
  const gone = user !== undefined && (user.account_state !== 'active' || user.deleted_on !== null);
  return { kind: 'home', principalIds: gone ? [] : [objectId, ...groups] };
}

/** What the caller may do; the caller's groups are looked up anew, as under the locks of a write. */
export async function loadRights(
  db: Reading,
  caller: Caller,
  target: Pick<Target, 'partnerId' | 'customerId'>,
): Promise<Rights> {
  return loadRightsOf(db, { ...target, holder: await findHolder(db, caller, target.partnerId) });
}

/** What the holder may do; its statements are issued at once. */
export async function loadRightsOf(
  db: Reading,
  target: Pick<Target, 'partnerId' | 'customerId' | 'holder'>,
): Promise<Rights> {
  const { partnerId, customerId, holder } = target;
  const { kind, principalIds } = holder;
  const [roles, denials] = await Promise.all([
    listHeldRoles(db, partnerId, customerId, principalIds, kind),
    listDenials(db, partnerId, customerId),
  ]);
  return { principalIds, roles, denials };
}

/** @throws ApiError RoleLacksRights, ARM code AuthorizationFailed */
export function demand(action: Action, caller: Caller, target: Target, rights: Rights, now: Date): void {
  if (!mayPerform(action, target.atAndAbove, rights, now)) {
    throw authorizationFailed(caller, action, target.scope.path);
  }
}
