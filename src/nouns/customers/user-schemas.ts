import { type Static, Type } from 'typebox';
import { Attributes, Country, collection, IsoDateTime, Links, ref, textEnum, Uuid } from '../../http/schemas.js';

const CUSTOMER_ID = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const USER_ID = 'a2f5c7d4-1e3b-4f60-8c9d-7b6a5e4f3d21';
const NEW_USER = {
  usageLocation: 'US',
  userPrincipalName: 'daniel@wingtiptoys.onmicrosoft.com',
  firstName: 'Daniel',
  lastName: 'Tsai',
  displayName: 'Daniel Tsai',
};

const name = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const UserPrincipalName = Type.String({
  pattern: '^[^@\\s]+@[^@\\s]+$',
  maxLength: 320,
  description: 'In a domain of the customer. An account invited from another tenant has `#EXT#` in it.',
});
const UserDomainType = textEnum(['none', 'managed', 'federated']);
const UserType = textEnum(['member', 'guest'], {
  description: 'Default: as the user principal name tells. An addition to the original.',
});
const State = textEnum(['active', 'inactive'], {
  description: '`inactive`: the account is disabled, or the user deleted: then it has a `softDeletionTime`.',
});
const PasswordProfile = Type.Object({
  password: Type.Optional(Type.String({ maxLength: 256, description: 'Accepted and not kept.' })),
  forceChangePassword: Type.Optional(Type.Boolean()),
});

const details = {
  usageLocation: Type.Optional(Country),
  firstName: Type.Optional(Type.String({ maxLength: 64 })),
  lastName: Type.Optional(Type.String({ maxLength: 64 })),
  immutableId: Type.Optional(Type.String({ maxLength: 256 })),
  phoneNumber: Type.Optional(Type.String({ maxLength: 64 })),
  userDomainType: Type.Optional(UserDomainType),
  userType: Type.Optional(UserType),
  state: Type.Optional(State),
  passwordProfile: Type.Optional(PasswordProfile),
};

/** https://learn.microsoft.com/partner-center/developer/user-resources */
export const CustomerUser = Type.Object(
  {
    id: Uuid,
    userPrincipalName: Type.String(),
    displayName: Type.String(),
    firstName: Type.Optional(Type.String()),
    lastName: Type.Optional(Type.String()),
    usageLocation: Type.Optional(Country),
    immutableId: Type.Optional(Type.String()),
    phoneNumber: Type.Optional(Type.String()),
    userDomainType: UserDomainType,
    userType: UserType,
    state: State,
    softDeletionTime: Type.Optional(
      Type.String({ ...IsoDateTime, description: 'When it was deleted; it can be restored for 30 days.' }),
    ),
    passwordProfile: Type.Optional(Type.Object({ forceChangePassword: Type.Boolean() })),
    links: ref(Links),
    attributes: Attributes('CustomerUser'),
  },
  {
    $id: 'CustomerUser',
    description: "A user of the customer's directory.",
    examples: [
      {
        id: USER_ID,
        ...NEW_USER,
        userDomainType: 'managed',
        userType: 'member',
        state: 'active',
        links: { self: { uri: `/customers/${CUSTOMER_ID}/users/${USER_ID}`, method: 'GET', headers: [] } },
        attributes: { objectType: 'CustomerUser' },
      },
    ],
  },
);
export type CustomerUser = Static<typeof CustomerUser>;

export const CustomerUserCollection = collection('CustomerUserCollection', CustomerUser);

export const CustomerUserCreate = Type.Object(
  { userPrincipalName: UserPrincipalName, displayName: name(256), ...details },
  {
    $id: 'CustomerUserCreate',
    description: 'A user to create.',
    examples: [{ ...NEW_USER, passwordProfile: { password: 'a-first-Passw0rd', forceChangePassword: true } }],
  },
);
export type CustomerUserCreate = Static<typeof CustomerUserCreate>;

export const CustomerUserUpdate = Type.Object(
  { userPrincipalName: Type.Optional(UserPrincipalName), displayName: Type.Optional(name(256)), ...details },
  {
    $id: 'CustomerUserUpdate',
    description:
      'What is to change; the whole resource can be sent back. `state: inactive` disables the account, `active` enables it or restores a deleted user.',
    minProperties: 1,
    examples: [{ state: 'inactive' }],
  },
);
export type CustomerUserUpdate = Static<typeof CustomerUserUpdate>;
