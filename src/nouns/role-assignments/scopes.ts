import type { ScopeLevel } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { isUuid } from '../../lib/uuid.js';

/** A scope of Azure role-based access control (https://learn.microsoft.com/azure/role-based-access-control/scope-overview). */
export interface Scope {
  level: ScopeLevel;
  /** As it is echoed: `/subscriptions/{id}/resourceGroups/{name}…`; `/` for the tenant. */
  path: string;
  /** The path in lower case: ARM compares scopes without case. */
  key: string;
  azureSubscriptionId: string | null;
  managementGroup: string | null;
  /** Keys of the scopes above it within its Azure subscription, nearest first. */
  parents: readonly string[];
}

/** The parts of a scope as path parameters hold them, decoded. */
export interface ScopeParams {
  subscriptionId?: string;
  resourceGroup?: string;
  namespace?: string;
  resourceType?: string;
  resourceName?: string;
  childType?: string;
  childName?: string;
  managementGroup?: string;
}

export const ROOT = '/';

export function managementGroupKey(name: string): string {
  return `/providers/microsoft.management/managementgroups/${name.toLowerCase()}`;
}

/** @throws ApiError InvalidInput, ARM code InvalidSubscriptionId */
export function readSubscriptionId(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidSubscriptionId',
    description: `The provided subscription identifier '${text}' is malformed or invalid.`,
  });
}

/** @throws ApiError InvalidInput, ARM code InvalidSubscriptionId */
export function scopeOf(params: ScopeParams): Scope {
  if (params.managementGroup !== undefined) {
    const path = `/providers/Microsoft.Management/managementGroups/${params.managementGroup}`;
    return made('management_group', [path], { managementGroup: params.managementGroup.toLowerCase() });
  }
  if (params.subscriptionId === undefined) return made('root', [ROOT], {});
  const azureSubscriptionId = readSubscriptionId(params.subscriptionId);
  const paths = [`/subscriptions/${azureSubscriptionId}`];
  const { resourceGroup, namespace, resourceType, resourceName, childType, childName } = params;
  if (resourceGroup === undefined) return made('subscription', paths, { azureSubscriptionId });
  paths.push(`${paths.at(-1)}/resourceGroups/${resourceGroup}`);
  if (resourceName === undefined) return made('resource_group', paths, { azureSubscriptionId });
  paths.push(`${paths.at(-1)}/providers/${namespace}/${resourceType}/${resourceName}`);
  if (childName !== undefined) paths.push(`${paths.at(-1)}/${childType}/${childName}`);
  return made('resource', paths, { azureSubscriptionId });
}

/** @param paths outermost first; the last one is the scope itself */
function made(
  level: ScopeLevel,
  paths: readonly string[],
  of: { azureSubscriptionId?: string; managementGroup?: string },
): Scope {
  const path = paths.at(-1) ?? ROOT;
  return {
    level,
    path,
    key: path.toLowerCase(),
    azureSubscriptionId: of.azureSubscriptionId ?? null,
    managementGroup: of.managementGroup ?? null,
    parents: paths
      .slice(0, -1)
      .reverse()
      .map((parent) => parent.toLowerCase()),
  };
}

/** An Azure subscription and the names of the management groups above it, root first. */
export interface SubscriptionChain {
  azureSubscriptionId: string;
  managementGroups: readonly string[];
}

/**
 * Keys of the scope and all above it, nearest first. Undefined for a management group that is not above any of the
 * subscriptions and is not the tenant's own root group, which is named by the tenant id.
 */
export function scopeKeysAtAndAbove(
  scope: Scope,
  chains: readonly SubscriptionChain[],
  tenantId: string,
): string[] | undefined {
  if (scope.level === 'root') return [ROOT];
  if (scope.managementGroup === null) {
    const groups = chains.find((chain) => chain.azureSubscriptionId === scope.azureSubscriptionId)?.managementGroups;
    return [scope.key, ...scope.parents, ...[...(groups ?? [])].reverse().map(managementGroupKey), ROOT];
  }
  for (const { managementGroups } of chains) {
    const keys = managementGroups.map(managementGroupKey);
    const depth = keys.indexOf(scope.key);
    if (depth >= 0) return [...keys.slice(0, depth + 1).reverse(), ROOT];
  }
  return scope.managementGroup === tenantId ? [scope.key, ROOT] : undefined;
}

/** Which scopes a list covers; what any member names is in. */
export interface Coverage {
  /** Exact scope keys. */
  keys: readonly string[];
  /** Azure subscriptions with everything in them. */
  azureSubscriptionIds: readonly string[];
  /** Everything below this key. */
  below?: string;
  everything?: boolean;
}

/** At the scope and above it, and unless `atScope` below it too. */
export function coverageOf(
  scope: Scope,
  atAndAbove: readonly string[],
  chains: readonly SubscriptionChain[],
  atScope: boolean,
): Coverage {
  if (atScope) return { keys: atAndAbove, azureSubscriptionIds: [] };
  switch (scope.level) {
    case 'root':
      return { keys: [], azureSubscriptionIds: [], everything: true };
    case 'management_group': {
      const inside = chains.flatMap((chain) => {
        const keys = chain.managementGroups.map(managementGroupKey);
        const depth = keys.indexOf(scope.key);
        return depth < 0 ? [] : [{ id: chain.azureSubscriptionId, groups: keys.slice(depth) }];
      });
      return {
        keys: [...new Set([...atAndAbove, ...inside.flatMap(({ groups }) => groups)])],
        azureSubscriptionIds: inside.map(({ id }) => id),
      };
    }
    case 'subscription':
      return { keys: atAndAbove, azureSubscriptionIds: scope.azureSubscriptionId ? [scope.azureSubscriptionId] : [] };
    default:
      return { keys: atAndAbove, azureSubscriptionIds: [], below: scope.key };
  }
}

/** At, above and below each of the subscriptions. */
export function coverageOfSubscriptions(chains: readonly SubscriptionChain[]): Coverage {
  if (chains.length === 0) return { keys: [], azureSubscriptionIds: [] };
  const groups = chains.flatMap((chain) => chain.managementGroups.map(managementGroupKey));
  return {
    keys: [...new Set(groups), ROOT],
    azureSubscriptionIds: chains.map((chain) => chain.azureSubscriptionId),
  };
}
