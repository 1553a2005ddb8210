import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import fp from 'fastify-plugin';
import { Type } from 'typebox';
import { refusals } from '../http/responses.js';
import { ref } from '../http/schemas.js';

const Health = Type.Object(
  { status: Type.String(), reason: Type.Optional(Type.String()) },
  { description: 'Whether the process can serve.', examples: [{ status: 'ok' }], $id: 'Health' },
);

export interface HealthOptions {
  /** Resolves to undefined when requests can be served, else to why not; never rejects and takes at most a second. */
  ready: () => Promise<string | undefined>;
}

/** Health is also told under pressure: a restart of a busy process would help nobody. */
const config = { access: 'public', pressureHandler: () => undefined } as const;

const plugin: FastifyPluginAsyncTypebox<HealthOptions> = async (app, { ready }) => {
  app.addSchema(Health);
  app.get(
    '/livez',
    {
      config,
      schema: {
        tags: ['Operation'],
        operationId: 'getLiveness',
        summary: 'Whether the process is alive',
        description: 'Does not look at the database: a database that is down is no reason to restart the process.',
        response: { ...refusals(), 200: ref(Health) },
      },
    },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/readyz',
    {
      config,
      schema: {
        tags: ['Operation'],
        operationId: 'getReadiness',
        summary: 'Whether requests can be served',
        description: 'The database answers, its migrations are current, and the process is not shutting down.',
        response: { ...refusals(), 200: ref(Health), 503: ref(Health) },
      },
    },
    async (_request, reply) => {
      const reason = await ready();
      return reason === undefined ? { status: 'ok' } : reply.code(503).send({ status: 'unavailable', reason });
    },
  );
};

export const health = fp(plugin, { name: 'health', dependencies: ['authentication'] });
