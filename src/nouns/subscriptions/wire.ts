import type { Selectable } from 'kysely';
import { type Static, Type } from 'typebox';
import type { AzureSubscriptionsTable, SubscriptionsTable } from '../../db/tables.js';
import { textEnum, Uuid } from '../../http/schemas.js';
import { readUtcTime } from '../../lib/utc-time.js';
import { isUuid } from '../../lib/uuid.js';
import {
  type AzureEntitlement,
  BILLING_CYCLES,
  BILLING_TYPES,
  STATUSES,
  type Subscription,
  type SubscriptionRegistrationStatus,
} from './schemas.js';

export type SubscriptionRow = Selectable<SubscriptionsTable>;
export type AzureSubscriptionRow = Selectable<AzureSubscriptionsTable>;

/** How Partner Center writes that a subscription never ends. */
const NEVER = '9999-12-10T00:00:00Z';
/** Quota of a partner's Azure subscriptions, of the Azure plan as of MS-AZR-0145P. */
const CSP_QUOTA = 'CSP_2015-05-01';

const instant = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,7})?(Z|[-+]\\d{2}:\\d{2})?)?$',
});

/** A subscription as Partner Center exports it: the documented examples leave out what is optional here. */
export const ExportedSubscription = Type.Object({
  id: Uuid,
  offerId: Type.String({ minLength: 1 }),
  status: textEnum(STATUSES),
  billingType: textEnum(BILLING_TYPES),
  creationDate: instant,
  entitlementId: Type.Optional(Type.String()),
  offerName: Type.Optional(Type.String()),
  friendlyName: Type.Optional(Type.String()),
  productType: Type.Optional(
    Type.Object({ id: Type.Optional(Type.String()), displayName: Type.Optional(Type.String()) }),
  ),
  quantity: Type.Optional(Type.Integer({ minimum: 0 })),
  unitType: Type.Optional(Type.String()),
  effectiveStartDate: Type.Optional(instant),
  commitmentEndDate: Type.Optional(instant),
  autoRenewEnabled: Type.Optional(Type.Boolean()),
  billingCycle: Type.Optional(textEnum(BILLING_CYCLES)),
  termDuration: Type.Optional(Type.String()),
  hasPurchasableAddons: Type.Optional(Type.Boolean()),
  isTrial: Type.Optional(Type.Boolean()),
  isMicrosoftProduct: Type.Optional(Type.Boolean()),
  publisherName: Type.Optional(Type.String()),
  partnerId: Type.Optional(Type.String()),
  suspensionReasons: Type.Optional(Type.Array(Type.String())),
  orderId: Type.Optional(Type.String()),
});
export type ExportedSubscription = Static<typeof ExportedSubscription>;

/** An Azure entitlement as Partner Center exports it. */
export const ExportedAzureEntitlement = Type.Object({
  id: Uuid,
  friendlyName: Type.Optional(Type.String()),
  status: textEnum(['active', 'inactive']),
  subscriptionId: Uuid,
});
export type ExportedAzureEntitlement = Static<typeof ExportedAzureEntitlement>;

export interface Owner {
  partnerId: string;
  customerId: string;
}

/** The form of the documented examples: no fraction where it is zero. */
function iso(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

/** @throws RangeError */
function utc(text: string): Date {
  const time = readUtcTime(text);
  if (!time) throw new RangeError(`${text} is not a date`);
  return time;
}

export const link = (uri: string) => ({ uri, method: 'GET', headers: [] });

/** Base64 of `{"id","version"}`, as in the documented examples; changes with the subscription. */
export function subscriptionEtag(row: Pick<SubscriptionRow, 'subscription_id' | 'version'>): string {
  return Buffer.from(JSON.stringify({ id: row.subscription_id, version: row.version })).toString('base64');
}

/** Where the catalogue has an offer: `offer` of an offer id, the three others of a catalog item. */
export function catalogLinks(offerId: string, country: string): Omit<Subscription['links'], 'self'> {
  const [product, sku, availability] = offerId.split(':').map(encodeURIComponent);
  if (sku === undefined) return { offer: link(`/offers/${product}?country=${country}`) };
  return {
    product: link(`/products/${product}?country=${country}`),
    sku: link(`/products/${product}/skus/${sku}?country=${country}`),
    ...(availability !== undefined && {
      availability: link(`/products/${product}/skus/${sku}/availabilities/${availability}?country=${country}`),
    }),
  };
}

/**
 * The subscription as it is answered. What is not known is left out: the SDKs of Partner Center fail on null.
 *
 * @param country ISO 3166-1 alpha-2 of the customer's billing address: the market of the offer's links
 */
export function toSubscription(row: SubscriptionRow, country: string): Subscription {
  return {
    id: row.subscription_id,
    offerId: row.offer_id,
    ...(row.entitlement_id !== null && { entitlementId: row.entitlement_id }),
    offerName: row.offer_name,
    friendlyName: row.friendly_name,
    ...(row.product_type_id !== null && {
      productType: {
        id: row.product_type_id,
        ...(row.product_type_name !== null && { displayName: row.product_type_name }),
      },
    }),
    quantity: row.quantity,
    unitType: row.unit_type,
    creationDate: iso(row.creation_date),
    effectiveStartDate: iso(row.effective_start_date),
    commitmentEndDate: iso(row.commitment_end_date),
    status: row.status,
    autoRenewEnabled: row.auto_renew_enabled,
    billingType: row.billing_type,
    billingCycle: row.billing_cycle,
    ...(row.term_duration !== null && { termDuration: row.term_duration }),
    hasPurchasableAddons: row.has_purchasable_addons,
    isTrial: row.is_trial,
    isMicrosoftProduct: row.is_microsoft_product,
    ...(row.publisher_name !== null && { publisherName: row.publisher_name }),
    ...(row.mpn_id !== null && { partnerId: row.mpn_id }),
    ...(row.suspension_reasons.length > 0 && { suspensionReasons: row.suspension_reasons }),
    contractType: 'subscription',
    ...(row.order_id !== '' && { orderId: row.order_id }),
    links: {
      ...catalogLinks(row.offer_id, country),
      self: link(`/customers/${row.customer_id}/subscriptions/${row.subscription_id}`),
    },
    attributes: { etag: subscriptionEtag(row), objectType: 'Subscription' },
  };
}

/**
 * The row of an exported subscription in its first version, not registered and in no transition: what the export does
 * not tell.
 *
 * @throws RangeError for a date that is none
 */
export function toSubscriptionRow(exported: ExportedSubscription, owner: Owner): SubscriptionRow {
  const { entitlementId, productType, billingType } = exported;
  const offerName = exported.offerName ?? exported.offerId;
  return {
    partner_id: owner.partnerId,
    customer_id: owner.customerId,
    subscription_id: exported.id.toLowerCase(),
    offer_id: exported.offerId,
    offer_name: offerName,
    friendly_name: exported.friendlyName || offerName,
    product_type_id: productType?.id ?? null,
    product_type_name: productType?.displayName ?? null,
    quantity: exported.quantity ?? 1,
    unit_type: exported.unitType ?? (billingType === 'license' ? 'Licenses' : 'Usage-based'),
    status: exported.status,
    billing_type: billingType,
    billing_cycle: exported.billingCycle ?? 'unknown',
    term_duration: exported.termDuration ?? null,
    is_trial: exported.isTrial ?? false,
    auto_renew_enabled: exported.autoRenewEnabled ?? false,
    has_purchasable_addons: exported.hasPurchasableAddons ?? false,
    is_microsoft_product: exported.isMicrosoftProduct ?? true,
    publisher_name: exported.publisherName ?? null,
    mpn_id: exported.partnerId ?? null,
    order_id: exported.orderId ?? '',
    entitlement_id: entitlementId !== undefined && isUuid(entitlementId) ? entitlementId.toLowerCase() : null,
    suspension_reasons: exported.suspensionReasons ?? [],
    registration_status: 'notregistered',
    transition_in_progress: false,
    creation_date: utc(exported.creationDate),
    effective_start_date: utc(exported.effectiveStartDate ?? exported.creationDate),
    commitment_end_date: utc(exported.commitmentEndDate ?? NEVER),
    version: 1,
  };
}

/** The Azure subscription as an entitlement of its Azure plan. */
export function toAzureEntitlement(row: AzureSubscriptionRow, planId: string): AzureEntitlement {
  const { customer_id: customer, azure_subscription_id: id } = row;
  return {
    id,
    friendlyName: row.friendly_name,
    status: row.status,
    subscriptionId: planId,
    links: { self: link(`/customers/${customer}/subscriptions/${planId}/azureEntitlements/${id}`) },
    attributes: { objectType: 'AzureEntitlement' },
  };
}

/**
 * The row of an exported entitlement in its first version. State, quota and management groups are ARM's to tell: they
 * are what an Azure subscription of that status begins with.
 */
export function toAzureSubscriptionRow(
  exported: ExportedAzureEntitlement,
  owner: Owner,
  now: Date,
): AzureSubscriptionRow {
  return {
    partner_id: owner.partnerId,
    azure_subscription_id: exported.id.toLowerCase(),
    customer_id: owner.customerId,
    subscription_id: exported.subscriptionId.toLowerCase(),
    friendly_name: exported.friendlyName || 'Microsoft Azure',
    status: exported.status,
    arm_state: exported.status === 'active' ? 'Enabled' : 'Disabled',
    quota_id: CSP_QUOTA,
    management_groups: [],
    cancellation_reason: null,
    version: 1,
    created_on: now,
  };
}

export function toRegistrationStatus(row: SubscriptionRow): SubscriptionRegistrationStatus {
  return {
    subscriptionId: row.subscription_id,
    status: row.registration_status,
    attributes: { objectType: 'SubscriptionRegistrationStatus' },
  };
}
