import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { runningTime } from '../lib/running-time.js';
import { sendError } from './errors.js';

const LOOK_MS = 250;
const MOST_LAG_MS = 1000;

/** A request that is not answered yet. */
interface Open {
  request: FastifyRequest;
  reply: FastifyReply;
  /** As `runningTime()` tells. */
  begun: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Its place among those that are not answered yet; -1 when it has none. */
    openPlace: number;
  }
}

/**
 * Answers a request for the service when its work takes too long, as when every round trip to the database takes seconds.
 * What such a request does is not stopped: of a write nobody then knows whether it was done, and the answer says that.
 *
 * One timer for all requests. One of each request's own, with a signal, as Fastify's `handlerTimeout` makes it, would
 * also end an export that is being sent.
 */
export const deadline = fp<{ milliseconds: number }>(
  async (app, { milliseconds }) => {
    // Not a map: each time one grows or is cleaned up it leaves a table behind that refers to the requests of that time and to
    // the table after it. With one of them in the old generation all requests live until that is collected.
    const open: (Open | undefined)[] = [];
    const free: number[] = [];
    app.decorateRequest('openPlace', -1);
    app.addHook('onRequest', (request, reply, done) => {
      const place = free.pop() ?? open.length;
      request.openPlace = place;
      open[place] = { request, reply, begun: runningTime() };
      done();
    });
    function leave(request: FastifyRequest): void {
      if (request.openPlace === -1) return;
      open[request.openPlace] = undefined;
      free.push(request.openPlace);
      request.openPlace = -1;
    }
    app.addHook('onResponse', (request, _reply, done) => {
      leave(request);
      done();
    });
    let lookedAt = runningTime();
    const timer = setInterval(() => {
      const now = runningTime();
      // While the event loop lags the next look will be as late as this one.
      const lag = Math.min(MOST_LAG_MS, Math.max(0, now - lookedAt - LOOK_MS));
      lookedAt = now;
      const latest = now - milliseconds + lag;
      for (const one of open) {
        if (!one || one.begun > latest) continue;
        const { request, reply } = one;
        // A body that comes slowly has a time limit of its own.
        if (!request.raw.complete) continue;
        leave(request);
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
