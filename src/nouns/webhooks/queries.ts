import type { Insertable, Selectable } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import type { WebhookKeysTable, WebhookRegistrationsTable } from '../../db/purchase-tables.js';

export type RegistrationRow = Selectable<WebhookRegistrationsTable>;
type KeyRow = Selectable<WebhookKeysTable>;

export async function findRegistration(db: Reading, partnerId: string): Promise<RegistrationRow | undefined> {
  return db.selectFrom('webhook_registrations').selectAll().where('partner_id', '=', partnerId).executeTakeFirst();
}

/**
 * Locks the partner's registration: what is counted under it, test events of the last minute, cannot be counted by two
 * requests at once.
 */
export async function lockRegistration(tx: Tx, partnerId: string): Promise<RegistrationRow | undefined> {
  return tx
    .selectFrom('webhook_registrations')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .forUpdate()
    .executeTakeFirst();
}

/** @returns false when the partner has one */
export async function insertRegistration(tx: Tx, row: Insertable<WebhookRegistrationsTable>): Promise<boolean> {
  const inserted = await tx
    .insertInto('webhook_registrations')
    .values(row)
    .onConflict((conflict) => conflict.column('partner_id').doNothing())
    .returning('partner_id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** @returns the row as it is now; undefined when there is none */
export async function updateRegistration(
  tx: Tx,
  partnerId: string,
  change: Pick<
    RegistrationRow,
    'webhook_url' | 'webhook_events' | 'signature_to_ms_signature_header' | 'changed_on' | 'changed_by'
  >,
): Promise<RegistrationRow | undefined> {
  return tx
    .updateTable('webhook_registrations')
    .set((eb) => ({ ...change, version: eb('version', '+', 1) }))
    .where('partner_id', '=', partnerId)
    .returningAll()
    .executeTakeFirst();
}

/** @returns false when there is none */
export async function deleteRegistration(tx: Tx, partnerId: string): Promise<boolean> {
  const deleted = await tx
    .deleteFrom('webhook_registrations')
    .where('partner_id', '=', partnerId)
    .returning('partner_id')
    .executeTakeFirst();
  return deleted !== undefined;
}

export async function insertKey(tx: Tx, row: Insertable<WebhookKeysTable>): Promise<void> {
  await tx.insertInto('webhook_keys').values(row).execute();
}

/** Newest first. @param until how long they have to be valid at the least */
export async function listUsableKeys(
  db: Reading,
  partnerId: string,
  until: Date,
): Promise<Pick<KeyRow, 'key_id' | 'sealed_key'>[]> {
  return db
    .selectFrom('webhook_keys')
    .select(['key_id', 'sealed_key'])
    .where('partner_id', '=', partnerId)
    .where('expires_on', '>', until)
    .orderBy('created_on', 'desc')
    .orderBy('key_id')
    .execute();
}

/** @returns PEM */
export async function findCertificate(db: Reading, partnerId: string, keyId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('webhook_keys')
    .select('certificate')
    .where('partner_id', '=', partnerId)
    .where('key_id', '=', keyId)
    .executeTakeFirst();
  return row?.certificate;
}
