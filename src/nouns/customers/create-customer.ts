import type { CommitWith, Tx } from '../../db/connect.js';
import { lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { classifyFailure, violatedConstraint } from '../../errors/from-postgres.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { GENESIS } from '../activity-log/chain.js';
import { initialDomain } from './domains.js';
import { assertBillingAddress, assertRegistrationNumber } from './market-rules.js';
import { newPassword } from './password.js';
import { insertCustomer } from './queries.js';
import type { Customer, CustomerCreate } from './schemas.js';
import { insertUser } from './user-queries.js';
import { toCustomerUser, type UserRow } from './user-view.js';
import { toCustomer } from './view.js';

/** The first administrator's name, as in the documented answer. */
const ADMIN = 'admin';

function assertAcceptable(wanted: CustomerCreate): string {
  const domain = initialDomain(wanted.companyProfile.domain);
  if (domain === undefined) {
    throw new ApiError('InvalidProperty', {
      data: [
        'body/companyProfile/domain has to be a name of letters, digits and inner hyphens, with or without .onmicrosoft.com',
      ],
    });
  }
  const { defaultAddress } = wanted.billingProfile;
  assertBillingAddress(defaultAddress);
  assertRegistrationNumber(defaultAddress.country, wanted.companyProfile.organizationRegistrationNumber);
  return domain;
}

function adminRow(partnerId: string, customerId: string, domain: string, country: string, now: Date): UserRow {
  return {
    partner_id: partnerId,
    customer_id: customerId,
    user_id: uuidv4(),
    user_principal_name: `${ADMIN}@${domain}`,
    upn_key: `${ADMIN}@${domain}`,
    display_name: 'Administrator',
    first_name: null,
    last_name: null,
    usage_location: country,
    immutable_id: null,
    phone_number: null,
    user_domain_type: 'managed',
    user_type: 'member',
    account_state: 'active',
    home_domain: null,
    version: 1,
    created_on: now,
    deleted_on: null,
  };
}

/**
 * Creates a customer with its tenant's first administrator. The password is in this answer and nowhere else: neither
 * stored nor logged.
 * https://learn.microsoft.com/partner-center/developer/create-a-customer
 * @throws ApiError CustomerExists when the domain is taken; InvalidProperty and others for what the country needs
 */
export async function createCustomer(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  wanted: CustomerCreate,
  createdOn: Date,
): Promise<Customer> {
  const { partnerId } = act;
  const domain = assertAcceptable(wanted);
  const { address, email, organizationRegistrationNumber } = wanted.companyProfile;
  const { defaultAddress, ...billing } = wanted.billingProfile;
  const country = defaultAddress.country.toUpperCase();
  const customerId = uuidv4();
  const inserted = insertCustomer(tx, {
    partner_id: partnerId,
    customer_id: customerId,
    company_name: billing.companyName,
    company_name_key: billing.companyName.toLowerCase(),
    domain,
    relationship: 'reseller',
    allow_delegated_access: true,
    country,
    associated_partner_id: wanted.associatedPartnerId ?? null,
    company_profile: JSON.stringify({
      ...(address && { address: { ...address, country: address.country.toUpperCase() } }),
      ...(email !== undefined && { email }),
      ...(organizationRegistrationNumber && { organizationRegistrationNumber }),
    }),
    billing_profile: JSON.stringify({
      ...billing,
      id: uuidv4(),
      defaultAddress: { ...defaultAddress, country },
      version: 1,
    }),
    version: 1,
    log_seq: 0,
    log_head: GENESIS,
    created_on: createdOn,
    deleted_on: null,
  }).catch(refuseTakenDomain);
  // In the insert's flight. A failed insert fails the lock too, and is what has to be told of, whichever settles first.
  const locked = lockCustomer(tx, partnerId, customerId);
  locked.catch(() => {});
  await inserted;
  const { customer, now } = await locked;
  if (!customer) throw new Error('the customer is not there after its insert');

  const admin = adminRow(partnerId, customerId, domain, country, now);
  commitWith(insertUser(tx, admin));
  const created = toCustomer(customer);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'add_customer',
        resourceType: 'customer',
        resourceId: customerId,
        newValue: created,
        customizedData: [
          { key: 'PrimaryDomainName', value: domain },
          { key: 'Relationship', value: customer.relationship },
        ],
      },
      {
        operationType: 'create_customer_user',
        resourceType: 'customer_user',
        resourceId: admin.user_id,
        newValue: toCustomerUser(admin),
      },
    ],
    commitWith,
  );
  return { ...created, userCredentials: { userName: ADMIN, password: newPassword() } };
}

function refuseTakenDomain(error: unknown): never {
  if (classifyFailure(error) === 'conflict' && violatedConstraint(error) === 'customers_by_domain') {
    throw new ApiError('CustomerExists');
  }
  throw error;
}
