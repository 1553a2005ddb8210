import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from './database.js';

export const CONTOSO = '634f6379-ad54-449b-9821-564f737158ab';
export const FABRIKAM = 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11';
export const OWNER_ROLE = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const ADMIN_AGENTS_GROUP = 'aaaaaaaa-0000-4000-8000-000000000001';
const SECOND_ADMIN_AGENTS_GROUP = 'aaaaaaaa-0000-4000-8000-000000000002';
const ROWS_PER_STATEMENT = 250_000;

/** What rows are written to. */
type Filled = Pick<HarnessDatabase, 'sql'>;

/** Ids are numbers in the form of GUIDs, one range for each kind of row. */
type Kind = '8000' | '9000' | 'a000' | 'b000' | 'c000' | 'd000' | 'e000';
export const idSql = (kind: Kind, number: string) =>
  `('00000000-0000-4000-${kind}-' || lpad((${number})::text, 12, '0'))::uuid`;
export const customerIdSql = (number: string) => idSql('8000', number);
const id = (kind: Kind, number: number) => `00000000-0000-4000-${kind}-${String(number).padStart(12, '0')}`;
export const customerId = (number: number) => id('8000', number);
/** The customer's Azure plan, its Azure subscription, and the home user who is Owner on it: see {@link insertEligibility}. */
export const subscriptionId = (number: number) => id('9000', number);
export const azureSubscriptionId = (number: number) => id('a000', number);
export const ownerId = (number: number) => id('b000', number);
/** Of the assignment that makes the user so. */
export const roleAssignmentId = (number: number) => id('c000', 2 * number);
export const ownerName = (number: number) => `olga@c${number}.onmicrosoft.com`;

export async function insertPartner(sql: HarnessDatabase['sql']): Promise<void> {
  await sql(
    `insert into partners (partner_id, company_name, domain, country, mpn_id, admin_agents_group_id, created_on)
     values ($1, 'Contoso', 'contosopartner.onmicrosoft.com', 'US', '1234567', $2, now())`,
    [CONTOSO, ADMIN_AGENTS_GROUP],
  );
}

/** Fabrikam, with so many customers that are copies of contoso's first ones. */
export async function insertSecondPartner({ sql }: Filled, customers: number): Promise<void> {
  await sql(
    `insert into partners (partner_id, company_name, domain, country, mpn_id, admin_agents_group_id, created_on)
     values ($1, 'Fabrikam', 'fabrikampartner.onmicrosoft.com', 'US', '7654321', $2, now())`,
    [FABRIKAM, SECOND_ADMIN_AGENTS_GROUP],
  );
  await sql(
    `insert into customers select (jsonb_populate_record(c, jsonb_build_object('partner_id', $2::uuid))).* from customers c
     where partner_id = $1 order by customer_id limit $3`,
    [CONTOSO, FABRIKAM, customers],
  );
}

/** Customers number `from` to `to`, in the order of their numbers also by name. */
export async function insertCustomers(database: Filled, from: number, to: number): Promise<void> {
  for (let first = from; first <= to; first += ROWS_PER_STATEMENT) {
    await database.sql(
      `insert into customers (partner_id, customer_id, company_name, company_name_key, domain, relationship,
         allow_delegated_access, country, company_profile, billing_profile, version, log_seq, log_head, created_on)
       select $1, ${customerIdSql('n')}, 'Customer ' || lpad(n::text, 8, '0'), 'customer ' || lpad(n::text, 8, '0'),
         'c' || n || '.onmicrosoft.com', 'reseller', true, 'US', address, jsonb_build_object(
           'id', ${customerIdSql('n')}, 'email', 'billing@c' || n || '.onmicrosoft.com', 'culture', 'en-US',
           'language', 'en', 'companyName', 'Customer ' || n, 'defaultAddress', address -> 'address', 'version', 1),
         1, 0, decode(repeat('00', 32), 'hex'), now() - interval '1 year'
       from generate_series($2::int, $3::int) n, (select '{"address": {"country": "US", "city": "Redmond",
         "state": "WA", "addressLine1": "One Way", "postalCode": "98052"}}'::jsonb as address) a`,
      [CONTOSO, first, Math.min(to, first + ROWS_PER_STATEMENT - 1)],
    );
  }
}

/** Makes the customers eligible: an Azure plan with an active Azure subscription, and a home user who is Owner on it. */
export async function insertEligibility({ sql }: Filled, to: number): Promise<void> {
  await sql(
    `insert into subscriptions (partner_id, customer_id, subscription_id, offer_id, offer_name, friendly_name,
       product_type_id, product_type_name, quantity, unit_type, status, billing_type, billing_cycle, is_trial,
       auto_renew_enabled, has_purchasable_addons, is_microsoft_product, publisher_name, mpn_id, order_id,
       suspension_reasons, registration_status, transition_in_progress, creation_date, effective_start_date,
       commitment_end_date, version)
     select $1, ${customerIdSql('n')}, ${idSql('9000', 'n')}, 'DZH318Z0BPS6:0001:DZH318Z0BML6', 'Azure plan',
       'Azure plan', 'DZH318Z0BPS6', 'Azure plan', 1, 'Usage-based', 'active', 'usage', 'one_time', false, false, false,
       true, 'Microsoft', '1234567', 'order-' || n, '{}', 'notregistered', false, now() - interval '1 year',
       now() - interval '1 year', '9999-12-10', 1
     from generate_series(1, $2::int) n`,
    [CONTOSO, to],
  );
  await sql(
    `insert into azure_subscriptions (partner_id, azure_subscription_id, customer_id, subscription_id, friendly_name,
       status, arm_state, quota_id, management_groups, version, created_on)
     select $1, ${idSql('a000', 'n')}, ${customerIdSql('n')}, ${idSql('9000', 'n')}, 'Azure subscription 1', 'active',
       'Enabled', 'CSP_2015-05-01', '{}', 1, now() - interval '1 year'
     from generate_series(1, $2::int) n`,
    [CONTOSO, to],
  );
  await sql(
    `insert into users (partner_id, customer_id, user_id, user_principal_name, upn_key, display_name, first_name,
       last_name, usage_location, user_domain_type, user_type, account_state, version, created_on)
     select $1, ${customerIdSql('n')}, ${idSql('b000', 'n')}, upn, upn, 'Olga Owner', 'Olga', 'Owner', 'US', 'managed',
       'member', 'active', 1, now() - interval '1 year'
     from generate_series(1, $2::int) n, lateral (select 'olga@c' || n || '.onmicrosoft.com' as upn) u`,
    [CONTOSO, to],
  );
  // The partner's own foreign group beside the owner, as every customer of a real partner has it.
  await sql(
    `insert into role_assignments (partner_id, customer_id, role_assignment_id, scope, scope_key, scope_level,
       azure_subscription_id, role_definition_id, principal_id, principal_type, assignment_state, created_on, updated_on)
     select $1, ${customerIdSql('n')}, ${idSql('c000', '2 * n + foreign_group::int')}, scope, scope, 'subscription',
       ${idSql('a000', 'n')}, $3, case when foreign_group then $4::uuid else ${idSql('b000', 'n')} end,
       case when foreign_group then 'ForeignGroup' else 'User' end, 'active', now() - interval '1 year',
       now() - interval '1 year'
     from generate_series(1, $2::int) n, (values (false), (true)) g (foreign_group),
       lateral (select '/subscriptions/' || ${idSql('a000', 'n')} as scope) s`,
    [CONTOSO, to, OWNER_ROLE, ADMIN_AGENTS_GROUP],
  );
}

/** One permission of each customer, switched on. */
export async function insertPermissions({ sql }: Filled, to: number): Promise<void> {
  await sql(
    `insert into purchase_permissions (partner_id, customer_id, resource, state, effective, ineligibility_reasons,
       version, changed_on, changed_by)
     select $1, ${customerIdSql('n')}, 'AzureReservedInstances', 'on', true, '[]', 1, now(),
       'ada.admin@contosopartner.onmicrosoft.com'
     from generate_series(1, $2::int) n`,
    [CONTOSO, to],
  );
}

/** What a customer of the bench buys; the price is made up. */
export const RESERVATION = {
  reservedResourceType: 'VirtualMachines',
  skuName: 'Standard_D2s_v5',
  location: 'westeurope',
  term: 'P1Y',
  billingPlan: 'Monthly',
  quantity: 1,
} as const;

/** Quotes of customers 1 to `customers` in turn, good for an hour. @returns the id of each and its customer's number */
export async function insertQuotes(
  { sql }: Filled,
  count: number,
  customers: number,
): Promise<{ quoteId: string; customer: number }[]> {
  const price = {
    currencyCode: 'USD',
    unitMinor: 60_000,
    totalMinor: 60_000,
    retailUnitPrice: '600',
    retailEffectiveOn: '2026-01-01T00:00:00.000Z',
    priceBookVersion: 0,
    productId: 'DZH318Z0BQ35',
    skuId: '0001',
    skuTitle: 'Reserved VM Instance, Standard_D2s_v5, westeurope, 1 Year',
    skuDescription: RESERVATION.skuName,
  };
  const rows = await sql<{ quote_id: string; customer_id: string }>(
    `insert into quotes (partner_id, quote_id, customer_id, request, price, created_on, created_by, expires_on)
     select $1, gen_random_uuid(), ${customerIdSql('customer')},
       $4::jsonb || jsonb_build_object('azureSubscriptionId', ${idSql('a000', 'customer')}), $5, now(),
       ${idSql('b000', 'customer')}, now() + interval '1 day'
     from generate_series(1, $2::int) n, lateral (select 1 + n % $3::int as customer) c
     returning quote_id, customer_id`,
    [CONTOSO, count, customers, JSON.stringify(RESERVATION), JSON.stringify(price)],
  );
  return rows.map((row) => ({ quoteId: row.quote_id, customer: Number(row.customer_id.slice(-12)) }));
}

/**
 * Waits until the log does not grow: requests that a slice left behind run on for a moment, and what they write must not
 * fall into the next slice.
 */
export async function untilQuiet({ sql }: Filled): Promise<void> {
  const count = async () => (await sql<{ sum: string }>('select sum(log_seq) as sum from customers'))[0]?.sum;
  for (let seen: string | undefined, now = await count(); seen !== now; now = await count()) {
    seen = now;
    await setTimeout(300);
  }
}

/**
 * Log entries of customers 1 to `customers` in turn, evenly over a time. Foreign keys are not looked up: each entry's
 * customer is there.
 */
export async function insertLog(
  { sql }: Filled,
  log: { entries: number; customers: number; from: Date; to: Date; firstSeq: number },
): Promise<void> {
  const { entries, customers, from, to, firstSeq } = log;
  const step = (to.getTime() - from.getTime()) / entries;
  await sql('set session_replication_role = replica');
  for (let first = 0; first < entries; first += ROWS_PER_STATEMENT) {
    await sql(
      `insert into activity_log (partner_id, customer_id, seq, entry_id, occurred_on, action, operation_type,
         operation_status, resource_type, resource_id, customer_name, actor_type, actor_id, user_principal_name,
         request_id, correlation_id, new_value, customized_data, hash_version, previous_hash, hash)
       select $1::uuid, customer, $6::bigint + n / $2::int, gen_random_uuid(), $3::timestamptz + n * $7::float8 * interval '1 ms',
         'Create Customer Purchase Permissions', 'create_self_serve_policy', 'succeeded', 'self_serve_policy',
         $1::uuid || '_' || customer, 'Customer ' || n % $2::int, 'user', '5a1f0c1e-6f0a-4c0e-9b51-0d5c3a7e1001',
         'ada.admin@contosopartner.onmicrosoft.com', gen_random_uuid(), gen_random_uuid(),
         '{"Grantor":{"GrantorType":"BillToPartner"},"Permissions":[{"Resource":"AzureReservedInstances","Action":"Purchase"}]}',
         '[{"key":"Permission","value":"AzureReservedInstances"}]', 1, zeros, zeros
       from generate_series($4::int, $5::int) n,
         lateral (select ${customerIdSql('1 + n % $2::int')} as customer, decode(repeat('00', 32), 'hex') as zeros) c`,
      [CONTOSO, customers, from, first, Math.min(entries, first + ROWS_PER_STATEMENT) - 1, firstSeq, step],
    );
  }
  await sql('reset session_replication_role');
}

/** Statistics, visibility map and a checkpoint, so that none of it falls into a measurement. */
export async function settle({ sql }: Filled): Promise<void> {
  await sql('vacuum analyze');
  await sql('checkpoint');
}
