/** What a file can hold, in the order in which files of one run are imported. */
export const KIND_NAMES = [
  'organization',
  'mpn',
  'customers',
  'agreements',
  'subscriptions',
  'transfers',
  'entitlements',
  'arm-subscriptions',
  'entities',
  'users',
  'groups',
  'role-assignments',
  'role-assignment-instances',
  'role-eligibility-instances',
  'deny-assignments',
  'retail-prices',
] as const;

export type KindName = (typeof KIND_NAMES)[number];

/** `attributes.objectType` of Partner Center. */
const BY_OBJECT_TYPE: Readonly<Record<string, KindName>> = {
  organizationprofile: 'organization',
  partnerorganizationprofile: 'organization',
  mpnprofile: 'mpn',
  partnermpnprofile: 'mpn',
  customer: 'customers',
  agreement: 'agreements',
  subscription: 'subscriptions',
  azureentitlement: 'entitlements',
  customeruser: 'users',
};

/** `type` of Azure Resource Manager, and of the entities of management groups. */
const BY_TYPE: Readonly<Record<string, KindName>> = {
  'microsoft.authorization/roleassignments': 'role-assignments',
  'microsoft.authorization/roleassignmentscheduleinstances': 'role-assignment-instances',
  'microsoft.authorization/roleeligibilityscheduleinstances': 'role-eligibility-instances',
  'microsoft.authorization/denyassignments': 'deny-assignments',
  'microsoft.management/managementgroups': 'entities',
  'microsoft.resources/subscriptions': 'arm-subscriptions',
  '/providers/microsoft.management/managementgroups': 'entities',
  '/subscriptions': 'entities',
};

/** Properties that tell a kind where neither name is there: Graph, `az`, and what tools write who drop `attributes`. */
const BY_PROPERTIES: readonly (readonly [KindName, readonly string[]])[] = [
  ['retail-prices', ['retailprice', 'unitprice', 'servicename']],
  ['customers', ['companyprofile', 'id']],
  ['agreements', ['dateagreed', 'primarycontact', 'templateid']],
  ['transfers', ['lineitems', 'sourcepartnertenantid']],
  ['subscriptions', ['offerid', 'orderid']],
  ['users', ['userprincipalname']],
  ['role-assignments', ['roledefinitionid', 'principalid', 'scope']],
  ['arm-subscriptions', ['subscriptionid', 'state', 'displayname']],
  ['entitlements', ['friendlyname', 'status', 'subscriptionid']],
  ['organization', ['companyname', 'domain', 'tenantid']],
  ['mpn', ['mpnid', 'partnername']],
  ['groups', ['displayname', 'members']],
  ['groups', ['displayname', 'grouptypes']],
  ['groups', ['displayname', 'securityenabled']],
];

/** A resource with its property names in lower case, and those of ARM's `properties` beside the others. */
function lowerNames(resource: object): Map<string, unknown> {
  const members = new Map(Object.entries(resource).map(([name, value]) => [name.toLowerCase(), value] as const));
  const inner = members.get('properties');
  if (typeof inner === 'object' && inner !== null) {
    for (const [name, value] of Object.entries(inner)) members.set(name.toLowerCase(), value);
  }
  return members;
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

/** What a resource is, by its content. */
export function recognize(resource: object): KindName | undefined {
  const members = lowerNames(resource);
  const attributes = members.get('attributes');
  const objectType = typeof attributes === 'object' && attributes !== null ? lowerNames(attributes) : undefined;
  return (
    BY_OBJECT_TYPE[textIn(objectType?.get('objecttype'))] ??
    BY_TYPE[textIn(members.get('type'))] ??
    BY_PROPERTIES.find(([, names]) => names.every((name) => members.has(name)))?.[0]
  );
}
