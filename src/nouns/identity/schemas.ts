import { type Static, Type } from 'typebox';

const Guid = Type.String({ pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' });
const Text = Type.String({ minLength: 1 });

const UserAccount = Type.Object(
  {
    userPrincipalName: Text,
    objectId: Guid,
    displayName: Text,
    /** What the `groups` claim holds: names or ids of the partner's role groups. */
    groups: Type.Array(Text),
  },
  { additionalProperties: false },
);

const Application = Type.Object(
  {
    name: Text,
    clientId: Guid,
    clientSecret: Text,
    /** Of the service principal: `oid` of app-only tokens. */
    objectId: Guid,
    /** What the `roles` claim of app-only tokens holds. */
    roles: Type.Array(Text),
  },
  { additionalProperties: false },
);

const PartnerAccounts = Type.Object(
  {
    tenantId: Guid,
    name: Text,
    domain: Text,
    users: Type.Array(UserAccount),
    applications: Type.Array(Application),
  },
  { additionalProperties: false },
);

/** The file of accounts that the built-in issuer knows. */
export const AccountsFile = Type.Object(
  {
    /** Of every user, those of the customers included. */
    password: Text,
    /** Applications without a secret, which sign users in: those of the command line tools. */
    publicClients: Type.Array(Guid),
    partners: Type.Array(PartnerAccounts),
  },
  { additionalProperties: false },
);

export type UserAccount = Static<typeof UserAccount>;
export type Application = Static<typeof Application>;
export type PartnerAccounts = Static<typeof PartnerAccounts>;
export type AccountsFile = Static<typeof AccountsFile>;

export const TenantParams = Type.Object({
  tenant: Type.String({
    description: "A tenant's id, a partner's name or domain, or `common`, `organizations`, `adfs`.",
  }),
});

/** Every other field (`claims`, `client_info`, `x-client-*`) is let through and ignored. */
export const TokenForm = Type.Object({
  grant_type: Type.Optional(Type.String({ examples: ['client_credentials', 'refresh_token', 'password'] })),
  client_id: Type.Optional(Type.String()),
  client_secret: Type.Optional(Type.String()),
  scope: Type.Optional(Type.String({ examples: ['https://api.partnercenter.microsoft.com/.default'] })),
  resource: Type.Optional(Type.String({ examples: ['https://api.partnercenter.microsoft.com'] })),
  username: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  client_info: Type.Optional(Type.String()),
});
export type TokenForm = Static<typeof TokenForm>;

export const TokenReply = Type.Object(
  {
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds.' }),
    ext_expires_in: Type.Integer(),
    expires_on: Type.Integer({ description: 'Seconds since 1970.' }),
    resource: Type.String(),
    scope: Type.Optional(Type.String()),
    access_token: Type.String(),
    refresh_token: Type.Optional(Type.String()),
    id_token: Type.Optional(Type.String()),
    client_info: Type.Optional(Type.String()),
  },
  { $id: 'TokenReply' },
);
export type TokenReply = Static<typeof TokenReply>;

export const TokenError = Type.Object(
  { error: Type.String(), error_description: Type.String() },
  {
    $id: 'TokenError',
    examples: [{ error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret provided.' }],
  },
);

export const OpenIdConfiguration = Type.Object(
  {
    issuer: Type.String(),
    token_endpoint: Type.String(),
    authorization_endpoint: Type.String(),
    jwks_uri: Type.String(),
    response_types_supported: Type.Array(Type.String()),
    response_modes_supported: Type.Array(Type.String()),
    subject_types_supported: Type.Array(Type.String()),
    scopes_supported: Type.Array(Type.String()),
    id_token_signing_alg_values_supported: Type.Array(Type.String()),
    token_endpoint_auth_methods_supported: Type.Array(Type.String()),
  },
  { $id: 'OpenIdConfiguration' },
);
export type OpenIdConfiguration = Static<typeof OpenIdConfiguration>;

export const JsonWebKeySet = Type.Object(
  { keys: Type.Array(Type.Object({ kty: Type.String(), kid: Type.String() }, { additionalProperties: true })) },
  { $id: 'JsonWebKeySet' },
);

export const GeneratedToken = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('bearer'),
    expires_in: Type.Integer({ description: 'Seconds.' }),
  },
  { $id: 'GeneratedToken' },
);
