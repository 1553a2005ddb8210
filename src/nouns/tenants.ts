import type { DatabaseHandle } from '../db/connect.js';

/** What a tenant is here. A tenant that is a partner is not looked for among the customers. */
export async function findTenantKind(
  db: DatabaseHandle,
  tenantId: string,
): Promise<'partner' | 'customer' | undefined> {
  const partner = await db.read(tenantId, (reading) =>
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
