import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { BoundedCache } from './tokens/cache.js';
import { KeysUnavailable, type LocalKeySet } from './tokens/jwks.js';
import type { PartnerRole, TokenRules } from './tokens/rules.js';
import { createVerifier, TokenRefused, type VerifiedToken } from './tokens/verifier.js';

/** Who sent the request, proven by the access token. */
export interface Caller {
  /** Lower case. */
  tenantId: string;
  kind: 'partner' | 'customer';
  /** Empty for customers. */
  roles: ReadonlySet<PartnerRole>;
  /** `oid`: the user, or the service principal of an app-only token. Lower case. */
  objectId: string;
  userPrincipalName: string | null;
  applicationId: string | null;
  appOnly: boolean;
  /** Start of the SHA-256 of the token, for rate limits and the log; never the token. */
  tokenId: string;
}

export interface AuthenticationOptions {
  rules: TokenRules;
  /** The built-in issuer's public keys: used, without HTTP, for the issuers with the same `jwksUri`. */
  localKeys?: LocalKeySet;
  findTenantKind: (tenantId: string) => Promise<'partner' | 'customer' | undefined>;
  now: () => Date;
}

/** Who may call a route. A route without it cannot be registered. */
export type RouteAccess =
  | 'public'
  | {
      partner?: readonly PartnerRole[];
      customer?: boolean;
      /** Whether app-only tokens are accepted. Default true. */
      appOnly?: boolean;
    };

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that is not public. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
}

const CHALLENGE = 'Bearer realm="customer-permissions"';
const CACHED_TOKENS = 10_000;
/** How long a tenant that was removed, or changed sides, is still taken for what it was. */
const TENANT_KIND_MS = 60_000;
const BEARER = /^bearer +(\S+) *$/i;
const NO_ROLES: ReadonlySet<PartnerRole> = new Set();

interface CachedToken {
  readonly verified: VerifiedToken;
  readonly caller: Caller;
  readonly callerUntil: number;
}

interface Sent {
  authorization: string;
  token: string;
  /** What the cache knows the token by: the cache holds no tokens. */
  key: string;
}

/** What each open connection sent last: one caller's requests bring the same header over again. */
const lastSent = new WeakMap<Socket, Sent>();

/** @throws ApiError InvalidInput for two Authorization headers, TokenMissing when there is no bearer token */
function readToken(request: FastifyRequest): Sent {
  const { rawHeaders } = request.raw;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 13 && name.toLowerCase() === 'authorization') count += 1;
  }
  if (count > 1) {
    throw new ApiError('InvalidInput', { description: 'The header Authorization came twice. Send it once.' });
  }
  const { authorization = '' } = request.headers;
  const last = lastSent.get(request.raw.socket);
  if (last?.authorization === authorization) return last;
  const token = BEARER.exec(authorization)?.[1];
  if (token !== undefined) {
    const sent = { authorization, token, key: hash('sha256', token) };
    lastSent.set(request.raw.socket, sent);
    return sent;
  }
  if (/^bearer +\S/i.test(authorization)) throw new TokenRefused('not_a_jwt');
  throw new ApiError('TokenMissing', { headers: { 'WWW-Authenticate': CHALLENGE } });
}

function unauthorized(description?: string): ApiError {
  return new ApiError('Unauthorized', {
    ...(description !== undefined && { description }),
    headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` },
  });
}

/** Turns the bearer token into `request.caller` before the body is read, on every route that is not public. */
export const authentication = fp<AuthenticationOptions>(
  async (app, { rules, localKeys, findTenantKind, now }) => {
    const cache = new BoundedCache<CachedToken>(CACHED_TOKENS);
    const verifier = createVerifier({
      rules,
      ...(localKeys && { localKeys }),
      now,
      onKeysChanged: () => cache.purge(),
    });

    async function toCaller(verified: VerifiedToken, tokenId: string): Promise<Caller> {
      const { tenantId, objectId, userPrincipalName, applicationId, appOnly } = verified;
      const kind = await findTenantKind(tenantId);
      if (!kind) throw new ApiError('NoRelationship');
      if (kind === 'partner' && rules.requireMfa && !appOnly && !verified.mfa) {
        throw unauthorized('Access denied: MFA required. Sign in with multi-factor authentication for a new token.');
      }
      const roles = kind === 'partner' ? verified.roles : NO_ROLES;
      return { tenantId, kind, roles, objectId, userPrincipalName, applicationId, appOnly, tokenId };
    }

    async function authenticate(token: string, key: string, cached: CachedToken | undefined): Promise<Caller> {
      const { revision } = cache;
      const verified = cached?.verified ?? (await verifier.verify(token));
      const caller = await toCaller(verified, key.slice(0, 16));
      if (cache.revision === revision) {
        cache.set(key, { verified, caller, callerUntil: now().getTime() + TENANT_KIND_MS });
      }
      return caller;
    }

    function toRefusal(error: unknown, request: FastifyRequest): unknown {
      if (error instanceof KeysUnavailable) {
        return new ApiError('Unavailable', { cause: error, headers: { 'Retry-After': '5' } });
      }
      if (!(error instanceof TokenRefused) && !(error instanceof ApiError)) return error;
      const refusal = error instanceof TokenRefused ? unauthorized() : error;
      const reason = error instanceof TokenRefused ? error.reason : error.errorName;
      const { requestId, correlationId } = request;
      request.log.warn(
        { event: 'access_refused', requestId, correlationId, reason, status: refusal.status },
        'access refused',
      );
      return refusal;
    }

    app.addHook('onRoute', ({ method, url, config }) => {
      if (config?.access === undefined) throw new Error(`The route ${method} ${url} has no config.access.`);
    });
    app.decorateRequest('caller');
    app.addHook('onRequest', (request, _reply, done) => {
      if (request.is404 || request.routeOptions.config.access === 'public') return done();
      verifier.refreshKeysWhenDue();
      let pending: Promise<Caller>;
      try {
        const { token, key } = readToken(request);
        const time = now().getTime();
        let cached = cache.get(key);
        if (cached && cached.verified.expiresAt <= time) {
          cache.delete(key);
          cached = undefined;
        }
        if (cached && time < cached.callerUntil) {
          request.caller = cached.caller;
          return done();
        }
        pending = authenticate(token, key, cached);
      } catch (error) {
        return done(toRefusal(error, request) as Error);
      }
      pending.then(
        (caller) => {
          request.caller = caller;
          done();
        },
        (error: unknown) => done(toRefusal(error, request) as Error),
      );
    });
  },
  { name: 'authentication', fastify: '5.x' },
);
