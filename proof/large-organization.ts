import { CONTOSO, idSql, OWNER_ROLE } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';

const READER_ROLE = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';
const LARGE = { users: 6000, groups: 1500, assignments: 900 };

/**
 * Makes one of contoso's customers a large organization: users and groups, each user in two of these, and roles below its
 * Azure subscription. The first group is Owner on it, with the second one in it.
 */
export async function insertLargeOrganization(
  { sql }: Pick<HarnessDatabase, 'sql'>,
  { customer, azureSubscription }: { customer: string; azureSubscription: string },
): Promise<void> {
  const user = (number: string) => idSql('d000', number);
  const group = (number: string) => idSql('e000', number);
  await sql(
    `insert into users (partner_id, customer_id, user_id, user_principal_name, upn_key, display_name, first_name,
       last_name, usage_location, user_domain_type, user_type, account_state, version, created_on)
     select $1::uuid, $2::uuid, ${user('n')}, upn, upn, 'User ' || n, 'User', n, 'US', 'managed', 'member', 'active', 1, now()
     from generate_series(1, $3::int) n, lateral (select 'user' || n || '@onmicrosoft.com' as upn) u`,
    [CONTOSO, customer, LARGE.users],
  );
  await sql(
    `insert into groups select $1::uuid, $2::uuid, ${group('n')}, 'Group ' || n from generate_series(1, $3::int) n`,
    [CONTOSO, customer, LARGE.groups],
  );
  await sql(
    `insert into group_members select $1::uuid, $2::uuid, ${group('1 + n % $4::int')}, ${user('1 + n / 2')}
       from generate_series(0, 2 * $3::int - 1) n
     union all select $1::uuid, $2::uuid, ${group('1')}, ${group('2')}`,
    [CONTOSO, customer, LARGE.users, LARGE.groups],
  );
  await sql(
    `insert into role_assignments (partner_id, customer_id, role_assignment_id, scope, scope_key, scope_level,
       azure_subscription_id, role_definition_id, principal_id, principal_type, assignment_state, created_on, updated_on)
     select $1::uuid, $2::uuid, gen_random_uuid(), scope, lower(scope), 'resource_group', $3::uuid, $4::uuid, ${user('n')}, 'User', 'active', now(), now()
     from generate_series(1, $5::int) n, lateral (select '/subscriptions/' || $3::uuid || '/resourceGroups/' || n as scope) s
     union all
     select $1::uuid, $2::uuid, gen_random_uuid(), scope, scope, 'subscription', $3::uuid, $6::uuid, ${group('1')}, 'Group', 'active', now(), now()
     from (select '/subscriptions/' || $3::uuid as scope) s`,
    [CONTOSO, customer, azureSubscription, READER_ROLE, LARGE.assignments, OWNER_ROLE],
  );
}
