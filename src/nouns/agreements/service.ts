import type { CommitWith, Tx } from '../../db/connect.js';
import { lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import { parseAuditDate } from '../../http/dates.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { insertAgreement } from './queries.js';
import type { Agreement, AgreementCreate } from './schemas.js';
import { findTemplate } from './templates.js';
import { agreementId, toAgreement } from './view.js';

/** It is tomorrow already where some customers live. */
const AHEAD_MILLISECONDS = 24 * 60 * 60 * 1000;

/**
 * Keeps the partner's confirmation that the customer accepted an agreement.
 * https://learn.microsoft.com/partner-center/developer/confirm-customer-consent-customer-agreement
 * @throws ApiError CustomerNotFound, AgreementExists, InvalidDate; InvalidProperty for a template of another type, or a
 *   date in the future
 */
export async function confirmAgreement(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  customerId: string,
  wanted: AgreementCreate,
): Promise<Agreement> {
  const { partnerId, actor } = act;
  const template = findTemplate(wanted.templateId);
  if (template?.agreementType !== wanted.type) {
    throw new ApiError('InvalidProperty', {
      data: [`body/templateId is not a template of ${wanted.type}. Take one of GET /v1/agreements.`],
    });
  }
  const { at } = parseAuditDate(wanted.dateAgreed);
  const { customer, now } = await lockCustomer(tx, partnerId, customerId);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (at.getTime() > now.getTime() + AHEAD_MILLISECONDS) {
    throw new ApiError('InvalidProperty', {
      data: ['body/dateAgreed is in the future. Send the day on which the customer accepted.'],
    });
  }
  const { firstName, lastName, email, phoneNumber } = wanted.primaryContact;
  const contact = { firstName, lastName, email, ...(phoneNumber !== undefined && { phoneNumber }) };
  const row = {
    partner_id: partnerId,
    customer_id: customerId,
    agreement_type: wanted.type,
    agreement_id: agreementId({ agreement_type: wanted.type, primary_contact: contact }),
    template_id: template.templateId,
    date_agreed: at,
    primary_contact: contact,
    accepted_by: actor.id ?? actor.type,
    created_on: now,
  };
  if (!(await insertAgreement(tx, row))) throw new ApiError('AgreementExists');
  const agreement = toAgreement(row);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'create_agreement',
        resourceType: 'agreement',
        resourceId: row.agreement_id,
        newValue: agreement,
        customizedData: [
          { key: 'AgreementType', value: row.agreement_type },
          { key: 'TemplateId', value: row.template_id },
        ],
      },
    ],
    commitWith,
  );
  return agreement;
}
