import type { DatabaseHandle } from '../../db/connect.js';
import type { CustomerUser } from './identity.js';
import { findUser, listGroupsOf, listPartnersOf } from './queries.js';

/** A user of a customer's directory, for the built-in issuer: looked for at every partner the customer has here. */
export async function findCustomerUser(
  db: DatabaseHandle,
  tenantId: string,
  userPrincipalName: string,
): Promise<CustomerUser | undefined> {
  for (const partnerId of await listPartnersOf(db, tenantId)) {
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
