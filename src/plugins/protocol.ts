import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { assertWellFormedQuery } from '../http/query.js';
import { checking } from './checking.js';

/** Headers of which Node keeps one of several, where a proxy in front may have acted on the other. */
const SINGLE = new Set(['host', 'authorization', 'if-match', 'ms-requestid', 'content-type']);
const MAX_URL_LENGTH = 8192;
const JSON_ACCEPTED = /(^|,)\s*(\*\/\*|application\/(\*|json|[a-z.+-]*\+json)|text\/json)\s*(;|,|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";,\s]*)/gi;
const UTF8 = /^utf-?8$/i;
/** Node reads the first 1000 and drops the others, of which `rawHeaders` shows some. */
const MAX_HEADERS = 1000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Media types the route answers besides JSON, or `any` where it negotiates none (pages, files). */
    produces?: readonly string[] | 'any';
  }
}

function refuseDoubledHeaders(rawHeaders: readonly string[]): void {
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) {
      throw new ApiError('InvalidInput', { description: `The header ${name} came twice. Send it once.` });
    }
    seen.add(name);
  }
}

/**
 * What HTTP allows and this service does not read in two ways: doubled headers, compressed or other than UTF-8 bodies,
 * bodies of DELETE, addresses over 8 KiB, answers in media types it does not have.
 */
export const protocol = fp(
  async (app) => {
    app.addHook(
      'onRequest',
      checking((request) => {
        const { rawHeaders, httpVersion } = request.raw;
        if (rawHeaders.length > 2 * MAX_HEADERS) throw new ApiError('HeadersTooLarge');
        refuseDoubledHeaders(rawHeaders);
        if (request.headers.host === undefined && httpVersion !== '1.0') {
          throw new ApiError('InvalidInput', { description: 'The header Host is missing.' });
        }
        assertWellFormedQuery(request.query);
        if (request.url.length > MAX_URL_LENGTH) throw new ApiError('UriTooLong');
        const { accept, 'content-encoding': encoding, 'content-type': type } = request.headers;
        if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw new ApiError('UnsupportedMediaType');
        for (const [, charset = ''] of type?.matchAll(CHARSET) ?? []) {
          if (!UTF8.test(charset)) throw new ApiError('UnsupportedMediaType');
        }
        const produces = request.routeOptions.config.produces ?? [];
        if (accept !== undefined && accept !== '' && produces !== 'any' && !JSON_ACCEPTED.test(accept)) {
          const wanted = accept.toLowerCase();
          if (!produces.some((type) => wanted.includes(type))) throw new ApiError('NotAcceptable');
        }
      }),
    );
    app.addHook(
      'preValidation',
      checking((request) => {
        if (request.method === 'DELETE' && request.body !== undefined && request.body !== null) {
          throw new ApiError('InvalidInput', { description: 'DELETE takes no body. Send it without one.' });
        }
      }),
    );
  },
  { name: 'protocol', dependencies: ['request-ids'] },
);
