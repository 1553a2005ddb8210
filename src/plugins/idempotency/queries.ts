import { insertOnce } from '../../db/compile-once.js';
import type { Reading, Tx } from '../../db/connect.js';

export interface LedgerRow {
  fingerprint: Buffer;
  status: number;
  reply: Buffer;
  expires_on: Date;
}

/** The row of the id, also one that has expired and was not deleted yet. */
export async function findLedgerRow(db: Reading, partnerId: string, requestId: string): Promise<LedgerRow | undefined> {
  return db
    .selectFrom('request_ledger')
    .select(['fingerprint', 'status', 'reply', 'expires_on'])
    .where('partner_id', '=', partnerId)
    .where('request_id', '=', requestId)
    .executeTakeFirst();
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

export async function deleteExpiredLedgerRows(tx: Tx, partnerId: string, now: Date): Promise<void> {
  await tx.deleteFrom('request_ledger').where('partner_id', '=', partnerId).where('expires_on', '<=', now).execute();
}
