import { type Static, Type } from 'typebox';
import { Attributes, Country, collection, Link, ref, textEnum } from '../../http/schemas.js';

const get = (uri: string) => ({ uri, method: 'GET', headers: [] });
const PRODUCT = '/products/DZH318Z0BQ35';

export const TARGET_VIEWS = [
  'Azure',
  'AzureReservations',
  'AzureReservationsVM',
  'AzureReservationsSQL',
  'AzureReservationsCosmosDb',
  'MicrosoftAzure',
  'OnlineServices',
  'Software',
  'SoftwareSUSELinux',
  'SoftwarePerpetual',
  'SoftwareSubscriptions',
] as const;
export const TARGET_SEGMENTS = ['commercial', 'education', 'government', 'nonprofit'] as const;

const ItemType = Type.Object({ id: Type.String(), displayName: Type.String() });

/** https://learn.microsoft.com/partner-center/developer/product-resources */
export const Product = Type.Object(
  {
    id: Type.String(),
    title: Type.String(),
    description: Type.String(),
    productType: Type.Object({ ...ItemType.properties, subType: ItemType }),
    isMicrosoftProduct: Type.Boolean(),
    publisherName: Type.String(),
    links: Type.Object({ skus: ref(Link), self: ref(Link) }),
    attributes: Attributes('Product'),
  },
  {
    $id: 'Product',
    description: 'What can be bought; by itself it cannot, its SKUs can.',
    examples: [
      {
        id: 'DZH318Z0BQ35',
        title: 'Virtual Machines Dsv5 Series',
        description: 'Virtual Machines Dsv5 Series',
        productType: {
          id: 'Azure',
          displayName: 'Azure',
          subType: { id: 'VirtualMachines', displayName: 'Reserved VM Instance' },
        },
        isMicrosoftProduct: true,
        publisherName: 'Microsoft',
        links: { skus: get(`${PRODUCT}/skus?country=US`), self: get(`${PRODUCT}?country=US`) },
        attributes: { objectType: 'Product' },
      },
    ],
  },
);
export type Product = Static<typeof Product>;
export const ProductCollection = collection('ProductCollection', Product);

export const Sku = Type.Object(
  {
    id: Type.String({ description: 'Unique within its product.' }),
    productId: Type.String(),
    title: Type.String(),
    description: Type.String(),
    minimumQuantity: Type.Integer(),
    maximumQuantity: Type.Integer(),
    isTrial: Type.Boolean(),
    supportedBillingCycles: Type.Array(Type.String(), { description: '`one_time`, `monthly`' }),
    purchasePrerequisites: Type.Array(Type.String(), {
      description: '`InventoryCheck`, `AzureSubscriptionRegistration`, `MicrosoftCustomerAgreement`',
    }),
    inventoryVariables: Type.Array(Type.String(), { description: 'What the inventory check wants to know.' }),
    provisioningVariables: Type.Array(Type.String(), {
      description: 'What the line of a cart has in its `provisioningContext`: `Scope`, `SubscriptionId`, `Duration`.',
    }),
    dynamicAttributes: Type.Record(Type.String(), Type.String(), {
      description: 'Of a reservation: `armSkuName`, `armRegionName` and `duration` where there is one of each.',
    }),
    links: Type.Object({ availabilities: ref(Link), self: ref(Link) }),
    attributes: Attributes('Sku'),
  },
  {
    $id: 'Sku',
    description: 'A shape of a product that can be bought.',
    examples: [
      {
        id: '00TG',
        productId: 'DZH318Z0BQ35',
        title: 'Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year',
        description: 'Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year',
        minimumQuantity: 1,
        maximumQuantity: 999999999,
        isTrial: false,
        supportedBillingCycles: ['one_time', 'monthly'],
        purchasePrerequisites: ['AzureSubscriptionRegistration', 'InventoryCheck'],
        inventoryVariables: ['CustomerId', 'AzureSubscriptionId', 'ArmRegionName'],
        provisioningVariables: ['Scope', 'SubscriptionId', 'Duration'],
        dynamicAttributes: { armSkuName: 'Standard_D2s_v5', armRegionName: 'westeurope', duration: '1Year' },
        links: {
          availabilities: get(`${PRODUCT}/skus/00TG/availabilities?country=US`),
          self: get(`${PRODUCT}/skus/00TG?country=US`),
        },
        attributes: { objectType: 'Sku' },
      },
    ],
  },
);
export type Sku = Static<typeof Sku>;
export const SkuCollection = collection('SkuCollection', Sku);

export const Availability = Type.Object(
  {
    id: Type.String(),
    productId: Type.String(),
    skuId: Type.String(),
    catalogItemId: Type.String({ description: '`product:sku:availability`: what orders and carts name.' }),
    defaultCurrency: Type.Object({ code: Type.String({ description: 'ISO 4217' }), symbol: Type.String() }),
    segment: textEnum(TARGET_SEGMENTS),
    country: Country,
    isPurchasable: Type.Boolean(),
    isRenewable: Type.Boolean(),
    terms: Type.Array(Type.Object({ duration: Type.String({ description: 'ISO 8601' }), description: Type.String() })),
    product: ref(Product),
    sku: ref(Sku),
    links: Type.Object({ self: ref(Link) }),
    attributes: Attributes('Availability'),
  },
  { $id: 'Availability', description: 'How a SKU can be bought in a country.' },
);
export type Availability = Static<typeof Availability>;
export const AvailabilityCollection = collection('AvailabilityCollection', Availability);

/** https://learn.microsoft.com/partner-center/developer/check-inventory */
export const InventoryCheckRequest = Type.Object(
  {
    targetItems: Type.Array(
      Type.Object({
        productId: Type.String({ minLength: 1, maxLength: 100 }),
        skuId: Type.Optional(Type.String({ maxLength: 100, description: 'Default: every SKU of the product.' })),
      }),
      { minItems: 1, maxItems: 100 },
    ),
    inventoryContext: Type.Optional(
      Type.Object({
        customerId: Type.Optional(Type.String({ maxLength: 100 })),
        azureSubscriptionId: Type.Optional(
          Type.String({ maxLength: 100, description: 'The Azure subscription, or its Azure plan.' }),
        ),
        armRegionName: Type.Optional(Type.String({ maxLength: 100 })),
      }),
    ),
  },
  {
    $id: 'InventoryCheckRequest',
    description: 'What is to be bought, for whom.',
    examples: [
      {
        targetItems: [{ productId: 'DZH318Z0BQ35', skuId: '00TG' }],
        inventoryContext: {
          customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
          azureSubscriptionId: '899ae6f1-8a74-4d5e-b6c6-e6b5019bbff8',
          armRegionName: 'westeurope',
        },
      },
    ],
  },
);
export type InventoryCheckRequest = Static<typeof InventoryCheckRequest>;

export const InventoryItem = Type.Object(
  {
    productId: Type.String(),
    skuId: Type.String(),
    isRestricted: Type.Boolean(),
    restrictions: Type.Array(
      Type.Object({
        reasonCode: Type.String({ examples: ['NotAvailableForSubscription'] }),
        description: Type.String(),
        properties: Type.Record(Type.String(), Type.String()),
      }),
    ),
  },
  {
    $id: 'InventoryItem',
    description: 'Whether a SKU can be bought in the given context.',
    examples: [
      {
        productId: 'DZH318Z0BQ35',
        skuId: '00TG',
        isRestricted: true,
        restrictions: [
          {
            reasonCode: 'NotAvailableForSubscription',
            description: "Restriction identified of type 'Location' with values 'japanwest'.",
            properties: { type: 'Location', values: 'japanwest' },
          },
        ],
      },
    ],
  },
);
export type InventoryItem = Static<typeof InventoryItem>;

export const InventoryItemList = Type.Array(ref(InventoryItem), {
  $id: 'InventoryItemList',
  description: 'One for each SKU that was found.',
});
