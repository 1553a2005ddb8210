import type { Selectable } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import type { CustomerAgreementsTable } from '../../db/tables.js';
import type { AgreementType } from './templates.js';

export type AgreementRow = Selectable<CustomerAgreementsTable>;

/** Newest acceptance first. */
export async function listAgreements(
  db: Reading,
  partnerId: string,
  customerId: string,
  type: AgreementType | undefined,
): Promise<AgreementRow[]> {
  return db
    .selectFrom('customer_agreements')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .$if(type !== undefined, (query) => query.where('agreement_type', '=', type ?? 'MicrosoftCustomerAgreement'))
    .orderBy('date_agreed', 'desc')
    .orderBy('agreement_id')
    .execute();
}

/** @returns whether it was inserted; not when the id, and so the contact, is taken */
export async function insertAgreement(tx: Tx, row: AgreementRow): Promise<boolean> {
  const inserted = await tx
    .insertInto('customer_agreements')
    .values({ ...row, primary_contact: JSON.stringify(row.primary_contact) })
    .onConflict((conflict) => conflict.doNothing())
    .returning('agreement_id')
    .execute();
  return inserted.length > 0;
}
