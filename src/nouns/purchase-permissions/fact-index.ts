import type { PermissionResource } from '../../db/tables.js';
import { Denials } from './deny-assignments.js';
import type { AzureSubscriptionFact, Facts, SubscriptionFact, UserFact } from './facts.js';
import { azureSubscriptionFlaw, type Flaw, subscriptionFlaw } from './judge-subscription.js';
import { userFlaw } from './judge-user.js';

export interface JudgedSubscription {
  subscription: SubscriptionFact;
  /** Absent: it qualifies. */
  flaw: Flaw | undefined;
}

export interface JudgedAzureSubscription {
  azure: AzureSubscriptionFact;
  soldAs: SubscriptionFact | undefined;
  /** Absent: it qualifies. */
  flaw: Flaw | undefined;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

/** Facts by id, so that judging one of thousands of role assignments scans nothing. */
export class FactIndex {
  readonly subscriptions: readonly JudgedSubscription[];
  readonly azureSubscriptions: ReadonlyMap<string, JudgedAzureSubscription>;
  readonly qualifying: readonly AzureSubscriptionFact[];
  readonly users: ReadonlyMap<string, UserFact>;
  readonly groupIds: ReadonlySet<string>;
  readonly partnerDomain: string;
  readonly #qualifyingIn = new Map<string, AzureSubscriptionFact[]>();
  readonly #membersOf = new Map<string, UserFact[]>();
  readonly #liveMembersOf = new Map<string, readonly UserFact[]>();
  readonly #groupsOf = new Map<string, string[]>();
  readonly #denials = new Map<PermissionResource, Denials>();

  constructor(readonly facts: Facts) {
    this.partnerDomain = facts.partnerDomain.toLowerCase();
    this.subscriptions = facts.subscriptions.map((subscription) => ({
      subscription,
      flaw: subscriptionFlaw(subscription),
    }));
    const sold = new Map(facts.subscriptions.map((subscription) => [subscription.subscriptionId, subscription]));
    const judged = facts.azureSubscriptions.map((azure) => {
      const soldAs = azure.subscriptionId === null ? undefined : sold.get(azure.subscriptionId);
      return { azure, soldAs, flaw: azureSubscriptionFlaw(azure, soldAs) };
    });
    this.azureSubscriptions = new Map(judged.map((one) => [one.azure.azureSubscriptionId, one]));
    this.qualifying = judged.filter((one) => one.flaw === undefined).map((one) => one.azure);
    for (const azure of this.qualifying) {
      for (const name of azure.managementGroups) append(this.#qualifyingIn, name.toLowerCase(), azure);
    }
    this.users = new Map(facts.users.map((user) => [user.userId, user]));
    this.groupIds = new Set(facts.groupIds);
    for (const { groupId, userId } of facts.groupMemberships) {
      append(this.#groupsOf, userId, groupId);
      const user = this.users.get(userId);
      if (user !== undefined) append(this.#membersOf, groupId, user);
    }
  }

  /** Qualifying Azure subscriptions below the management group. */
  qualifyingIn(managementGroup: string): readonly AzureSubscriptionFact[] {
    return this.#qualifyingIn.get(managementGroup.toLowerCase()) ?? [];
  }

  /** Known users of the group, transitively. */
  membersOf(groupId: string): readonly UserFact[] {
    return this.#membersOf.get(groupId) ?? [];
  }

  /** Those of them who can buy. */
  liveMembersOf(groupId: string): readonly UserFact[] {
    let live = this.#liveMembersOf.get(groupId);
    if (live === undefined) {
      live = this.membersOf(groupId).filter((user) => userFlaw(user, this.partnerDomain) === undefined);
      this.#liveMembersOf.set(groupId, live);
    }
    return live;
  }

  /** Every id under which a role or a deny assignment reaches the user: its own and its groups'. */
  principalIdsOf(userId: string): readonly string[] {
    return [userId, ...(this.#groupsOf.get(userId) ?? [])];
  }

  denials(resource: PermissionResource): Denials {
    let denials = this.#denials.get(resource);
    if (denials === undefined) {
      denials = new Denials(this.facts.denyAssignments, resource);
      this.#denials.set(resource, denials);
    }
    return denials;
  }
}

const indexes = new WeakMap<Facts, FactIndex>();

/** The index of these facts, made once: `judgeAssignment` is called for each row of a list with the same facts. */
export function indexOf(facts: Facts): FactIndex {
  let index = indexes.get(facts);
  if (index === undefined) {
    index = new FactIndex(facts);
    indexes.set(facts, index);
  }
  return index;
}
