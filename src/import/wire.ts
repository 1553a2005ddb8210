import { Type } from 'typebox';
import type { ScopeLevel } from '../db/tables.js';
import { readUtcTime } from '../lib/utc-time.js';
import { RowRefused } from './kind.js';

const GUID = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}';
const LAST_GUID = new RegExp(`(${GUID})$`);
const CUSTOMER_IN_LINK = new RegExp(`/customers/(${GUID})(?:/|$)`, 'i');
const SUBSCRIPTION_IN_LINK = new RegExp(`/subscriptions/(${GUID})(?:/|$)`, 'i');

export const Guid = Type.String({ pattern: `^${GUID}$` });
export const Time = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}' });
export const Text = Type.String({ minLength: 1 });
export const OptionalText = Type.Optional(Type.String());
export const OptionalLinks = Type.Optional(
  Type.Object({ self: Type.Optional(Type.Object({ uri: Type.Optional(Type.String()) })) }),
);

export const Address = Type.Object({
  country: Type.String({ pattern: '^[A-Za-z]{2}$' }),
  region: OptionalText,
  city: OptionalText,
  state: OptionalText,
  addressLine1: OptionalText,
  addressLine2: OptionalText,
  addressLine3: OptionalText,
  district: OptionalText,
  postalCode: OptionalText,
  firstName: OptionalText,
  lastName: OptionalText,
  middleName: OptionalText,
  phoneNumber: OptionalText,
  emailAddress: OptionalText,
});

export const lower = (guid: string) => guid.toLowerCase();

/** The GUID that an id ends in. @throws RowRefused */
export function guidOf(id: string, pointer: string): string {
  const guid = LAST_GUID.exec(id)?.[1];
  if (guid === undefined) throw new RowRefused(pointer, 'It does not end in a GUID.');
  return guid.toLowerCase();
}

/** A time of the wire: some have no zone and are UTC (partner-center/developer/get-an-azure-entitlement…). @throws RowRefused */
export function timeOf(text: string, pointer: string): Date {
  const time = readUtcTime(text);
  if (!time) throw new RowRefused(pointer, 'It is not a time.');
  return time;
}

interface Linked {
  links?: { self?: { uri?: string } };
}

/** The customer that a resource's own address names. */
export function customerInLink({ links }: Linked): string | undefined {
  return CUSTOMER_IN_LINK.exec(links?.self?.uri ?? '')?.[1]?.toLowerCase();
}

/** The Partner Center subscription that a resource's own address names. */
export function subscriptionInLink({ links }: Linked): string | undefined {
  return SUBSCRIPTION_IN_LINK.exec(links?.self?.uri ?? '')?.[1]?.toLowerCase();
}

export interface Scope {
  scope: string;
  level: ScopeLevel;
  azureSubscriptionId: string | null;
  managementGroup: string | undefined;
}

/** What an ARM scope names (role-based-access-control/scope-overview). @throws RowRefused */
export function scopeOf(text: string, pointer: string): Scope {
  const scope = text.length > 1 ? text.replace(/\/+$/, '') : text;
  if (scope === '/') return { scope, level: 'root', azureSubscriptionId: null, managementGroup: undefined };
  const group = /^\/providers\/Microsoft\.Management\/managementGroups\/([^/]+)$/i.exec(scope)?.[1];
  if (group !== undefined) {
    return { scope, level: 'management_group', azureSubscriptionId: null, managementGroup: group };
  }
  const azureSubscriptionId = SUBSCRIPTION_IN_LINK.exec(scope)?.[1]?.toLowerCase();
  if (azureSubscriptionId === undefined || !/^\/subscriptions\//i.test(scope)) {
    throw new RowRefused(
      pointer,
      'It is not the scope of a management group, an Azure subscription or what is in one.',
    );
  }
  const below = scope.split('/').slice(3);
  const inGroup = below.length === 2 && below[0]?.toLowerCase() === 'resourcegroups';
  const level = below.length === 0 ? 'subscription' : inGroup ? 'resource_group' : 'resource';
  return { scope, level, azureSubscriptionId, managementGroup: undefined };
}

const isGuid = new RegExp(`^${GUID}$`);

/** Whose a scope is: the Azure subscription's, or the tenant's whose root management group it is. */
export function whereOf({ azureSubscriptionId, managementGroup }: Scope) {
  const tenantId = managementGroup && isGuid.test(managementGroup) ? managementGroup.toLowerCase() : undefined;
  return { azureSubscriptionId: azureSubscriptionId ?? undefined, tenantId };
}
