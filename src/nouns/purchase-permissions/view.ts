import type { PermissionResource } from '../../db/tables.js';
import { quoted } from '../../http/etag.js';
import type { PermissionRow } from './queries.js';
import type { PurchasePermission } from './schemas.js';

const ENDED = 'The role assignments that made the customer eligible have ended. Assign the Owner role again.';

/** The permission as it is answered at `now`; `row` is undefined while it was never switched. */
export function toPurchasePermission(
  customerId: string,
  resource: PermissionResource,
  row: PermissionRow | undefined,
  now: Date,
): PurchasePermission {
  const ended = row?.effective === true && row.effective_until !== null && row.effective_until <= now;
  return {
    customerId,
    resource,
    action: 'Purchase',
    state: row?.state ?? 'off',
    effective: row?.effective === true && !ended,
    ineligibilityReasons: ended ? [ENDED] : (row?.ineligibility_reasons ?? []),
    ...(row?.effective_until && row.effective && !ended && { effectiveUntil: row.effective_until.toISOString() }),
    version: row?.version ?? 0,
    ...(row && { changedOn: row.changed_on.toISOString(), changedBy: row.changed_by }),
    links: {
      self: { uri: `/customers/${customerId}/purchasepermissions/${resource}`, method: 'GET', headers: [] },
    },
    attributes: { etag: quoted(row?.version ?? 0), objectType: 'PurchasePermission' },
  };
}
