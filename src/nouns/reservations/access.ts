import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Caller } from '../../plugins/authentication.js';
import { refusalFor, WRITERS } from '../../plugins/authorization.js';
import { loadRights, partnersOf } from '../role-assignments/access/access.js';
import { authorizationFailed, mayPerform, type Rights } from '../role-assignments/rights.js';
import { type FoundOrder, findReservationOrder, type ReservationOrderRow } from './queries.js';

type OrderAction = 'Microsoft.Capacity/reservationOrders/read' | 'Microsoft.Capacity/reservationOrders/write';

/** Reservations are not in a subscription: roles on one do not reach them. */
const SCOPE_KEYS = ['/providers/microsoft.capacity', '/'];

export interface VisibleOrder {
  partnerId: string;
  order: FoundOrder;
}

/** Whether the caller holds a role over the whole tenant that covers its reservations. */
export function coversReservations(action: OrderAction, rights: Rights, now: Date): boolean {
  return mayPerform(action, SCOPE_KEYS, rights, now);
}

/**
 * "By default, the following users can view and manage reservations: the person who bought it, and the account
 * administrator of the billing subscription"; Owners of that subscription when it was bought are added to the order
 * (https://learn.microsoft.com/azure/cost-management-billing/reservations/view-reservations).
 */
export function isOwnOrder(caller: Caller, order: Pick<ReservationOrderRow, 'bought_by_id' | 'owner_ids'>): boolean {
  return order.bought_by_id === caller.objectId || order.owner_ids.includes(caller.objectId);
}

/**
 * Finds a reservation order that the caller may act on. A partner's agents see those of its customers; of a customer's
 * users those who bought it, were Owner when it was bought, or hold a role over the tenant.
 * @throws ApiError ReservationOrderNotFound for one that is not there or may not be seen; RoleLacksRights for one that
 *   may only be read
 */
export async function findVisibleOrder(
  db: DatabaseHandle,
  caller: Caller,
  reservationOrderId: string,
  action: OrderAction,
  now: Date,
): Promise<VisibleOrder> {
  for (const partnerId of await partnersOf(db, caller)) {
    const found = await db.read(partnerId, async (reading) => {
      const order = await findReservationOrder(reading, partnerId, reservationOrderId);
      if (!order || caller.kind === 'partner' || order.customer_id !== caller.tenantId) return { order };
      return { order, rights: await loadRights(reading, caller, { partnerId, customerId: order.customer_id }) };
    });
    const { order, rights } = found;
    if (!order) continue;
    if (caller.kind === 'partner') {
      const reads = action.endsWith('/read');
      if (!reads && !caller.roles.has('AdminAgent')) throw new ApiError('RoleLacksRights');
      return { partnerId, order };
    }
    if (!rights) continue;
    if (rights.principalIds.length > 0 && isOwnOrder(caller, order)) return { partnerId, order };
    if (coversReservations(action, rights, now)) return { partnerId, order };
    if (coversReservations('Microsoft.Capacity/reservationOrders/read', rights, now)) {
      throw authorizationFailed(
        caller,
        action,
        `/providers/Microsoft.Capacity/reservationOrders/${reservationOrderId}`,
      );
    }
  }
  throw new ApiError('ReservationOrderNotFound');
}

/**
 * What the partner alone may do: exchange, cancel, renew, rescope. Whatever role a customer's user holds on the order,
 * it is the partner who pays (https://learn.microsoft.com/partner-center/customers/give-customers-permission).
 * @throws ApiError PartnerOnly for the customer, RoleLacksRights for agents who only read
 */
export function demandPartner(caller: Caller): void {
  if (caller.kind === 'customer') throw new ApiError('PartnerOnly');
  const refusal = refusalFor(caller, { partner: WRITERS });
  if (refusal) throw new ApiError(refusal);
}
