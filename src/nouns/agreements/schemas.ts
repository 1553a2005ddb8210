import { type Static, Type } from 'typebox';
import { Attributes, collection, IsoDateTime, ref, textEnum, Uuid } from '../../http/schemas.js';
import { AGREEMENT_TYPES } from './templates.js';

const CONTACT = { firstName: 'Tania', lastName: 'Carr', email: 'someone@example.com', phoneNumber: '1234567890' };
const TEMPLATE_ID = '117a77b0-9360-443b-8795-c6dedc750cf9';
const LINK = 'https://aka.ms/customeragreement';

const AgreementTypeName = textEnum(AGREEMENT_TYPES);
const name = Type.String({ minLength: 1, maxLength: 50, pattern: '\\S' });

export const AgreementContact = Type.Object(
  {
    firstName: name,
    lastName: name,
    email: Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 320 }),
    phoneNumber: Type.Optional(Type.String({ maxLength: 40 })),
  },
  { $id: 'AgreementContact', description: "Who accepted, of the customer's organization.", examples: [CONTACT] },
);

/** https://learn.microsoft.com/partner-center/developer/agreement-resources */
export const Agreement = Type.Object(
  {
    userId: Type.Optional(
      Type.String({ ...Uuid, description: "Object id of the partner's user who confirmed; absent where imported." }),
    ),
    primaryContact: ref(AgreementContact),
    templateId: Uuid,
    dateAgreed: IsoDateTime,
    type: AgreementTypeName,
    agreementLink: Type.Optional(Type.String()),
    attributes: Attributes('Agreement'),
  },
  {
    $id: 'Agreement',
    description: "The partner's confirmation that the customer accepted an agreement.",
    examples: [
      {
        userId: '3d6f2c09-eb40-48ca-a4b3-d24c9c007531',
        primaryContact: CONTACT,
        templateId: TEMPLATE_ID,
        dateAgreed: '2018-06-14T00:00:00Z',
        type: 'MicrosoftCustomerAgreement',
        agreementLink: LINK,
        attributes: { objectType: 'Agreement' },
      },
    ],
  },
);
export type Agreement = Static<typeof Agreement>;

export const AgreementCollection = collection('AgreementCollection', Agreement);

export const AgreementCreate = Type.Object(
  {
    primaryContact: ref(AgreementContact),
    templateId: Type.String({ ...Uuid, description: 'Of `GET /v1/agreements`; it has to be of the type sent.' }),
    dateAgreed: Type.String({
      minLength: 1,
      maxLength: 40,
      description: 'When the customer accepted; ISO 8601, UTC where no zone is named, not in the future.',
      examples: ['2018-06-14T00:00:00.000Z'],
    }),
    type: AgreementTypeName,
  },
  {
    $id: 'AgreementCreate',
    description: 'The user who confirms is the one of the token.',
    examples: [
      {
        primaryContact: CONTACT,
        templateId: TEMPLATE_ID,
        dateAgreed: '2018-06-14T00:00:00.000Z',
        type: 'MicrosoftCustomerAgreement',
      },
    ],
  },
);
export type AgreementCreate = Static<typeof AgreementCreate>;

/** https://learn.microsoft.com/partner-center/developer/agreement-metadata-resources */
export const AgreementMetaData = Type.Object(
  {
    templateId: Uuid,
    agreementType: AgreementTypeName,
    agreementLink: Type.String(),
    versionRank: Type.Integer(),
  },
  {
    $id: 'AgreementMetaData',
    description: 'An agreement that customers can accept.',
    examples: [
      { templateId: TEMPLATE_ID, agreementType: 'MicrosoftCustomerAgreement', agreementLink: LINK, versionRank: 0 },
    ],
  },
);

export const AgreementMetaDataCollection = collection('AgreementMetaDataCollection', AgreementMetaData);
