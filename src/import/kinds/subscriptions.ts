import { type Static, Type } from 'typebox';
import { textEnum } from '../../http/schemas.js';
import { indexRows, joinChanges, rowChange } from '../change.js';
import { defineKind, type Located, type Plan, type Row } from '../kind.js';
import { findRows } from '../queries.js';
import { customerInLink, Guid, lower, OptionalLinks, OptionalText, Text, Time, timeOf } from '../wire.js';
import { boughtUnder } from './azure-subscriptions.js';

const SubscriptionResource = Type.Object({
  id: Guid,
  offerId: Text,
  offerName: OptionalText,
  friendlyName: OptionalText,
  productType: Type.Optional(Type.Object({ id: OptionalText, displayName: OptionalText })),
  quantity: Type.Optional(Type.Integer({ minimum: 0 })),
  unitType: OptionalText,
  status: textEnum(['none', 'active', 'suspended', 'deleted', 'expired', 'pending', 'disabled']),
  billingType: textEnum(['none', 'usage', 'license', 'benefit']),
  billingCycle: Type.Optional(textEnum(['unknown', 'monthly', 'annual', 'none', 'one_time', 'triennial', 'biennial'])),
  termDuration: OptionalText,
  isTrial: Type.Optional(Type.Boolean()),
  autoRenewEnabled: Type.Optional(Type.Boolean()),
  hasPurchasableAddons: Type.Optional(Type.Boolean()),
  isMicrosoftProduct: Type.Optional(Type.Boolean()),
  publisherName: OptionalText,
  partnerId: OptionalText,
  orderId: Text,
  entitlementId: Type.Optional(Guid),
  suspensionReasons: Type.Optional(Type.Array(Type.String())),
  creationDate: Time,
  effectiveStartDate: Type.Optional(Time),
  commitmentEndDate: Type.Optional(Time),
  links: OptionalLinks,
});

interface SubscriptionDraft {
  key: string;
  where: { customerId: string | undefined };
  wire: Static<typeof SubscriptionResource>;
  creationDate: Date;
  effectiveStartDate: Date | undefined;
  commitmentEndDate: Date | undefined;
}

/** "Never ends" (partner-center/developer/subscription-resources). */
const NEVER = new Date('9999-12-10T00:00:00Z');

function rowOf(
  { draft, customerId }: Located<SubscriptionDraft>,
  before: Row<'subscriptions'> | undefined,
  partnerId: string,
): Row<'subscriptions'> {
  const { wire } = draft;
  const offerName = wire.offerName ?? before?.offer_name ?? wire.offerId;
  return {
    partner_id: partnerId,
    customer_id: customerId,
    subscription_id: draft.key,
    offer_id: wire.offerId,
    offer_name: offerName,
    friendly_name: wire.friendlyName ?? before?.friendly_name ?? offerName,
    product_type_id: wire.productType?.id ?? before?.product_type_id ?? null,
    product_type_name: wire.productType?.displayName ?? before?.product_type_name ?? null,
    quantity: wire.quantity ?? before?.quantity ?? 1,
    unit_type: wire.unitType ?? before?.unit_type ?? (wire.billingType === 'usage' ? 'Usage-based' : 'Licenses'),
    status: wire.status,
    billing_type: wire.billingType,
    billing_cycle: wire.billingCycle ?? before?.billing_cycle ?? 'unknown',
    term_duration: wire.termDuration ?? before?.term_duration ?? null,
    is_trial: wire.isTrial ?? before?.is_trial ?? false,
    auto_renew_enabled: wire.autoRenewEnabled ?? before?.auto_renew_enabled ?? false,
    has_purchasable_addons: wire.hasPurchasableAddons ?? before?.has_purchasable_addons ?? false,
    is_microsoft_product: wire.isMicrosoftProduct ?? before?.is_microsoft_product ?? true,
    publisher_name: wire.publisherName ?? before?.publisher_name ?? null,
    mpn_id: wire.partnerId ?? before?.mpn_id ?? null,
    order_id: wire.orderId,
    entitlement_id: wire.entitlementId ? lower(wire.entitlementId) : (before?.entitlement_id ?? null),
    // Partner Center leaves an empty list out.
    suspension_reasons: wire.suspensionReasons ?? [],
    registration_status: before?.registration_status ?? 'notregistered',
    transition_in_progress: before?.transition_in_progress ?? false,
    creation_date: draft.creationDate,
    effective_start_date: draft.effectiveStartDate ?? before?.effective_start_date ?? draft.creationDate,
    commitment_end_date: draft.commitmentEndDate ?? before?.commitment_end_date ?? NEVER,
    version: before?.version ?? 1,
  };
}

/**
 * `GET /v1/customers/{id}/subscriptions`. The Azure subscription of MS-AZR-0145P is named by `entitlementId` and comes
 * with it; those of an Azure plan are entitlements.
 */
export const subscriptions = defineKind(
  SubscriptionResource,
  (wire): SubscriptionDraft => ({
    key: lower(wire.id),
    where: { customerId: customerInLink(wire) },
    wire,
    creationDate: timeOf(wire.creationDate, '/creationDate'),
    effectiveStartDate: wire.effectiveStartDate ? timeOf(wire.effectiveStartDate, '/effectiveStartDate') : undefined,
    commitmentEndDate: wire.commitmentEndDate ? timeOf(wire.commitmentEndDate, '/commitmentEndDate') : undefined,
  }),
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const azureIds = rows.flatMap(({ draft: { wire } }) =>
      wire.entitlementId && wire.billingType === 'usage' ? [lower(wire.entitlementId)] : [],
    );
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
      const before = known.get(`${row.customerId} ${row.draft.key}`);
      const after = rowOf(row, before, partnerId);
      const change = rowChange({
        table: 'subscriptions',
        before,
        after,
        customerId: row.customerId,
        entry: { operationType: 'update_subscription', resourceType: 'subscription', resourceId: row.draft.key },
      });
      if (after.entitlement_id === null || after.billing_type !== 'usage') return change;
      const bought = boughtUnder(knownAzure.get(after.entitlement_id), {
        partnerId,
        customerId: row.customerId,
        azureSubscriptionId: after.entitlement_id,
        subscriptionId: row.draft.key,
        friendlyName: after.friendly_name,
        status: after.status === 'active' ? 'active' : 'inactive',
        now,
      });
      return joinChanges([change, bought]);
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
