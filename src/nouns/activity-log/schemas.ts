import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, textEnum, Uuid } from '../../http/schemas.js';

const KeyValues = Type.Array(
  Type.Object({ key: Type.String(), value: Type.Unsafe<string | null>({ type: ['string', 'null'] }) }),
  { description: 'Details that depend on the operation.' },
);
const Status = textEnum(['succeeded', 'failed', 'progress', 'decline']);

const POLICY_TEXT =
  '{"Id":"634f6379-ad54-449b-9821-564f737158ab_0431a72c-7d8a-4393-b25e-ef63f5efb415","SelfServeEntity":{"SelfServeEntityType":"customer","TenantID":"0431a72c-7d8a-4393-b25e-ef63f5efb415"},"Grantor":{"GrantorType":"billToPartner","TenantID":"634f6379-ad54-449b-9821-564f737158ab"},"Permissions":[{"Resource":"AzureReservedInstances","Action":"Purchase"}],"Attributes":{"Etag":"\\"933523d1-3f63-4fc3-8789-5e21c02cdaed\\"","ObjectType":"SelfServePolicy"}}';
const POLICY_ID = '634f6379-ad54-449b-9821-564f737158ab_0431a72c-7d8a-4393-b25e-ef63f5efb415';

/** https://learn.microsoft.com/partner-center/developer/auditing-resources */
export const AuditRecord = Type.Object(
  {
    id: Type.String({
      description:
        '`{partner}_{customer}_{resource}_{operation type without underscores}_{.NET ticks}`, unique. The last four digits of the ticks, below the millisecond, number the record.',
    }),
    partnerId: Uuid,
    participants: Type.Array(Type.String(), { description: 'Ids of the partners that take part.' }),
    customerId: Uuid,
    customerName: Type.String({ description: 'Name of the customer at the time.' }),
    userPrincipalName: Type.Optional(Type.String()),
    applicationId: Type.Optional(
      Type.String({ description: 'Client id, or `customer-permissions` for what the service found itself.' }),
    ),
    resourceType: Type.String({ description: 'In snake_case.' }),
    resourceOldValue: Type.Optional(Type.String({ description: 'JSON text with PascalCase names.' })),
    resourceNewValue: Type.Optional(Type.String({ description: 'JSON text with PascalCase names.' })),
    operationType: Type.String({ description: 'In snake_case.' }),
    originalCorrelationId: Type.String({ description: 'MS-CorrelationId of the request.' }),
    operationDate: IsoDateTime,
    operationStatus: Status,
    customizedData: KeyValues,
    attributes: Attributes('AuditRecord'),
  },
  {
    $id: 'AuditRecord',
    description: "An entry of the activity log in Partner Center's shape.",
    examples: [
      {
        id: `${POLICY_ID}_${POLICY_ID}_createselfservepolicy_638993862000120001`,
        partnerId: '634f6379-ad54-449b-9821-564f737158ab',
        participants: ['634f6379-ad54-449b-9821-564f737158ab'],
        customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
        customerName: 'Relecloud',
        userPrincipalName: 'admin@contoso.example',
        resourceType: 'self_serve_policy',
        resourceNewValue: POLICY_TEXT,
        operationType: 'create_self_serve_policy',
        originalCorrelationId: '0a8ecce9-2d4b-4f3a-8d51-5e0b8f3b8a10',
        operationDate: '2025-11-21T09:30:00.0120000Z',
        operationStatus: 'succeeded',
        customizedData: [{ key: 'Permission', value: 'AzureReservedInstances' }],
        attributes: { objectType: 'AuditRecord' },
      },
    ],
  },
);
export type AuditRecord = Static<typeof AuditRecord>;

export const AuditRecordCollection = collection('AuditRecordCollection', AuditRecord);

export const ActivityLogEntry = Type.Object(
  {
    id: Uuid,
    seq: Type.Integer({ description: 'Number of the entry among those of its customer: 1, 2, 3 …' }),
    occurredOn: IsoDateTime,
    action: Type.String({ examples: ['Create Customer Purchase Permissions'] }),
    operationType: Type.String(),
    operationStatus: Status,
    resourceType: Type.String(),
    resourceId: Type.String(),
    partnerId: Uuid,
    customerId: Uuid,
    customerName: Type.String({ description: 'Name of the customer at the time.' }),
    actor: Type.Object({
      type: textEnum(['user', 'application', 'system']),
      id: Type.Optional(Type.String({ description: 'Object id of the user or service principal.' })),
      userPrincipalName: Type.Optional(Type.String()),
      applicationId: Type.Optional(Type.String()),
    }),
    requestId: Uuid,
    correlationId: Uuid,
    oldValue: Type.Optional(Type.Unknown({ description: 'The resource before, with PascalCase names.' })),
    newValue: Type.Optional(Type.Unknown({ description: 'The resource after, with PascalCase names.' })),
    customizedData: KeyValues,
    evidence: Type.Optional(
      Type.Unknown({ description: 'The eligibility checks at the moment of decision, by permission.' }),
    ),
    hash: Type.String({ description: 'SHA-256 over this entry and the hash before it, hexadecimal.' }),
    previousHash: Type.String({ description: 'The hash of entry seq - 1 of the customer; zeros for the first.' }),
    hashVersion: Type.Integer({ description: 'Number of the byte form that the hash is made of.' }),
    attributes: Attributes('ActivityLogEntry'),
  },
  {
    $id: 'ActivityLogEntry',
    description: 'An entry of the activity log with everything its hash covers.',
    examples: [
      {
        id: '019aa5b4-6d0c-7a31-9c3e-7d1b0f6f2a55',
        seq: 1,
        occurredOn: '2025-11-21T09:30:00.012Z',
        action: 'Create Customer Purchase Permissions',
        operationType: 'create_self_serve_policy',
        operationStatus: 'succeeded',
        resourceType: 'self_serve_policy',
        resourceId: POLICY_ID,
        partnerId: '634f6379-ad54-449b-9821-564f737158ab',
        customerId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
        customerName: 'Relecloud',
        actor: {
          type: 'user',
          id: 'b5c1a3a0-5a0f-4f4e-8f0e-5d6c2f1e7a90',
          userPrincipalName: 'admin@contoso.example',
        },
        requestId: '3f1d7c8e-0d6e-4d0a-9b57-2b1c9d6f4e21',
        correlationId: '0a8ecce9-2d4b-4f3a-8d51-5e0b8f3b8a10',
        newValue: JSON.parse(POLICY_TEXT),
        customizedData: [{ key: 'Permission', value: 'AzureReservedInstances' }],
        evidence: {
          AzureReservedInstances: [{ name: 'customer-owner', result: 'pass', evidence: 'olga@relecloud.example' }],
        },
        hash: '5f0c6b1c6a6b8d9e3d2a7e41c0b9f8a7d6e5c4b3a29180706f5e4d3c2b1a0f9e',
        previousHash: '0'.repeat(64),
        hashVersion: 1,
        attributes: { objectType: 'ActivityLogEntry' },
      },
    ],
  },
);
export type ActivityLogEntry = Static<typeof ActivityLogEntry>;

export const ActivityLogEntryCollection = collection('ActivityLogEntryCollection', ActivityLogEntry);
