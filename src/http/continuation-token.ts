import { createHmac, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../errors/api-error.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Where a token is good. */
export interface TokenScope {
  readonly partnerId: string;
  /** Operation id or address pattern with the ids filled in; what must not be mixed up. */
  readonly route: string;
}

export interface TokenContent {
  /** Where the next page starts, e.g. the key of the last row shown. */
  readonly position: Json;
  /** Page size, filter and whatever else the first request asked for: a seek request sends only the token. */
  readonly query: Readonly<Record<string, Json>>;
}

export interface TokenCodec {
  seal(payload: TokenScope & TokenContent): string;
  /** @throws ApiError InvalidInput, always the same text, for a token edited, of another partner or of another route */
  open(token: string, expected: TokenScope): TokenContent;
}

const MAC_BYTES = 32;

function invalid(): ApiError {
  return new ApiError('InvalidInput', {
    description: 'The continuation token is not valid here. Start again without it.',
  });
}

/**
 * Continuation tokens: base64url of an HMAC-SHA-256 and the content it covers. Readable, not secret; partner and route
 * are under the HMAC but not in the token.
 *
 * @param key secret of the installation, the same in every process; 32 bytes or more
 */
export function createTokenCodec(key: Buffer): TokenCodec {
  const mac = (scope: TokenScope, content: Buffer) =>
    createHmac('sha256', key)
      // JSON has no raw line break, so scope and content cannot be shifted into each other.
      .update(`${JSON.stringify([scope.partnerId, scope.route])}\n`)
      .update(content)
      .digest();

  return {
    seal(payload) {
      const content = Buffer.from(JSON.stringify([payload.position, payload.query]));
      return Buffer.concat([mac(payload, content), content]).toString('base64url');
    },
    open(token, expected) {
      const bytes = Buffer.from(token, 'base64url');
      // Buffer.from skips what is not base64url; only the one spelling that was handed out counts.
      if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== token) throw invalid();
      const content = bytes.subarray(MAC_BYTES);
      if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(expected, content))) throw invalid();
      const [position, query]: [Json, Readonly<Record<string, Json>>] = JSON.parse(content.toString());
      return { position, query };
    },
  };
}

/**
 * A request with a token may repeat the query it began with, as following `links.next` does, but not change it.
 *
 * @param sent values as read, in the form they were sealed in; undefined for a parameter that did not come
 * @throws ApiError InvalidInput naming the parameter
 */
export function assertSameQuery(token: TokenContent, sent: Readonly<Record<string, Json | undefined>>): void {
  for (const [name, value] of Object.entries(sent)) {
    if (value !== undefined && !isDeepStrictEqual(value, token.query[name])) {
      throw new ApiError('InvalidInput', {
        description: `The query parameter ${name} differs from the one the continuation token was made for. Leave it out, or start again without the token.`,
      });
    }
  }
}

interface TokenRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: unknown;
  readonly body?: unknown;
}

function membersNamed(holder: unknown, name: string): unknown[] {
  if (typeof holder !== 'object' || holder === null) return [];
  return Object.entries(holder).flatMap(([key, value]) => (key.toLowerCase() === name ? value : []));
}

/**
 * The continuation token of a request: header `MS-ContinuationToken` (.NET), query parameter of that name (Java),
 * or body property `continuationToken`. Undefined when there is none.
 *
 * @throws ApiError InvalidInput when the places hold different tokens
 */
export function readContinuationToken(request: TokenRequest): string | undefined {
  const sent = new Set(
    [
      request.headers['ms-continuationtoken'],
      ...membersNamed(request.query, 'ms-continuationtoken'),
      ...membersNamed(request.body, 'continuationtoken'),
    ].filter((value) => value !== undefined && value !== null && value !== ''),
  );
  const [token] = sent;
  if (sent.size > 1 || (token !== undefined && typeof token !== 'string')) {
    throw new ApiError('InvalidInput', { description: 'The request has more than one continuation token. Send one.' });
  }
  return token;
}
