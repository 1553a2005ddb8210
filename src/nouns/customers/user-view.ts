import type { Selectable } from 'kysely';
import type { UsersTable } from '../../db/tables.js';
import type { CustomerUser } from './user-schemas.js';
import { selfLink } from './view.js';

export type UserRow = Selectable<UsersTable>;

export function toCustomerUser(row: UserRow): CustomerUser {
  return {
    id: row.user_id,
    userPrincipalName: row.user_principal_name,
    displayName: row.display_name,
    ...(row.first_name !== null && { firstName: row.first_name }),
    ...(row.last_name !== null && { lastName: row.last_name }),
    ...(row.usage_location !== null && { usageLocation: row.usage_location }),
    ...(row.immutable_id !== null && { immutableId: row.immutable_id }),
    ...(row.phone_number !== null && { phoneNumber: row.phone_number }),
    userDomainType: row.user_domain_type,
    userType: row.user_type,
    state: row.deleted_on === null ? row.account_state : 'inactive',
    ...(row.deleted_on !== null && { softDeletionTime: row.deleted_on.toISOString() }),
    links: selfLink(`/customers/${row.customer_id}/users/${row.user_id}`),
    attributes: { objectType: 'CustomerUser' },
  };
}
