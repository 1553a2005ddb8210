import type { Reading } from '../db/connect.js';
import type { Context, Where } from './kind.js';
import { listCustomersOfAzureSubscriptions, listCustomersOfSubscriptions, listKnownCustomers } from './queries.js';

/** Undefined: of nobody's interest. */
export type Place = { customerId: string } | { reason: string } | undefined;

/** Finds out whose the resources of a file are. */
export class Locator {
  readonly #known = new Set<string>();

  constructor(
    private readonly db: Reading,
    private readonly context: Context,
  ) {}

  /** One place per `where`; the customer id is empty where there is none to find. */
  async locate(wheres: readonly (Where | undefined)[]): Promise<Place[]> {
    const { db, context } = this;
    const { partnerId } = context;
    const named = (pick: (where: Where) => string | undefined) => [
      ...new Set(wheres.flatMap((where) => (where && pick(where)) ?? [])),
    ];
    const planIds = named((where) => (where.customerId ? undefined : where.planId));
    const azureIds = named((where) => (where.customerId ? undefined : where.azureSubscriptionId));
    const nobody = new Map<string, string>();
    const [byPlan, byAzure] = await Promise.all([
      planIds.length > 0 ? listCustomersOfSubscriptions(db, partnerId, planIds) : nobody,
      azureIds.length > 0 ? listCustomersOfAzureSubscriptions(db, partnerId, azureIds) : nobody,
    ]);
    await this.#learn([
      ...named((where) => where.customerId),
      ...named((where) => where.tenantId),
      ...byPlan.values(),
      ...byAzure.values(),
      ...(context.customerId ? [context.customerId] : []),
    ]);
    return wheres.map((where): Place => {
      if (where === undefined) return { customerId: '' };
      const tenant = where.tenantId && this.#known.has(where.tenantId) ? where.tenantId : undefined;
      const found =
        where.customerId ??
        byPlan.get(where.planId ?? '') ??
        byAzure.get(where.azureSubscriptionId ?? '') ??
        (where.optional ? undefined : (tenant ?? context.customerId));
      if (found !== undefined && this.#known.has(found)) return { customerId: found };
      if (where.optional) return undefined;
      return { reason: found === undefined ? whose(where) : `The customer ${found} is not known: import it first.` };
    });
  }

  async #learn(ids: readonly string[]): Promise<void> {
    const asked = ids.filter((id) => !this.#known.has(id));
    if (asked.length === 0) return;
    for (const id of await listKnownCustomers(this.db, this.context.partnerId, asked)) this.#known.add(id);
  }
}

function whose(where: Where): string {
  if (where.azureSubscriptionId) {
    return `The Azure subscription ${where.azureSubscriptionId} is not known: import entitlements or subscriptions first, or name the customer by --customer.`;
  }
  if (where.planId) return `The subscription ${where.planId} is not known: import it first.`;
  return 'It does not say which customer it belongs to: name it by --customer.';
}
