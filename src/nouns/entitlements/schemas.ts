import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Link, ref, textEnum, Uuid } from '../../http/schemas.js';

const CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const ORDER = '2c9b1d2c-bf2b-4d6a-8a1e-5f0b7a3f4a11';
const RESERVATION_ORDER = 'ebf2e74b-630e-4a09-857d-a1f6c6351336';
const ARTIFACT = `/customers/${CUSTOMER}/artifacts/reservedinstance/groups/${ORDER}/lineitems/0/resource/${RESERVATION_ORDER}`;

export const EntitledArtifact = Type.Object(
  {
    artifactType: textEnum(['reservedinstance']),
    resourceId: Type.String({ ...Uuid, description: 'The reservation order.' }),
    link: ref(Link),
    dynamicAttributes: Type.Object({ reservationType: Type.String({ examples: ['virtualmachines'] }) }),
  },
  { $id: 'EntitledArtifact', description: '`link` leads to the reservations.' },
);

/** https://learn.microsoft.com/partner-center/developer/entitlement-resources */
export const Entitlement = Type.Object(
  {
    includedEntitlements: Type.Array(Type.Object({}), { description: 'Always empty: nothing is bundled.' }),
    referenceOrder: Type.Object({ id: Uuid, lineItemId: Type.String() }),
    productId: Type.String(),
    skuId: Type.String(),
    quantity: Type.Integer({ description: 'Units that live: not returned, not expired.' }),
    quantityDetails: Type.Array(Type.Object({ quantity: Type.Integer(), status: Type.String() }), {
      description: 'Units by what became of them.',
    }),
    entitledArtifacts: Type.Array(ref(EntitledArtifact)),
    entitlementType: textEnum(['reservedinstance']),
    fulfillmentState: textEnum(['Fulfilled', 'PrefulfillmentPending', 'Cancelled', 'Expired']),
    expiryDate: Type.Optional(Type.String({ ...IsoDateTime, description: 'With `showExpiry=true`.' })),
  },
  {
    $id: 'Entitlement',
    description: 'What the customer may use of what was bought, by the partner or by itself: reservations.',
    examples: [
      {
        includedEntitlements: [],
        referenceOrder: { id: ORDER, lineItemId: '0' },
        productId: 'DZH318Z0BQ3W',
        skuId: '007J',
        quantity: 1,
        quantityDetails: [{ quantity: 1, status: 'Fulfilled' }],
        entitledArtifacts: [
          {
            artifactType: 'reservedinstance',
            resourceId: RESERVATION_ORDER,
            link: { uri: ARTIFACT, method: 'GET', headers: [] },
            dynamicAttributes: { reservationType: 'virtualmachines' },
          },
        ],
        entitlementType: 'reservedinstance',
        fulfillmentState: 'Fulfilled',
      },
    ],
  },
);
export type Entitlement = Static<typeof Entitlement>;

export const EntitlementCollection = collection('EntitlementCollection', Entitlement);

export const EntitledReservation = Type.Object(
  {
    reservationId: Uuid,
    scopeType: textEnum(['Shared', 'Single', 'ManagementGroup']),
    displayName: Type.String(),
    appliedScopes: Type.Array(Type.String()),
    quantity: Type.Integer(),
    expiryDateTime: IsoDateTime,
    effectiveDateTime: IsoDateTime,
    provisioningState: textEnum(['PendingBilling', 'Succeeded', 'Cancelled', 'Split', 'Merged', 'Expired']),
  },
  { $id: 'EntitledReservation' },
);

/** https://learn.microsoft.com/partner-center/developer/entitlement-resources#reservedinstanceartifactdetails */
export const ReservedInstanceArtifactDetails = Type.Object(
  {
    type: textEnum(['reservedinstance']),
    virtualMachineReservations: Type.Array(ref(EntitledReservation), {
      description: 'The name in the documented examples, of every type of reservation.',
    }),
    reservations: Type.Array(ref(EntitledReservation), { description: 'The same, as the .NET SDK names them.' }),
    attributes: Attributes('ReservedInstanceArtifactDetails'),
  },
  {
    $id: 'ReservedInstanceArtifactDetails',
    description: 'The reservations of a reservation order: also those that were split, merged or returned.',
  },
);
export type ReservedInstanceArtifactDetails = Static<typeof ReservedInstanceArtifactDetails>;
