import { sql } from 'kysely';
import type { DatabaseHandle, Reading } from '../../db/connect.js';
import { oneByOne } from '../../db/one-by-one.js';

/** What a tenant is here. A tenant that is a partner is not looked for among the customers. */
export async function findTenantKind(
  db: DatabaseHandle,
  tenantId: string,
): Promise<'partner' | 'customer' | undefined> {
  const partner = await db.lookUp(tenantId, (reading) =>
    reading.selectFrom('partners').select('partner_id').where('partner_id', '=', tenantId).executeTakeFirst(),
  );
  if (partner) return 'partner';
  const customer = await db.readTenant(tenantId, (reading) =>
    reading
      .selectFrom('customers')
      .select('customer_id')
      .where('customer_id', '=', tenantId)
      .where('deleted_on', 'is', null)
      .limit(1)
      .executeTakeFirst(),
  );
  return customer ? 'customer' : undefined;
}

/** An account that can sign in. */
export async function findUser(db: Reading, partnerId: string, tenantId: string, upnKey: string) {
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
            .innerJoinLateral(
              (eb) =>
                oneByOne(
                  eb
                    .selectFrom('group_members')
                    .select('group_members.group_id')
                    .where('partner_id', '=', partnerId)
                    .where('customer_id', '=', tenantId)
                    .whereRef('member_id', '=', 'held_by.group_id'),
                ).as('m'),
              (join) => join.onTrue(),
            )
            .select('m.group_id'),
        ),
    )
    .selectFrom('held_by')
    .select(sql<string>`held_by.group_id`.as('group_id'))
    .execute();
  return rows.map((row) => row.group_id);
}

/** The partners that a tenant is a customer of. */
export async function listPartnersOf(db: DatabaseHandle, tenantId: string): Promise<string[]> {
  const rows = await db.readTenant(tenantId, (reading) =>
    reading
      .selectFrom('customers')
      .select('partner_id')
      .where('customer_id', '=', tenantId)
      .where('deleted_on', 'is', null)
      .orderBy('partner_id')
      .execute(),
  );
  return rows.map((row) => row.partner_id);
}
