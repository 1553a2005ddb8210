import { type Selectable, sql } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import type { ChangeRequestsTable } from '../../db/tables.js';

export type ChangeRequestRow = Selectable<ChangeRequestsTable>;

/** Whether it was inserted: not while a request of the kind is open for the reservation. */
export async function insertChangeRequest(tx: Tx, row: ChangeRequestRow): Promise<boolean> {
  const inserted = await tx
    .insertInto('change_requests')
    .values({ ...row, request: JSON.stringify(row.request), outcome: row.outcome && JSON.stringify(row.outcome) })
    .onConflict((conflict) =>
      conflict
        .columns(['partner_id', 'customer_id', 'reservation_id', 'kind'])
        .where('status', '=', sql.lit('open'))
        .doNothing(),
    )
    .returning('change_request_id')
    .executeTakeFirst();
  return inserted !== undefined;
}

export async function findChangeRequest(
  db: Reading,
  partnerId: string,
  customerId: string,
  changeRequestId: string,
): Promise<ChangeRequestRow | undefined> {
  return db
    .selectFrom('change_requests')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('change_request_id', '=', changeRequestId)
    .executeTakeFirst();
}

export interface ChangeRequestPosition {
  createdOn: string;
  id: string;
}

/** Newest first. */
export async function listChangeRequests(
  db: Reading,
  partnerId: string,
  customerId: string,
  asked: { status?: ChangeRequestRow['status']; after?: ChangeRequestPosition; limit: number },
): Promise<ChangeRequestRow[]> {
  const { status, after } = asked;
  return db
    .selectFrom('change_requests')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'open'))
    .$if(after !== undefined, (query) =>
      query.where(
        sql<boolean>`(created_on, change_request_id) < (${after?.createdOn ?? ''}::timestamptz, ${after?.id ?? ''}::uuid)`,
      ),
    )
    .orderBy('created_on', 'desc')
    .orderBy('change_request_id', 'desc')
    .limit(asked.limit)
    .execute();
}

/** Writes the decision; the caller holds the customer's lock and has found the request open. */
export async function updateChangeRequest(tx: Tx, row: ChangeRequestRow): Promise<void> {
  await tx
    .updateTable('change_requests')
    .set({
      status: row.status,
      outcome: row.outcome && JSON.stringify(row.outcome),
      decided_on: row.decided_on,
      decided_by: row.decided_by,
      version: row.version,
    })
    .where('partner_id', '=', row.partner_id)
    .where('customer_id', '=', row.customer_id)
    .where('change_request_id', '=', row.change_request_id)
    .execute();
}
