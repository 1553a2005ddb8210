import type {
  ArmSubscriptionState,
  BillingType,
  PermissionResource,
  PrincipalType,
  RelationshipToPartner,
  ScopeLevel,
  SubscriptionStatus,
} from '../../db/tables.js';

/** `reservation-purchaser` stands for Savings plan Purchaser where the resource is AzureSavingsPlan. */
export type PurchaserRole = 'owner' | 'reservation-purchaser';

export interface CustomerFact {
  relationship: RelationshipToPartner;
  /** ISO 3166-1 alpha-2 of the billing address. */
  country: string;
  deleted: boolean;
}

/** A Partner Center subscription that this partner sold. */
export interface SubscriptionFact {
  subscriptionId: string;
  offerId: string;
  productTypeId: string | null;
  offerName: string;
  billingType: BillingType;
  status: SubscriptionStatus;
  isTrial: boolean;
  transitionInProgress: boolean;
  entitlementId: string | null;
}

export interface AzureSubscriptionFact {
  azureSubscriptionId: string;
  /** The Partner Center subscription it was bought under; null: not bought through this partner. */
  subscriptionId: string | null;
  friendlyName: string;
  status: 'active' | 'inactive';
  armState: ArmSubscriptionState;
  quotaId: string;
  /** Names of the management groups above it. */
  managementGroups: readonly string[];
}

export interface RoleAssignmentFact {
  roleAssignmentId: string;
  scope: string;
  scopeLevel: ScopeLevel;
  azureSubscriptionId: string | null;
  /** The GUID, or an id that ends in it; any letter case. */
  roleDefinitionId: string;
  principalId: string;
  principalType: PrincipalType;
  assignmentState: 'active' | 'eligible';
  endsOn: Date | null;
  createdOn: Date;
  condition: string | null;
}

/** A user of the customer's directory. */
export interface UserFact {
  userId: string;
  userPrincipalName: string;
  userType: 'member' | 'guest';
  accountState: 'active' | 'inactive';
  /** Domain of the tenant the account was invited from; null for a home user. */
  homeDomain: string | null;
  deleted: boolean;
}

/** The user is a member of the group, directly or through groups in it. */
export interface GroupMembershipFact {
  groupId: string;
  userId: string;
}

export interface DenyAssignmentFact {
  displayName: string;
  scope: string;
  /** Action patterns, `*` for any text. */
  actions: readonly string[];
  notActions: readonly string[];
  principalIds: readonly string[];
  everyone: boolean;
}

/**
 * All that a decision depends on, read under the lock of the customer row. Ids are uuids as PostgreSQL prints them
 * (lower case). Not to be changed once handed over: its index is kept as long as the object.
 */
export interface Facts {
  customer: CustomerFact;
  partnerDomain: string;
  subscriptions: readonly SubscriptionFact[];
  azureSubscriptions: readonly AzureSubscriptionFact[];
  roleAssignments: readonly RoleAssignmentFact[];
  users: readonly UserFact[];
  /** Groups known in the customer's directory. */
  groupIds: readonly string[];
  groupMemberships: readonly GroupMembershipFact[];
  denyAssignments: readonly DenyAssignmentFact[];
}

export interface Rules {
  /** The roles that count as the customer's Owner. */
  purchaserRoles: readonly PurchaserRole[];
  resource: PermissionResource;
  now: Date;
}

export type CheckResult = 'pass' | 'fail' | 'warn';

export interface Check {
  /** One of `CHECK_NAMES`. */
  name: string;
  result: CheckResult;
  /** What was found, with the ids to verify it by. */
  evidence: string;
  /** What to do, one sentence; absent where the check passes. */
  remedy?: string;
}

export interface AssignmentVerdict {
  roleAssignmentId: string;
  /** The Azure subscription it counts on; where it does not count, the one of its scope, if any. */
  azureSubscriptionId: string | null;
  /** Whether it makes the customer eligible. */
  counts: boolean;
  result: CheckResult;
  reason: string;
}

export interface Verdict {
  /** No check fails. */
  eligible: boolean;
  /** When the last counting assignment ends by itself; null: none ends so, or not eligible. */
  effectiveUntil: Date | null;
  /** All checks, in the order of `CHECK_NAMES`. */
  checks: readonly Check[];
}
