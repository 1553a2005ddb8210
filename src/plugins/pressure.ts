import { monitorEventLoopDelay } from 'node:perf_hooks';
import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import { runningTime } from '../lib/running-time.js';

/** Mean delay of the event loop from which on new work is turned away: a write takes some five turns, and has five seconds. */
const MAX_DELAY_MS = 500;
const LOOK_MS = 1000;
/** How often the delay is sampled. */
const SAMPLE_MS = 10;
/** The first looks hold the compilation of the routes, which is no load. */
const WARM_UP_MS = 2500;

/** Answers 503 at once while the event loop is behind, so that what has begun can end. Health stays answered. */
export const pressure = fp(
  async (app) => {
    const samples = monitorEventLoopDelay({ resolution: SAMPLE_MS });
    samples.enable();
    let delay = 0;
    let stoodStill = performance.now() - runningTime();
    const timer = setInterval(() => {
      const before = stoodStill;
      stoodStill = performance.now() - runningTime();
      // That it was paused says nothing of what there is to do.
      if (stoodStill - before < SAMPLE_MS) {
        // No sample at all: the loop was held all the time.
        delay = samples.count === 0 ? Number.POSITIVE_INFINITY : samples.mean / 1e6 - SAMPLE_MS;
      }
      samples.reset();
    }, LOOK_MS).unref();
    app.addHook('onClose', async () => {
      clearInterval(timer);
      samples.disable();
    });
    let listeningSince = Number.POSITIVE_INFINITY;
    app.addHook('onListen', async () => {
      listeningSince = performance.now();
    });
    app.addHook('onRequest', (request, _reply, done) => {
      const calm = delay <= MAX_DELAY_MS || performance.now() - listeningSince < WARM_UP_MS;
      if (calm || request.routeOptions.config.access === 'public') return done();
      const cause = new Error(`under pressure: the event loop is ${Math.round(delay)} ms late`);
      done(new ApiError('Unavailable', { cause, headers: { 'Retry-After': '5' } }));
    });
  },
  { name: 'pressure', dependencies: ['authentication'] },
);
