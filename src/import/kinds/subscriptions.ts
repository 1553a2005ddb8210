import { Type } from 'typebox';
import {
  ExportedSubscription,
  type SubscriptionRow,
  toAzureSubscriptionRow,
  toSubscriptionRow,
} from '../../nouns/subscriptions/wire.js';
import { indexRows, joinChanges, rowChange } from '../change.js';
import { defineKind, type Located, type Plan, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { customerInLink, Guid, lower, OptionalLinks, Text } from '../wire.js';
import { boughtUnder } from './azure-subscriptions.js';

const SubscriptionResource = Type.Object({ ...ExportedSubscription.properties, links: OptionalLinks });

interface SubscriptionDraft {
  key: string;
  where: { customerId: string | undefined };
  /** Of no customer yet. */
  row: SubscriptionRow;
}

/** The row as the export has it; what exports do not tell is kept. */
function rowOf(
  { draft, customerId }: Located<SubscriptionDraft>,
  before: SubscriptionRow | undefined,
): SubscriptionRow {
  const row = { ...draft.row, customer_id: customerId };
  if (!before) return row;
  const { registration_status, transition_in_progress, version } = before;
  return { ...row, registration_status, transition_in_progress, version };
}

/**
 * `GET /v1/customers/{id}/subscriptions`. The Azure subscription of MS-AZR-0145P is named by `entitlementId` and comes
 * with it; those of an Azure plan are entitlements.
 */
export const subscriptions = defineKind(
  SubscriptionResource,
  (wire, { partnerId }): SubscriptionDraft => {
    try {
      const row = toSubscriptionRow(wire, { partnerId, customerId: '' });
      return { key: row.subscription_id, where: { customerId: customerInLink(wire) }, row };
    } catch (error) {
      if (error instanceof RangeError) throw new RowRefused('', `${error.message}.`);
      throw error;
    }
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const azureIds = rows.flatMap(({ draft }) => draft.row.entitlement_id ?? []);
    const [found, azure] = await Promise.all([
      findRows(
        db,
        'subscriptions',
        partnerId,
        rows.map(({ draft, customerId }) => ({ customer_id: customerId, subscription_id: draft.key })),
      ),
      findRows(
        db,
        'azure_subscriptions',
        partnerId,
        azureIds.map((id) => ({ azure_subscription_id: id })),
      ),
    ]);
    const known = indexRows(found, 'customer_id', 'subscription_id');
    const knownAzure = indexRows(azure, 'azure_subscription_id');
    return rows.map((row) => {
      const { customerId } = row;
      const before = known.get(`${customerId} ${row.draft.key}`);
      const after = rowOf(row, before);
      const change = rowChange({
        table: 'subscriptions',
        before,
        after,
        customerId,
        entry: { operationType: 'update_subscription', resourceType: 'subscription', resourceId: row.draft.key },
      });
      if (after.entitlement_id === null || after.billing_type !== 'usage') return change;
      const entitlement = {
        id: after.entitlement_id,
        friendlyName: after.friendly_name,
        status: after.status === 'active' ? ('active' as const) : ('inactive' as const),
        subscriptionId: row.draft.key,
      };
      const bought = toAzureSubscriptionRow(entitlement, { partnerId, customerId }, now);
      return joinChanges([change, boughtUnder(knownAzure.get(after.entitlement_id), bought)]);
    });
  },
);

interface TransferDraft {
  key: string;
  where: { customerId: string | undefined };
  active: boolean;
  subscriptionIds: readonly string[];
}

/**
 * `GET /v1/customers/{id}/transfers`: a subscription with an active transfer is in transition, and nothing can be bought
 * on it (partner-center/developer/transfer-entity-resources).
 */
export const transfers = defineKind(
  Type.Object({
    id: Text,
    status: Text,
    customerTenantId: Type.Optional(Guid),
    lineItems: Type.Array(Type.Object({ subscriptionId: Type.Optional(Guid) })),
    links: OptionalLinks,
  }),
  (wire): TransferDraft => ({
    key: lower(wire.id),
    where: { customerId: wire.customerTenantId ? lower(wire.customerTenantId) : customerInLink(wire) },
    active: wire.status.toLowerCase() === 'active',
    subscriptionIds: wire.lineItems.flatMap((item) => (item.subscriptionId ? [lower(item.subscriptionId)] : [])),
  }),
  async (db, { partnerId }, rows): Promise<Plan> => {
    const keyOf = (customerId: string, id: string) => `${customerId} ${id}`;
    // The list is a history: one transfer that is active outweighs those that are done.
    const inTransition = new Set(
      rows
        .filter(({ draft }) => draft.active)
        .flatMap(({ draft, customerId }) => draft.subscriptionIds.map((id) => keyOf(customerId, id))),
    );
    const known = indexRows(
      await findRows(
        db,
        'subscriptions',
        partnerId,
        rows.flatMap(({ draft, customerId }) =>
          draft.subscriptionIds.map((id) => ({ customer_id: customerId, subscription_id: id })),
        ),
      ),
      'customer_id',
      'subscription_id',
    );
    return rows.map(({ draft, customerId }) =>
      joinChanges(
        draft.subscriptionIds.map((id) => {
          const key = keyOf(customerId, id);
          const before = known.get(key);
          // The first row that names a subscription changes it.
          known.delete(key);
          if (!before) return undefined;
          return rowChange({
            table: 'subscriptions',
            before,
            after: { ...before, transition_in_progress: inTransition.has(key) },
            customerId,
            entry: { operationType: 'update_subscription', resourceType: 'subscription', resourceId: id },
          });
        }),
      ),
    );
  },
);
