import { sql } from 'kysely';
import type { DatabaseHandle, Reading } from '../../db/connect.js';
import type { CustomerUser } from './identity.js';

async function findUser(db: Reading, partnerId: string, tenantId: string, upnKey: string) {
  return db
    .selectFrom('users')
    .select(['user_id', 'user_principal_name'])
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', tenantId)
    .where('upn_key', '=', upnKey)
    .where('account_state', '=', 'active')
    .where('deleted_on', 'is', null)
    .executeTakeFirst();
}

/** Groups that hold the principal, directly or through nested groups. */
export async function listGroupsOf(db: Reading, partnerId: string, tenantId: string, principalId: string) {
  const rows = await db
    .withRecursive('held_by(group_id)', (cte) =>
      cte
        .selectFrom('group_members')
        .select('group_id')
        .where('partner_id', '=', partnerId)
        .where('customer_id', '=', tenantId)
        .where('member_id', '=', principalId)
        .union(
          cte
            .selectFrom('held_by')
            .innerJoin('group_members as m', 'm.member_id', 'held_by.group_id')
            .select('m.group_id')
            .where('m.partner_id', '=', partnerId)
            .where('m.customer_id', '=', tenantId),
        ),
    )
    .selectFrom('held_by')
    .select(sql<string>`held_by.group_id`.as('group_id'))
    .execute();
  return rows.map((row) => row.group_id);
}

/** A user of a customer's directory, for the built-in issuer: looked for at every partner the customer has here. */
export async function findCustomerUser(
  db: DatabaseHandle,
  tenantId: string,
  userPrincipalName: string,
): Promise<CustomerUser | undefined> {
  const rows = await db.readTenant(tenantId, (reading) =>
    reading.selectFrom('customers').select('partner_id').where('customer_id', '=', tenantId).execute(),
  );
  for (const { partner_id: partnerId } of rows) {
    const found = await db.read(partnerId, async (reading) => {
      const user = await findUser(reading, partnerId, tenantId, userPrincipalName.toLowerCase());
      if (!user) return undefined;
      const groups = await listGroupsOf(reading, partnerId, tenantId, user.user_id);
      return { objectId: user.user_id, userPrincipalName: user.user_principal_name, groups };
    });
    if (found) return found;
  }
  return undefined;
}
