import { hash } from 'node:crypto';
import type { PermissionResource } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { isUuid } from '../../lib/uuid.js';
import type { PermissionRow } from './queries.js';
import type { SelfServePolicy } from './schemas.js';

/** Both permissions, in the order in which a policy lists them. */
export const RESOURCES: readonly PermissionResource[] = ['AzureReservedInstances', 'AzureSavingsPlan'];

/** `{partner tenant}_{customer tenant}`, as in every documented example: there is one policy per pair. */
export function policyId(partnerId: string, customerId: string): string {
  return `${partnerId}_${customerId}`;
}

/**
 * The customer of a policy id.
 * @throws ApiError SelfServePolicyNotFound when the id has another form or names another partner: the same answer as for
 *   a policy that does not exist
 */
export function customerOfPolicy(id: string, partnerId: string): string {
  const [partner, customer, ...rest] = id.toLowerCase().split('_');
  if (rest.length > 0 || partner !== partnerId || customer === undefined || !isUuid(customer)) {
    throw new ApiError('SelfServePolicyNotFound');
  }
  return customer;
}

/**
 * The etag of the policy: a GUID made from the versions of its permissions, with the quotes that are part of the value on
 * the wire (https://learn.microsoft.com/partner-center/developer/self-serve-policy-resources).
 */
export function policyEtag(rows: readonly PermissionRow[]): string {
  const state = rows.map((row) => [row.partner_id, row.customer_id, row.resource, row.version]);
  const hex = hash('sha256', JSON.stringify(state), 'hex');
  return `"${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}"`;
}

/** Compares with and without the quotes: clients send both. */
export function sameEtag(sent: string, current: string): boolean {
  const bare = (tag: string) => tag.trim().replace(/^"+|"+$/g, '');
  return bare(sent) === bare(current);
}

/** The policy of one customer, or undefined while none of its permissions is on. */
export function toPolicy(rows: readonly PermissionRow[]): SelfServePolicy | undefined {
  const on = rows.filter((row) => row.state === 'on');
  const [first] = on;
  if (!first) return undefined;
  return {
    id: policyId(first.partner_id, first.customer_id),
    selfServeEntity: { selfServeEntityType: 'customer', tenantID: first.customer_id },
    grantor: { grantorType: 'billToPartner', tenantID: first.partner_id },
    permissions: RESOURCES.filter((resource) => on.some((row) => row.resource === resource)).map((resource) => ({
      resource,
      action: 'Purchase' as const,
    })),
    attributes: { etag: policyEtag(rows), objectType: 'SelfServePolicy' },
  };
}
