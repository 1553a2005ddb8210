import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { faceOf } from '../http/face.js';
import { isUuid, uuidv4 } from '../lib/uuid.js';
import { checking } from './checking.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** `MS-RequestId` of the caller in lower case, or one made here. Never logged or echoed raw. */
    requestId: string;
    /** Whether the caller sent the request id: only then can it repeat the request under it. */
    requestIdSent: boolean;
    /** `MS-CorrelationId`; one made here when it is absent or not a GUID. */
    correlationId: string;
  }
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Takes or makes the ids of a request and answers them. */
export function identify(request: FastifyRequest, reply: FastifyReply): void {
  const sent = header(request, 'ms-requestid');
  const correlation = header(request, 'ms-correlationid');
  request.requestId = sent && isUuid(sent) ? sent.toLowerCase() : uuidv4();
  request.requestIdSent = sent !== undefined;
  request.correlationId = correlation && isUuid(correlation) ? correlation.toLowerCase() : uuidv4();
  reply.headers({
    'MS-RequestId': request.requestId,
    'MS-CorrelationId': request.correlationId,
    'X-Content-Type-Options': 'nosniff',
  });
  if (faceOf(request.url) === 'arm') {
    reply.header('x-ms-request-id', request.requestId);
    const client = header(request, 'x-ms-client-request-id');
    if (client && isUuid(client)) reply.header('x-ms-client-request-id', client);
  } else {
    reply.header('X-Locale', locale(header(request, 'x-locale')));
  }
}

/**
 * The ids of every request (https://learn.microsoft.com/partner-center/developer/headers). A request id that is no GUID
 * is refused, since a retry could not be told by it; a correlation id is replaced.
 */
export const requestIds = fp(
  async (app) => {
    app.decorateRequest('requestId', '');
    app.decorateRequest('requestIdSent', false);
    app.decorateRequest('correlationId', '');
    app.addHook(
      'onRequest',
      checking((request, reply) => {
        identify(request, reply);
        const sent = header(request, 'ms-requestid');
        if (sent !== undefined && !isUuid(sent)) {
          throw new ApiError('InvalidInput', {
            description: 'MS-RequestId has to be a GUID. Send one, or leave it out.',
          });
        }
      }),
    );
  },
  { name: 'request-ids' },
);

function locale(asked: string | undefined): string {
  return asked !== undefined && /^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$/i.test(asked) ? asked : 'en-US';
}
