import { type Static, Type } from 'typebox';
import type { StoredBillingProfile, StoredCompanyProfile } from '../../db/tables.js';
import { textEnum } from '../../http/schemas.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { OperationType } from '../../nouns/activity-log/actions.js';
import { GENESIS } from '../../nouns/activity-log/chain.js';
import { indexRows, rowChange } from '../change.js';
import { type Context, defineKind, type Located, type Plan, type Row, RowRefused } from '../kind.js';
import { findRows } from '../queries.js';
import { Address, Guid, lower, OptionalText, Text } from '../wire.js';

const CustomerResource = Type.Object({
  id: Guid,
  companyProfile: Type.Object({
    domain: Text,
    companyName: Text,
    address: Type.Optional(Address),
    email: OptionalText,
    organizationRegistrationNumber: OptionalText,
  }),
  billingProfile: Type.Optional(
    Type.Object({
      id: OptionalText,
      firstName: OptionalText,
      lastName: OptionalText,
      email: OptionalText,
      culture: OptionalText,
      language: OptionalText,
      companyName: OptionalText,
      defaultAddress: Address,
    }),
  ),
  relationshipToPartner: Type.Optional(
    textEnum(['reseller', 'advisor', 'syndication', 'microsoft_support', 'none', 'unknown']),
  ),
  allowDelegatedAccess: Type.Optional(Type.Boolean()),
  customDomains: Type.Optional(Type.Array(Type.String())),
  associatedPartnerId: OptionalText,
});
type CustomerResource = Static<typeof CustomerResource>;

interface CustomerDraft {
  key: string;
  customer: CustomerResource;
}

const withCountry = <A extends { country: string }>(address: A): A => ({
  ...address,
  country: address.country.toUpperCase(),
});

function companyProfile(customer: CustomerResource, before: StoredCompanyProfile = {}): StoredCompanyProfile {
  const { address, email, organizationRegistrationNumber } = customer.companyProfile;
  return {
    ...before,
    ...(address && { address: withCountry(address) }),
    ...(email !== undefined && { email }),
    ...(organizationRegistrationNumber !== undefined && { organizationRegistrationNumber }),
    ...(customer.customDomains && { customDomains: customer.customDomains }),
  };
}

/** Of a list's partial customer: what has to be there, with the partner's own country, until the full one is imported. */
function billingProfile(
  customer: CustomerResource,
  before: StoredBillingProfile | undefined,
  context: Context,
): StoredBillingProfile {
  const { billingProfile: wire, companyProfile: company } = customer;
  const base = before ?? {
    id: wire?.id ?? uuidv4(),
    email: company.email ?? '',
    culture: 'en-US',
    language: 'en',
    companyName: company.companyName,
    defaultAddress: withCountry(company.address ?? { country: context.country ?? 'US' }),
    version: 1,
  };
  if (!wire) return base;
  const { defaultAddress, ...given } = wire;
  const after = { ...base, ...given, defaultAddress: withCountry(defaultAddress) };
  const same = before !== undefined && JSON.stringify(sorted(before)) === JSON.stringify(sorted(after));
  return before === undefined || same ? after : { ...after, version: before.version + 1 };
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return members.map(([name, content]) => [name, sorted(content)]);
}

function rowOf({ customer, key }: CustomerDraft, before: Row<'customers'> | undefined, context: Context) {
  const { companyName } = customer.companyProfile;
  const billing = billingProfile(customer, before?.billing_profile, context);
  const relationship = customer.relationshipToPartner ?? before?.relationship ?? 'reseller';
  const row: Row<'customers'> = {
    partner_id: context.partnerId,
    customer_id: key,
    company_name: companyName,
    company_name_key: companyName.toLowerCase(),
    domain: customer.companyProfile.domain.toLowerCase(),
    relationship: relationship === 'unknown' ? 'none' : relationship,
    allow_delegated_access: customer.allowDelegatedAccess ?? before?.allow_delegated_access ?? false,
    country: billing.defaultAddress.country,
    associated_partner_id: customer.associatedPartnerId ?? before?.associated_partner_id ?? null,
    company_profile: companyProfile(customer, before?.company_profile),
    billing_profile: billing,
    version: before?.version ?? 1,
    log_seq: before?.log_seq ?? 0,
    log_head: before?.log_head ?? GENESIS,
    created_on: before?.created_on ?? context.now,
    deleted_on: null,
  };
  return row;
}

/** The entry that tells the weightiest of what changed. */
function operationOf(before: Row<'customers'> | undefined, after: Row<'customers'>): OperationType {
  if (!before || before.deleted_on !== null) return 'add_customer';
  if (before.relationship !== after.relationship && after.relationship === 'none') {
    return 'remove_partner_customer_relationship';
  }
  if (before.allow_delegated_access && !after.allow_delegated_access) return 'dap_admin_relationship_terminated';
  if (before.billing_profile.version !== after.billing_profile.version) return 'update_customer_billing_profile';
  return 'update_company_info';
}

/** `GET /v1/customers` and `GET /v1/customers/{id}`. */
export const customers = defineKind(
  CustomerResource,
  (customer, { partnerIds }): CustomerDraft => {
    const key = lower(customer.id);
    if (partnerIds.has(key)) throw new RowRefused('/id', 'The tenant is a partner here, so it cannot be a customer.');
    return { key, customer };
  },
  async (db, context, rows): Promise<Plan> => {
    const { partnerId } = context;
    const domains = rows.map(({ draft }) => ({ domain: draft.customer.companyProfile.domain.toLowerCase() }));
    const [found, sharing] = await Promise.all([
      findRows(
        db,
        'customers',
        partnerId,
        rows.map(({ draft }) => ({ customer_id: draft.key })),
      ),
      findRows(db, 'customers', partnerId, domains, ['domain'], 'live'),
    ]);
    const known = indexRows(found, 'customer_id');
    const holders = new Map(sharing.map((row) => [row.domain, row.customer_id]));
    return rows.map(({ draft }: Located<CustomerDraft>) => {
      const before = known.get(draft.key);
      const after = rowOf(draft, before, context);
      const holder = holders.get(after.domain) ?? draft.key;
      if (holder !== draft.key) {
        return new RowRefused('/companyProfile/domain', `The domain ${after.domain} is that of customer ${holder}.`);
      }
      holders.set(after.domain, draft.key);
      return rowChange({
        table: 'customers',
        before,
        after,
        customerId: draft.key,
        entry: { operationType: operationOf(before, after), resourceType: 'customer', resourceId: draft.key },
      });
    });
  },
);
