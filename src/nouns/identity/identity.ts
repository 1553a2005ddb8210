import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { Value } from 'typebox/value';
import type { LocalKeySet } from '../../plugins/tokens/jwks.js';
import type { Issuer } from '../../plugins/tokens/rules.js';
import { loadSigningKey } from './keys.js';
import { AccountsFile, type PartnerAccounts } from './schemas.js';

/** A user of a customer, as the service itself keeps it. */
export interface CustomerUser {
  readonly objectId: string;
  readonly userPrincipalName: string;
  /** Ids of the customer's groups that hold the user: the `groups` claim. */
  readonly groups: readonly string[];
}
export type FindCustomerUser = (tenantId: string, userPrincipalName: string) => Promise<CustomerUser | undefined>;

export interface IdentityOptions {
  /** Where the signing key is kept. */
  dataDir: string;
  /** JSON file of the accounts (`demo/identity.json`). */
  accountsFile: string;
  /** The address under which clients reach the service; it goes into `iss`. */
  publicUrl: string;
  /** `aud` values that tokens are issued for. Default: `defaultAudiences(publicUrl)`. */
  audiences?: readonly string[];
  /** Default: no customer has users. */
  findCustomerUser?: FindCustomerUser;
  /** True refuses to load. */
  production?: boolean;
  now?: () => Date;
}

/** Whom a token is about. */
export type Subject =
  | {
      readonly kind: 'user';
      readonly tenantId: string;
      readonly objectId: string;
      readonly userPrincipalName: string;
      readonly displayName: string;
      readonly groups: readonly string[];
    }
  | {
      readonly kind: 'application';
      readonly tenantId: string;
      readonly objectId: string;
      readonly roles: readonly string[];
    };

export interface Identity {
  readonly accounts: AccountsFile;
  readonly audiences: readonly string[];
  /** For `TokenRules.issuers`. */
  readonly issuers: readonly Issuer[];
  /** For `AuthenticationOptions.localKeys`. */
  readonly localKeys: LocalKeySet;
  readonly findCustomerUser: FindCustomerUser;
  readonly now: () => Date;
  issuerFor(tenantId: string): string;
  /** Signs the claims as they are. `type` is the header's `typ`, default `JWT`. */
  sign(claims: JWTPayload, type?: string): Promise<string>;
  /** The claims of a token of this issuer and type. @throws jose's errors */
  open(token: string, type: string): Promise<JWTPayload>;
}

export const ACCESS_TOKEN_SECONDS = 3600;

/** The resources that published clients ask tokens for, and the service itself. */
export function defaultAudiences(publicUrl: string): readonly string[] {
  return [
    'https://api.partnercenter.microsoft.com',
    'https://management.azure.com',
    'https://management.core.windows.net',
    new URL(publicUrl).origin,
  ];
}

/** The built-in issuer: for development, with the accounts of a file. @throws Error with a plain sentence */
export async function loadIdentity(options: IdentityOptions): Promise<Identity> {
  if (options.production) {
    throw new Error('The built-in issuer is for development only: name the issuers whose tokens are accepted instead.');
  }
  const accounts: unknown = JSON.parse(await readFile(options.accountsFile, 'utf8'));
  if (!Value.Check(AccountsFile, accounts)) {
    const [first] = Value.Errors(AccountsFile, accounts);
    throw new Error(
      `The file of accounts ${options.accountsFile} is not valid: ${first?.instancePath} ${first?.message}.`,
    );
  }
  const base = options.publicUrl.replace(/\/+$/, '');
  const key = await loadSigningKey(options.dataDir);
  const localKeys: LocalKeySet = { jwksUri: `${base}/common/discovery/v2.0/keys`, jwks: { keys: [key.publicJwk] } };
  const resolveKey = createLocalJWKSet(localKeys.jwks);
  const now = options.now ?? (() => new Date());
  return {
    accounts,
    audiences: options.audiences ?? defaultAudiences(base),
    issuers: [{ issuer: `${base}/{tenantid}/`, jwksUri: localKeys.jwksUri }],
    localKeys,
    findCustomerUser: options.findCustomerUser ?? (async () => undefined),
    now,
    issuerFor: (tenantId) => `${base}/${tenantId}/`,
    sign: (claims, type = 'JWT') =>
      new SignJWT(claims).setProtectedHeader({ typ: type, alg: 'RS256', kid: key.keyId }).sign(key.privateKey),
    async open(token, type) {
      const { payload } = await jwtVerify(token, resolveKey, {
        algorithms: ['RS256'],
        typ: type,
        requiredClaims: ['exp'],
        currentDate: now(),
      });
      return payload;
    },
  };
}

/** @param tenant id, name or domain, in any letter case */
export function findPartner(identity: Identity, tenant: string): PartnerAccounts | undefined {
  const wanted = tenant.toLowerCase();
  return identity.accounts.partners.find(({ tenantId, name, domain }) =>
    [tenantId, name, domain].some((text) => text.toLowerCase() === wanted),
  );
}

/** Stable for one user and one application, as Entra's pairwise `sub`. */
function pairwise(objectId: string, clientId: string): string {
  return createHash('sha256').update(`${objectId} ${clientId}`).digest('base64url');
}

/**
 * Claims of an access token as Entra issues them for Partner Center and Azure Resource Manager, which take version 1
 * from either endpoint (learn.microsoft.com/partner-center/security/partner-security-requirements-mandating-mfa).
 */
export function accessClaims(
  identity: Identity,
  subject: Subject,
  token: { audience: string; clientId: string; lifetimeSeconds: number; publicClient: boolean },
): JWTPayload {
  const issuedAt = Math.floor(identity.now().getTime() / 1000);
  const common = {
    aud: token.audience,
    iss: identity.issuerFor(subject.tenantId),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + token.lifetimeSeconds,
    appid: token.clientId,
    appidacr: token.publicClient ? '0' : '1',
    oid: subject.objectId,
    tid: subject.tenantId,
    uti: randomUUID(),
    ver: '1.0',
  };
  if (subject.kind === 'application') return { ...common, idtyp: 'app', sub: subject.objectId, roles: subject.roles };
  return {
    ...common,
    acr: '1',
    amr: ['pwd', 'mfa'],
    groups: subject.groups,
    idtyp: 'user',
    name: subject.displayName,
    scp: 'user_impersonation',
    sub: pairwise(subject.objectId, token.clientId),
    unique_name: subject.userPrincipalName,
    upn: subject.userPrincipalName,
  };
}

/** Claims of a version 2 ID token, for clients that ask for the scope `openid`. */
export function idTokenClaims(identity: Identity, subject: Subject & { kind: 'user' }, clientId: string): JWTPayload {
  const issuedAt = Math.floor(identity.now().getTime() / 1000);
  return {
    aud: clientId,
    iss: identity.issuerFor(subject.tenantId),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + ACCESS_TOKEN_SECONDS,
    name: subject.displayName,
    oid: subject.objectId,
    preferred_username: subject.userPrincipalName,
    sub: pairwise(subject.objectId, clientId),
    tid: subject.tenantId,
    ver: '2.0',
  };
}
