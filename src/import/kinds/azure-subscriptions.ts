import { Type } from 'typebox';
import type { Reading } from '../../db/connect.js';
import { textEnum } from '../../http/schemas.js';
import {
  type AzureSubscriptionRow,
  ExportedAzureEntitlement,
  toAzureSubscriptionRow,
} from '../../nouns/subscriptions/wire.js';
import { indexRows, rowChange } from '../change.js';
import { type Change, defineKind, type Plan, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { customerInLink, Guid, guidOf, lower, OptionalLinks, OptionalText, subscriptionInLink, Text } from '../wire.js';

function change(before: AzureSubscriptionRow | undefined, after: AzureSubscriptionRow): Change | undefined {
  const { customer_id: customerId, azure_subscription_id: resourceId } = after;
  return rowChange({
    table: 'azure_subscriptions',
    before,
    after,
    customerId,
    touches: before && before.customer_id !== customerId ? [customerId, before.customer_id] : [customerId],
    entry: { operationType: 'update_subscription', resourceType: 'azure_entitlement', resourceId },
  });
}

/** An Azure subscription as the sale knows it. Its ARM state is ARM's to tell; it follows only where the status turns. */
export function boughtUnder(
  before: AzureSubscriptionRow | undefined,
  bought: AzureSubscriptionRow,
): Change | undefined {
  if (!before) return change(undefined, bought);
  const { customer_id, subscription_id, friendly_name, status } = bought;
  const arm_state = before.status === status ? before.arm_state : bought.arm_state;
  return change(before, { ...before, customer_id, subscription_id, friendly_name, status, arm_state });
}

async function findAzure(db: Reading, partnerId: string, ids: readonly string[]) {
  const keys = ids.map((id) => ({ azure_subscription_id: id }));
  return indexRows(await findRows(db, 'azure_subscriptions', partnerId, keys), 'azure_subscription_id');
}

/** `GET /v1/customers/{id}/subscriptions/{azure plan}/azureEntitlements`. */
export const entitlements = defineKind(
  Type.Object({
    ...ExportedAzureEntitlement.properties,
    subscriptionId: Type.Optional(Guid),
    links: OptionalLinks,
  }),
  (wire) => {
    const planId = wire.subscriptionId ? lower(wire.subscriptionId) : subscriptionInLink(wire);
    if (planId === undefined) throw new RowRefused('/subscriptionId', 'It does not say which Azure plan it is under.');
    const where = { customerId: customerInLink(wire), planId };
    return { key: lower(wire.id), where, planId, wire: { ...wire, subscriptionId: planId } };
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const [known, plans] = await Promise.all([
      findAzure(
        db,
        partnerId,
        rows.map(({ draft }) => draft.key),
      ),
      findRows(
        db,
        'subscriptions',
        partnerId,
        rows.map(({ draft, customerId }) => ({ customer_id: customerId, subscription_id: draft.planId })),
      ),
    ]);
    const knownPlans = indexRows(plans, 'customer_id', 'subscription_id');
    return rows.map(({ draft, customerId }) => {
      if (!knownPlans.has(`${customerId} ${draft.planId}`)) {
        const reason = `Customer ${customerId} has no subscription ${draft.planId} here: import its subscriptions first.`;
        return new RowRefused('/subscriptionId', reason);
      }
      const bought = toAzureSubscriptionRow(draft.wire, { partnerId, customerId }, now);
      return boughtUnder(known.get(draft.key), bought);
    });
  },
);

/** ARM's `GET /subscriptions`, asked in the customer's tenant: state and quota, and what others sold there. */
export const armSubscriptions = defineKind(
  Type.Object({
    subscriptionId: Guid,
    displayName: Text,
    tenantId: Type.Optional(Guid),
    state: textEnum(['Enabled', 'Warned', 'PastDue', 'Disabled', 'Deleted']),
    subscriptionPolicies: Type.Optional(Type.Object({ quotaId: OptionalText })),
  }),
  (wire) => {
    const key = lower(wire.subscriptionId);
    const where = { customerId: wire.tenantId ? lower(wire.tenantId) : undefined, azureSubscriptionId: key };
    return {
      key,
      where,
      displayName: wire.displayName,
      state: wire.state,
      quotaId: wire.subscriptionPolicies?.quotaId,
    };
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const known = await findAzure(
      db,
      partnerId,
      rows.map(({ draft }) => draft.key),
    );
    return rows.map(({ draft, customerId }) => {
      const before = known.get(draft.key);
      if (before && before.customer_id !== customerId) {
        return new RowRefused('/tenantId', `Azure subscription ${draft.key} is customer ${before.customer_id}'s here.`);
      }
      const live = draft.state !== 'Disabled' && draft.state !== 'Deleted';
      const sold = before !== undefined && before.subscription_id !== null;
      return change(before, {
        partner_id: partnerId,
        azure_subscription_id: draft.key,
        customer_id: customerId,
        subscription_id: before?.subscription_id ?? null,
        friendly_name: sold ? before.friendly_name : draft.displayName,
        status: sold ? before.status : live ? 'active' : 'inactive',
        arm_state: draft.state,
        quota_id: draft.quotaId ?? before?.quota_id ?? '',
        management_groups: before?.management_groups ?? [],
        cancellation_reason: before?.cancellation_reason ?? null,
        version: before?.version ?? 1,
        created_on: before?.created_on ?? now,
      });
    });
  },
);

/** `POST /providers/Microsoft.Management/getEntities`: which management groups an Azure subscription is under, root first. */
export const entities = defineKind(
  Type.Object({
    name: Text,
    type: Text,
    tenantId: Type.Optional(Guid),
    parentNameChain: Type.Optional(Type.Array(Type.String())),
  }),
  (wire) => {
    // Management groups are listed too; their names stand in the chains of what is below.
    if (wire.type.toLowerCase() !== '/subscriptions') return undefined;
    const key = guidOf(wire.name, '/name');
    const where = { azureSubscriptionId: key, optional: true as const };
    return { key, where, managementGroups: wire.parentNameChain ?? [] };
  },
  async (db, { partnerId }, rows): Promise<Plan> => {
    const known = await findAzure(
      db,
      partnerId,
      rows.map(({ draft }) => draft.key),
    );
    return rows.map(({ draft }) => {
      const before = known.get(draft.key);
      return before && change(before, { ...before, management_groups: [...draft.managementGroups] });
    });
  },
);
