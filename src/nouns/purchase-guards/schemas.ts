import { type Static, Type } from 'typebox';
import { Attributes, IsoDateTime, textEnum, Uuid } from '../../http/schemas.js';
import { listReservationTypes } from '../products/reservation-types.js';
import { BillingPlanName, TermName } from '../reservations/purchase-request.js';

const ReservedResourceTypeName = textEnum(listReservationTypes().map((type) => type.reservedResourceType));

/** At most 10^15 minor units: every sum of them is exact. */
const Amount = (description: string) =>
  Type.Optional(Type.String({ pattern: '^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,3})?$', description, examples: ['2500.00'] }));

const members = {
  allowedSubscriptions: Type.Optional(
    Type.Array(Uuid, {
      minItems: 1,
      maxItems: 200,
      description: "Azure subscriptions of the customer's that it may buy for.",
    }),
  ),
  allowedProductTypes: Type.Optional(
    Type.Array(ReservedResourceTypeName, { minItems: 1, maxItems: 50, description: 'Kinds of reservations.' }),
  ),
  allowedTerms: Type.Optional(Type.Array(TermName, { minItems: 1, maxItems: 10 })),
  allowedBillingPlans: Type.Optional(Type.Array(BillingPlanName, { minItems: 1, maxItems: 10 })),
  currencyCode: Type.Optional(
    Type.String({
      pattern: '^[A-Z]{3}$',
      description: 'ISO 4217; of every amount. A purchase in another currency is refused.',
      examples: ['USD'],
    }),
  ),
  capPerPurchase: Amount('Total of one purchase at the most.'),
  capPerMonth: Amount("Total of the customer's own purchases in a calendar month (UTC) at the most."),
  capOutstanding: Amount("What is still to run of the customer's own purchases, pro rata, at the most."),
  expiresOn: Type.Optional(
    Type.String({
      ...IsoDateTime,
      description: 'From here on nothing can be bought.',
      examples: ['2027-06-30T00:00:00Z'],
    }),
  ),
  approvalAbove: Amount('A purchase with a higher total waits for the partner.'),
  approvalHours: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 720,
      description: 'How long it waits before it lapses; 72 where it is left out. Only with `approvalAbove`.',
    }),
  ),
};

const example = {
  allowedTerms: ['P1Y'],
  currencyCode: 'USD',
  capPerPurchase: '2500.00',
  capPerMonth: '10000.00',
  approvalAbove: '1000.00',
  approvalHours: 72,
};

export const PurchaseGuards = Type.Object(
  { ...members, attributes: Attributes('PurchaseGuards') },
  {
    $id: 'PurchaseGuards',
    description:
      'Limits on what a customer buys itself under a purchase permission. What is absent is not limited; amounts are decimal text. It can be sent back as it is.',
    examples: [{ ...example, attributes: { etag: '"1"', objectType: 'PurchaseGuards' } }],
  },
);
export type PurchaseGuards = Static<typeof PurchaseGuards>;

export const PurchaseGuardsUpdate = Type.Object(
  {
    ...members,
    attributes: Type.Optional(
      Type.Object(
        {
          etag: Type.Optional(Type.String({ maxLength: 100 })),
          objectType: Type.Optional(textEnum(['PurchaseGuards'])),
        },
        { additionalProperties: false },
      ),
    ),
  },
  {
    $id: 'PurchaseGuardsUpdate',
    description: 'All the limits there are to be: what is left out is no longer limited.',
    additionalProperties: false,
    examples: [example],
  },
);
export type PurchaseGuardsUpdate = Static<typeof PurchaseGuardsUpdate>;
