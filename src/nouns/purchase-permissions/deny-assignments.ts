import type { PermissionResource } from '../../db/tables.js';
import type { AzureSubscriptionFact, DenyAssignmentFact } from './facts.js';

/**
 * What a purchase needs: calculatePrice and the PUT of the order, or the PUT of the savings plan order alias.
 * https://learn.microsoft.com/azure/role-based-access-control/permissions/general
 */
const PURCHASE_ACTIONS: Readonly<Record<PermissionResource, readonly string[]>> = {
  AzureReservedInstances: ['microsoft.capacity/calculateprice/action', 'microsoft.capacity/reservationorders/write'],
  AzureSavingsPlan: ['microsoft.billingbenefits/savingsplanorderaliases/write'],
};

/** Whether `*` patterns match, without case. Linear in both: never backtracks further than the last `*`. */
function matches(pattern: string, action: string): boolean {
  const wanted = pattern.toLowerCase();
  let p = 0;
  let a = 0;
  let star = -1;
  let resume = 0;
  while (a < action.length) {
    if (wanted[p] === '*') {
      star = p++;
      resume = a;
    } else if (wanted[p] === action[a]) {
      p++;
      a++;
    } else if (star >= 0) {
      p = star + 1;
      a = ++resume;
    } else {
      return false;
    }
  }
  while (wanted[p] === '*') p++;
  return p === wanted.length;
}

function blocksPurchase(deny: DenyAssignmentFact, resource: PermissionResource): boolean {
  return PURCHASE_ACTIONS[resource].some(
    (action) =>
      deny.actions.some((pattern) => matches(pattern, action)) &&
      !deny.notActions.some((pattern) => matches(pattern, action)),
  );
}

/** A scope as a key: ARM compares scopes without case, and a closing slash says nothing. */
function scopeKey(scope: string): string {
  return scope.length > 1 && scope.endsWith('/') ? scope.slice(0, -1).toLowerCase() : scope.toLowerCase();
}

function scopesAtAndAbove(azure: AzureSubscriptionFact): string[] {
  return [
    `/subscriptions/${azure.azureSubscriptionId}`,
    ...azure.managementGroups.map((name) => scopeKey(`/providers/Microsoft.Management/managementGroups/${name}`)),
    '/',
  ];
}

interface DeniedAtScope {
  everyone: DenyAssignmentFact | undefined;
  byPrincipal: Map<string, DenyAssignmentFact>;
}

/** The deny assignments that stop a purchase of one resource, by scope and principal. */
export class Denials {
  readonly #atScope = new Map<string, DeniedAtScope>();

  constructor(denyAssignments: readonly DenyAssignmentFact[], resource: PermissionResource) {
    for (const deny of denyAssignments) {
      if (!blocksPurchase(deny, resource)) continue;
      const key = scopeKey(deny.scope);
      let denied = this.#atScope.get(key);
      if (denied === undefined) {
        denied = { everyone: undefined, byPrincipal: new Map() };
        this.#atScope.set(key, denied);
      }
      if (deny.everyone) denied.everyone ??= deny;
      for (const principalId of deny.principalIds) denied.byPrincipal.set(principalId, deny);
    }
  }

  /** The one that keeps a holder of these ids (a user and its groups) from buying on the Azure subscription. */
  blocking(azure: AzureSubscriptionFact, principalIdsOf: () => readonly string[]): DenyAssignmentFact | undefined {
    if (this.#atScope.size === 0) return undefined;
    const principalIds = principalIdsOf();
    for (const scope of scopesAtAndAbove(azure)) {
      const denied = this.#atScope.get(scope);
      if (denied?.everyone) return denied.everyone;
      for (const principalId of principalIds) {
        const deny = denied?.byPrincipal.get(principalId);
        if (deny !== undefined) return deny;
      }
    }
    return undefined;
  }
}
