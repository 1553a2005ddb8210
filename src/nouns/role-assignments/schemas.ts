import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, ref, textEnum, Uuid } from '../../http/schemas.js';

const PRINCIPAL_TYPES = ['User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device'] as const;
const PrincipalTypeName = textEnum(PRINCIPAL_TYPES, { description: 'What the principal is.' });
const ASSIGNMENT_ID =
  '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10/providers/Microsoft.Authorization/roleAssignments/05024ad1-2d3f-4c5a-9a7e-1f0a3c9d4e21';
const OWNER_ID =
  '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635';

/** https://learn.microsoft.com/rest/api/authorization/role-assignments/get */
export const RoleAssignment = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    name: Type.String({ ...Uuid, description: 'GUID chosen by whoever made the assignment.' }),
    properties: Type.Object({
      scope: Type.String(),
      roleDefinitionId: Type.String(),
      principalId: Uuid,
      principalType: PrincipalTypeName,
      createdOn: IsoDateTime,
      updatedOn: IsoDateTime,
      createdBy: Type.Optional(Uuid),
      updatedBy: Type.Optional(Uuid),
      description: Type.Optional(Type.String()),
      condition: Type.Optional(Type.String()),
      conditionVersion: Type.Optional(Type.String()),
    }),
  },
  {
    $id: 'RoleAssignment',
    description: 'A role that a principal holds at a scope.',
    examples: [
      {
        id: ASSIGNMENT_ID,
        type: 'Microsoft.Authorization/roleAssignments',
        name: '05024ad1-2d3f-4c5a-9a7e-1f0a3c9d4e21',
        properties: {
          scope: '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
          roleDefinitionId: OWNER_ID,
          principalId: 'ce2ce14e-85d7-4629-bdbc-454d0519d987',
          principalType: 'User',
          createdOn: '2022-01-15T21:08:45.490Z',
          updatedOn: '2022-01-15T21:08:45.490Z',
        },
      },
    ],
  },
);
export type RoleAssignment = Static<typeof RoleAssignment>;

function listResult<T extends Parameters<typeof ref>[0]>(name: string, item: T) {
  return Type.Object(
    {
      value: Type.Array(ref(item)),
      nextLink: Type.Optional(Type.String({ description: 'Absolute address of the next page.' })),
    },
    { $id: name },
  );
}

export const RoleAssignmentListResult = listResult('RoleAssignmentListResult', RoleAssignment);

/** https://learn.microsoft.com/rest/api/authorization/role-assignments/create */
export const RoleAssignmentCreateParameters = Type.Object(
  {
    properties: Type.Object({
      roleDefinitionId: Type.String({ maxLength: 500, description: 'Id of a role definition, at any scope.' }),
      principalId: Uuid,
      principalType: Type.Optional(PrincipalTypeName),
      description: Type.Optional(Type.String({ maxLength: 1024 })),
      condition: Type.Optional(
        Type.String({ minLength: 1, maxLength: 8192, description: 'Kept, not evaluated: see differences.' }),
      ),
      conditionVersion: Type.Optional(textEnum(['2.0'], { description: 'Version of the condition language.' })),
    }),
  },
  {
    $id: 'RoleAssignmentCreateParameters',
    description: 'The role to assign and to whom.',
    examples: [
      {
        properties: {
          roleDefinitionId: OWNER_ID,
          principalId: 'ce2ce14e-85d7-4629-bdbc-454d0519d987',
          principalType: 'User',
        },
      },
    ],
  },
);
export type RoleAssignmentCreateParameters = Static<typeof RoleAssignmentCreateParameters>;

/** https://learn.microsoft.com/rest/api/authorization/role-definitions/get */
export const RoleDefinition = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    name: Uuid,
    properties: Type.Object({
      roleName: Type.String(),
      type: textEnum(['BuiltInRole']),
      description: Type.String(),
      assignableScopes: Type.Array(Type.String()),
      permissions: Type.Array(
        Type.Object({
          actions: Type.Array(Type.String()),
          notActions: Type.Array(Type.String()),
          dataActions: Type.Array(Type.String()),
          notDataActions: Type.Array(Type.String()),
        }),
      ),
    }),
  },
  { $id: 'RoleDefinition', description: 'A built-in role.' },
);
export type RoleDefinition = Static<typeof RoleDefinition>;

export const RoleDefinitionListResult = listResult('RoleDefinitionListResult', RoleDefinition);

/** https://learn.microsoft.com/rest/api/resources/subscriptions/get */
export const ArmSubscription = Type.Object(
  {
    id: Type.String(),
    subscriptionId: Uuid,
    displayName: Type.String(),
    tenantId: Uuid,
    state: textEnum(['Enabled', 'Warned', 'PastDue', 'Disabled', 'Deleted']),
    subscriptionPolicies: Type.Object({
      locationPlacementId: Type.String(),
      quotaId: Type.String({ description: '`CSP_2015-05-01` for Azure plan and MS-AZR-0145P alike.' }),
      spendingLimit: textEnum(['On', 'Off', 'CurrentPeriodOff']),
    }),
    authorizationSource: Type.String(),
    managedByTenants: Type.Array(Type.Object({ tenantId: Uuid })),
  },
  {
    $id: 'ArmSubscription',
    description: 'An Azure subscription as Azure Resource Manager shows it.',
    examples: [
      {
        id: '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
        subscriptionId: '0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
        displayName: 'Azure subscription 1',
        tenantId: '0431a72c-7d8a-4393-b25e-ef63f5efb415',
        state: 'Enabled',
        subscriptionPolicies: {
          locationPlacementId: 'Public_2014-09-01',
          quotaId: 'CSP_2015-05-01',
          spendingLimit: 'Off',
        },
        authorizationSource: 'RoleBased',
        managedByTenants: [],
      },
    ],
  },
);
export type ArmSubscription = Static<typeof ArmSubscription>;

export const ArmSubscriptionListResult = listResult('ArmSubscriptionListResult', ArmSubscription);

export const JudgedRoleAssignment = Type.Object(
  {
    id: Type.String({ description: 'As on the Azure Resource Manager face.' }),
    name: Uuid,
    scope: Type.String(),
    scopeLevel: textEnum(['root', 'management_group', 'subscription', 'resource_group', 'resource']),
    roleDefinitionId: Uuid,
    roleName: Type.Optional(Type.String({ description: 'Of built-in roles.' })),
    principalId: Uuid,
    principalType: PrincipalTypeName,
    principalName: Type.Optional(Type.String({ description: 'User principal name, of users that are known.' })),
    assignmentState: textEnum(['active', 'eligible'], {
      description: '`eligible`: to be activated in Privileged Identity Management first.',
    }),
    endsOn: Type.Optional(Type.String({ ...IsoDateTime, description: 'When it ends by itself.' })),
    condition: Type.Optional(Type.String()),
    createdOn: IsoDateTime,
    verdict: Type.Object({
      counts: Type.Boolean({ description: "It counts as the customer's Owner." }),
      result: textEnum(['pass', 'fail', 'warn']),
      reason: Type.String({ description: 'Why, or why not.' }),
      azureSubscriptionId: Type.Optional(
        Type.String({ ...Uuid, description: 'Where it counts, or the Azure subscription of its scope.' }),
      ),
    }),
    attributes: Attributes('RoleAssignment'),
  },
  {
    $id: 'JudgedRoleAssignment',
    description: "A role assignment, and whether it counts as the customer's Owner.",
    examples: [
      {
        id: ASSIGNMENT_ID,
        name: '05024ad1-2d3f-4c5a-9a7e-1f0a3c9d4e21',
        scope: '/subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
        scopeLevel: 'subscription',
        roleDefinitionId: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
        roleName: 'Owner',
        principalId: 'aaaaaaaa-0000-4000-8000-000000000001',
        principalType: 'ForeignGroup',
        assignmentState: 'active',
        createdOn: '2022-01-15T21:08:45.490Z',
        verdict: {
          counts: false,
          result: 'fail',
          reason:
            "ForeignGroup aaaaaaaa-0000-4000-8000-000000000001 holds Owner at /subscriptions/0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10, but it is a group of the partner's directory, which never counts.",
          azureSubscriptionId: '0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
        },
        attributes: { objectType: 'RoleAssignment' },
      },
    ],
  },
);
export type JudgedRoleAssignment = Static<typeof JudgedRoleAssignment>;

export const JudgedRoleAssignmentCollection = collection('JudgedRoleAssignmentCollection', JudgedRoleAssignment);
