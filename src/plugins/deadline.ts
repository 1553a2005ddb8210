import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { sendError } from './errors.js';

const LOOK_MS = 250;
const MOST_LAG_MS = 1000;

/**
 * Answers a request for the service when its work takes too long, as when every round trip to the database takes seconds.
 * What such a request does is not stopped: of a write nobody then knows whether it was done, and the answer says that.
 *
 * One timer for all requests. One of each request's own, with a signal, as Fastify's `handlerTimeout` makes it, would
 * also end an export that is being sent.
 */
export const deadline = fp<{ milliseconds: number }>(
  async (app, { milliseconds }) => {
    const open = new Map<FastifyRequest, { reply: FastifyReply; begun: number }>();
    app.addHook('onRequest', (request, reply, done) => {
      open.set(request, { reply, begun: performance.now() });
      done();
    });
    app.addHook('onResponse', (request, _reply, done) => {
      open.delete(request);
      done();
    });
    let lookedAt = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      // While the event loop lags the next look will be as late as this one.
      const lag = Math.min(MOST_LAG_MS, Math.max(0, now - lookedAt - LOOK_MS));
      lookedAt = now;
      const latest = now - milliseconds + lag;
      for (const [request, { reply, begun }] of open) {
        // In the order in which they came.
        if (begun > latest) return;
        // A body that comes slowly has a time limit of its own.
        if (!request.raw.complete) continue;
        open.delete(request);
        if (reply.sent || reply.raw.headersSent) continue;
        const read = request.method === 'GET' || request.method === 'HEAD';
        sendError(
          new ApiError(read ? 'Unavailable' : 'OutcomeUnknown', {
            cause: new Error(`not answered in ${milliseconds} ms`),
            headers: { 'Retry-After': '2' },
          }),
          request,
          reply,
        );
        // What the handler answers later is nobody's answer any more.
        reply.hijack();
      }
    }, LOOK_MS);
    timer.unref();
    app.addHook('onClose', async () => clearInterval(timer));
  },
  { name: 'deadline', dependencies: ['errors', 'request-ids'] },
);
