import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Link, ref, textEnum, Uuid } from '../../http/schemas.js';
import { BILLING_CYCLES } from '../subscriptions/schemas.js';

const CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const ORDER = '2c9b1d2c-bf2b-4d6a-8a1e-5f0b7a3f4a11';
const PLAN = '3f15978e-005c-b763-bb78-2a8fab289c58';
const ITEM = 'DZH318Z0BPS6:0001:DZH318Z0BML6';
const get = (uri: string) => ({ uri, method: 'GET', headers: [] });

/** Of a request; long enough for every id and name, and no longer. */
const text = (maxLength: number, options: { description?: string; examples?: string[] } = {}) =>
  Type.String({ minLength: 1, maxLength, ...options });

export const BillingCycleName = textEnum(BILLING_CYCLES, {
  description: '`unknown` and `none`: not set, the first one of the product is taken.',
});

/** https://learn.microsoft.com/partner-center/developer/purchase-azure-reservations */
export const ProvisioningContext = Type.Object(
  {
    subscriptionId: Type.Optional(
      text(100, { description: 'The Azure plan, the MS-AZR-0145P subscription, or an Azure subscription.' }),
    ),
    scope: Type.Optional(text(40, { description: '`shared` (default) or `single`.', examples: ['shared'] })),
    entitlementId: Type.Optional(
      text(100, { description: 'The Azure subscription of a single scope, or the one that is billed.' }),
    ),
    duration: Type.Optional(text(20, { description: 'As older clients name the term.', examples: ['1Year'] })),
  },
  { $id: 'ProvisioningContext', description: 'What a reservation is bought for. Other members are ignored.' },
);
export type ProvisioningContext = Static<typeof ProvisioningContext>;

export const OrderLinePricing = Type.Object(
  {
    listPrice: Type.Number({ description: 'Retail price of one unit for the whole term.' }),
    discountedPrice: Type.Number(),
    proratedPrice: Type.Number(),
    price: Type.Number({ description: "The customer's price of one unit for the whole term." }),
    extendedPrice: Type.Number({ description: 'Of all units.' }),
  },
  { $id: 'OrderLinePricing', description: 'Amounts in the currency of the order.' },
);

export const OrderLineLinks = Type.Object(
  {
    offer: Type.Optional(ref(Link)),
    product: Type.Optional(ref(Link)),
    sku: Type.Optional(ref(Link)),
    availability: Type.Optional(ref(Link)),
    subscription: Type.Optional(ref(Link)),
    provisioningStatus: ref(Link),
  },
  { $id: 'OrderLineLinks' },
);

export const OrderLineItem = Type.Object(
  {
    lineItemNumber: Type.Integer({ minimum: 0 }),
    offerId: Type.String({ description: 'Catalog item `product:sku[:availability]`, or MS-AZR-0145P.' }),
    subscriptionId: Type.Optional(Type.String({ ...Uuid, description: 'The subscription that the line made.' })),
    friendlyName: Type.Optional(Type.String()),
    quantity: Type.Integer(),
    termDuration: Type.Optional(Type.String({ examples: ['P1Y'] })),
    transactionType: textEnum(['New']),
    partnerIdOnRecord: Type.Optional(Type.String()),
    provisioningContext: Type.Optional(ref(ProvisioningContext)),
    reservationOrderId: Type.Optional(
      Type.String({ ...Uuid, description: 'Of a reservation: its reservation order. Not in the original.' }),
    ),
    pricing: Type.Optional(ref(OrderLinePricing)),
    links: ref(OrderLineLinks),
  },
  { $id: 'OrderLineItem' },
);

export const Purchaser = Type.Object(
  {
    origin: textEnum(['partner', 'customer'], {
      description: '`customer`: its own user bought under a purchase permission.',
    }),
    userPrincipalName: Type.String({ description: 'Of an application, its id.' }),
    id: Type.Optional(Type.String({ description: 'Object id of the user or service principal.' })),
  },
  { $id: 'Purchaser', description: 'Who bought. Not in the original.' },
);

export const OrderLinks = Type.Object({ self: ref(Link), provisioningStatus: ref(Link) }, { $id: 'OrderLinks' });

/** https://learn.microsoft.com/partner-center/developer/order-resources */
export const Order = Type.Object(
  {
    id: Uuid,
    referenceCustomerId: Uuid,
    billingCycle: textEnum(BILLING_CYCLES),
    transactionType: textEnum(['UserPurchase']),
    currencyCode: Type.String({ examples: ['USD'] }),
    currencySymbol: Type.String({ examples: ['$'] }),
    creationDate: IsoDateTime,
    status: textEnum(['completed', 'pending', 'cancelled'], {
      description: "`pending`: the customer's purchase waits for the partner.",
    }),
    totalPrice: Type.Optional(Type.Number({ description: 'With `include_price=true`.' })),
    lineItems: Type.Array(ref(OrderLineItem)),
    purchasedBy: ref(Purchaser),
    links: ref(OrderLinks),
    attributes: Attributes('Order'),
  },
  {
    $id: 'Order',
    description: 'What the partner bought for the customer, or the customer itself.',
    examples: [
      {
        id: ORDER,
        referenceCustomerId: CUSTOMER,
        billingCycle: 'one_time',
        transactionType: 'UserPurchase',
        currencyCode: 'USD',
        currencySymbol: '$',
        creationDate: '2026-11-21T10:00:00Z',
        status: 'completed',
        lineItems: [
          {
            lineItemNumber: 0,
            offerId: ITEM,
            subscriptionId: PLAN,
            friendlyName: 'Azure plan',
            quantity: 1,
            transactionType: 'New',
            links: {
              product: get('/products/DZH318Z0BPS6?country=US'),
              sku: get('/products/DZH318Z0BPS6/skus/0001?country=US'),
              availability: get('/products/DZH318Z0BPS6/skus/0001/availabilities/DZH318Z0BML6?country=US'),
              subscription: get(`/customers/${CUSTOMER}/subscriptions/${PLAN}`),
              provisioningStatus: get(`/customers/${CUSTOMER}/orders/${ORDER}/provisioningstatus`),
            },
          },
        ],
        purchasedBy: { origin: 'partner', userPrincipalName: 'admin@contosopartner.onmicrosoft.com' },
        links: {
          self: get(`/customers/${CUSTOMER}/orders/${ORDER}`),
          provisioningStatus: get(`/customers/${CUSTOMER}/orders/${ORDER}/provisioningstatus`),
        },
        attributes: { etag: 'eyJpZCI6IjJjOWIxZDJjIiwidmVyc2lvbiI6MX0=', objectType: 'Order' },
      },
    ],
  },
);
export type Order = Static<typeof Order>;

export const OrderCollection = collection('OrderCollection', Order);

/** The int32 of the SDKs; what a product takes less of is refused with its own figure. */
export const Quantity = Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647, examples: [1] });

export const OrderLineItemCreate = Type.Object(
  {
    lineItemNumber: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
    offerId: text(100, { description: 'Catalog item, or MS-AZR-0145P.', examples: [ITEM] }),
    friendlyName: Type.Optional(text(256)),
    quantity: Quantity,
    termDuration: Type.Optional(text(20, { examples: ['P1Y'] })),
    partnerIdOnRecord: Type.Optional(text(20, { description: 'MPN id of the reseller; default: the own one.' })),
    provisioningContext: Type.Optional(ref(ProvisioningContext)),
  },
  { $id: 'OrderLineItemCreate' },
);

export const OrderCreate = Type.Object(
  {
    referenceCustomerId: Type.Optional(
      Type.String({ maxLength: 100, description: 'Where it is sent, the customer of the address.' }),
    ),
    billingCycle: Type.Optional(BillingCycleName),
    currencyCode: Type.Optional(text(3, { description: "That of the partner's prices.", examples: ['USD'] })),
    lineItems: Type.Array(ref(OrderLineItemCreate), { minItems: 1, maxItems: 100 }),
  },
  {
    $id: 'OrderCreate',
    description: 'Members of Order that are not named here are ignored.',
    examples: [
      {
        billingCycle: 'one_time',
        lineItems: [{ lineItemNumber: 0, offerId: ITEM, quantity: 1, friendlyName: 'Azure plan' }],
      },
    ],
  },
);
export type OrderCreate = Static<typeof OrderCreate>;

/** https://learn.microsoft.com/partner-center/developer/order-resources#orderlineitemprovisioningstatus */
export const OrderLineItemProvisioningStatus = Type.Object(
  {
    lineItemNumber: Type.Integer(),
    status: textEnum(['Fulfilled', 'Unfulfilled', 'PrefulfillmentPending']),
    quantityProvisioningInformation: Type.Array(Type.Object({ quantity: Type.Integer(), status: Type.String() })),
  },
  {
    $id: 'OrderLineItemProvisioningStatus',
    examples: [
      {
        lineItemNumber: 0,
        status: 'Fulfilled',
        quantityProvisioningInformation: [{ quantity: 1, status: 'Fulfilled' }],
      },
    ],
  },
);

export const OrderLineItemProvisioningStatusCollection = collection(
  'OrderLineItemProvisioningStatusCollection',
  OrderLineItemProvisioningStatus,
);
