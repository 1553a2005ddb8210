import { type Static, Type } from 'typebox';
import { Attributes, IsoDateTime, textEnum, Uuid } from '../../http/schemas.js';

const Money = Type.Object({ currencyCode: Type.String(), amount: Type.Number() });

export const CalculatePriceResponse = Type.Object(
  {
    properties: Type.Object({
      billingCurrencyTotal: Money,
      netTotal: Type.Number(),
      taxTotal: Type.Number(),
      grandTotal: Type.Number(),
      isTaxIncluded: Type.Boolean(),
      isBillingPartnerManaged: Type.Boolean({ description: 'Always true: the partner is billed.' }),
      reservationOrderId: Type.String({ ...Uuid, description: 'To purchase under.' }),
      skuTitle: Type.String(),
      skuDescription: Type.String(),
      pricingCurrencyTotal: Money,
      paymentSchedule: Type.Array(
        Type.Object({
          dueDate: Type.String({ format: 'date' }),
          pricingCurrencyTotal: Money,
          billingCurrencyTotal: Money,
          status: textEnum(['Scheduled']),
        }),
      ),
      quoteExpiryDateTime: Type.String({ ...IsoDateTime, description: 'Until when the price can be purchased at.' }),
    }),
  },
  {
    $id: 'CalculatePriceResponse',
    description: 'What the customer would pay. The price is frozen until the quote expires.',
  },
);
export type CalculatePriceResponse = Static<typeof CalculatePriceResponse>;

export const OrderDecision = Type.Object(
  {
    orderId: Uuid,
    reservationOrderId: Uuid,
    status: textEnum(['completed', 'cancelled']),
    decidedBy: Type.String(),
    decidedOn: IsoDateTime,
    attributes: Attributes('OrderDecision'),
  },
  { $id: 'OrderDecision', description: 'What became of an order that waited for approval.' },
);
export type OrderDecision = Static<typeof OrderDecision>;
