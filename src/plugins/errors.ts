import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { CommitOutcomeUnknown } from '../db/connect.js';
import { ApiError } from '../errors/api-error.js';
import { classifyFailure } from '../errors/from-postgres.js';
import { type Face, faceOf, pathOf } from '../http/face.js';
import { identify } from './request-ids.js';

const SOURCE = 'CustomerPermissions';
/** A body of 64 KiB can be wrong in thousands of places. */
const MAX_REASONS = 20;

/**
 * The body of a refusal in the shape of its face: https://learn.microsoft.com/partner-center/developer/error-codes and
 * api-throttling-guidance beside it, ARM's error envelope, RFC 6749 5.2.
 */
export function errorBody(face: Face, error: ApiError): object {
  if (face === 'arm') {
    const { armCode: code, message, reasons } = error;
    return { error: { code, message, ...(reasons.length > 0 && { details: reasons }) } };
  }
  if (face === 'identity') return { error: error.armCode, error_description: error.message };
  if (error.status === 429) return { statusCode: 429, message: error.message };
  return { code: error.code, description: error.message, data: error.data, source: SOURCE };
}

const FRAMEWORK_ERRORS: Readonly<Record<string, () => ApiError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new ApiError('PayloadTooLarge'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new ApiError('UnsupportedMediaType'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new ApiError('InvalidInput', { description: 'The body is not as long as Content-Length says.' }),
  FST_ERR_BAD_URL: () => new ApiError('InvalidInput', { description: 'The address is not validly percent-encoded.' }),
  FST_ERR_MAX_PARAM_LENGTH: () =>
    new ApiError('InvalidInput', { description: 'A part of the address is longer than any name here.' }),
};

/** Turns whatever was thrown into a refusal with a code; what is not known becomes a 500 whose cause is only logged. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof CommitOutcomeUnknown) {
    return new ApiError('OutcomeUnknown', { cause: error, headers: { 'Retry-After': '1' } });
  }
  const { code, validation, validationContext, statusCode } = error as Partial<FastifyError>;
  if (validation) {
    const where = validationContext ?? 'body';
    return new ApiError('InvalidProperty', {
      data: validation.slice(0, MAX_REASONS).map(({ instancePath, message, params, keyword }) => {
        const extra = keyword === 'additionalProperties' ? `: ${JSON.stringify(params.additionalProperty)}` : '';
        const allowed = keyword === 'enum' ? `: ${JSON.stringify(params.allowedValues)}` : '';
        return `${where}${instancePath} ${message ?? 'is not valid'}${extra}${allowed}`.slice(0, 300);
      }),
    });
  }
  const known = code === undefined ? undefined : FRAMEWORK_ERRORS[code];
  if (known) return known();
  if (statusCode === 429) return new ApiError('TooManyRequests');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new ApiError('InvalidInput');
  if (statusCode === 503) return new ApiError('Unavailable', { cause: error, headers: { 'Retry-After': '5' } });
  switch (classifyFailure(error)) {
    case 'busy':
    case 'retry':
      return new ApiError('Busy', { cause: error, headers: { 'Retry-After': '1' } });
    case 'unavailable':
      return new ApiError('Unavailable', { cause: error, headers: { 'Retry-After': '2' } });
    default:
      return new ApiError('InternalError', { cause: error });
  }
}

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = toApiError(error);
  if (refusal.status >= 500)
    request.log.error({ err: refusal.cause ?? refusal, requestId: request.requestId }, 'failed');
  const cut = refusal.status === 413 || refusal.status === 408 ? { Connection: 'close' } : {};
  return reply
    .code(refusal.status)
    .headers({ ...refusal.headers, ...cut })
    .header('Content-Type', 'application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(errorBody(faceOf(request.url), refusal));
}

/** The only place where an error becomes a body, also for addresses without a route and methods without a handler. */
export const errors = fp(
  async (app) => {
    const paths = findMyWay({ caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true });
    const methodsOf = new Map<string, Set<string>>();
    app.addHook('onRoute', ({ url, method }) => {
      const key = url.toLowerCase().replace(/:[^/]+/g, ':');
      let methods = methodsOf.get(key);
      if (!methods) {
        methods = new Set();
        methodsOf.set(key, methods);
        const allowed = methods;
        paths.on('GET' as HTTPMethod, url, () => {}, allowed);
      }
      for (const name of [method].flat()) methods.add(name);
    });
    app.setErrorHandler(sendError);
    function refuse(request: FastifyRequest): ApiError {
      const path = pathOf(request.url);
      const allowed = paths.find('GET', path)?.store as Set<string> | undefined;
      if (!allowed || allowed.has(request.method)) return new ApiError('NotFound');
      return new ApiError('MethodNotAllowed', { headers: { Allow: [...allowed].sort().join(', ') } });
    }
    // Before the body is read: what it holds does not matter where nobody takes it.
    app.addHook('preParsing', (request, _reply, payload, done) => {
      if (request.is404) done(refuse(request));
      else done(null, payload);
    });
    app.setNotFoundHandler((request, reply) => sendError(refuse(request), request, reply));
  },
  { name: 'errors' },
);

/** Answers what Fastify refuses before any hook runs, such as an address that cannot be decoded. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  identify(request, reply);
  const { requestId, correlationId, method } = request;
  sendError(error, request, reply);
  request.log.info({ requestId, correlationId, method, route: 'none', status: reply.statusCode }, 'answered');
}
