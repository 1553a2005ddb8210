import { timingSafeEqual } from 'node:crypto';
import { ApiError } from '../../errors/api-error.js';
import {
  ACCESS_TOKEN_SECONDS,
  accessClaims,
  findPartner,
  type Identity,
  idTokenClaims,
  type Subject,
} from './identity.js';
import type { Application, OpenIdConfiguration, PartnerAccounts, TokenForm, TokenReply } from './schemas.js';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Names that leave open which tenant: the one the account belongs to. `adfs` is what `az` asks a foreign authority with. */
const HOME_TENANTS = new Set(['common', 'organizations', 'adfs']);
const OPENID_SCOPES = new Set(['openid', 'profile', 'offline_access', 'email']);
const REFRESH_TOKEN_TYPE = 'refresh+jwt';
/** Entra's default for refresh tokens: 90 days. */
const REFRESH_TOKEN_SECONDS = 90 * 86_400;

type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_tenant'
  | 'unauthorized_client'
  | 'unsupported_grant_type';

/** A refusal of the token endpoint: 401 for `invalid_client`, else 400 (RFC 6749, 5.2). */
export function oauthError(code: OAuthCode, description: string): ApiError {
  return new ApiError(code === 'invalid_client' ? 'Unauthorized' : 'InvalidInput', { armCode: code, description });
}

/** `undefined`: the home tenant of the account. */
function resolveTenant(identity: Identity, tenant: string): string | undefined {
  const partner = findPartner(identity, tenant);
  if (partner) return partner.tenantId;
  const name = tenant.toLowerCase();
  if (HOME_TENANTS.has(name)) return undefined;
  if (GUID.test(tenant)) return name;
  throw oauthError(
    'invalid_tenant',
    `AADSTS90002: Tenant '${tenant.slice(0, 100)}' not found. Check the tenant in the address.`,
  );
}

function withoutSlash(text: string): string {
  return text.replace(/\/+$/, '').toLowerCase();
}

/** The audience that `resource`, or all resource scopes of `scope`, stand for; undefined when neither names one. */
function audienceOf(identity: Identity, { resource, scope = '' }: TokenForm): string | undefined {
  const resources = new Set(
    resource
      ? [withoutSlash(resource)]
      : scope
          .split(' ')
          .filter((name) => name !== '' && !OPENID_SCOPES.has(name))
          // `https://host/.default`, `https://host//.default` (az) and `https://host/user_impersonation`.
          .map((name) => withoutSlash(name.slice(0, Math.max(0, name.lastIndexOf('/'))))),
  );
  const [wanted, ...others] = resources;
  if (wanted === undefined) return undefined;
  const audience = identity.audiences.find((name) => withoutSlash(name) === wanted);
  if (audience === undefined || others.length > 0) {
    throw oauthError(
      'invalid_scope',
      `AADSTS70011: The scope or resource is not valid. Ask for one of: ${identity.audiences.join(', ')}.`,
    );
  }
  return audience;
}

function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

interface Client {
  readonly clientId: string;
  /** Absent: a public client, which has no secret and no tokens of its own. */
  readonly application?: Application;
  readonly partner?: PartnerAccounts;
}

function authenticateClient(identity: Identity, { client_id: clientId, client_secret: secret }: TokenForm): Client {
  if (!clientId) throw oauthError('invalid_request', "AADSTS900144: The request body must contain 'client_id'.");
  const wanted = clientId.toLowerCase();
  if (identity.accounts.publicClients.some((id) => id.toLowerCase() === wanted)) return { clientId: wanted };
  for (const partner of identity.accounts.partners) {
    const application = partner.applications.find((one) => one.clientId.toLowerCase() === wanted);
    if (!application) continue;
    if (secret === undefined || !sameText(secret, application.clientSecret)) {
      throw oauthError('invalid_client', 'AADSTS7000215: Invalid client secret provided.');
    }
    return { clientId: application.clientId, application, partner };
  }
  throw oauthError('unauthorized_client', 'AADSTS700016: There is no application with this client_id.');
}

async function findUser(
  identity: Identity,
  tenantId: string | undefined,
  userPrincipalName: string,
): Promise<(Subject & { kind: 'user' }) | undefined> {
  const wanted = userPrincipalName.toLowerCase();
  for (const partner of identity.accounts.partners) {
    if (tenantId !== undefined && partner.tenantId !== tenantId) continue;
    const user = partner.users.find((one) => one.userPrincipalName.toLowerCase() === wanted);
    if (user) return { kind: 'user', tenantId: partner.tenantId, ...user };
  }
  if (tenantId === undefined || findPartner(identity, tenantId)) return undefined;
  const user = await identity.findCustomerUser(tenantId, userPrincipalName);
  return user && { kind: 'user', tenantId, displayName: user.userPrincipalName, ...user };
}

async function signIn(identity: Identity, tenantId: string | undefined, form: TokenForm): Promise<Subject> {
  const { username, password } = form;
  if (!username || password === undefined) {
    throw oauthError('invalid_request', "AADSTS900144: The request body must contain 'username' and 'password'.");
  }
  const user = await findUser(identity, tenantId, username);
  if (!user || !sameText(password, identity.accounts.password)) {
    throw oauthError('invalid_grant', 'AADSTS50126: Invalid username or password.');
  }
  return user;
}

async function refresh(
  identity: Identity,
  tenantId: string | undefined,
  clientId: string,
  token: string | undefined,
): Promise<{ user: Subject; audience: string }> {
  if (!token) throw oauthError('invalid_request', "AADSTS900144: The request body must contain 'refresh_token'.");
  const invalid = () =>
    oauthError('invalid_grant', 'AADSTS70000: The refresh token is not valid here. Sign in again for a new one.');
  const claims = await identity.open(token, REFRESH_TOKEN_TYPE).catch(() => {
    throw invalid();
  });
  const { tid, upn, resource, appid } = claims;
  if (typeof tid !== 'string' || typeof upn !== 'string' || typeof resource !== 'string') throw invalid();
  if (appid !== clientId || (tenantId !== undefined && tenantId !== tid)) throw invalid();
  const user = await findUser(identity, tid, upn);
  if (!user) throw invalid();
  return { user, audience: resource };
}

/** @throws ApiError of `oauthError` */
export async function issueToken(identity: Identity, tenant: string, form: TokenForm): Promise<TokenReply> {
  const tenantId = resolveTenant(identity, tenant);
  const grant = form.grant_type;
  if (!grant) throw oauthError('invalid_request', "AADSTS900144: The request body must contain 'grant_type'.");
  const { clientId, application, partner } = authenticateClient(identity, form);
  const asked = audienceOf(identity, form);
  let subject: Subject;
  let audience = asked;
  if (grant === 'client_credentials') {
    if (!application || !partner || (tenantId !== undefined && tenantId !== partner.tenantId)) {
      throw oauthError('unauthorized_client', 'AADSTS700016: The application has no tokens of its own in this tenant.');
    }
    const { objectId, roles } = application;
    subject = { kind: 'application', tenantId: partner.tenantId, objectId, roles };
  } else if (grant === 'password') {
    subject = await signIn(identity, tenantId, form);
  } else if (grant === 'refresh_token') {
    const renewed = await refresh(identity, tenantId, clientId, form.refresh_token);
    subject = renewed.user;
    audience ??= renewed.audience;
  } else {
    throw oauthError('unsupported_grant_type', 'AADSTS70003: Send client_credentials, refresh_token or password.');
  }
  if (audience === undefined)
    throw oauthError('invalid_scope', 'AADSTS70011: Send a resource, or a scope that names one.');

  const claims = accessClaims(identity, subject, {
    audience,
    clientId,
    lifetimeSeconds: ACCESS_TOKEN_SECONDS,
    publicClient: !application,
  });
  const { iat = 0, exp = 0 } = claims;
  const reply: TokenReply = {
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_SECONDS,
    ext_expires_in: ACCESS_TOKEN_SECONDS,
    expires_on: exp,
    resource: audience,
    access_token: await identity.sign(claims),
  };
  if (subject.kind === 'application') return reply;
  reply.scope = `${withoutSlash(audience)}/user_impersonation`;
  reply.refresh_token = await identity.sign(
    {
      tid: subject.tenantId,
      upn: subject.userPrincipalName,
      resource: audience,
      appid: clientId,
      iat,
      exp: iat + REFRESH_TOKEN_SECONDS,
    },
    REFRESH_TOKEN_TYPE,
  );
  if (form.scope?.split(' ').includes('openid')) {
    reply.id_token = await identity.sign(idTokenClaims(identity, subject, clientId));
  }
  if (form.client_info) {
    const ids = JSON.stringify({ uid: subject.objectId, utid: subject.tenantId });
    reply.client_info = Buffer.from(ids).toString('base64url');
  }
  return reply;
}

/**
 * @param origin as the client sees it: behind a TLS front the addresses in the document have to be the front's
 * @param version of the endpoints
 */
export function describeIssuer(
  identity: Identity,
  tenant: string,
  origin: string,
  version: 1 | 2,
): OpenIdConfiguration {
  const tenantId = resolveTenant(identity, tenant);
  const segment = tenantId ?? tenant.toLowerCase();
  const path = version === 2 ? 'oauth2/v2.0' : 'oauth2';
  const issuer = segment === 'adfs' ? segment : (tenantId ?? '{tenantid}');
  return {
    issuer: `${origin}/${issuer}${version === 2 ? '/v2.0' : ''}`,
    token_endpoint: `${origin}/${segment}/${path}/token`,
    authorization_endpoint: `${origin}/${segment}/${path}/authorize`,
    jwks_uri: `${origin}/${segment}/discovery/v2.0/keys`,
    response_types_supported: ['code', 'id_token', 'token'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    scopes_supported: [...OPENID_SCOPES],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_post'],
  };
}
