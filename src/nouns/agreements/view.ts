import { isUuid, namedUuid } from '../../lib/uuid.js';
import type { AgreementRow } from './queries.js';
import type { Agreement } from './schemas.js';
import { findTemplate } from './templates.js';

/** Who confirmed an agreement that was imported: the export does not tell. */
export const BY_IMPORT = 'import';

/**
 * The id that a confirmation is kept under. The original takes another one of the same type only of another contact
 * (https://learn.microsoft.com/partner-center/developer/confirm-customer-consent-customer-agreement), so the contact is the name.
 */
export function agreementId({
  agreement_type: type,
  primary_contact: { firstName, lastName, email, phoneNumber },
}: Pick<AgreementRow, 'agreement_type' | 'primary_contact'>): string {
  return namedUuid(JSON.stringify([type, firstName, lastName, email.toLowerCase(), phoneNumber ?? '']));
}

export function toAgreement(row: AgreementRow): Agreement {
  const template = findTemplate(row.template_id);
  return {
    ...(isUuid(row.accepted_by) && { userId: row.accepted_by }),
    primaryContact: row.primary_contact,
    templateId: row.template_id,
    dateAgreed: row.date_agreed.toISOString().replace('.000Z', 'Z'),
    type: row.agreement_type,
    ...(template && { agreementLink: template.agreementLink }),
    attributes: { objectType: 'Agreement' },
  };
}
