import { type Static, type TSchema, Type } from 'typebox';
import { IsoDateTime, ref, textEnum, Uuid } from '../../http/schemas.js';
import { AppliedScopeProperties, AppliedScopeTypeName } from './applied-scope.js';
import { BillingPlanName, PurchaseRequest, TermName } from './purchase-request.js';

export { AppliedScopeProperties, PurchaseRequest };

const ORDER_ID = '/providers/microsoft.capacity/reservationOrders/276e7ae4-84d0-4da6-ab4b-d6b94f3557da';
const RESERVATION_ID = `${ORDER_ID}/reservations/6ef59113-3482-40da-8d79-787f823e34bc`;

const Day = Type.String({ format: 'date', examples: ['2027-09-22'] });
const ReservationId = Type.String({ maxLength: 260, description: 'Resource id.', examples: [RESERVATION_ID] });
const Flexibility = textEnum(['On', 'Off'], {
  description: 'Whether the discount applies to other sizes of the same series.',
});
const ProvisioningState = textEnum(
  ['PendingBilling', 'Succeeded', 'Cancelled', 'Expired', 'Split', 'Merged', 'Creating', 'Failed'],
  { description: '`PendingBilling`: it waits for the approval of the partner.' },
);

function listResult<T extends TSchema>(name: string, item: T) {
  return Type.Object(
    {
      value: Type.Array(ref(item)),
      nextLink: Type.Optional(Type.String({ description: 'Absolute address of the next page.' })),
    },
    { $id: name },
  );
}

export const ReservationPrice = Type.Object(
  { currencyCode: Type.String({ examples: ['USD'] }), amount: Type.Number() },
  { $id: 'ReservationPrice', description: "The customer's price." },
);

export const ReservationPayment = Type.Object(
  {
    dueDate: Day,
    paymentDate: Type.Optional(Day),
    pricingCurrencyTotal: ref(ReservationPrice),
    billingCurrencyTotal: Type.Optional(ref(ReservationPrice)),
    status: textEnum(['Succeeded', 'Failed', 'Scheduled', 'Cancelled']),
  },
  { $id: 'ReservationPayment' },
);

const SystemData = Type.Object({
  createdBy: Type.String(),
  createdByType: textEnum(['User', 'Application']),
  createdAt: IsoDateTime,
});

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation-order/get */
export const ReservationOrderResponse = Type.Object(
  {
    id: Type.String(),
    name: Uuid,
    type: textEnum(['Microsoft.Capacity/reservationOrders']),
    etag: Type.Integer(),
    systemData: SystemData,
    properties: Type.Object({
      displayName: Type.String(),
      requestDateTime: IsoDateTime,
      createdDateTime: IsoDateTime,
      expiryDate: Day,
      expiryDateTime: IsoDateTime,
      benefitStartTime: IsoDateTime,
      originalQuantity: Type.Integer(),
      term: TermName,
      provisioningState: ProvisioningState,
      billingPlan: BillingPlanName,
      planInformation: Type.Optional(
        Type.Object({
          pricingCurrencyTotal: ref(ReservationPrice),
          startDate: Day,
          nextPaymentDueDate: Type.Optional(Day),
          transactions: Type.Array(ref(ReservationPayment)),
        }),
      ),
      reservations: Type.Array(Type.Object({ id: Type.String() })),
      reviewDateTime: Type.Optional(IsoDateTime),
    }),
  },
  {
    $id: 'ReservationOrderResponse',
    description: 'A purchase of reservations. `planInformation` with the payments comes with `$expand=schedule`.',
    examples: [
      {
        id: ORDER_ID,
        name: '276e7ae4-84d0-4da6-ab4b-d6b94f3557da',
        type: 'Microsoft.Capacity/reservationOrders',
        etag: 1,
        systemData: {
          createdBy: 'olga@fabrikam.onmicrosoft.com',
          createdByType: 'User',
          createdAt: '2026-09-22T22:46:32.763Z',
        },
        properties: {
          displayName: 'Web servers',
          requestDateTime: '2026-09-22T22:46:32.763Z',
          createdDateTime: '2026-09-22T22:46:32.763Z',
          expiryDate: '2027-09-22',
          expiryDateTime: '2027-09-22T22:46:32.763Z',
          benefitStartTime: '2026-09-22T22:46:32.763Z',
          originalQuantity: 1,
          term: 'P1Y',
          provisioningState: 'Succeeded',
          billingPlan: 'Monthly',
          reservations: [{ id: RESERVATION_ID }],
        },
      },
    ],
  },
);
export type ReservationOrderResponse = Static<typeof ReservationOrderResponse>;
export const ReservationOrderList = listResult('ReservationOrderList', ReservationOrderResponse);

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation/get */
export const ReservationResponse = Type.Object(
  {
    id: Type.String(),
    name: Type.String({ description: '`{reservation order}/{reservation}`' }),
    type: textEnum([
      'Microsoft.Capacity/reservationOrders/reservations',
      'Microsoft.Capacity/reservationOrders/reservations/revisions',
    ]),
    kind: Type.Optional(Type.String({ examples: ['Microsoft.Compute'] })),
    location: Type.String(),
    etag: Type.Integer(),
    sku: Type.Object({ name: Type.String() }),
    systemData: Type.Optional(SystemData),
    properties: Type.Object({
      reservedResourceType: Type.String(),
      instanceFlexibility: Flexibility,
      displayName: Type.String(),
      appliedScopes: Type.Optional(Type.Array(Type.String())),
      appliedScopeType: AppliedScopeTypeName,
      appliedScopeProperties: Type.Optional(ref(AppliedScopeProperties)),
      archived: Type.Boolean(),
      quantity: Type.Integer(),
      provisioningState: ProvisioningState,
      displayProvisioningState: textEnum(
        ['Succeeded', 'Expiring', 'Expired', 'Pending', 'Processing', 'Cancelled', 'Failed', 'Warning', 'NoBenefit'],
        { description: '`Expiring`: it ends within 30 days.' },
      ),
      effectiveDateTime: IsoDateTime,
      benefitStartTime: IsoDateTime,
      lastUpdatedDateTime: IsoDateTime,
      expiryDate: Day,
      expiryDateTime: IsoDateTime,
      purchaseDate: Day,
      purchaseDateTime: IsoDateTime,
      reviewDateTime: Type.Optional(IsoDateTime),
      skuDescription: Type.String(),
      extendedStatusInfo: Type.Optional(Type.Object({ statusCode: Type.String(), message: Type.String() })),
      billingPlan: BillingPlanName,
      billingScopeId: Type.String(),
      term: TermName,
      renew: Type.Boolean(),
      renewSource: Type.Optional(Type.String()),
      renewDestination: Type.Optional(Type.String()),
      renewProperties: Type.Optional(Type.Object({ purchaseProperties: ref(PurchaseRequest) })),
      splitProperties: Type.Optional(
        Type.Object({
          splitDestinations: Type.Optional(Type.Array(Type.String())),
          splitSource: Type.Optional(Type.String()),
        }),
      ),
      mergeProperties: Type.Optional(
        Type.Object({
          mergeDestination: Type.Optional(Type.String()),
          mergeSources: Type.Optional(Type.Array(Type.String())),
        }),
      ),
      swapProperties: Type.Optional(
        Type.Object({ swapSource: Type.Optional(Type.String()), swapDestination: Type.Optional(Type.String()) }),
      ),
      userFriendlyAppliedScopeType: textEnum(['None', 'Shared', 'Single', 'ResourceGroup', 'ManagementGroup']),
      userFriendlyRenewState: textEnum(['On', 'Off', 'Renewed', 'NotRenewed', 'NotApplicable']),
    }),
  },
  { $id: 'ReservationResponse', description: 'Part of a reservation order: what is reserved, and where it applies.' },
);
export type ReservationResponse = Static<typeof ReservationResponse>;
/** What split and merge answer: an array, as documented. */
export const ReservationResponses = Type.Array(ref(ReservationResponse), { $id: 'ReservationResponses' });
export const ReservationList = listResult('ReservationList', ReservationResponse);

const Count = Type.Integer({ minimum: 0 });
export const ReservationSummary = Type.Object(
  {
    succeededCount: Count,
    failedCount: Count,
    expiringCount: Count,
    expiredCount: Count,
    pendingCount: Count,
    cancelledCount: Count,
    processingCount: Count,
    warningCount: Count,
    noBenefitCount: Count,
  },
  { $id: 'ReservationSummary', description: 'How many reservations the caller can see, by displayed state.' },
);
export type ReservationSummary = Static<typeof ReservationSummary>;

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation/list-all */
export const ReservationsListResult = Type.Object(
  {
    value: Type.Array(ref(ReservationResponse)),
    nextLink: Type.Optional(Type.String({ description: 'Absolute address of the next page.' })),
    summary: Type.Optional(ref(ReservationSummary)),
  },
  { $id: 'ReservationsListResult' },
);

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation/update */
export const ReservationPatch = Type.Object(
  {
    properties: Type.Object({
      appliedScopeType: Type.Optional(AppliedScopeTypeName),
      appliedScopes: Type.Optional(Type.Array(Type.String({ maxLength: 400 }), { maxItems: 20 })),
      appliedScopeProperties: Type.Optional(ref(AppliedScopeProperties)),
      instanceFlexibility: Type.Optional(Flexibility),
      name: Type.Optional(Type.String({ minLength: 1, maxLength: 260, pattern: '\\S', description: 'Display name.' })),
      renew: Type.Optional(Type.Boolean()),
      renewProperties: Type.Optional(Type.Object({ purchaseProperties: Type.Optional(ref(PurchaseRequest)) })),
      reviewDateTime: Type.Optional(IsoDateTime),
    }),
  },
  {
    $id: 'ReservationPatch',
    description: 'What is to change. Scope and renewal are changed by the partner alone.',
    examples: [{ properties: { name: 'Web servers' } }],
  },
);
export type ReservationPatch = Static<typeof ReservationPatch>;

export const SplitRequest = Type.Object(
  {
    properties: Type.Object({
      quantities: Type.Array(Type.Integer({ minimum: 1, maximum: 100_000 }), { minItems: 2, maxItems: 100 }),
      reservationId: ReservationId,
    }),
  },
  {
    $id: 'SplitRequest',
    description: 'The quantities add up to that of the reservation.',
    examples: [{ properties: { quantities: [1, 2], reservationId: RESERVATION_ID } }],
  },
);
export type SplitRequest = Static<typeof SplitRequest>;

export const MergeRequest = Type.Object(
  { properties: Type.Object({ sources: Type.Array(ReservationId, { minItems: 2, maxItems: 100 }) }) },
  { $id: 'MergeRequest', description: 'Reservations of one order that differ in nothing but quantity and name.' },
);
export type MergeRequest = Static<typeof MergeRequest>;

export const AvailableScopeRequest = Type.Object(
  {
    properties: Type.Object({ scopes: Type.Array(Type.String({ maxLength: 400 }), { minItems: 1, maxItems: 100 }) }),
  },
  {
    $id: 'AvailableScopeRequest',
    description: 'Scopes that the reservation might be applied to.',
    examples: [{ properties: { scopes: ['/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10'] } }],
  },
);

export const AvailableScopeProperties = Type.Object(
  {
    properties: Type.Object({ scopes: Type.Array(Type.Object({ scope: Type.String(), valid: Type.Boolean() })) }),
  },
  { $id: 'AvailableScopeProperties' },
);

export const AppliedReservations = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.String(),
    properties: Type.Object({
      reservationOrderIds: Type.Object({
        value: Type.Array(Type.String()),
        nextLink: Type.Optional(Type.String()),
      }),
    }),
  },
  { $id: 'AppliedReservations', description: 'The reservation orders that apply to an Azure subscription.' },
);

export const ChangeDirectoryRequest = Type.Object(
  { destinationTenantId: Uuid },
  { $id: 'ChangeDirectoryRequest', description: 'Where a reservation order is to move.' },
);

export const ChangeDirectoryResponse = Type.Object(
  {
    reservationOrder: Type.Object({ id: Type.String(), name: Type.String(), isSucceeded: Type.Boolean() }),
  },
  { $id: 'ChangeDirectoryResponse', description: 'Documented by Azure; never answered here.' },
);

export const CapacityOperationResult = Type.Object(
  {
    id: Type.String(),
    name: Uuid,
    status: textEnum(['InProgress', 'Succeeded', 'Failed', 'Cancelled']),
    error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  },
  { $id: 'CapacityOperationResult', description: 'What became of a purchase that was not settled at once.' },
);

export const CapacityOperationList = Type.Object(
  {
    value: Type.Array(
      Type.Object({
        name: Type.String(),
        isDataAction: Type.Boolean(),
        display: Type.Object({
          provider: Type.String(),
          resource: Type.String(),
          operation: Type.String(),
          description: Type.String(),
        }),
        origin: Type.String(),
      }),
    ),
  },
  { $id: 'CapacityOperationList', description: 'The actions that roles can allow.' },
);
