import type { Selectable } from 'kysely';
import type { CustomersTable } from '../../db/tables.js';
import type { WireLink } from '../../http/paging.js';
import type { Customer, CustomerBillingProfile, CustomerCompanyProfile } from './schemas.js';

export type CustomerRow = Selectable<CustomersTable>;
export type PartialCustomerRow = Pick<CustomerRow, 'customer_id' | 'company_name' | 'domain' | 'relationship'>;

export function selfLink(uri: string): { self: WireLink } {
  return { self: { uri, method: 'GET', headers: [] } };
}

/** The etag of the billing profile, unquoted as the body holds it. */
export function billingEtag(row: CustomerRow): string {
  return String(row.billing_profile.version);
}

function partialCompanyProfile(row: PartialCustomerRow): CustomerCompanyProfile {
  return {
    tenantId: row.customer_id,
    domain: row.domain,
    companyName: row.company_name,
    links: selfLink(`/customers/${row.customer_id}/profiles/company`),
    attributes: { objectType: 'CustomerCompanyProfile' },
  };
}

/** Without delegated access the tenant's address and email are not the partner's to see. */
export function toCompanyProfile(row: CustomerRow): CustomerCompanyProfile {
  const { address, email, organizationRegistrationNumber } = row.company_profile;
  return {
    ...partialCompanyProfile(row),
    ...(row.allow_delegated_access && { ...(address && { address }), ...(email !== undefined && { email }) }),
    ...(organizationRegistrationNumber !== undefined && { organizationRegistrationNumber }),
  };
}

export function toBillingProfile(row: CustomerRow): CustomerBillingProfile {
  const { version, ...profile } = row.billing_profile;
  return {
    ...profile,
    links: selfLink(`/customers/${row.customer_id}/profiles/billing`),
    attributes: { etag: billingEtag(row), objectType: 'CustomerBillingProfile' },
  };
}

/** A customer as lists answer it. */
export function toPartialCustomer(row: PartialCustomerRow): Customer {
  return {
    id: row.customer_id,
    companyProfile: partialCompanyProfile(row),
    relationshipToPartner: row.relationship,
    links: selfLink(`/customers/${row.customer_id}`),
    attributes: { objectType: 'Customer' },
  };
}

export function toCustomer(row: CustomerRow): Customer {
  const { customDomains } = row.company_profile;
  return {
    ...toPartialCustomer(row),
    companyProfile: toCompanyProfile(row),
    billingProfile: toBillingProfile(row),
    allowDelegatedAccess: row.allow_delegated_access,
    ...(row.allow_delegated_access && customDomains && { customDomains }),
    ...(row.associated_partner_id !== null && { associatedPartnerId: row.associated_partner_id }),
  };
}
