import { type Static, Type } from 'typebox';
import { Attributes, IsoDateTime, ref, textEnum, Uuid } from '../../http/schemas.js';
import { BillingPlanName, PurchaseRequest } from '../reservations/purchase-request.js';
import { ReservationPrice } from '../reservations/schemas.js';

const ORDER_ID = '/providers/microsoft.capacity/reservationOrders/276e7ae4-84d0-4da6-ab4b-d6b94f3557da';
const RESERVATION_ID = `${ORDER_ID}/reservations/6ef59113-3482-40da-8d79-787f823e34bc`;
const SESSION_ID = '66e2ac8f-439e-4345-8235-6fef07608081';

const Price = ref(ReservationPrice);
const PolicyErrors = Type.Array(Type.Object({ code: Type.String(), message: Type.String() }), {
  description: 'Why it would be refused, each with what to do. Empty: it would not.',
});
const SessionId = Type.Optional(
  Type.String({ description: 'Under it the amounts can be had for 30 minutes. Absent where there are policy errors.' }),
);

export const ReservationToReturn = Type.Object(
  {
    reservationId: Type.String({ maxLength: 260, description: 'Resource id of the reservation.' }),
    quantity: Type.Integer({ minimum: 1, maximum: 100_000, description: 'Units given back; the rest lives on.' }),
  },
  { $id: 'ReservationToReturn', examples: [{ reservationId: RESERVATION_ID, quantity: 1 }] },
);
export type ReservationToReturn = Static<typeof ReservationToReturn>;

const RefundScope = textEnum(['Reservation']);

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/calculate-refund/post */
export const CalculateRefundRequest = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 260, description: 'Resource id of the reservation order.' })),
    properties: Type.Object({ scope: Type.Optional(RefundScope), reservationToReturn: ref(ReservationToReturn) }),
  },
  {
    $id: 'CalculateRefundRequest',
    examples: [
      {
        id: ORDER_ID,
        properties: { scope: 'Reservation', reservationToReturn: { reservationId: RESERVATION_ID, quantity: 1 } },
      },
    ],
  },
);

const billing = {
  billingCurrencyTotalPaidAmount: Price,
  billingCurrencyProratedAmount: Price,
  billingCurrencyRemainingCommitmentAmount: Price,
};

export const RefundResponse = Type.Object(
  {
    id: Type.String(),
    properties: Type.Object({
      sessionId: SessionId,
      quantity: Type.Integer(),
      billingRefundAmount: Type.Optional(Price),
      pricingRefundAmount: Type.Optional(Price),
      policyResult: Type.Object({
        properties: Type.Object({
          consumedRefundsTotal: Price,
          maxRefundLimit: Price,
          policyErrors: PolicyErrors,
        }),
      }),
      billingInformation: Type.Optional(
        Type.Object(
          {
            billingPlan: BillingPlanName,
            completedTransactions: Type.Integer(),
            totalTransactions: Type.Integer(),
            ...billing,
          },
          {
            description:
              'What was paid for the units, the part of it that falls on days not used, and the payments that will not be made.',
          },
        ),
      ),
    }),
  },
  { $id: 'RefundResponse', description: 'What a return would pay back, and what of the limit is used.' },
);
export type RefundResponse = Static<typeof RefundResponse>;

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/return/post */
export const RefundRequest = Type.Object(
  {
    properties: Type.Object({
      sessionId: Uuid,
      scope: Type.Optional(RefundScope),
      reservationToReturn: ref(ReservationToReturn),
      returnReason: Type.Optional(Type.String({ maxLength: 1000 })),
    }),
  },
  {
    $id: 'RefundRequest',
    examples: [
      {
        properties: {
          sessionId: SESSION_ID,
          scope: 'Reservation',
          reservationToReturn: { reservationId: RESERVATION_ID, quantity: 1 },
          returnReason: 'Purchased the wrong SKU or term',
        },
      },
    ],
  },
);

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/calculate-exchange/post */
export const CalculateExchangeRequest = Type.Object(
  {
    properties: Type.Object({
      reservationsToExchange: Type.Array(ref(ReservationToReturn), { minItems: 1, maxItems: 20 }),
      reservationsToPurchase: Type.Optional(Type.Array(ref(PurchaseRequest), { maxItems: 20 })),
      savingsPlansToPurchase: Type.Optional(
        Type.Array(Type.Object({ sku: Type.Optional(Type.Object({ name: Type.String() })) }), {
          maxItems: 20,
          description: 'Refused: savings plans are not sold here.',
        }),
      ),
    }),
  },
  {
    $id: 'CalculateExchangeRequest',
    description: 'Reservations of one customer, and what is to be reserved instead.',
    examples: [
      {
        properties: {
          reservationsToExchange: [{ reservationId: RESERVATION_ID, quantity: 1 }],
          reservationsToPurchase: [
            {
              sku: { name: 'Standard_D4s_v5' },
              location: 'westeurope',
              properties: {
                reservedResourceType: 'VirtualMachines',
                billingScopeId: '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
                term: 'P3Y',
                billingPlan: 'Upfront',
                quantity: 1,
                appliedScopeType: 'Shared',
              },
            },
          ],
        },
      },
    ],
  },
);
export type CalculateExchangeRequest = Static<typeof CalculateExchangeRequest>;

export const ExchangeRequest = Type.Object(
  { properties: Type.Object({ sessionId: Uuid }) },
  { $id: 'ExchangeRequest', examples: [{ properties: { sessionId: SESSION_ID } }] },
);

const ItemStatus = textEnum(['Succeeded', 'Failed', 'Cancelled', 'Pending']);
const OperationError = Type.Optional(Type.Object({ code: Type.String(), message: Type.String() }));

const exchangeTotals = {
  sessionId: SessionId,
  netPayable: Type.Optional(Price),
  refundsTotal: Type.Optional(Price),
  purchasesTotal: Type.Optional(Price),
  policyResult: Type.Object({ policyErrors: PolicyErrors }),
};
const purchased = { properties: ref(PurchaseRequest), billingCurrencyTotal: Type.Optional(Price) };
const givenBack = {
  reservationId: Type.String(),
  quantity: Type.Integer(),
  billingRefundAmount: Type.Optional(Price),
  billingInformation: Type.Optional(Type.Object(billing)),
};

export const CalculateExchangeResult = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    status: ItemStatus,
    properties: Type.Object({
      ...exchangeTotals,
      reservationsToPurchase: Type.Array(Type.Object(purchased)),
      reservationsToExchange: Type.Array(Type.Object(givenBack)),
    }),
    error: OperationError,
  },
  {
    $id: 'CalculateExchangeResult',
    description: '`Failed` where it would be refused: `policyErrors` says why, `error` is the first of them.',
  },
);
export type CalculateExchangeResult = Static<typeof CalculateExchangeResult>;

export const ExchangeResult = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    status: textEnum(['Succeeded', 'Failed', 'Cancelled', 'PendingRefunds', 'PendingPurchases']),
    properties: Type.Object({
      ...exchangeTotals,
      reservationsToPurchase: Type.Array(
        Type.Object({
          reservationOrderId: Type.String(),
          reservationId: Type.String(),
          ...purchased,
          status: ItemStatus,
        }),
      ),
      reservationsToExchange: Type.Array(Type.Object({ ...givenBack, status: ItemStatus })),
    }),
    error: OperationError,
  },
  { $id: 'ExchangeResult', description: 'What was exchanged. The same session answers it again.' },
);
export type ExchangeResult = Static<typeof ExchangeResult>;

export const RefundLimit = Type.Object(
  {
    customerId: Uuid,
    maxRefundLimit: Price,
    windowDays: Type.Integer({ description: 'How long a return counts.' }),
    consumed: Price,
    remaining: Price,
    refills: Type.Array(
      Type.Object({
        date: IsoDateTime,
        amount: Price,
        reservationOrderId: Uuid,
        reservationId: Uuid,
        returnedOn: IsoDateTime,
      }),
      { description: 'When which part comes back, the next first; the first hundred.' },
    ),
    attributes: Attributes('RefundLimit'),
  },
  { $id: 'RefundLimit', description: 'How much commitment the partner can still cancel for the customer.' },
);
export type RefundLimit = Static<typeof RefundLimit>;
