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
  AgreementExists: entry(
    409,
    '600061',
    'Conflict',
    'A partner confirmed agreement already exists for the customer. Another one needs another contact.',
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
