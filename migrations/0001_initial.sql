-- Tables of the first release. Every table starts with partner_id: it is the tenant key of row-level security, the
-- first column of every key, and the distribution column on Citus. Times and ids are made by the application.

create table partners (
  partner_id uuid not null,
  company_name text not null,
  domain text collate "C" not null,
  country text collate "C",
  mpn_id text collate "C",
  admin_agents_group_id uuid,
  created_on timestamptz not null,
  constraint partners_pk primary key (partner_id)
);

-- The customer row is the lock of everything that eligibility depends on, and carries the head of its log chain.
create table customers (
  partner_id uuid not null,
  customer_id uuid not null,
  company_name text not null,
  company_name_key text collate "C" not null,
  domain text collate "C" not null,
  relationship text collate "C" not null,
  allow_delegated_access boolean not null,
  country text collate "C" not null,
  associated_partner_id text collate "C",
  company_profile jsonb not null,
  billing_profile jsonb not null,
  version bigint not null,
  log_seq bigint not null,
  log_head bytea not null,
  created_on timestamptz not null,
  deleted_on timestamptz,
  constraint customers_pk primary key (partner_id, customer_id),
  constraint customers_partner_fk foreign key (partner_id) references partners (partner_id),
  constraint customers_relationship_ck check (relationship in ('reseller', 'advisor', 'syndication', 'microsoft_support', 'none')),
  constraint customers_not_partner_ck check (customer_id <> partner_id)
);
create unique index customers_by_domain on customers (partner_id, domain) where deleted_on is null;
create index customers_by_name on customers (partner_id, company_name_key, customer_id) where deleted_on is null;
-- The one index that does not start with partner_id: a caller's tenant id is looked up before its partner is known.
create index customers_by_tenant on customers (customer_id);

create table users (
  partner_id uuid not null,
  customer_id uuid not null,
  user_id uuid not null,
  user_principal_name text not null,
  upn_key text collate "C" not null,
  display_name text not null,
  first_name text,
  last_name text,
  usage_location text collate "C",
  immutable_id text,
  phone_number text,
  user_domain_type text collate "C" not null,
  user_type text collate "C" not null,
  account_state text collate "C" not null,
  home_domain text collate "C",
  version bigint not null,
  created_on timestamptz not null,
  deleted_on timestamptz,
  constraint users_pk primary key (partner_id, customer_id, user_id),
  constraint users_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint users_domain_type_ck check (user_domain_type in ('none', 'managed', 'federated')),
  constraint users_type_ck check (user_type in ('member', 'guest')),
  constraint users_state_ck check (account_state in ('active', 'inactive'))
);
create unique index users_by_upn on users (partner_id, customer_id, upn_key) where deleted_on is null;

create table groups (
  partner_id uuid not null,
  customer_id uuid not null,
  group_id uuid not null,
  display_name text not null,
  constraint groups_pk primary key (partner_id, customer_id, group_id),
  constraint groups_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id)
);

-- A member is a user or another group of the same customer; what its id names decides which.
create table group_members (
  partner_id uuid not null,
  customer_id uuid not null,
  group_id uuid not null,
  member_id uuid not null,
  constraint group_members_pk primary key (partner_id, customer_id, group_id, member_id),
  constraint group_members_group_fk foreign key (partner_id, customer_id, group_id) references groups (partner_id, customer_id, group_id)
);

create table subscriptions (
  partner_id uuid not null,
  customer_id uuid not null,
  subscription_id uuid not null,
  offer_id text collate "C" not null,
  offer_name text not null,
  friendly_name text not null,
  product_type_id text collate "C",
  product_type_name text,
  quantity bigint not null,
  unit_type text not null,
  status text collate "C" not null,
  billing_type text collate "C" not null,
  billing_cycle text collate "C" not null,
  term_duration text collate "C",
  is_trial boolean not null,
  auto_renew_enabled boolean not null,
  has_purchasable_addons boolean not null,
  is_microsoft_product boolean not null,
  publisher_name text,
  mpn_id text collate "C",
  order_id text collate "C" not null,
  entitlement_id uuid,
  suspension_reasons text[] not null,
  registration_status text collate "C" not null,
  transition_in_progress boolean not null,
  creation_date timestamptz not null,
  effective_start_date timestamptz not null,
  commitment_end_date timestamptz not null,
  version bigint not null,
  constraint subscriptions_pk primary key (partner_id, customer_id, subscription_id),
  constraint subscriptions_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint subscriptions_status_ck check (status in ('none', 'active', 'suspended', 'deleted', 'expired', 'pending', 'disabled')),
  constraint subscriptions_billing_type_ck check (billing_type in ('none', 'usage', 'license', 'benefit')),
  constraint subscriptions_billing_cycle_ck check (billing_cycle in ('unknown', 'monthly', 'annual', 'none', 'one_time', 'triennial', 'biennial')),
  constraint subscriptions_registration_ck check (registration_status in ('registered', 'registering', 'notregistered')),
  constraint subscriptions_quantity_ck check (quantity >= 0)
);

-- Azure subscriptions of the customer's tenant. subscription_id names the Azure plan or MS-AZR-0145P subscription it was
-- bought under; null: it is in the tenant but was not bought through this partner.
create table azure_subscriptions (
  partner_id uuid not null,
  azure_subscription_id uuid not null,
  customer_id uuid not null,
  subscription_id uuid,
  friendly_name text not null,
  status text collate "C" not null,
  arm_state text collate "C" not null,
  quota_id text collate "C" not null,
  management_groups text[] not null,
  cancellation_reason text collate "C",
  version bigint not null,
  created_on timestamptz not null,
  constraint azure_subscriptions_pk primary key (partner_id, azure_subscription_id),
  constraint azure_subscriptions_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint azure_subscriptions_plan_fk foreign key (partner_id, customer_id, subscription_id) references subscriptions (partner_id, customer_id, subscription_id),
  constraint azure_subscriptions_status_ck check (status in ('active', 'inactive')),
  constraint azure_subscriptions_state_ck check (arm_state in ('Enabled', 'Warned', 'PastDue', 'Disabled', 'Deleted'))
);
create index azure_subscriptions_by_customer on azure_subscriptions (partner_id, customer_id, azure_subscription_id);

-- scope_key is the scope in lower case: ARM compares scopes without case. assignment_state tells a role held now from
-- one that PIM would let the principal activate.
create table role_assignments (
  partner_id uuid not null,
  customer_id uuid not null,
  role_assignment_id uuid not null,
  scope text not null,
  scope_key text collate "C" not null,
  scope_level text collate "C" not null,
  azure_subscription_id uuid,
  role_definition_id uuid not null,
  principal_id uuid not null,
  principal_type text collate "C" not null,
  assignment_state text collate "C" not null,
  ends_on timestamptz,
  condition text,
  condition_version text,
  description text,
  created_on timestamptz not null,
  updated_on timestamptz not null,
  created_by uuid,
  updated_by uuid,
  constraint role_assignments_pk primary key (partner_id, customer_id, role_assignment_id),
  constraint role_assignments_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint role_assignments_level_ck check (scope_level in ('root', 'management_group', 'subscription', 'resource_group', 'resource')),
  constraint role_assignments_type_ck check (principal_type in ('User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device')),
  constraint role_assignments_state_ck check (assignment_state in ('active', 'eligible'))
);
create unique index role_assignments_one on role_assignments (partner_id, customer_id, scope_key, role_definition_id, principal_id, assignment_state);

create table deny_assignments (
  partner_id uuid not null,
  customer_id uuid not null,
  deny_assignment_id uuid not null,
  display_name text not null,
  scope text not null,
  scope_key text collate "C" not null,
  actions text[] not null,
  not_actions text[] not null,
  principal_ids uuid[] not null,
  everyone boolean not null,
  constraint deny_assignments_pk primary key (partner_id, customer_id, deny_assignment_id),
  constraint deny_assignments_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id)
);

-- No row: off. effective is what the last writer of any fact decided under the customer's lock; effective_until is when
-- the last role that carries it ends by itself.
create table purchase_permissions (
  partner_id uuid not null,
  customer_id uuid not null,
  resource text collate "C" not null,
  state text collate "C" not null,
  effective boolean not null,
  effective_until timestamptz,
  ineligibility_reasons jsonb not null,
  version bigint not null,
  changed_on timestamptz not null,
  changed_by text not null,
  constraint purchase_permissions_pk primary key (partner_id, customer_id, resource),
  constraint purchase_permissions_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint purchase_permissions_resource_ck check (resource in ('AzureReservedInstances', 'AzureSavingsPlan')),
  constraint purchase_permissions_state_ck check (state in ('on', 'off')),
  constraint purchase_permissions_effective_ck check (state = 'on' or not effective)
);
create index purchase_permissions_ending on purchase_permissions (partner_id, effective_until) where effective_until is not null and effective;

-- Append-only: the application may insert and read. seq is gapless per customer; hash chains on previous_hash.
create table activity_log (
  partner_id uuid not null,
  customer_id uuid not null,
  seq bigint not null,
  entry_id uuid not null,
  occurred_on timestamptz not null,
  action text collate "C" not null,
  operation_type text collate "C" not null,
  operation_status text collate "C" not null,
  resource_type text collate "C" not null,
  resource_id text collate "C" not null,
  customer_name text not null,
  actor_type text collate "C" not null,
  actor_id text collate "C",
  user_principal_name text,
  application_id text collate "C",
  request_id uuid not null,
  correlation_id uuid not null,
  old_value text,
  new_value text,
  customized_data text not null,
  evidence text,
  hash_version smallint not null,
  previous_hash bytea not null,
  hash bytea not null,
  constraint activity_log_pk primary key (partner_id, customer_id, seq),
  constraint activity_log_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint activity_log_status_ck check (operation_status in ('succeeded', 'failed', 'progress', 'decline')),
  constraint activity_log_actor_ck check (actor_type in ('user', 'application', 'system'))
);
create unique index activity_log_by_time on activity_log (partner_id, occurred_on, entry_id);
create index activity_log_by_customer on activity_log (partner_id, customer_id, occurred_on, entry_id);

-- One row per answered write, in the transaction of the write: what a repeated MS-RequestId is answered with.
create table request_ledger (
  partner_id uuid not null,
  request_id uuid not null,
  fingerprint bytea not null,
  status smallint not null,
  reply bytea not null,
  expires_on timestamptz not null,
  constraint request_ledger_pk primary key (partner_id, request_id)
);
create index request_ledger_by_expiry on request_ledger (partner_id, expires_on);

do $$
declare
  t text;
begin
  foreach t in array array['partners', 'customers', 'users', 'groups', 'group_members', 'subscriptions',
    'azure_subscriptions', 'role_assignments', 'deny_assignments', 'purchase_permissions', 'activity_log', 'request_ledger']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($policy$create policy %I on %I
      using (partner_id = nullif(current_setting('app.partner_id', true), '')::uuid)
      with check (partner_id = nullif(current_setting('app.partner_id', true), '')::uuid)$policy$, t || '_of_partner', t);
  end loop;
end
$$;

-- A customer's own user is known by its tenant before its partners are.
create policy customers_of_tenant on customers for select
  using (customer_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
-- The watch walks partner by partner and has to know which there are.
create policy partners_of_watch on partners for select
  using (current_setting('app.watch', true) = 'on');

grant usage on schema public to customer_permissions_app;
grant select, insert, update on partners, customers, users, subscriptions, azure_subscriptions, purchase_permissions to customer_permissions_app;
grant select, insert, update, delete on groups, group_members, role_assignments, deny_assignments to customer_permissions_app;
grant select, insert on activity_log to customer_permissions_app;
grant select, insert, delete on request_ledger to customer_permissions_app;
