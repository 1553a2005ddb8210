import { Type } from 'typebox';
import { ref, Uuid } from '../../src/http/schemas.js';
import { PermissionResourceName, PurchasePermission } from '../../src/nouns/purchase-permissions/schemas.js';

/** What the references answer, too. */
export const PERMISSION_ROUTE = '/v1/customers/:customer/purchasepermissions/:resource';

export const permissionSchema = {
  params: Type.Object({
    customer: Uuid,
    resource: Type.String({ ...PermissionResourceName, pattern: '^[A-Za-z]{1,40}$' }),
  }),
  response: { 200: ref(PurchasePermission) },
};
