import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';

/** A hook that only looks at the request and throws: without the promise that an async one costs on every request. */
export function checking(check: (request: FastifyRequest, reply: FastifyReply) => void) {
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    try {
      check(request, reply);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
