import { isDeepStrictEqual } from 'node:util';
import type { CommitWith, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { classifyFailure, violatedConstraint } from '../../errors/from-postgres.js';
import { uuidv4 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import type { OperationType } from '../activity-log/actions.js';
import { appendEntries } from '../activity-log/append.js';
import { type EligibilityChange, type PermissionRules, reevaluate } from '../purchase-permissions/service.js';
import { domainOf } from './domains.js';
import { classifyUser } from './user-kind.js';
import { findUser, insertUser, updateUser } from './user-queries.js';
import type { CustomerUser, CustomerUserCreate, CustomerUserUpdate } from './user-schemas.js';
import { toCustomerUser, type UserRow } from './user-view.js';

// https://learn.microsoft.com/partner-center/developer/restore-a-user-for-a-customer
const RESTORABLE_MILLISECONDS = 30 * 24 * 60 * 60 * 1000;

/** Users deleted before this time are gone for good. */
export function purgedBefore(now: Date): Date {
  return new Date(now.getTime() - RESTORABLE_MILLISECONDS);
}

export interface UserChange {
  user: UserRow;
  /** Permissions that lapsed or took effect again by it; to be announced once it is committed. */
  eligibility: readonly EligibilityChange[];
}

function assertOwnDomain(customer: LockedCustomer, userPrincipalName: string): void {
  const domains = [customer.domain, ...(customer.company_profile.customDomains ?? [])];
  const domain = domainOf(userPrincipalName);
  if (domains.some((own) => own.toLowerCase() === domain)) return;
  throw new ApiError('UserInputError', {
    data: [`userPrincipalName is not in a domain of the customer. Use one of ${domains.slice(0, 10).join(', ')}.`],
  });
}

function refuseTakenName(error: unknown): never {
  if (classifyFailure(error) === 'conflict' && violatedConstraint(error) === 'users_by_upn') {
    throw new ApiError('UserExists');
  }
  throw error;
}

const entry = (
  operationType: OperationType,
  userId: string,
  values: { oldValue?: CustomerUser; newValue?: CustomerUser },
) => [{ operationType, resourceType: 'customer_user' as const, resourceId: userId, ...values }];

/** An empty text takes a value away: null never arrives, the SDKs send it for whatever is not set. */
const orNull = (text: string) => (text === '' ? null : text);

function detailsOf(wanted: CustomerUserUpdate): Partial<UserRow> {
  return {
    ...(wanted.displayName !== undefined && { display_name: wanted.displayName }),
    ...(wanted.firstName !== undefined && { first_name: orNull(wanted.firstName) }),
    ...(wanted.lastName !== undefined && { last_name: orNull(wanted.lastName) }),
    ...(wanted.usageLocation !== undefined && { usage_location: wanted.usageLocation.toUpperCase() }),
    ...(wanted.immutableId !== undefined && { immutable_id: orNull(wanted.immutableId) }),
    ...(wanted.phoneNumber !== undefined && { phone_number: orNull(wanted.phoneNumber) }),
    ...(wanted.userDomainType !== undefined && { user_domain_type: wanted.userDomainType }),
    ...(wanted.userType !== undefined && { user_type: wanted.userType }),
    ...(wanted.state !== undefined && { account_state: wanted.state }),
  };
}

/** The columns that follow from the name, when it is another one than before. */
function nameColumns(userPrincipalName: string, userType: UserRow['user_type'] | undefined): Partial<UserRow> {
  const kind = classifyUser(userPrincipalName, userType);
  return {
    user_principal_name: userPrincipalName,
    upn_key: userPrincipalName.toLowerCase(),
    user_type: kind.userType,
    home_domain: kind.homeDomain,
  };
}

/**
 * Creates a user; it holds no role yet, so nothing is decided anew. The password sent is not kept.
 * @throws ApiError CustomerNotFound; UserInputError for a name in a foreign domain; UserExists
 */
export async function createUser(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customerId: string,
  wanted: CustomerUserCreate,
): Promise<UserRow> {
  const { customer, now } = await lockCustomer(tx, act.partnerId, customerId);
  if (!customer) throw new ApiError('CustomerNotFound');
  assertOwnDomain(customer, wanted.userPrincipalName);
  const user: UserRow = {
    partner_id: act.partnerId,
    customer_id: customerId,
    user_id: uuidv4(),
    user_principal_name: wanted.userPrincipalName,
    upn_key: wanted.userPrincipalName.toLowerCase(),
    display_name: wanted.displayName,
    first_name: null,
    last_name: null,
    usage_location: null,
    immutable_id: null,
    phone_number: null,
    user_domain_type: 'managed',
    user_type: 'member',
    account_state: 'active',
    home_domain: null,
    version: 1,
    created_on: now,
    deleted_on: null,
    ...detailsOf(wanted),
    ...nameColumns(wanted.userPrincipalName, wanted.userType),
  };
  commitWith(insertUser(tx, user).catch(refuseTakenName));
  const entries = entry('create_customer_user', user.user_id, { newValue: toCustomerUser(user) });
  appendEntries(tx, act, customer, now, entries, commitWith);
  return user;
}

/**
 * Changes what differs; `state: active` on a user deleted less than 30 days ago restores it. Nothing is written when
 * nothing differs.
 * @throws ApiError CustomerNotFound, UserNotFound; UserInputError for a name in a foreign domain; UserExists
 */
export async function changeUser(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
  userId: string,
  wanted: CustomerUserUpdate,
): Promise<UserChange> {
  const [{ customer, now }, before] = await Promise.all([
    lockCustomer(tx, act.partnerId, customerId),
    findUser(tx, act.partnerId, customerId, userId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (!before) throw new ApiError('UserNotFound');
  const restorable = before.deleted_on !== null && before.deleted_on > purgedBefore(now) && wanted.state === 'active';
  if (before.deleted_on !== null && !restorable) throw new ApiError('UserNotFound');
  const name = wanted.userPrincipalName;
  const renamed = name !== undefined && name !== before.user_principal_name;
  if (renamed) assertOwnDomain(customer, name);
  const after: UserRow = {
    ...before,
    ...detailsOf(wanted),
    ...(renamed && nameColumns(name, wanted.userType)),
    deleted_on: null,
  };
  if (isDeepStrictEqual(after, before)) return { user: before, eligibility: [] };

  after.version += 1;
  await updateUser(tx, after).catch(refuseTakenName);
  const values = { oldValue: toCustomerUser(before), newValue: toCustomerUser(after) };
  appendEntries(tx, act, customer, now, entry('update_customer_user', userId, values), commitWith);
  return { user: after, eligibility: await reevaluate(tx, act, commitWith, rules, customer, now) };
}

/**
 * Deletes a user; it can be restored for 30 days.
 * @throws ApiError CustomerNotFound, UserNotFound
 */
export async function deleteUser(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
  userId: string,
): Promise<UserChange> {
  const [{ customer, now }, user] = await Promise.all([
    lockCustomer(tx, act.partnerId, customerId),
    findUser(tx, act.partnerId, customerId, userId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (!user || user.deleted_on !== null) throw new ApiError('UserNotFound');
  const deleted = { ...user, deleted_on: now, version: user.version + 1 };
  commitWith(updateUser(tx, deleted));
  const entries = entry('delete_customer_user', userId, { oldValue: toCustomerUser(user) });
  appendEntries(tx, act, customer, now, entries, commitWith);
  return { user: deleted, eligibility: await reevaluate(tx, act, commitWith, rules, customer, now) };
}
