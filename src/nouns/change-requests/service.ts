import type { CommitWith, DatabaseHandle, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv7 } from '../../lib/uuid.js';
import type { Caller } from '../../plugins/authentication.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { findCustomer } from '../purchase-permissions/queries.js';
import { demandInForce, lockOrder, pickReservation } from '../reservations/change.js';
import type { ReservationRow } from '../reservations/queries.js';
import { findHolder, partnersOf } from '../role-assignments/access/access.js';
import { enqueueEvents } from '../webhooks/outbox.js';
import {
  type ChangeRequestPosition,
  type ChangeRequestRow,
  findChangeRequest,
  insertChangeRequest,
  listChangeRequests,
} from './queries.js';
import { readWish } from './read-wish.js';
import type { ChangeRequest, ChangeRequestCreate } from './schemas.js';
import { toChangeRequest } from './view.js';

/** A customer's user sees its own tenant alone: another one answers as if it were not there. */
export function demandOwnTenant(caller: Caller, customerId: string): void {
  if (caller.kind === 'customer' && caller.tenantId !== customerId) throw new ApiError('CustomerNotFound');
}

/** @throws ApiError InvalidProperty for more units than there are */
function demandUnits({ quantity: units }: ReservationRow, { quantity = 1 }: ChangeRequestCreate): void {
  if (quantity <= units) return;
  throw new ApiError('InvalidProperty', {
    data: [`body/quantity is more than the ${units} that the reservation has.`],
  });
}

/**
 * Files a request of the customer's user on a reservation of an order that it was found to manage; the partner learns of
 * it through the log and the webhook.
 * @throws ApiError CustomerNotFound, ReservationOrderNotFound, ReservationNotFound; NotInThisState; ChangeRequestExists;
 *   InvalidProperty, InvalidInput
 */
export async function fileChangeRequest(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customerId: string,
  body: ChangeRequestCreate,
): Promise<ChangeRequest> {
  const { partnerId } = act;
  const reservationOrderId = body.reservationOrderId.toLowerCase();
  const reservationId = body.reservationId.toLowerCase();
  const wish = readWish(body);
  const locked = await lockOrder(tx, act, { customerId, reservationOrderId });
  const { customer, now } = locked;
  const reservation = pickReservation(locked.reservations, reservationId);
  demandInForce(locked, reservation);
  demandUnits(reservation, body);

  const row: ChangeRequestRow = {
    partner_id: partnerId,
    customer_id: customerId,
    change_request_id: uuidv7(),
    kind: body.kind,
    status: 'open',
    reservation_order_id: reservationOrderId,
    reservation_id: reservationId,
    request: wish,
    comment: body.comment ?? null,
    outcome: null,
    requested_by_id: act.actor.id,
    requested_by: nameOf(act.actor),
    created_on: now,
    decided_on: null,
    decided_by: null,
    version: 1,
  };
  if (!(await insertChangeRequest(tx, row))) throw new ApiError('ChangeRequestExists');
  const made = toChangeRequest(row);
  const entries = appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'create_change_request',
        resourceType: 'change_request',
        resourceId: row.change_request_id,
        newValue: made,
      },
    ],
    commitWith,
  );
  enqueueEvents(
    tx,
    act,
    customerId,
    now,
    entries.map((entry) => ({
      name: 'change-request-created',
      resourceUri: `/v1/customers/${customerId}/changerequests/${row.change_request_id}`,
      resourceName: 'ChangeRequest',
      entry,
      details: {
        CustomerId: customerId,
        Kind: row.kind,
        ReservationOrderId: reservationOrderId,
        ReservationId: reservationId,
        RequestedBy: row.requested_by,
      },
    })),
    commitWith,
  );
  return made;
}

/**
 * The partners at which the caller may read the customer's requests: itself, or for a user of the customer every partner
 * that does not know the account as disabled.
 * @throws ApiError CustomerNotFound
 */
async function readablePartners(db: DatabaseHandle, caller: Caller, customerId: string): Promise<string[]> {
  demandOwnTenant(caller, customerId);
  const readable: string[] = [];
  for (const partnerId of await partnersOf(db, caller)) {
    const reads = await db.read(partnerId, async (reading) => {
      if (caller.kind === 'partner') return (await findCustomer(reading, partnerId, customerId)) !== undefined;
      return (await findHolder(reading, caller, partnerId)).principalIds.length > 0;
    });
    if (reads) readable.push(partnerId);
  }
  if (caller.kind === 'partner' && readable.length === 0) throw new ApiError('CustomerNotFound');
  return readable;
}

/**
 * A page of the customer's requests, newest first. For its own users those at each of its partners, merged.
 * @throws ApiError CustomerNotFound
 */
export async function listVisibleChangeRequests(
  db: DatabaseHandle,
  caller: Caller,
  customerId: string,
  asked: { status?: ChangeRequestRow['status']; after?: ChangeRequestPosition; size: number },
): Promise<{ rows: ChangeRequestRow[]; next: ChangeRequestPosition | undefined }> {
  const { size, ...rest } = asked;
  const found: ChangeRequestRow[] = [];
  for (const partnerId of await readablePartners(db, caller, customerId)) {
    const rows = await db.lookUp(partnerId, (reading) =>
      listChangeRequests(reading, partnerId, customerId, { ...rest, limit: size + 1 }),
    );
    found.push(...rows);
  }
  const keyOf = (row: ChangeRequestRow) => `${row.created_on.toISOString()} ${row.change_request_id}`;
  found.sort((a, b) => (keyOf(a) > keyOf(b) ? -1 : 1));
  const rows = found.slice(0, size);
  const last = found.length > size ? rows.at(-1) : undefined;
  return { rows, next: last && { createdOn: last.created_on.toISOString(), id: last.change_request_id } };
}

/** @throws ApiError CustomerNotFound, ChangeRequestNotFound */
export async function getVisibleChangeRequest(
  db: DatabaseHandle,
  caller: Caller,
  customerId: string,
  changeRequestId: string,
): Promise<ChangeRequestRow> {
  for (const partnerId of await readablePartners(db, caller, customerId)) {
    const row = await db.lookUp(partnerId, (reading) =>
      findChangeRequest(reading, partnerId, customerId, changeRequestId),
    );
    if (row) return row;
  }
  throw new ApiError('ChangeRequestNotFound');
}
