import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, Links, ref, textEnum, Uuid } from '../../http/schemas.js';

export const PermissionResourceName = textEnum(['AzureReservedInstances', 'AzureSavingsPlan'], {
  description: 'What the customer may buy: Azure reservations or Azure savings plans.',
});

const GRANTED = {
  selfServeEntity: { selfServeEntityType: 'customer', tenantID: '0431a72c-7d8a-4393-b25e-ef63f5efb415' },
  grantor: { grantorType: 'billToPartner', tenantID: '634f6379-ad54-449b-9821-564f737158ab' },
  permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }],
};

const SelfServeEntity = Type.Object({
  selfServeEntityType: textEnum(['customer'], { description: 'Always `customer`; `Customer` is understood.' }),
  tenantID: Type.String({ ...Uuid, description: 'Tenant id of the customer.' }),
});
const Grantor = Type.Object({
  grantorType: textEnum(['billToPartner'], { description: 'Always `billToPartner`; `BillToPartner` is understood.' }),
  tenantID: Type.String({ ...Uuid, description: "Tenant id of the partner; the caller's own." }),
});
const Permission = Type.Object({
  resource: textEnum(['AzureReservedInstances', 'AzureSavingsPlan']),
  action: textEnum(['Purchase']),
});

/** https://learn.microsoft.com/partner-center/developer/self-serve-policy-resources */
export const SelfServePolicy = Type.Object(
  {
    id: Type.String({ description: '`{partner tenant id}_{customer tenant id}`' }),
    selfServeEntity: SelfServeEntity,
    grantor: Grantor,
    permissions: Type.Array(Permission),
    attributes: Type.Object({
      etag: Type.String({ description: 'With quotes that are part of the value.' }),
      objectType: Type.String(),
    }),
  },
  {
    $id: 'SelfServePolicy',
    description: 'The permissions that a partner gave one customer.',
    examples: [
      {
        id: '634f6379-ad54-449b-9821-564f737158ab_0431a72c-7d8a-4393-b25e-ef63f5efb415',
        ...GRANTED,
        attributes: { etag: '"933523d1-3f63-4fc3-8789-5e21c02cdaed"', objectType: 'SelfServePolicy' },
      },
    ],
  },
);
export type SelfServePolicy = Static<typeof SelfServePolicy>;

const permissions = Type.Array(Permission, { minItems: 1, maxItems: 2, uniqueItems: true });

export const SelfServePolicyCreate = Type.Object(
  { selfServeEntity: SelfServeEntity, grantor: Grantor, permissions },
  { $id: 'SelfServePolicyCreate', description: 'The permissions to give.', examples: [GRANTED] },
);

export const SelfServePolicyUpdate = Type.Object(
  {
    id: Type.Optional(Type.String({ description: 'Needed where the address does not hold it.' })),
    selfServeEntity: SelfServeEntity,
    grantor: Grantor,
    permissions,
    attributes: Type.Object({
      etag: Type.String({ description: 'As read last.' }),
      objectType: Type.Optional(Type.String()),
    }),
  },
  {
    $id: 'SelfServePolicyUpdate',
    description: 'The whole policy as it is to be.',
    examples: [
      {
        id: '634f6379-ad54-449b-9821-564f737158ab_0431a72c-7d8a-4393-b25e-ef63f5efb415',
        ...GRANTED,
        permissions: [
          { resource: 'AzureReservedInstances', action: 'Purchase' },
          { resource: 'AzureSavingsPlan', action: 'Purchase' },
        ],
        attributes: { etag: '"933523d1-3f63-4fc3-8789-5e21c02cdaed"', objectType: 'SelfServePolicy' },
      },
    ],
  },
);

export const SelfServePolicyCollection = collection('SelfServePolicyCollection', SelfServePolicy);

const State = textEnum(['on', 'off'], { description: 'What the partner switched.' });

export const PurchasePermission = Type.Object(
  {
    customerId: Uuid,
    resource: PermissionResourceName,
    action: textEnum(['Purchase']),
    state: State,
    effective: Type.Boolean({ description: 'Switched on and eligible now: only then the customer can buy.' }),
    ineligibilityReasons: Type.Array(Type.String(), {
      description: 'Why a permission that is on has no effect, each with what to do.',
    }),
    effectiveUntil: Type.Optional(
      Type.String({ ...IsoDateTime, description: 'When the last Owner role that carries it ends by itself.' }),
    ),
    version: Type.Integer({ description: 'Number of times it was switched; 0: never.' }),
    changedOn: Type.Optional(Type.String({ ...IsoDateTime, description: 'When it was switched last.' })),
    changedBy: Type.Optional(
      Type.String({ description: 'User principal name or application id of who switched it last.' }),
    ),
    links: ref(Links),
    attributes: Attributes('PurchasePermission'),
  },
  {
    $id: 'PurchasePermission',
    description: 'One switch of "Customer permissions".',
    examples: [
      {
        customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
        resource: 'AzureReservedInstances',
        action: 'Purchase',
        state: 'on',
        effective: true,
        ineligibilityReasons: [],
        version: 1,
        changedOn: '2026-11-21T09:30:00.000Z',
        changedBy: 'admin@contoso.example',
        links: {
          self: {
            uri: '/customers/0431a72c-7d8a-4393-b25e-ef63f5efb415/purchasepermissions/AzureReservedInstances',
            method: 'GET',
            headers: [],
          },
        },
        attributes: { etag: '"1"', objectType: 'PurchasePermission' },
      },
    ],
  },
);
export type PurchasePermission = Static<typeof PurchasePermission>;

export const PurchasePermissionUpdate = Type.Object(
  { state: State },
  {
    $id: 'PurchasePermissionUpdate',
    description: 'The state the permission is to have.',
    additionalProperties: false,
    examples: [{ state: 'on' }],
  },
);

export const PurchasePermissionCollection = collection('PurchasePermissionCollection', PurchasePermission);

export const Eligibility = Type.Object(
  {
    customerId: Uuid,
    resource: PermissionResourceName,
    eligible: Type.Boolean({
      description: 'No check fails: the permission can be switched on, and one that is on has effect.',
    }),
    effectiveUntil: Type.Optional(Type.String({ ...IsoDateTime, description: 'When eligibility ends by itself.' })),
    checks: Type.Array(
      Type.Object({
        name: Type.String(),
        result: textEnum(['pass', 'fail', 'warn']),
        evidence: Type.String(),
        remedy: Type.Optional(Type.String({ description: 'What to do, in one sentence.' })),
      }),
    ),
    attributes: Attributes('Eligibility'),
  },
  { $id: 'Eligibility', description: 'Every check of a switch, made without switching.' },
);
