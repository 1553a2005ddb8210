import { type Static, Type } from 'typebox';
import { Attributes, Country, collection, Links, ref, textEnum, Uuid } from '../../http/schemas.js';

const CUSTOMER_ID = '4d3cf487-70f4-4e1e-9ff1-b2bfce8d9f04';
const ADDRESS = {
  country: 'US',
  city: 'Redmond',
  state: 'WA',
  addressLine1: 'One Microsoft Way',
  postalCode: '98052',
  firstName: 'Gena',
  lastName: 'Soto',
  phoneNumber: '4255550101',
};
const BILLING = {
  email: 'gena@wingtiptoys.example',
  culture: 'en-US',
  language: 'en',
  companyName: 'Wingtip Toys',
  defaultAddress: ADDRESS,
};

const text = (maxLength: number, description?: string) =>
  Type.String({ maxLength, ...(description !== undefined && { description }) });
const optional = (maxLength: number, description?: string) => Type.Optional(text(maxLength, description));

export const Address = Type.Object(
  {
    id: optional(64),
    country: Country,
    region: optional(100),
    city: optional(100),
    state: optional(100, 'Two-letter code; needed for US, CA, CN and MX.'),
    district: optional(100),
    addressLine1: optional(200),
    addressLine2: optional(200),
    addressLine3: optional(200),
    postalCode: optional(20),
    firstName: optional(50),
    lastName: optional(50),
    middleName: optional(50),
    phoneNumber: optional(40),
    emailAddress: optional(320),
  },
  { $id: 'Address', description: 'A postal address.', examples: [ADDRESS] },
);

const Relationship = textEnum(['unknown', 'reseller', 'advisor', 'syndication', 'microsoft_support', 'none'], {
  description: 'What the partner is to the customer.',
});
const email = Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 320 });
const companyName = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' });
const registrationNumber = optional(100, 'Needed in some countries, refused in the others.');

export const CustomerCompanyProfile = Type.Object(
  {
    tenantId: Uuid,
    domain: Type.String(),
    companyName: Type.String(),
    address: Type.Optional(ref(Address)),
    email: Type.Optional(Type.String()),
    organizationRegistrationNumber: Type.Optional(Type.String()),
    links: ref(Links),
    attributes: Attributes('CustomerCompanyProfile'),
  },
  {
    $id: 'CustomerCompanyProfile',
    description: 'The company as its tenant knows it. Address and email only with delegated access.',
  },
);
export type CustomerCompanyProfile = Static<typeof CustomerCompanyProfile>;

const billing = {
  firstName: optional(50),
  lastName: optional(50),
  email,
  culture: Type.String({ pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$', maxLength: 35 }),
  language: Type.String({ pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$', maxLength: 35 }),
  companyName,
  defaultAddress: ref(Address),
};

export const CustomerBillingProfile = Type.Object(
  { id: Type.String(), ...billing, links: ref(Links), attributes: Attributes('CustomerBillingProfile') },
  {
    $id: 'CustomerBillingProfile',
    description: 'Whom and in which market the partner bills. `attributes.etag` is needed to change it.',
    examples: [
      {
        id: 'd17c0275-da92-5c33-9032-782ef1d0b69b',
        ...BILLING,
        links: { self: { uri: `/customers/${CUSTOMER_ID}/profiles/billing`, method: 'GET', headers: [] } },
        attributes: { etag: '1', objectType: 'CustomerBillingProfile' },
      },
    ],
  },
);
export type CustomerBillingProfile = Static<typeof CustomerBillingProfile>;

export const CustomerBillingProfileUpdate = Type.Object(
  {
    ...billing,
    attributes: Type.Optional(Type.Object({ etag: Type.Optional(Type.String({ description: 'As read last.' })) })),
  },
  {
    $id: 'CustomerBillingProfileUpdate',
    description: 'The whole billing profile as it is to be.',
    examples: [{ ...BILLING, attributes: { etag: '1' } }],
  },
);
export type CustomerBillingProfileUpdate = Static<typeof CustomerBillingProfileUpdate>;

export const UserCredentials = Type.Object(
  { userName: Type.String(), password: Type.String() },
  { $id: 'UserCredentials', description: 'Of the first administrator: `{userName}@{domain}`. Answered once.' },
);

export const Customer = Type.Object(
  {
    id: Uuid,
    companyProfile: ref(CustomerCompanyProfile),
    billingProfile: Type.Optional(ref(CustomerBillingProfile)),
    relationshipToPartner: Relationship,
    allowDelegatedAccess: Type.Optional(Type.Boolean()),
    customDomains: Type.Optional(Type.Array(Type.String())),
    associatedPartnerId: Type.Optional(Type.String()),
    userCredentials: Type.Optional(ref(UserCredentials)),
    links: ref(Links),
    attributes: Attributes('Customer'),
  },
  {
    $id: 'Customer',
    description: 'A customer. Lists answer `id`, `companyProfile` and `relationshipToPartner` only.',
    examples: [
      {
        id: CUSTOMER_ID,
        companyProfile: {
          tenantId: CUSTOMER_ID,
          domain: 'wingtiptoys.onmicrosoft.com',
          companyName: 'Wingtip Toys',
          links: { self: { uri: `/customers/${CUSTOMER_ID}/profiles/company`, method: 'GET', headers: [] } },
          attributes: { objectType: 'CustomerCompanyProfile' },
        },
        relationshipToPartner: 'reseller',
        links: { self: { uri: `/customers/${CUSTOMER_ID}`, method: 'GET', headers: [] } },
        attributes: { objectType: 'Customer' },
      },
    ],
  },
);
export type Customer = Static<typeof Customer>;

export const CustomerCollection = collection('CustomerCollection', Customer);

/** https://learn.microsoft.com/partner-center/developer/create-a-customer */
export const CustomerCreate = Type.Object(
  {
    companyProfile: Type.Object({
      domain: Type.String({ maxLength: 100, description: '`{name}` or `{name}.onmicrosoft.com`.' }),
      address: Type.Optional(ref(Address)),
      email: Type.Optional(email),
      organizationRegistrationNumber: registrationNumber,
    }),
    billingProfile: Type.Object(billing),
    associatedPartnerId: optional(100, 'The indirect reseller, where an indirect provider creates the customer.'),
  },
  {
    $id: 'CustomerCreate',
    description: 'A customer to create.',
    examples: [{ companyProfile: { domain: 'wingtiptoys.onmicrosoft.com' }, billingProfile: BILLING }],
  },
);
export type CustomerCreate = Static<typeof CustomerCreate>;

export const CustomerUpdate = Type.Object(
  {
    relationshipToPartner: Type.Optional(Relationship),
    allowDelegatedAccess: Type.Optional(Type.Boolean()),
  },
  {
    $id: 'CustomerUpdate',
    description: '`relationshipToPartner: none` ends the relationship, `allowDelegatedAccess: false` the access.',
    examples: [{ relationshipToPartner: 'none' }],
  },
);
export type CustomerUpdate = Static<typeof CustomerUpdate>;
