import { type Static, Type } from 'typebox';
import type { QuotedRequest } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { IsoDateTime, ref, textEnum } from '../../http/schemas.js';
import { AppliedScopeProperties, AppliedScopeTypeName, readAppliedScope } from './applied-scope.js';
import type { AppliedScope } from './create.js';

export const TermName = textEnum(['P1Y', 'P3Y', 'P5Y'], { description: 'Length of the term.' });
export const BillingPlanName = textEnum(['Upfront', 'Monthly'], { description: 'Paid at once, or a part each month.' });

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation-order/purchase */
export const PurchaseRequest = Type.Object(
  {
    sku: Type.Object({ name: Type.String({ minLength: 1, maxLength: 100 }) }),
    location: Type.String({ minLength: 1, maxLength: 60 }),
    properties: Type.Object({
      reservedResourceType: Type.String({ minLength: 1, maxLength: 60, examples: ['VirtualMachines'] }),
      billingScopeId: Type.String({
        maxLength: 100,
        description: '`/subscriptions/{id}`: the subscription it is billed to.',
      }),
      term: TermName,
      billingPlan: Type.Optional(BillingPlanName),
      quantity: Type.Integer({ minimum: 1, maximum: 100_000 }),
      displayName: Type.Optional(Type.String({ maxLength: 260 })),
      appliedScopeType: Type.Optional(AppliedScopeTypeName),
      appliedScopes: Type.Optional(Type.Array(Type.String({ maxLength: 400 }), { maxItems: 20 })),
      appliedScopeProperties: Type.Optional(ref(AppliedScopeProperties)),
      renew: Type.Optional(Type.Boolean()),
      reservedResourceProperties: Type.Optional(
        Type.Object({ instanceFlexibility: Type.Optional(textEnum(['On', 'Off'])) }),
      ),
      reviewDateTime: Type.Optional(IsoDateTime),
    }),
  },
  {
    $id: 'PurchaseRequest',
    description: 'What is to be reserved. Without a billing plan it is paid at once; without a scope it is shared.',
    examples: [
      {
        sku: { name: 'Standard_D2s_v5' },
        location: 'westeurope',
        properties: {
          reservedResourceType: 'VirtualMachines',
          billingScopeId: '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
          term: 'P1Y',
          billingPlan: 'Monthly',
          quantity: 1,
          displayName: 'Web servers',
          appliedScopeType: 'Shared',
        },
      },
    ],
  },
);
export type PurchaseRequest = Static<typeof PurchaseRequest>;

/** A purchase request, read. */
export interface WantedPurchase {
  request: QuotedRequest;
  /** What it is called where the request does not say. */
  displayName: string | undefined;
  scope: AppliedScope;
  instanceFlexibility: 'On' | 'Off';
  renew: boolean;
  reviewOn: Date | null;
}

const SUBSCRIPTION = /^\/subscriptions\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/?$/i;

/** @throws ApiError InvalidInput for a time that the calendar does not have, such as a leap second */
export function readReviewDate(text: string): Date {
  const at = new Date(text);
  if (at.getUTCFullYear() > 0) return at;
  throw new ApiError('InvalidInput', { description: 'properties.reviewDateTime has to be a time from the year 1 on.' });
}

/** @throws ApiError InvalidInput for a billing scope that is no subscription, or a scope that cannot be */
export function readPurchaseRequest(body: PurchaseRequest): WantedPurchase {
  const { properties } = body;
  const subscription = SUBSCRIPTION.exec(properties.billingScopeId)?.[1];
  if (subscription === undefined) {
    throw new ApiError('InvalidInput', {
      armCode: 'InvalidSubscriptionId',
      description: 'properties.billingScopeId has to be /subscriptions/{id}.',
    });
  }
  return {
    request: {
      azureSubscriptionId: subscription.toLowerCase(),
      reservedResourceType: properties.reservedResourceType,
      skuName: body.sku.name,
      location: body.location.replaceAll(' ', '').toLowerCase(),
      term: properties.term,
      billingPlan: properties.billingPlan ?? 'Upfront',
      quantity: properties.quantity,
    },
    displayName: properties.displayName?.trim() || undefined,
    scope: readAppliedScope(properties),
    instanceFlexibility: properties.reservedResourceProperties?.instanceFlexibility ?? 'On',
    renew: properties.renew ?? false,
    reviewOn: properties.reviewDateTime === undefined ? null : readReviewDate(properties.reviewDateTime),
  };
}
