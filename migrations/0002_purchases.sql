-- What a customer buys and what the partner alone may do with it: prices, quotes, orders, reservations, guards, change
-- requests, webhooks. Money is bigint in the minor unit of the currency beside it; a retail price is the decimal that was
-- published.

-- Azure Retail Prices items of type Reservation: one unit for the whole term. Kept by the date they came into force.
create table retail_prices (
  partner_id uuid not null,
  currency_code text collate "C" not null,
  reserved_resource_type text collate "C" not null,
  location text collate "C" not null,
  sku_key text collate "C" not null,
  term text collate "C" not null,
  effective_on timestamptz not null,
  arm_sku_name text not null,
  unit_price numeric not null,
  product_id text collate "C" not null,
  sku_id text collate "C" not null,
  meter_id text collate "C" not null,
  product_name text not null,
  sku_name text not null,
  service_name text not null,
  constraint retail_prices_pk primary key (partner_id, currency_code, reserved_resource_type, location, sku_key, term, effective_on),
  constraint retail_prices_term_ck check (term in ('P1Y', 'P3Y', 'P5Y')),
  constraint retail_prices_price_ck check (unit_price >= 0)
);
create index retail_prices_by_product on retail_prices (partner_id, product_id, sku_id);

-- Every version of the price book: the highest is in force, a quote names the one it was made with.
create table price_books (
  partner_id uuid not null,
  version bigint not null,
  currency_code text collate "C" not null,
  entries jsonb not null,
  changed_on timestamptz not null,
  changed_by text not null,
  constraint price_books_pk primary key (partner_id, version),
  constraint price_books_partner_fk foreign key (partner_id) references partners (partner_id)
);

create table customer_agreements (
  partner_id uuid not null,
  customer_id uuid not null,
  agreement_type text collate "C" not null,
  agreement_id uuid not null,
  template_id uuid not null,
  date_agreed timestamptz not null,
  primary_contact jsonb not null,
  accepted_by text not null,
  created_on timestamptz not null,
  constraint customer_agreements_pk primary key (partner_id, customer_id, agreement_type, agreement_id),
  constraint customer_agreements_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id)
);

-- A price that was promised. quote_id becomes the id of the reservation order.
create table quotes (
  partner_id uuid not null,
  quote_id uuid not null,
  customer_id uuid not null,
  request jsonb not null,
  price jsonb not null,
  created_on timestamptz not null,
  created_by uuid,
  expires_on timestamptz not null,
  constraint quotes_pk primary key (partner_id, quote_id),
  constraint quotes_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id)
);
create index quotes_by_expiry on quotes (partner_id, expires_on);

create table carts (
  partner_id uuid not null,
  customer_id uuid not null,
  cart_id uuid not null,
  status text collate "C" not null,
  lines jsonb not null,
  checkout_result jsonb,
  created_on timestamptz not null,
  last_modified_on timestamptz not null,
  last_modified_by text not null,
  expires_on timestamptz not null,
  version bigint not null,
  constraint carts_pk primary key (partner_id, customer_id, cart_id),
  constraint carts_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint carts_status_ck check (status in ('Active', 'Ordered'))
);

-- Partner's and customer's purchases together. approval_expires_on: how long a pending order waits for the partner.
create table orders (
  partner_id uuid not null,
  customer_id uuid not null,
  order_id uuid not null,
  kind text collate "C" not null,
  origin text collate "C" not null,
  status text collate "C" not null,
  billing_cycle text collate "C" not null,
  currency_code text collate "C" not null,
  total_minor bigint not null,
  lines jsonb not null,
  bought_by_id uuid,
  bought_by text not null,
  created_on timestamptz not null,
  approval_expires_on timestamptz,
  decided_on timestamptz,
  decided_by text,
  version bigint not null,
  constraint orders_pk primary key (partner_id, customer_id, order_id),
  constraint orders_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint orders_kind_ck check (kind in ('subscription', 'reservation', 'mixed')),
  constraint orders_origin_ck check (origin in ('partner', 'customer')),
  constraint orders_status_ck check (status in ('completed', 'pending', 'cancelled')),
  constraint orders_pending_ck check ((status = 'pending') = (approval_expires_on is not null))
);
create index orders_by_time on orders (partner_id, customer_id, created_on, order_id);
create index orders_waiting on orders (partner_id, approval_expires_on) where status = 'pending';

-- owner_ids: the users who were Owner of the billing subscription when it was bought; they can read it.
create table reservation_orders (
  partner_id uuid not null,
  reservation_order_id uuid not null,
  customer_id uuid not null,
  order_id uuid not null,
  line_number bigint not null,
  origin text collate "C" not null,
  display_name text not null,
  reserved_resource_type text collate "C" not null,
  sku_name text not null,
  location text collate "C" not null,
  term text collate "C" not null,
  billing_plan text collate "C" not null,
  original_quantity bigint not null,
  billing_subscription_id uuid not null,
  provisioning_state text collate "C" not null,
  currency_code text collate "C" not null,
  unit_minor bigint not null,
  total_minor bigint not null,
  retail_unit_price numeric not null,
  price_book_version bigint not null,
  payments jsonb not null,
  requested_on timestamptz not null,
  created_on timestamptz not null,
  benefit_start_on timestamptz not null,
  expires_on timestamptz not null,
  review_on timestamptz,
  bought_by_id uuid,
  bought_by text not null,
  owner_ids uuid[] not null,
  version bigint not null,
  constraint reservation_orders_pk primary key (partner_id, reservation_order_id),
  constraint reservation_orders_order_fk foreign key (partner_id, customer_id, order_id) references orders (partner_id, customer_id, order_id),
  constraint reservation_orders_origin_ck check (origin in ('partner', 'customer')),
  constraint reservation_orders_plan_ck check (billing_plan in ('Upfront', 'Monthly')),
  constraint reservation_orders_total_ck check (total_minor = unit_minor * original_quantity)
);
create index reservation_orders_by_customer on reservation_orders (partner_id, customer_id, created_on, reservation_order_id);

create table reservations (
  partner_id uuid not null,
  reservation_order_id uuid not null,
  reservation_id uuid not null,
  customer_id uuid not null,
  display_name text not null,
  sku_name text not null,
  location text collate "C" not null,
  reserved_resource_type text collate "C" not null,
  quantity bigint not null,
  provisioning_state text collate "C" not null,
  applied_scope_type text collate "C" not null,
  applied_scope text,
  applied_scope_tenant_id uuid,
  applied_scope_name text,
  instance_flexibility text collate "C" not null,
  renew boolean not null,
  renew_properties jsonb,
  renew_source uuid,
  renew_destination uuid,
  archived boolean not null,
  review_on timestamptz,
  effective_on timestamptz not null,
  expires_on timestamptz not null,
  purchased_on timestamptz not null,
  updated_on timestamptz not null,
  split_source uuid,
  split_destinations uuid[] not null,
  merge_sources uuid[] not null,
  merge_destination uuid,
  swap_source uuid,
  swap_destination uuid,
  version bigint not null,
  constraint reservations_pk primary key (partner_id, reservation_order_id, reservation_id),
  constraint reservations_order_fk foreign key (partner_id, reservation_order_id) references reservation_orders (partner_id, reservation_order_id),
  constraint reservations_quantity_ck check (quantity > 0),
  constraint reservations_scope_ck check (applied_scope_type in ('Single', 'Shared', 'ManagementGroup')),
  constraint reservations_flexibility_ck check (instance_flexibility in ('On', 'Off'))
);
create index reservations_by_customer on reservations (partner_id, customer_id, reservation_order_id, reservation_id);

create table reservation_revisions (
  partner_id uuid not null,
  reservation_order_id uuid not null,
  reservation_id uuid not null,
  version bigint not null,
  customer_id uuid not null,
  content jsonb not null,
  changed_on timestamptz not null,
  changed_by text not null,
  constraint reservation_revisions_pk primary key (partner_id, reservation_order_id, reservation_id, version),
  constraint reservation_revisions_of_fk foreign key (partner_id, reservation_order_id, reservation_id) references reservations (partner_id, reservation_order_id, reservation_id)
);

-- What calculateRefund and calculateExchange promised.
create table refund_sessions (
  partner_id uuid not null,
  session_id uuid not null,
  customer_id uuid not null,
  kind text collate "C" not null,
  request jsonb not null,
  result jsonb not null,
  created_on timestamptz not null,
  expires_on timestamptz not null,
  constraint refund_sessions_pk primary key (partner_id, session_id),
  constraint refund_sessions_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint refund_sessions_kind_ck check (kind in ('refund', 'exchange'))
);
create index refund_sessions_by_expiry on refund_sessions (partner_id, expires_on);

-- limit_usd_minor: what it takes of the rolling 12 months' limit, in cents of USD; 0 for an exchange.
create table refunds (
  partner_id uuid not null,
  customer_id uuid not null,
  refund_id uuid not null,
  kind text collate "C" not null,
  reservation_order_id uuid not null,
  reservation_id uuid not null,
  quantity bigint not null,
  currency_code text collate "C" not null,
  refund_minor bigint not null,
  fee_minor bigint not null,
  cancelled_commitment_minor bigint not null,
  limit_usd_minor bigint not null,
  reason text,
  created_on timestamptz not null,
  created_by text not null,
  constraint refunds_pk primary key (partner_id, customer_id, refund_id),
  constraint refunds_order_fk foreign key (partner_id, reservation_order_id) references reservation_orders (partner_id, reservation_order_id),
  constraint refunds_kind_ck check (kind in ('return', 'exchange'))
);
create index refunds_by_time on refunds (partner_id, customer_id, created_on);

create table purchase_guards (
  partner_id uuid not null,
  customer_id uuid not null,
  resource text collate "C" not null,
  guards jsonb not null,
  version bigint not null,
  changed_on timestamptz not null,
  changed_by text not null,
  constraint purchase_guards_pk primary key (partner_id, customer_id, resource),
  constraint purchase_guards_customer_fk foreign key (partner_id, customer_id) references customers (partner_id, customer_id),
  constraint purchase_guards_resource_ck check (resource in ('AzureReservedInstances', 'AzureSavingsPlan'))
);

create table change_requests (
  partner_id uuid not null,
  customer_id uuid not null,
  change_request_id uuid not null,
  kind text collate "C" not null,
  status text collate "C" not null,
  reservation_order_id uuid not null,
  reservation_id uuid not null,
  request jsonb not null,
  comment text,
  outcome jsonb,
  requested_by_id uuid,
  requested_by text not null,
  created_on timestamptz not null,
  decided_on timestamptz,
  decided_by text,
  version bigint not null,
  constraint change_requests_pk primary key (partner_id, customer_id, change_request_id),
  constraint change_requests_reservation_fk foreign key (partner_id, reservation_order_id, reservation_id) references reservations (partner_id, reservation_order_id, reservation_id),
  constraint change_requests_kind_ck check (kind in ('exchange', 'cancel', 'renew', 'scope')),
  constraint change_requests_status_ck check (status in ('open', 'approved', 'declined'))
);
create index change_requests_by_time on change_requests (partner_id, customer_id, created_on, change_request_id);
create unique index change_requests_open on change_requests (partner_id, customer_id, reservation_id, kind) where status = 'open';

create table webhook_registrations (
  partner_id uuid not null,
  subscriber_id uuid not null,
  webhook_url text not null,
  webhook_events text[] not null,
  signature_to_ms_signature_header boolean not null,
  version bigint not null,
  changed_on timestamptz not null,
  changed_by text not null,
  constraint webhook_registrations_pk primary key (partner_id),
  constraint webhook_registrations_partner_fk foreign key (partner_id) references partners (partner_id)
);

-- The key that signs a partner's deliveries; sealed, so that every instance can use it.
create table webhook_keys (
  partner_id uuid not null,
  key_id uuid not null,
  certificate text not null,
  sealed_key bytea not null,
  created_on timestamptz not null,
  expires_on timestamptz not null,
  constraint webhook_keys_pk primary key (partner_id, key_id)
);

-- Written with the change it tells of. Delivered in order of occurred_on, event_id within a customer; customer_id is nil
-- for what concerns no customer. A waiting event is sent at next_attempt_on at the earliest.
create table webhook_events (
  partner_id uuid not null,
  customer_id uuid not null,
  event_id uuid not null,
  event_name text collate "C" not null,
  payload jsonb not null,
  correlation_id uuid not null,
  status text collate "C" not null,
  attempts bigint not null,
  next_attempt_on timestamptz not null,
  results jsonb not null,
  occurred_on timestamptz not null,
  constraint webhook_events_pk primary key (partner_id, customer_id, event_id),
  constraint webhook_events_status_ck check (status in ('waiting', 'delivered', 'failed'))
);
create index webhook_events_waiting on webhook_events (partner_id, customer_id, occurred_on, event_id) where status = 'waiting';
create index webhook_events_by_correlation on webhook_events (partner_id, correlation_id);

do $$
declare
  t text;
begin
  foreach t in array array['retail_prices', 'price_books', 'customer_agreements', 'quotes', 'carts', 'orders',
    'reservation_orders', 'reservations', 'reservation_revisions', 'refund_sessions', 'refunds', 'purchase_guards',
    'change_requests', 'webhook_registrations', 'webhook_keys', 'webhook_events']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($policy$create policy %I on %I
      using (partner_id = nullif(current_setting('app.partner_id', true), '')::uuid)
      with check (partner_id = nullif(current_setting('app.partner_id', true), '')::uuid)$policy$, t || '_of_partner', t);
  end loop;
end
$$;

-- The deliverer has to know which partners have something to be delivered.
create policy webhook_events_of_watch on webhook_events for select
  using (status = 'waiting' and current_setting('app.watch', true) = 'on');

grant select, insert, update on retail_prices, carts, orders, reservation_orders, reservations, purchase_guards,
  change_requests, webhook_registrations, webhook_events to customer_permissions_app;
grant select, insert on price_books, customer_agreements, reservation_revisions, refunds, webhook_keys to customer_permissions_app;
grant select, insert, delete on quotes, refund_sessions to customer_permissions_app;
grant delete on webhook_registrations, webhook_events to customer_permissions_app;
