import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Link, Links, ref, textEnum, Uuid } from '../../http/schemas.js';

export const STATUSES = ['none', 'active', 'suspended', 'deleted', 'expired', 'pending', 'disabled'] as const;
export const BILLING_TYPES = ['none', 'usage', 'license', 'benefit'] as const;
export const BILLING_CYCLES = ['unknown', 'monthly', 'annual', 'none', 'one_time', 'triennial', 'biennial'] as const;

const CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const PLAN = '3f15978e-005c-b763-bb78-2a8fab289c58';
const GLOBAL = 'a356ac8c-e310-44f4-bf85-c7f29044af99';
const ENTITLEMENT = '899ae6f1-8a74-4d5e-b6c6-e6b5019bbff8';
const get = (uri: string) => ({ uri, method: 'GET', headers: [] });

/** The int32 of the SDKs. */
const MAX_QUANTITY = 2_147_483_647;

export const SubscriptionLinks = Type.Object(
  {
    offer: Type.Optional(ref(Link)),
    product: Type.Optional(ref(Link)),
    sku: Type.Optional(ref(Link)),
    availability: Type.Optional(ref(Link)),
    self: ref(Link),
  },
  { $id: 'SubscriptionLinks', description: '`offer` of an offer id, the three others of a catalog item.' },
);

/** https://learn.microsoft.com/partner-center/developer/subscription-resources */
export const Subscription = Type.Object(
  {
    id: Uuid,
    offerId: Type.String({ description: 'Offer id, or catalog item `product:sku:availability`.' }),
    entitlementId: Type.Optional(
      Type.String({ ...Uuid, description: 'MS-AZR-0145P: the id of its Azure subscription.' }),
    ),
    offerName: Type.String(),
    friendlyName: Type.String(),
    productType: Type.Optional(Type.Object({ id: Type.String(), displayName: Type.Optional(Type.String()) })),
    quantity: Type.Integer({ description: 'Number of licenses; 1 where usage is billed.' }),
    unitType: Type.String({ examples: ['Usage-based', 'Licenses'] }),
    creationDate: IsoDateTime,
    effectiveStartDate: IsoDateTime,
    commitmentEndDate: Type.String({ ...IsoDateTime, description: '`9999-12-10T00:00:00Z`: never.' }),
    status: textEnum(STATUSES),
    autoRenewEnabled: Type.Boolean(),
    billingType: textEnum(BILLING_TYPES),
    billingCycle: textEnum(BILLING_CYCLES),
    termDuration: Type.Optional(Type.String({ description: 'ISO 8601', examples: ['P1Y'] })),
    hasPurchasableAddons: Type.Boolean(),
    isTrial: Type.Boolean(),
    isMicrosoftProduct: Type.Boolean(),
    publisherName: Type.Optional(Type.String()),
    partnerId: Type.Optional(Type.String({ description: 'MPN id of the reseller of record.' })),
    suspensionReasons: Type.Optional(Type.Array(Type.String(), { description: 'Why it is suspended.' })),
    contractType: textEnum(['subscription']),
    orderId: Type.Optional(Type.String()),
    links: ref(SubscriptionLinks),
    attributes: Attributes('Subscription'),
  },
  {
    $id: 'Subscription',
    description: 'What the customer bought through the partner.',
    examples: [
      {
        id: GLOBAL,
        offerId: 'MS-AZR-0145P',
        entitlementId: '42226ed6-070a-4e0f-b80c-4cdfb3e97aa7',
        offerName: 'Microsoft Azure',
        friendlyName: 'Microsoft Azure',
        quantity: 1,
        unitType: 'Usage-based',
        creationDate: '2016-05-10T07:30:05.427Z',
        effectiveStartDate: '2016-05-10T00:00:00Z',
        commitmentEndDate: '9999-12-10T00:00:00Z',
        status: 'active',
        autoRenewEnabled: false,
        billingType: 'usage',
        billingCycle: 'monthly',
        hasPurchasableAddons: false,
        isTrial: false,
        isMicrosoftProduct: true,
        contractType: 'subscription',
        orderId: 'B23FDEDD-D6BD-415A-8B71-3624C81C9644',
        links: {
          offer: get('/offers/MS-AZR-0145P?country=US'),
          self: get(`/customers/${CUSTOMER}/subscriptions/${GLOBAL}`),
        },
        attributes: {
          etag: 'eyJpZCI6ImEzNTZhYzhjLWUzMTAtNDRmNC1iZjg1LWM3ZjI5MDQ0YWY5OSIsInZlcnNpb24iOjJ9',
          objectType: 'Subscription',
        },
      },
    ],
  },
);
export type Subscription = Static<typeof Subscription>;

export const SubscriptionCollection = collection('SubscriptionCollection', Subscription);

export const SubscriptionUpdate = Type.Object(
  {
    id: Type.Optional(Type.String({ description: 'Where it is sent, the id of the address.' })),
    friendlyName: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    quantity: Type.Optional(
      Type.Integer({ minimum: 0, maximum: MAX_QUANTITY, description: '0, the default of the .NET SDK: not set.' }),
    ),
    status: Type.Optional(
      textEnum(STATUSES, {
        description: '`suspended` of an active one, `active` of a suspended one; `none`: not set.',
      }),
    ),
    autoRenewEnabled: Type.Optional(Type.Boolean()),
    attributes: Type.Optional(
      Type.Object({ etag: Type.Optional(Type.String({ description: 'As read last; a stale one is refused.' })) }),
    ),
  },
  {
    $id: 'SubscriptionUpdate',
    description: 'The whole subscription as it is to be; other members than these are read-only and ignored.',
    examples: [
      {
        id: GLOBAL,
        friendlyName: 'nickname',
        quantity: 1,
        status: 'suspended',
        autoRenewEnabled: false,
        attributes: { etag: 'eyJpZCI6ImEzNTZhYzhjLWUzMTAtNDRmNC1iZjg1LWM3ZjI5MDQ0YWY5OSIsInZlcnNpb24iOjJ9' },
      },
    ],
  },
);
export type SubscriptionUpdate = Static<typeof SubscriptionUpdate>;

/** https://learn.microsoft.com/partner-center/developer/get-subscription-registration-status */
export const SubscriptionRegistrationStatus = Type.Object(
  {
    subscriptionId: Uuid,
    status: textEnum(['registered', 'registering', 'notregistered']),
    attributes: Attributes('SubscriptionRegistrationStatus'),
  },
  {
    $id: 'SubscriptionRegistrationStatus',
    description: 'Whether reservations can be bought for the subscription.',
    examples: [
      {
        subscriptionId: PLAN,
        status: 'registered',
        attributes: { objectType: 'SubscriptionRegistrationStatus' },
      },
    ],
  },
);
export type SubscriptionRegistrationStatus = Static<typeof SubscriptionRegistrationStatus>;

/** https://learn.microsoft.com/partner-center/developer/subscription-resources#azureentitlement */
export const AzureEntitlement = Type.Object(
  {
    id: Type.String({ ...Uuid, description: 'Id of the Azure subscription.' }),
    friendlyName: Type.String(),
    status: textEnum(['active', 'inactive']),
    subscriptionId: Type.String({ ...Uuid, description: 'The Azure plan it belongs to.' }),
    links: ref(Links),
    attributes: Attributes('AzureEntitlement'),
  },
  {
    $id: 'AzureEntitlement',
    description: 'An Azure subscription of an Azure plan.',
    examples: [
      {
        id: ENTITLEMENT,
        friendlyName: 'Microsoft Azure',
        status: 'active',
        subscriptionId: PLAN,
        links: { self: get(`/customers/${CUSTOMER}/subscriptions/${PLAN}/azureEntitlements/${ENTITLEMENT}`) },
        attributes: { objectType: 'AzureEntitlement' },
      },
    ],
  },
);
export type AzureEntitlement = Static<typeof AzureEntitlement>;

export const AzureEntitlementCollection = collection('AzureEntitlementCollection', AzureEntitlement);

export const AzureEntitlementCancellation = Type.Object(
  {
    cancellationReason: Type.String({ maxLength: 100, description: '`compromise`; no other is accepted.' }),
  },
  {
    $id: 'AzureEntitlementCancellation',
    description: 'Why the Azure subscription is cancelled.',
    examples: [{ cancellationReason: 'compromise' }],
  },
);

export const AzureEntitlementCreate = Type.Object(
  {
    friendlyName: Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' }),
    ownerUserId: Type.Optional(
      Type.String({
        ...Uuid,
        description: "A home user of the customer who becomes Owner beside the partner's group.",
      }),
    ),
  },
  {
    $id: 'AzureEntitlementCreate',
    description: 'A further Azure subscription under an Azure plan. Not in the original, where Azure creates them.',
    additionalProperties: false,
    examples: [{ friendlyName: 'Production' }],
  },
);
export type AzureEntitlementCreate = Static<typeof AzureEntitlementCreate>;
