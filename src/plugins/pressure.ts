import underPressure from '@fastify/under-pressure';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';

/** Mean delay of the event loop from which on new work is turned away: a write takes some five turns, and has five seconds. */
const MAX_DELAY_MS = 500;
/** The first sample holds the compilation of the routes, which is no load. */
const WARM_UP_MS = 2500;

/** Answers 503 at once while the event loop is behind, so that what has begun can end. Health stays answered. */
export const pressure = fp(
  async (app) => {
    let listeningSince = Number.POSITIVE_INFINITY;
    app.addHook('onListen', async () => {
      listeningSince = performance.now();
    });
    await app.register(underPressure, {
      maxEventLoopDelay: MAX_DELAY_MS,
      exposeStatusRoute: false,
      pressureHandler: (request, _reply, type, value) => {
        if (request.routeOptions.config.access === 'public') return;
        if (performance.now() - listeningSince < WARM_UP_MS) return;
        throw new ApiError('Unavailable', {
          cause: new Error(`under pressure: ${type} ${value}`),
          headers: { 'Retry-After': '5' },
        });
      },
    });
  },
  { name: 'pressure', dependencies: ['authentication'] },
);
