import { type Static, Type } from 'typebox';
import { ApiError } from '../../errors/api-error.js';
import { textEnum, Uuid } from '../../http/schemas.js';
import { type AppliedScope, SHARED } from './create.js';

export const AppliedScopeTypeName = textEnum(['Single', 'Shared', 'ManagementGroup'], {
  description: 'Where the discount applies.',
});

export const AppliedScopeProperties = Type.Object(
  {
    tenantId: Type.Optional(Uuid),
    managementGroupId: Type.Optional(Type.String({ maxLength: 260 })),
    subscriptionId: Type.Optional(Type.String({ maxLength: 260, examples: ['/subscriptions/{id}'] })),
    resourceGroupId: Type.Optional(
      Type.String({ maxLength: 400, examples: ['/subscriptions/{id}/resourceGroups/{name}'] }),
    ),
    displayName: Type.Optional(Type.String({ maxLength: 260 })),
  },
  { $id: 'AppliedScopeProperties', description: 'A single scope: a subscription or a resource group.' },
);

export interface WantedScope {
  appliedScopeType?: 'Single' | 'Shared' | 'ManagementGroup' | undefined;
  /** The deprecated form. */
  appliedScopes?: readonly string[] | undefined;
  appliedScopeProperties?: Static<typeof AppliedScopeProperties> | undefined;
}

const SINGLE =
  /^\/subscriptions\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\/resourceGroups\/([\p{L}\p{N}_.()-]{1,90}))?\/?$/iu;

/**
 * Reads a scope as a request writes it; none at all is a shared one.
 * @throws ApiError InvalidInput, ARM codes MissingAppliedScopesForSingle, InvalidSingleAppliedScopesCount,
 *   AppliedScopesNotAssociatedWithCommerceAccount
 */
export function readAppliedScope(wanted: WantedScope): AppliedScope {
  const { appliedScopeType: type = 'Shared', appliedScopes = [], appliedScopeProperties: properties } = wanted;
  if (type === 'Shared') return SHARED;
  if (type === 'ManagementGroup') {
    throw new ApiError('InvalidInput', {
      armCode: 'AppliedScopesNotAssociatedWithCommerceAccount',
      description:
        'A reservation billed through a partner cannot apply to a management group: the subscriptions in it are not all in the billing scope. Use Shared or Single.',
    });
  }
  const named = properties?.resourceGroupId ?? properties?.subscriptionId;
  if (named === undefined && appliedScopes.length === 0) {
    throw new ApiError('InvalidInput', {
      armCode: 'MissingAppliedScopesForSingle',
      description: 'A single scope has to be named, in appliedScopeProperties.subscriptionId or resourceGroupId.',
    });
  }
  if (named === undefined && appliedScopes.length > 1) {
    throw new ApiError('InvalidInput', {
      armCode: 'InvalidSingleAppliedScopesCount',
      description: 'A single scope is one subscription or resource group. Send one, or use Shared.',
    });
  }
  const match = SINGLE.exec(named ?? appliedScopes[0] ?? '');
  if (!match) {
    throw new ApiError('InvalidInput', {
      armCode: 'BadRequest',
      description: 'The scope has to be /subscriptions/{id} or /subscriptions/{id}/resourceGroups/{name}.',
    });
  }
  const [, subscription = '', group] = match;
  return {
    type: 'Single',
    scope: `/subscriptions/${subscription.toLowerCase()}${group === undefined ? '' : `/resourceGroups/${group}`}`,
    tenantId: null,
    displayName: properties?.displayName ?? null,
  };
}

/** The Azure subscription that a single scope is in; undefined for a shared one. */
export function subscriptionOf(scope: AppliedScope): string | undefined {
  return scope.scope?.split('/')[2];
}

/** The Azure subscription of a scope as a request writes it; undefined: it is no single scope. */
export function readSubscription(scope: string): string | undefined {
  return SINGLE.exec(scope)?.[1]?.toLowerCase();
}
