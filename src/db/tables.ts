import type { Fixed, Json, PermissionResource } from './column-types.js';
import type { PurchaseTables } from './purchase-tables.js';

export type { BillingPlan, Origin, PermissionResource, Term } from './column-types.js';
export type * from './purchase-tables.js';
export type * from './reservation-tables.js';

export interface PartnersTable {
  partner_id: Fixed<string>;
  company_name: string;
  domain: string;
  country: string | null;
  mpn_id: string | null;
  admin_agents_group_id: string | null;
  created_on: Fixed<Date>;
}

export interface Address {
  country: string;
  region?: string;
  city?: string;
  state?: string;
  addressLine1?: string;
  addressLine2?: string;
  addressLine3?: string;
  district?: string;
  postalCode?: string;
  firstName?: string;
  lastName?: string;
  middleName?: string;
  phoneNumber?: string;
  emailAddress?: string;
  id?: string;
}

/** What `companyProfile` holds beyond tenantId, domain and companyName, which have columns of their own. */
export interface StoredCompanyProfile {
  address?: Address;
  email?: string;
  organizationRegistrationNumber?: string;
  customDomains?: string[];
}

export interface StoredBillingProfile {
  id: string;
  firstName?: string;
  lastName?: string;
  email: string;
  culture: string;
  language: string;
  companyName: string;
  defaultAddress: Address;
  /** Counts the changes of the billing profile; its etag. */
  version: number;
}

export type RelationshipToPartner = 'reseller' | 'advisor' | 'syndication' | 'microsoft_support' | 'none';

export interface CustomersTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  company_name: string;
  /** company_name in lower case: sort key of the list and of `starts_with`. */
  company_name_key: string;
  domain: string;
  relationship: RelationshipToPartner;
  allow_delegated_access: boolean;
  /** ISO 3166-1 alpha-2, upper case, of the billing address: the market. */
  country: string;
  associated_partner_id: string | null;
  company_profile: Json<StoredCompanyProfile>;
  billing_profile: Json<StoredBillingProfile>;
  version: number;
  /** Number of log entries of this customer = seq of the last one. */
  log_seq: number;
  /** Hash of the last log entry; 32 zero bytes before the first. */
  log_head: Buffer;
  created_on: Fixed<Date>;
  deleted_on: Date | null;
}

export interface UsersTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  user_id: Fixed<string>;
  user_principal_name: string;
  upn_key: string;
  display_name: string;
  first_name: string | null;
  last_name: string | null;
  usage_location: string | null;
  immutable_id: string | null;
  phone_number: string | null;
  user_domain_type: 'none' | 'managed' | 'federated';
  user_type: 'member' | 'guest';
  account_state: 'active' | 'inactive';
  /** Domain of the home tenant of an account invited from another tenant, lower case; null for a home user. */
  home_domain: string | null;
  version: number;
  created_on: Fixed<Date>;
  deleted_on: Date | null;
}

export interface GroupsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  group_id: Fixed<string>;
  display_name: string;
}

export interface GroupMembersTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  group_id: Fixed<string>;
  member_id: Fixed<string>;
}

export type SubscriptionStatus = 'none' | 'active' | 'suspended' | 'deleted' | 'expired' | 'pending' | 'disabled';
export type BillingType = 'none' | 'usage' | 'license' | 'benefit';
export type BillingCycle = 'unknown' | 'monthly' | 'annual' | 'none' | 'one_time' | 'triennial' | 'biennial';
export type RegistrationStatus = 'registered' | 'registering' | 'notregistered';

export interface SubscriptionsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  subscription_id: Fixed<string>;
  offer_id: string;
  offer_name: string;
  friendly_name: string;
  product_type_id: string | null;
  product_type_name: string | null;
  quantity: number;
  unit_type: string;
  status: SubscriptionStatus;
  billing_type: BillingType;
  billing_cycle: BillingCycle;
  term_duration: string | null;
  is_trial: boolean;
  auto_renew_enabled: boolean;
  has_purchasable_addons: boolean;
  is_microsoft_product: boolean;
  publisher_name: string | null;
  /** Partner of record (`partnerId` on the wire). */
  mpn_id: string | null;
  order_id: string;
  /** MS-AZR-0145P: its Azure subscription. */
  entitlement_id: string | null;
  suspension_reasons: string[];
  registration_status: RegistrationStatus;
  /** MS-AZR-0145P to Azure plan, or a billing transfer, under way: purchases are blocked meanwhile. */
  transition_in_progress: boolean;
  creation_date: Date;
  effective_start_date: Date;
  commitment_end_date: Date;
  version: number;
}

export type ArmSubscriptionState = 'Enabled' | 'Warned' | 'PastDue' | 'Disabled' | 'Deleted';

export interface AzureSubscriptionsTable {
  partner_id: Fixed<string>;
  azure_subscription_id: Fixed<string>;
  customer_id: string;
  /** The Azure plan or MS-AZR-0145P subscription it was bought under; null: not bought through this partner. */
  subscription_id: string | null;
  friendly_name: string;
  status: 'active' | 'inactive';
  arm_state: ArmSubscriptionState;
  quota_id: string;
  /** Names of the management groups above it, root first. */
  management_groups: string[];
  cancellation_reason: string | null;
  version: number;
  created_on: Fixed<Date>;
}

export type ScopeLevel = 'root' | 'management_group' | 'subscription' | 'resource_group' | 'resource';
export type PrincipalType = 'User' | 'Group' | 'ServicePrincipal' | 'ForeignGroup' | 'Device';

export interface RoleAssignmentsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  role_assignment_id: Fixed<string>;
  scope: string;
  /** scope in lower case. */
  scope_key: string;
  scope_level: ScopeLevel;
  /** Null for management-group and root scopes. */
  azure_subscription_id: string | null;
  role_definition_id: string;
  principal_id: string;
  principal_type: PrincipalType;
  /** `eligible`: PIM would let the principal activate it; it is not held now. */
  assignment_state: 'active' | 'eligible';
  /** When a PIM-activated or time-bound assignment ends by itself. */
  ends_on: Date | null;
  condition: string | null;
  condition_version: string | null;
  description: string | null;
  created_on: Date;
  updated_on: Date;
  created_by: string | null;
  updated_by: string | null;
}

export interface DenyAssignmentsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  deny_assignment_id: Fixed<string>;
  display_name: string;
  scope: string;
  scope_key: string;
  actions: string[];
  not_actions: string[];
  principal_ids: string[];
  everyone: boolean;
}

export interface PurchasePermissionsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  resource: Fixed<PermissionResource>;
  state: 'on' | 'off';
  effective: boolean;
  effective_until: Date | null;
  ineligibility_reasons: Json<string[]>;
  version: number;
  changed_on: Date;
  changed_by: string;
}

export interface ActivityLogTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  seq: Fixed<number>;
  entry_id: Fixed<string>;
  occurred_on: Fixed<Date>;
  action: Fixed<string>;
  operation_type: Fixed<string>;
  operation_status: Fixed<'succeeded' | 'failed' | 'progress' | 'decline'>;
  resource_type: Fixed<string>;
  resource_id: Fixed<string>;
  customer_name: Fixed<string>;
  actor_type: Fixed<'user' | 'application' | 'system'>;
  actor_id: Fixed<string | null>;
  user_principal_name: Fixed<string | null>;
  application_id: Fixed<string | null>;
  request_id: Fixed<string>;
  correlation_id: Fixed<string>;
  old_value: Fixed<string | null>;
  new_value: Fixed<string | null>;
  /** JSON text: [{key, value}]. */
  customized_data: Fixed<string>;
  /** JSON text: the checks at the moment of decision. */
  evidence: Fixed<string | null>;
  hash_version: Fixed<number>;
  previous_hash: Fixed<Buffer>;
  hash: Fixed<Buffer>;
}

export interface RequestLedgerTable {
  partner_id: Fixed<string>;
  request_id: Fixed<string>;
  fingerprint: Fixed<Buffer>;
  status: Fixed<number>;
  /** The answer, sealed: it can hold the one password a new customer gets. */
  reply: Fixed<Buffer>;
  expires_on: Fixed<Date>;
}

export interface Database extends PurchaseTables {
  partners: PartnersTable;
  customers: CustomersTable;
  users: UsersTable;
  groups: GroupsTable;
  group_members: GroupMembersTable;
  subscriptions: SubscriptionsTable;
  azure_subscriptions: AzureSubscriptionsTable;
  role_assignments: RoleAssignmentsTable;
  deny_assignments: DenyAssignmentsTable;
  purchase_permissions: PurchasePermissionsTable;
  activity_log: ActivityLogTable;
  request_ledger: RequestLedgerTable;
}
