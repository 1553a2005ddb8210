import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

/** Who asks for what: what has to be equal for a request to be the repetition of another under its id. */
export function fingerprint(request: FastifyRequest): Buffer {
  const { caller } = request;
  const asked = JSON.stringify([
    caller.tenantId,
    caller.objectId,
    caller.applicationId,
    request.method,
    request.url.replace(/\/{2,}/g, '/').toLowerCase(),
    request.headers['if-match'] ?? null,
    request.body ?? null,
  ]);
  return Buffer.from(hash('sha256', asked, 'hex'), 'hex');
}
