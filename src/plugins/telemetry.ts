import fp from 'fastify-plugin';
import { collectDefaultMetrics, Histogram, type Registry } from 'prom-client';
import { checking } from './checking.js';

/** Metrics of every request, by route pattern and not by address, and one log line with an allow-list of fields. */
export const telemetry = fp<{ registry: Registry }>(
  async (app, { registry }) => {
    collectDefaultMetrics({ register: registry });
    const duration = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time from the last header byte to the end of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    });
    app.addHook(
      'onResponse',
      checking((request, reply) => {
        const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
        const seconds = reply.elapsedTime / 1000;
        duration.observe({ method: request.method, route, status: reply.statusCode }, seconds);
        const { caller } = request;
        request.log.info(
          {
            requestId: request.requestId,
            correlationId: request.correlationId,
            method: request.method,
            route,
            status: reply.statusCode,
            milliseconds: Math.round(reply.elapsedTime * 1000) / 1000,
            ...(caller && { tenant: caller.tenantId, actor: caller.objectId, application: caller.applicationId }),
          },
          'answered',
        );
      }),
    );
  },
  { name: 'telemetry', dependencies: ['request-ids', 'authentication'] },
);
