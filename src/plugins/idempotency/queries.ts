import { sql } from 'kysely';
import { compileOnce, insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';
import { deleteExpired } from '../../db/forget.js';

export interface LedgerRow {
  fingerprint: Buffer;
  status: number;
  reply: Buffer;
  expires_on: Date;
}

const selectRows = compileOnce((db, $: { partnerId: string; requestIds: readonly string[] }) =>
  db
    .selectFrom('request_ledger')
    .select(['request_id', 'fingerprint', 'status', 'reply', 'expires_on'])
    .where('partner_id', '=', $.partnerId)
    .where(sql<boolean>`request_id = any(${$.requestIds}::uuid[])`),
);

/** The row of each id, also those that have expired and were not deleted yet. */
export async function loadLedgerRows(
  db: Reading,
  partnerId: string,
  requestIds: readonly string[],
): Promise<ReadonlyMap<string, LedgerRow>> {
  const rows = await selectRows(db, { partnerId, requestIds });
  return new Map(rows.map(({ request_id: requestId, ...row }) => [requestId, row]));
}

const insertRow = insertOnce('request_ledger', [
  'partner_id',
  'request_id',
  'fingerprint',
  'status',
  'reply',
  'expires_on',
]);

/** Fails with 23505 when the id is taken: the whole write is then rolled back and the stored answer given. */
export async function insertLedgerRow(
  tx: Tx,
  row: LedgerRow & { partner_id: string; request_id: string },
): Promise<void> {
  await insertRow(tx, row);
}

/** The row of the id, when it has expired. */
export async function deleteExpiredLedgerRow(tx: Tx, partnerId: string, requestId: string, now: Date): Promise<void> {
  await tx
    .deleteFrom('request_ledger')
    .where('partner_id', '=', partnerId)
    .where('request_id', '=', requestId)
    .where('expires_on', '<=', now)
    .execute();
}

/** Forgets replies whose time is over. @returns whether more may wait */
export const deleteExpiredLedgerRows = (tx: Tx, partnerId: string, now: Date): Promise<boolean> =>
  deleteExpired(tx, 'request_ledger', partnerId, now);
