import { type TSchema, Type } from 'typebox';
import { ApiVersion } from '../../http/api-version.js';
import { Uuid } from '../../http/schemas.js';
import { READERS } from '../../plugins/authorization.js';

/** One form of scope that has routes. */
export interface ScopeShape {
  /** Part of operation ids: `listResourceGroupRoleAssignments`. */
  name: string;
  /** For summaries. */
  title: string;
  path: string;
  params: Readonly<Record<string, TSchema>>;
}

/** A segment never holds a slash, not an encoded one either: it would be a scope of another form. */
const segment = (description: string, pattern = '^[^/\\\\?#%&<>*:\\x00-\\x1f]{1,260}$') =>
  Type.String({ description, pattern });

const subscription = { subscriptionId: Type.String({ description: 'Id of the Azure subscription.', maxLength: 100 }) };
const group = {
  ...subscription,
  resourceGroup: segment('Name of the resource group.', '^[\\p{L}\\p{N}_.()-]{1,90}$'),
};
const typeName = (description: string) => segment(description, '^[A-Za-z0-9_.-]{1,120}$');
const resource = {
  ...group,
  namespace: typeName('Resource provider, e.g. `Microsoft.Compute`.'),
  resourceType: typeName('Type of the resource.'),
  resourceName: segment('Name of the resource.'),
};

const GROUP_PATH = '/subscriptions/:subscriptionId/resourceGroups/:resourceGroup';
const RESOURCE_PATH = `${GROUP_PATH}/providers/:namespace/:resourceType/:resourceName`;

export const SCOPE_SHAPES: readonly ScopeShape[] = [
  { name: 'Tenant', title: 'the tenant', path: '', params: {} },
  {
    name: 'ManagementGroup',
    title: 'a management group',
    path: '/providers/Microsoft.Management/managementGroups/:managementGroup',
    params: { managementGroup: segment('Name of the management group.', '^[A-Za-z0-9_().-]{1,90}$') },
  },
  {
    name: 'Subscription',
    title: 'an Azure subscription',
    path: '/subscriptions/:subscriptionId',
    params: subscription,
  },
  { name: 'ResourceGroup', title: 'a resource group', path: GROUP_PATH, params: group },
  { name: 'Resource', title: 'a resource', path: RESOURCE_PATH, params: resource },
  {
    name: 'ChildResource',
    title: 'a resource in a resource',
    path: `${RESOURCE_PATH}/:childType/:childName`,
    params: { ...resource, childType: typeName('Type of the inner resource.'), childName: segment('Its name.') },
  },
];

/** Whoever has a token may ask: what the caller may do is decided by its role assignments. */
export const ANY_CALLER = { access: { partner: READERS, customer: true } } as const;

export const ArmQuery = {
  ...ApiVersion,
  tenantId: Type.Optional(
    Type.String({
      ...Uuid,
      description: "The customer's tenant, where a partner asks at a scope that does not tell it.",
    }),
  ),
};

export interface ArmQueryValues {
  'api-version': string;
  tenantId?: string;
  $filter?: string;
  $skipToken?: string;
}
