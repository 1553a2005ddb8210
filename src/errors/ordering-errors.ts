import { entry } from './entry.js';

/** Refusals of products, prices, agreements, carts and orders. */
export const orderingErrors = {
  OrderNotFound: entry(404, '20000', 'NotFound', 'There is no such order of this customer. Check the order id.'),
  OrderNotWaiting: entry(
    409,
    '990301',
    'Conflict',
    'The order does not wait for a decision. Only a pending order can be approved or declined.',
  ),
  ProductNotFound: entry(404, '400013', 'NotFound', 'There is no such product in this country. Check the product id.'),
  SkuNotFound: entry(404, '400018', 'NotFound', 'The product has no such SKU. List the SKUs of the product.'),
  AvailabilityNotFound: entry(
    404,
    '400019',
    'NotFound',
    'The SKU has no such availability. List the availabilities of the SKU.',
  ),
  InventoryContextMissing: entry(
    400,
    '400026',
    'BadRequest',
    'An inventory context item is missing. Send those that inventoryVariables of the SKU names.',
  ),
  TargetSegmentNotAllowed: entry(
    403,
    '400030',
    'Forbidden',
    'Access to the requested targetSegment is not allowed. Only commercial is served.',
  ),
  TargetViewNotAllowed: entry(
    403,
    '400036',
    'Forbidden',
    'Access to the requested targetView is not allowed. Only Azure, MicrosoftAzure and reservations are served.',
  ),
  PriceBookVersionNotFound: entry(
    404,
    '990102',
    'NotFound',
    'There is no such version of the price book. List the versions.',
  ),
  TotalTooLarge: entry(
    400,
    '990101',
    'BadRequest',
    'The total is too large to be computed to the cent. Ask for a smaller quantity.',
  ),
} as const;
