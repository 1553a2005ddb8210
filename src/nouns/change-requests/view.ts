import { quoted } from '../../http/etag.js';
import type { ChangeRequestRow } from './queries.js';
import type { ChangeRequest, Wish } from './schemas.js';

/** What an approval came to. */
export interface Performed {
  /** cancel, exchange: what is paid back for what was given back. Decimal text. */
  refund?: { amount: string; currencyCode: string };
  /** exchange */
  newReservationOrderId?: string;
}

/** What a decision left: the partner's words, and what was done. */
export interface Decision extends Performed {
  comment?: string;
}

export function toChangeRequest(row: ChangeRequestRow): ChangeRequest {
  const { customer_id: customerId, change_request_id: id } = row;
  const decision = row.outcome as Decision | null;
  return {
    id,
    customerId,
    status: row.status,
    kind: row.kind,
    reservationOrderId: row.reservation_order_id,
    reservationId: row.reservation_id,
    ...(row.request as Wish),
    ...(row.comment !== null && { comment: row.comment }),
    requestedBy: row.requested_by,
    requestedOn: row.created_on.toISOString(),
    ...(row.decided_by !== null && { decidedBy: row.decided_by }),
    ...(row.decided_on !== null && { decidedOn: row.decided_on.toISOString() }),
    ...(decision?.comment !== undefined && { decisionComment: decision.comment }),
    ...(decision?.refund && { refund: decision.refund }),
    ...(decision?.newReservationOrderId !== undefined && { newReservationOrderId: decision.newReservationOrderId }),
    links: { self: { uri: `/customers/${customerId}/changerequests/${id}`, method: 'GET', headers: [] } },
    attributes: { etag: quoted(row.version), objectType: 'ChangeRequest' },
  };
}
