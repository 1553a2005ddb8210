import { type Static, Type } from 'typebox';
import { textEnum } from '../../http/schemas.js';
import { AGREEMENT_TYPES } from '../../nouns/agreements/templates.js';
import { agreementId, BY_IMPORT } from '../../nouns/agreements/view.js';
import { indexRows, rowChange } from '../change.js';
import { defineKind, type Plan } from '../kind.js';
import { findRows } from '../queries.js';
import { customerInLink, Guid, lower, OptionalLinks, OptionalText, Text, Time, timeOf } from '../wire.js';

const AgreementResource = Type.Object({
  userId: Type.Optional(Guid),
  primaryContact: Type.Object({ firstName: Text, lastName: Text, email: Text, phoneNumber: OptionalText }),
  templateId: Guid,
  dateAgreed: Time,
  type: textEnum(AGREEMENT_TYPES),
  links: OptionalLinks,
});

interface AgreementDraft {
  /** The documented answer has the same contact twice, on two days. */
  key: string;
  agreementId: string;
  where: { customerId: string | undefined };
  wire: Static<typeof AgreementResource>;
  dateAgreed: Date;
}

/** `GET /v1/customers/{id}/agreements`. What was confirmed stays: of one contact the first confirmation is kept. */
export const agreements = defineKind(
  AgreementResource,
  (wire): AgreementDraft => {
    const id = agreementId({ agreement_type: wire.type, primary_contact: wire.primaryContact });
    return {
      key: `${id} of ${wire.dateAgreed}`,
      agreementId: id,
      where: { customerId: customerInLink(wire) },
      wire,
      dateAgreed: timeOf(wire.dateAgreed, '/dateAgreed'),
    };
  },
  async (db, { partnerId, now }, rows): Promise<Plan> => {
    const found = await findRows(
      db,
      'customer_agreements',
      partnerId,
      rows.map(({ draft, customerId }) => ({
        customer_id: customerId,
        agreement_type: draft.wire.type,
        agreement_id: draft.agreementId,
      })),
    );
    const known = indexRows(found, 'customer_id', 'agreement_id');
    return rows.map(({ draft: { agreementId: id, wire, dateAgreed }, customerId }) => {
      if (known.has(`${customerId} ${id}`)) return undefined;
      const after = {
        partner_id: partnerId,
        customer_id: customerId,
        agreement_type: wire.type,
        agreement_id: id,
        template_id: lower(wire.templateId),
        date_agreed: dateAgreed,
        primary_contact: wire.primaryContact,
        accepted_by: wire.userId ? lower(wire.userId) : BY_IMPORT,
        created_on: now,
      };
      known.set(`${customerId} ${id}`, after);
      return rowChange({
        table: 'customer_agreements',
        before: undefined,
        after,
        customerId,
        entry: { operationType: 'create_agreement', resourceType: 'agreement', resourceId: id },
      });
    });
  },
);
