import { type Static, Type } from 'typebox';
import { Attributes, IsoDateTime, Links, ref, textEnum, Uuid } from '../../http/schemas.js';
import { BillingCycleName, Order, ProvisioningContext, Quantity } from '../orders/schemas.js';

const CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const CART = 'b4c8fdea-cbe4-4d17-9576-13fcacbf9605';
const ITEM = 'DZH318Z0BPS6:0001:DZH318Z0BML6';
const USER = '3d6f2c09-eb40-48ca-a4b3-d24c9c007531';

const text = (maxLength: number, examples?: string[]) =>
  Type.String({ minLength: 1, maxLength, ...(examples && { examples }) });

export const CartParticipant = Type.Object(
  { key: text(40, ['transaction_reseller']), value: text(20) },
  { $id: 'CartParticipant', description: 'The reseller of record by its MPN id.' },
);

/** https://learn.microsoft.com/partner-center/developer/cart-resources#carterror */
export const CartError = Type.Object(
  {
    errorCode: Type.Integer({ examples: [10011] }),
    errorDescription: Type.String(),
  },
  { $id: 'CartError', description: 'Why the line cannot be ordered. Correct it with PUT.' },
);

const line = {
  catalogItemId: text(100, [ITEM]),
  friendlyName: Type.Optional(text(256)),
  quantity: Quantity,
  currencyCode: Type.Optional(text(3, ['USD'])),
  billingCycle: Type.Optional(BillingCycleName),
  termDuration: Type.Optional(text(20, ['P1Y'])),
  participants: Type.Optional(Type.Array(ref(CartParticipant), { maxItems: 10 })),
  provisioningContext: Type.Optional(ref(ProvisioningContext)),
};

export const CartLineItem = Type.Object(
  {
    id: Type.Integer({ minimum: 0 }),
    ...line,
    orderGroup: Type.Optional(Type.String({ description: 'Lines of one group become one order.' })),
    error: Type.Optional(ref(CartError)),
  },
  { $id: 'CartLineItem' },
);

export const CartLineItemCreate = Type.Object(
  {
    id: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'Of an update: the line as it was read.' }),
    ),
    ...line,
    addonItems: Type.Optional(
      Type.Array(Type.Object({}), { maxItems: 100, description: 'No product here has any: the line gets an error.' }),
    ),
  },
  { $id: 'CartLineItemCreate' },
);

/** https://learn.microsoft.com/partner-center/developer/cart-resources */
export const Cart = Type.Object(
  {
    id: Uuid,
    creationTimestamp: IsoDateTime,
    lastModifiedTimestamp: IsoDateTime,
    expirationTimestamp: Type.String({ ...IsoDateTime, description: 'Seven days after its creation.' }),
    lastModifiedUser: Type.String(),
    status: textEnum(['Active', 'Ordered']),
    lineItems: Type.Array(ref(CartLineItem)),
    links: ref(Links),
    attributes: Attributes('Cart'),
  },
  {
    $id: 'Cart',
    description: 'What is to be ordered for a customer.',
    examples: [
      {
        id: CART,
        creationTimestamp: '2026-11-21T10:00:00.000Z',
        lastModifiedTimestamp: '2026-11-21T10:00:00.000Z',
        expirationTimestamp: '2026-11-28T10:00:00.000Z',
        lastModifiedUser: USER,
        status: 'Active',
        lineItems: [{ id: 0, catalogItemId: ITEM, quantity: 1, billingCycle: 'one_time', orderGroup: '0' }],
        links: { self: { uri: `/customers/${CUSTOMER}/carts/${CART}`, method: 'GET', headers: [] } },
        attributes: { etag: '1', objectType: 'Cart' },
      },
    ],
  },
);
export type Cart = Static<typeof Cart>;

export const CartCreate = Type.Object(
  { lineItems: Type.Array(ref(CartLineItemCreate), { minItems: 1, maxItems: 100 }) },
  {
    $id: 'CartCreate',
    description: 'Members of Cart that are not named here are ignored.',
    examples: [{ lineItems: [{ catalogItemId: ITEM, quantity: 1, billingCycle: 'one_time' }] }],
  },
);
export type CartCreate = Static<typeof CartCreate>;

export const CartUpdate = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 100, description: 'Where it is sent, the id of the address.' })),
    lineItems: Type.Array(ref(CartLineItemCreate), { minItems: 1, maxItems: 100 }),
    attributes: Type.Optional(
      Type.Object({
        etag: Type.Optional(Type.String({ maxLength: 100, description: 'As read last; a stale one is refused.' })),
      }),
    ),
  },
  {
    $id: 'CartUpdate',
    description: 'The whole cart as it is to be; other members than these are read-only and ignored.',
    examples: [{ id: CART, lineItems: [{ id: 0, catalogItemId: ITEM, quantity: 1, billingCycle: 'one_time' }] }],
  },
);
export type CartUpdate = Static<typeof CartUpdate>;

export const CartOrderError = Type.Object(
  {
    orderGroupId: Type.String(),
    code: Type.Integer({ description: 'Code of the refusal, as an order would answer it.', examples: [800066] }),
    description: Type.String(),
  },
  { $id: 'CartOrderError', description: 'Why nothing of a group was ordered.' },
);

/** https://learn.microsoft.com/partner-center/developer/cart-resources#cartcheckoutresult */
export const CartCheckoutResult = Type.Object(
  {
    orders: Type.Array(ref(Order)),
    orderErrors: Type.Optional(Type.Array(ref(CartOrderError))),
    attributes: Attributes('CartCheckoutResult'),
  },
  { $id: 'CartCheckoutResult', description: 'One order or one error for each group of the cart.' },
);
export type CartCheckoutResult = Static<typeof CartCheckoutResult>;
