import { isDeepStrictEqual } from 'node:util';
import type { CommitWith, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { matches, parseIfMatch, quoted } from '../../http/etag.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries, type NewEntry } from '../activity-log/append.js';
import { type EligibilityChange, type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import { assertBillingAddress } from './market-rules.js';
import { listActiveSubscriptions, updateCustomer } from './queries.js';
import type { CustomerBillingProfileUpdate, CustomerUpdate } from './schemas.js';
import { billingEtag, toBillingProfile, toCustomer } from './view.js';

/** Active subscriptions named in a refusal to end the relationship. */
const SUBSCRIPTIONS_NAMED = 20;

export interface CustomerChange {
  customer: LockedCustomer;
  /** Permissions that lapsed or took effect again by it; to be announced once it is committed. */
  eligibility: readonly EligibilityChange[];
}

function refuseOtherChanges(customer: LockedCustomer, wanted: CustomerUpdate): void {
  const { relationshipToPartner: relationship, allowDelegatedAccess } = wanted;
  if (relationship === undefined && allowDelegatedAccess === undefined) {
    throw new ApiError('InvalidProperty', {
      data: ['body has neither relationshipToPartner nor allowDelegatedAccess, and nothing else can be changed here'],
    });
  }
  if (relationship !== undefined && relationship !== 'none' && relationship !== customer.relationship) {
    throw new ApiError('UnsupportedOperation', {
      description: 'relationshipToPartner can be changed to none only. The customer accepts a new relationship itself.',
    });
  }
  if (allowDelegatedAccess === true && !customer.allow_delegated_access) {
    throw new ApiError('UnsupportedOperation', {
      description: 'allowDelegatedAccess can be changed to false only. The customer grants the access itself.',
    });
  }
}

/**
 * Ends the reseller relationship, the delegated access, or both; what is already so is neither changed nor logged.
 * https://learn.microsoft.com/partner-center/developer/remove-a-reseller-relationship-with-a-customer
 * @throws ApiError CustomerNotFound; UnsupportedOperation for any other change; ActionNotAllowed naming the
 *   subscriptions that are still active
 */
export async function endRelations(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
  wanted: CustomerUpdate,
): Promise<CustomerChange> {
  const [{ customer, now }, active] = await Promise.all([
    lockCustomer(tx, act.partnerId, customerId),
    listActiveSubscriptions(tx, act.partnerId, customerId, SUBSCRIPTIONS_NAMED),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  refuseOtherChanges(customer, wanted);
  const endsRelationship = wanted.relationshipToPartner === 'none' && customer.relationship !== 'none';
  const endsAccess = wanted.allowDelegatedAccess === false && customer.allow_delegated_access;
  if (endsRelationship && active.length > 0) {
    throw new ApiError('ActionNotAllowed', {
      description: 'The relationship cannot end while subscriptions are active. Suspend those that data[] names first.',
      data: active.map(
        (row) => `The subscription ${row.subscription_id} (${row.friendly_name}) is active. Suspend it first.`,
      ),
    });
  }
  if (!endsRelationship && !endsAccess) return { customer, eligibility: [] };

  const entries: NewEntry[] = [];
  const entry = { resourceType: 'partner_customer_relationship', resourceId: customerId } as const;
  if (endsAccess) {
    const oldValue = toCustomer(customer);
    customer.allow_delegated_access = false;
    entries.push({
      ...entry,
      operationType: 'dap_admin_relationship_terminated',
      oldValue,
      newValue: toCustomer(customer),
    });
  }
  if (endsRelationship) {
    const oldValue = toCustomer(customer);
    customer.relationship = 'none';
    entries.push({
      ...entry,
      operationType: 'remove_partner_customer_relationship',
      oldValue,
      newValue: toCustomer(customer),
    });
  }
  customer.version += 1;
  commitWith(updateCustomer(tx, customer));
  appendEntries(tx, act, customer, now, entries, commitWith);
  const eligibility = endsRelationship ? await reevaluate(tx, act, commitWith, rules, customer, now) : [];
  return { customer, eligibility };
}

/**
 * Deletes a customer: its row stays as the lock and the head of its log, and is answered nowhere. Its permissions lapse
 * first, so that the log says so before its last entry.
 * @throws ApiError CustomerNotFound
 */
export async function deleteCustomer(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
): Promise<CustomerChange> {
  const { customer, now } = await lockCustomer(tx, act.partnerId, customerId);
  if (!customer) throw new ApiError('CustomerNotFound');
  const oldValue = toCustomer(customer);
  customer.deleted_on = now;
  customer.version += 1;
  commitWith(updateCustomer(tx, customer));
  const eligibility = await reevaluate(tx, act, commitWith, rules, customer, now);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [{ operationType: 'delete_tip_customer', resourceType: 'customer', resourceId: customerId, oldValue }],
    commitWith,
  );
  return { customer, eligibility };
}

export interface BillingProfileChange {
  wanted: CustomerBillingProfileUpdate;
  ifMatch: string | undefined;
}

function assertFresh(customer: LockedCustomer, { wanted, ifMatch }: BillingProfileChange): void {
  const etag = billingEtag(customer);
  if (ifMatch !== undefined && !matches(parseIfMatch(ifMatch), quoted(etag))) throw new ApiError('PreconditionFailed');
  const sent = wanted.attributes?.etag;
  if (sent !== undefined && sent.replace(/^"(.*)"$/, '$1') !== etag) throw new ApiError('StaleEtag');
}

/**
 * Replaces the billing profile, whose country is the market that eligibility looks at. An equal one changes nothing and
 * keeps its etag.
 * @throws ApiError CustomerNotFound; PreconditionFailed or StaleEtag; InvalidProperty and others for the country's rules
 */
export async function replaceBillingProfile(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
  change: BillingProfileChange,
): Promise<CustomerChange> {
  const { customer, now } = await lockCustomer(tx, act.partnerId, customerId);
  if (!customer) throw new ApiError('CustomerNotFound');
  assertFresh(customer, change);
  const { attributes: _, defaultAddress, ...profile } = change.wanted;
  const country = defaultAddress.country.toUpperCase();
  const { id, version } = customer.billing_profile;
  const replaced = { ...profile, id, version, defaultAddress: { ...defaultAddress, country } };
  if (isDeepStrictEqual(replaced, customer.billing_profile)) return { customer, eligibility: [] };
  assertBillingAddress(replaced.defaultAddress);

  const oldValue = toBillingProfile(customer);
  customer.billing_profile = { ...replaced, version: version + 1 };
  customer.country = country;
  customer.version += 1;
  commitWith(updateCustomer(tx, customer));
  const newValue = toBillingProfile(customer);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_customer_billing_profile',
        resourceType: 'customer',
        resourceId: customerId,
        oldValue,
        newValue,
      },
    ],
    commitWith,
  );
  return { customer, eligibility: await reevaluate(tx, act, commitWith, rules, customer, now) };
}
