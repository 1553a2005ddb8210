import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pino } from 'pino';

const log = pino({ base: null }, pino.destination({ sync: false, minLength: 8192 }));

/** Ids and headers of an answer, as the service's have. @returns what writes its log line */
export function beginAnswer(request: FastifyRequest, reply: FastifyReply, route: string): () => void {
  const begun = performance.now();
  const [requestId, correlationId] = [randomUUID(), randomUUID()];
  reply.headers({
    'MS-RequestId': requestId,
    'MS-CorrelationId': correlationId,
    'X-Content-Type-Options': 'nosniff',
    'X-Locale': 'en-US',
  });
  return () => {
    const milliseconds = performance.now() - begun;
    log.info({ requestId, correlationId, method: request.method, route, status: 200, milliseconds }, 'answered');
  };
}
