import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { type SharedCounts, sharedStore } from './counts/shared-store.js';

/** @throws ApiError TooManyRequests when the caller's partner has switched on too many permissions this minute */
export type SwitchLimit = (request: FastifyRequest) => Promise<void>;

declare module 'fastify' {
  interface FastifyInstance {
    limitSwitches: SwitchLimit;
  }
}

export interface LimitOptions {
  /** Per partner; 0: no limit. */
  requestsPerMinute: number;
  /** Permissions switched on, per partner; 0: no limit. Each one lets a customer spend the partner's money. */
  switchesPerMinute: number;
  /** Absent: this instance counts for itself. */
  shared?: { counts: SharedCounts; key: Buffer } | undefined;
}

function tooMany(seconds: number): ApiError {
  return new ApiError('TooManyRequests', {
    description: `Rate limit is exceeded. Try again in ${seconds} seconds.`,
    headers: { 'Retry-After': String(seconds) },
  });
}

/**
 * Limits by the verified tenant of the token, never by an address or a header. The answer is that of
 * https://learn.microsoft.com/partner-center/developer/api-throttling-guidance.
 */
export const limits = fp<LimitOptions>(
  async (app, { requestsPerMinute, switchesPerMinute, shared }) => {
    // Asked before allowList, so also for public routes, which have no caller.
    const tenantOf = (request: { caller?: FastifyRequest['caller'] }) => request.caller?.tenantId ?? '';
    await app.register(rateLimit, {
      global: requestsPerMinute > 0,
      hook: 'preParsing',
      max: requestsPerMinute || 1,
      timeWindow: '1 minute',
      cache: 10_000,
      ...(shared && { store: sharedStore(shared.counts, shared.key) }),
      allowList: (request) => request.is404 || request.routeOptions.config.access === 'public',
      keyGenerator: tenantOf,
      addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      errorResponseBuilder: (_request, { ttl }) => tooMany(Math.max(1, Math.ceil(ttl / 1000))),
    });
    const check = app.createRateLimit({
      max: switchesPerMinute || 1,
      timeWindow: '1 minute',
      keyGenerator: (request) => `switches ${tenantOf(request)}`,
    });
    app.decorate('limitSwitches', async (request) => {
      if (switchesPerMinute === 0) return;
      const verdict = await check(request);
      if (!verdict.isAllowed && verdict.isExceeded) throw tooMany(Math.max(1, verdict.ttlInSeconds));
    });
  },
  { name: 'limits', dependencies: ['authentication'] },
);
