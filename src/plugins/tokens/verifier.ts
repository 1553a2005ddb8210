import { errors, type JWTPayload, jwtVerify } from 'jose';
import { hasDuplicateNames } from './duplicate-names.js';
import { createLocalKeys, createRemoteKeys, type KeySet, KeysUnavailable, type LocalKeySet } from './jwks.js';
import type { Issuer, PartnerRole, TokenRules } from './rules.js';

/** What a token proves about its bearer. */
export interface VerifiedToken {
  /** `tid`, lower case. */
  readonly tenantId: string;
  /** `oid`, lower case. */
  readonly objectId: string;
  readonly userPrincipalName: string | null;
  readonly applicationId: string | null;
  readonly appOnly: boolean;
  /** `amr` names `mfa`. */
  readonly mfa: boolean;
  readonly roles: ReadonlySet<PartnerRole>;
  /** `exp` in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The token is not acceptable. `reason` is a short code for the log; it holds nothing of the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  constructor(readonly reason: string) {
    super(`Token refused: ${reason}`);
  }
}

export interface TokenVerifier {
  /** @throws TokenRefused, or KeysUnavailable when the keys of the issuer cannot be had */
  verify(token: string): Promise<VerifiedToken>;
  /** Keeps the keys up to date where verified tokens are cached and `verify` is seldom called. */
  refreshKeysWhenDue(): void;
}

const COMPACT = /^([\w-]+)\.([\w-]+)\.[\w-]+$/;
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Visible ASCII; the key id ends up in a comparison and in no path, but no real one looks otherwise. */
const KEY_ID = /^[\x21-\x7e]{1,200}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f\ud800-\udfff]/;
/** Entra sends `JWT` in access tokens as well; RFC 9068 says `at+jwt`. */
const ACCESS_TOKEN_TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt']);
/** Keys, or addresses of keys, that the sender of the token chose. */
const FORBIDDEN_HEADERS = ['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64', 'zip'];
/** Claims that only a user has. */
const USER_CLAIMS = ['upn', 'unique_name', 'preferred_username', 'name', 'email'];
/** Claims that only an ID token has. */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash'];

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One of the first two parts of the token, read before its signature is checked: only to refuse, or to find the key. */
function readPart(part: string, what: string): Readonly<Record<string, unknown>> {
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(Buffer.from(part, 'base64url'));
    value = JSON.parse(text);
  } catch {
    throw new TokenRefused(`${what}_not_json`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TokenRefused(`${what}_not_object`);
  if (hasDuplicateNames(text)) throw new TokenRefused(`${what}_duplicate_name`);
  return value as Record<string, unknown>;
}

function textClaim(claims: JWTPayload, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = claims[name];
    if (typeof value === 'string' && value !== '' && value.length <= 256 && !UNPRINTABLE.test(value)) return value;
  }
  return null;
}

function guidClaim(claims: Readonly<Record<string, unknown>>, name: string): string {
  const value = claims[name];
  if (typeof value !== 'string' || !GUID.test(value)) throw new TokenRefused(`claim_${name}`);
  return value;
}

function arrayClaim(claims: JWTPayload, name: string): readonly unknown[] {
  const value = claims[name];
  return Array.isArray(value) ? value : [];
}

/** App-only tokens carry no `scp`, delegated ones do. What has neither `scp` nor an application's claims is an ID token. */
function isAppOnly(claims: JWTPayload): boolean {
  const delegated = typeof claims.scp === 'string' && claims.scp.trim() !== '';
  if (claims.idtyp !== undefined && claims.idtyp !== 'app' && claims.idtyp !== 'user')
    throw new TokenRefused('claim_idtyp');
  if (delegated) {
    if (claims.idtyp === 'app') throw new TokenRefused('claim_idtyp');
    return false;
  }
  const ofUser = claims.idtyp === 'user' || USER_CLAIMS.some((name) => claims[name] !== undefined);
  const application = claims.idtyp === 'app' || textClaim(claims, 'appid', 'azp') !== null;
  if (ofUser || !application || ID_TOKEN_CLAIMS.some((name) => claims[name] !== undefined)) {
    throw new TokenRefused('not_an_access_token');
  }
  return true;
}

function refusalOf(error: unknown): unknown {
  if (error instanceof TokenRefused || error instanceof KeysUnavailable) return error;
  // jose's errors hold the claims, so none of them goes on to the log.
  if (error instanceof errors.JWTExpired) return new TokenRefused('expired');
  if (error instanceof errors.JWTClaimValidationFailed) return new TokenRefused(`claim_${error.claim}`);
  if (error instanceof errors.JOSEError) return new TokenRefused(error.code.toLowerCase());
  return error;
}

/** @throws Error with a plain sentence when the rules would leave something unchecked */
function checkRules(rules: TokenRules): void {
  if (rules.issuers.length === 0) throw new Error('No token issuer is configured: name at least one.');
  if (rules.audiences.length === 0) throw new Error('No token audience is configured: name at least one.');
  if (rules.algorithms.length === 0) throw new Error('No token algorithm is configured: name RS256, ES256 or both.');
  for (const { issuer, jwksUri } of rules.issuers) {
    if (issuer === '') throw new Error('A configured token issuer is empty: name it.');
    if (!URL.canParse(jwksUri)) throw new Error(`The key address of the token issuer ${issuer} is not a URL.`);
  }
  if (rules.audiences.includes('')) throw new Error('A configured token audience is empty: name it.');
  for (const algorithm of rules.algorithms) {
    if (!['RS256', 'ES256'].includes(algorithm))
      throw new Error(`The token algorithm ${algorithm} is not RS256 or ES256.`);
  }
}

/** @param options.onKeysChanged called when a key set has changed: what was verified before may no longer be valid */
export function createVerifier(options: {
  rules: TokenRules;
  localKeys?: LocalKeySet;
  now: () => Date;
  onKeysChanged: () => void;
}): TokenVerifier {
  const { rules, localKeys, now } = options;
  checkRules(rules);
  const keySets = new Map<string, KeySet>();
  for (const { jwksUri } of rules.issuers) {
    if (keySets.has(jwksUri)) continue;
    const keys =
      localKeys?.jwksUri === jwksUri
        ? createLocalKeys(localKeys)
        : createRemoteKeys(jwksUri, { now, onChange: options.onKeysChanged });
    keySets.set(jwksUri, keys);
  }
  const algorithms = [...rules.algorithms];
  const audience = [...rules.audiences];

  function findIssuer(name: unknown, tenantId: string): Issuer {
    const found = rules.issuers.find(({ issuer }) => issuer.replaceAll('{tenantid}', tenantId) === name);
    if (!found) throw new TokenRefused('claim_iss');
    return found;
  }

  function rolesOf(claims: JWTPayload): ReadonlySet<PartnerRole> {
    const roles = new Set<PartnerRole>();
    for (const name of ['roles', 'groups', 'wids']) {
      for (const value of arrayClaim(claims, name)) {
        if (typeof value !== 'string' || !Object.hasOwn(rules.roleMap, value)) continue;
        const role = rules.roleMap[value];
        if (role) roles.add(role);
      }
    }
    return roles;
  }

  async function verify(token: string): Promise<VerifiedToken> {
    const parts = COMPACT.exec(token);
    if (!parts) throw new TokenRefused('not_a_jwt');
    const header = readPart(parts[1] ?? '', 'header');
    if (!rules.algorithms.some((name) => name === header.alg)) throw new TokenRefused('header_alg');
    if (typeof header.typ !== 'string' || !ACCESS_TOKEN_TYPES.has(header.typ.toLowerCase())) {
      throw new TokenRefused('header_typ');
    }
    for (const name of FORBIDDEN_HEADERS) if (name in header) throw new TokenRefused(`header_${name}`);
    const keyId = header.kid;
    if (typeof keyId !== 'string' || !KEY_ID.test(keyId)) throw new TokenRefused('header_kid');

    const payload = readPart(parts[2] ?? '', 'payload');
    const tenantId = guidClaim(payload, 'tid');
    const { jwksUri } = findIssuer(payload.iss, tenantId);
    const keys = keySets.get(jwksUri);
    if (!keys) throw new TokenRefused('claim_iss');
    const issuer = payload.iss as string;
    const { payload: claims } = await jwtVerify(token, (protectedHeader) => keys.getKey(protectedHeader), {
      algorithms,
      issuer,
      audience,
      currentDate: now(),
      clockTolerance: rules.clockToleranceSeconds,
      requiredClaims: ['iss', 'aud', 'exp', 'iat', 'tid', 'oid'],
    });

    // A key that Entra keeps for one tenant (personal accounts) must not vouch for others:
    // learn.microsoft.com/entra/identity-platform/access-tokens, "validate the signing key issuer".
    const keyIssuer = keys.issuerOf(keyId);
    if (keyIssuer !== undefined && !keyIssuer.includes('{tenantid}') && keyIssuer !== issuer) {
      throw new TokenRefused('key_issuer');
    }
    const { exp, iat } = claims;
    const latest = now().getTime() / 1000 + rules.clockToleranceSeconds;
    if (typeof iat !== 'number' || iat > latest) throw new TokenRefused('claim_iat');
    if (typeof exp !== 'number' || !Number.isFinite(exp)) throw new TokenRefused('claim_exp');
    const appOnly = isAppOnly(claims);
    return {
      tenantId: tenantId.toLowerCase(),
      objectId: guidClaim(claims, 'oid').toLowerCase(),
      userPrincipalName: appOnly ? null : textClaim(claims, 'upn', 'preferred_username', 'unique_name'),
      applicationId: textClaim(claims, 'appid', 'azp'),
      appOnly,
      mfa: arrayClaim(claims, 'amr').includes('mfa'),
      roles: rolesOf(claims),
      expiresAt: exp * 1000,
    };
  }

  return {
    verify: (token) =>
      verify(token).catch((error: unknown) => {
        throw refusalOf(error);
      }),
    refreshKeysWhenDue() {
      for (const keys of keySets.values()) keys.refreshWhenDue();
    },
  };
}
