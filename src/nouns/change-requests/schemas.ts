import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Links, ref, textEnum, Uuid } from '../../http/schemas.js';
import { AppliedScopeProperties, AppliedScopeTypeName } from '../reservations/applied-scope.js';
import { BillingPlanName, TermName } from '../reservations/purchase-request.js';

export const ChangeRequestStatus = textEnum(['open', 'approved', 'declined']);

const closed = { additionalProperties: false };
const Quantity = (description: string) => Type.Integer({ minimum: 1, maximum: 100_000, description });
const Comment = (description: string) => Type.String({ minLength: 1, maxLength: 1000, description });

export const ExchangedFor = Type.Object(
  {
    skuName: Type.String({ minLength: 1, maxLength: 100 }),
    location: Type.String({ minLength: 1, maxLength: 60 }),
    term: TermName,
    billingPlan: Type.Optional(BillingPlanName),
    quantity: Quantity('Units to buy.'),
  },
  {
    ...closed,
    $id: 'ExchangedFor',
    description:
      'What is to be reserved instead: of the same kind, billed and applied as before. Paid at once unless it says otherwise.',
  },
);
export type ExchangedFor = Static<typeof ExchangedFor>;

/** The scope of the ARM face; here what is misspelt is refused. */
export const RequestedScope = Type.Object(AppliedScopeProperties.properties, {
  ...closed,
  $id: 'RequestedScope',
  description: 'scope: the subscription or resource group of a single scope.',
});

/** What a request asks for, beside the kind and the reservation. */
const wish = {
  quantity: Type.Optional(
    Quantity('cancel, exchange: how many units of the reservation; all of them where it is left out.'),
  ),
  appliedScopeType: Type.Optional(AppliedScopeTypeName),
  appliedScopeProperties: Type.Optional(ref(RequestedScope)),
  renew: Type.Optional(Type.Boolean({ description: 'renew: whether it is to be renewed when it ends.' })),
  purchase: Type.Optional(ref(ExchangedFor)),
};

const target = {
  kind: textEnum(['cancel', 'exchange', 'renew', 'scope']),
  reservationOrderId: Uuid,
  reservationId: Uuid,
};

const example = {
  kind: 'cancel' as const,
  reservationOrderId: '6a25dd2a-2b9e-4d7f-9c6e-1d0f4a0a2a11',
  reservationId: '0199f3a4-7c1e-7c3a-8a60-5f0e7f1b2c3d',
  quantity: 1,
};

export const ChangeRequestCreate = Type.Object(
  { ...target, ...wish, comment: Type.Optional(Comment('Why, in words for the partner.')) },
  {
    ...closed,
    $id: 'ChangeRequestCreate',
    description:
      'What the customer asks its partner to do with a reservation. By kind: cancel (`quantity`), exchange (`purchase`, `quantity`), renew (`renew`), scope (`appliedScopeType`, `appliedScopeProperties`); what belongs to another kind is refused.',
    examples: [{ ...example, comment: 'The project has ended.' }],
  },
);
export type ChangeRequestCreate = Static<typeof ChangeRequestCreate>;
export type Wish = Pick<ChangeRequestCreate, keyof typeof wish>;

export const ChangeRequest = Type.Object(
  {
    id: Uuid,
    customerId: Uuid,
    status: ChangeRequestStatus,
    ...target,
    ...wish,
    comment: Type.Optional(Type.String()),
    requestedBy: Type.String({ description: 'User principal name.' }),
    requestedOn: IsoDateTime,
    decidedBy: Type.Optional(Type.String({ description: 'User principal name or application id.' })),
    decidedOn: Type.Optional(IsoDateTime),
    decisionComment: Type.Optional(Type.String()),
    refund: Type.Optional(
      Type.Object(
        { amount: Type.String({ examples: ['540.00'] }), currencyCode: Type.String({ examples: ['USD'] }) },
        { description: 'cancel, exchange: what is paid back for what was given back.' },
      ),
    ),
    newReservationOrderId: Type.Optional(
      Type.String({ ...Uuid, description: 'exchange: the reservation order that was made.' }),
    ),
    links: ref(Links),
    attributes: Attributes('ChangeRequest'),
  },
  {
    $id: 'ChangeRequest',
    description: "A customer's request to change a reservation, which the partner alone may do.",
    examples: [
      {
        id: '0199f3a4-8d2f-7a11-9b71-60a1b2c3d4e5',
        customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
        status: 'open',
        ...example,
        comment: 'The project has ended.',
        requestedBy: 'olga@granite-works.onmicrosoft.com',
        requestedOn: '2026-11-21T09:30:00.000Z',
        links: {
          self: {
            uri: '/customers/0431a72c-7d8a-4393-b25e-ef63f5efb415/changerequests/0199f3a4-8d2f-7a11-9b71-60a1b2c3d4e5',
            method: 'GET',
            headers: [],
          },
        },
        attributes: { etag: '"1"', objectType: 'ChangeRequest' },
      },
    ],
  },
);
export type ChangeRequest = Static<typeof ChangeRequest>;

export const ChangeRequestCollection = collection('ChangeRequestCollection', ChangeRequest);
