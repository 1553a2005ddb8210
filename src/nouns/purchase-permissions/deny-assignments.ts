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
export function matches(pattern: string, action: string): boolean {
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

/** What stops purchases on an Azure subscription, nearest scope first. */
export class ReachingDenials {
  constructor(private readonly atScopes: readonly DeniedAtScope[]) {}

  /** The deny assignment that stops a holder of these ids: a user and its groups. */
  blocking(principalIdsOf: () => readonly string[]): DenyAssignmentFact | undefined {
    if (this.atScopes.length === 0) return undefined;
    const principalIds = principalIdsOf();
    for (const { everyone, byPrincipal } of this.atScopes) {
      if (everyone !== undefined) return everyone;
      for (const principalId of principalIds) {
        const deny = byPrincipal.get(principalId);
        if (deny !== undefined) return deny;
      }
    }
    return undefined;
  }
}

/** The deny assignments that stop a purchase of one resource, by scope and principal. */
export class Denials {
  readonly #atScope = new Map<string, DeniedAtScope>();
  readonly #reaching = new Map<string, ReachingDenials>();

  constructor(denyAssignments: readonly DenyAssignmentFact[], resource: PermissionResource) {
    for (const deny of denyAssignments) {
      if (!blocksPurchase(deny, resource)) continue;
      const key = scopeKey(deny.scope);
      let denied = this.#atScope.get(key);
      if (denied === undefined) {
        denied = { everyone: undefined, byPrincipal: new Map() };
        this.#atScope.set(key, denied);
      }
      if (deny.everyone) denied.everyone = deny;
      for (const principalId of deny.principalIds) denied.byPrincipal.set(principalId, deny);
    }
  }

  /** Azure subscriptions below the same deny assignments get the same object: who is stopped on one is on the other. */
  reaching(azure: AzureSubscriptionFact): ReachingDenials {
    const scopes = this.#atScope.size === 0 ? [] : scopesAtAndAbove(azure).filter((scope) => this.#atScope.has(scope));
    const key = scopes.join('\n');
    let reaching = this.#reaching.get(key);
    if (reaching === undefined) {
      reaching = new ReachingDenials(scopes.flatMap((scope) => this.#atScope.get(scope) ?? []));
      this.#reaching.set(key, reaching);
    }
    return reaching;
  }
}
