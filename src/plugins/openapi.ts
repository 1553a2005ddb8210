import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';

const DESCRIPTION = `The part of Microsoft Partner Center that lets a customer buy its own Azure reservations and savings plans,
self-hosted, behind the same wire contract. Paths under /v1 follow Partner Center, those under /subscriptions and /providers
Azure Resource Manager.`;

/**
 * OpenAPI 3.1 from the route schemas, and the interactive page at /docs. Has to be registered before any route, and before
 * `authentication`, which refuses the page's routes: they declare no access of their own.
 */
export const openapi = fp<{ version: string }>(
  async (app, { version }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'customer-permissions',
          version,
          description: DESCRIPTION,
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: 'http://127.0.0.1:3000', description: 'The address `npm start` listens on' }],
        tags: [
          {
            name: 'Purchase permissions',
            description: 'What a customer may buy itself, and whether that has effect now.',
          },
          { name: 'Self-serve policies', description: "Partner Center's view of the purchase permissions." },
          { name: 'Customers', description: 'Customers of the partner and their profiles.' },
          { name: 'Customer users', description: "Accounts in a customer's directory." },
          { name: 'Subscriptions', description: 'Subscriptions bought for a customer and their Azure entitlements.' },
          { name: 'Products', description: 'What can be bought: Azure plans and reservations that have a price.' },
          { name: 'Agreements', description: 'What customers accepted, as the partner confirmed it.' },
          { name: 'Carts', description: 'What is to be ordered, with what is wrong with it.' },
          { name: 'Orders', description: 'What partner and customer bought.' },
          { name: 'Entitlements', description: 'What of it may be used: reservations.' },
          { name: 'Price book', description: "What the partner's customers pay for reservations." },
          { name: 'Role assignments', description: 'Azure role-based access control of Azure subscriptions.' },
          {
            name: 'Reservations',
            description: 'Azure reservations that were bought, as Azure Resource Manager shows them.',
          },
          {
            name: 'Change requests',
            description: 'What the customer asks its partner to do with a reservation.',
          },
          { name: 'Activity log', description: 'Who changed what, tamper-evident.' },
          { name: 'Webhooks', description: 'Events that the partner is told of, and where.' },
          { name: 'Identity', description: 'The built-in token issuer, for development.' },
          { name: 'Operation', description: 'Health.' },
        ],
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description: 'An access token of an accepted issuer.',
            },
          },
        },
        security: [{ bearer: [] }],
      },
      transform: ({ schema, url, route }) => ({
        url,
        schema: route.config?.access === 'public' ? { ...schema, security: [] } : schema,
      }),
      refResolver: {
        buildLocalReference: (json, _base, _fragment, i) => (json.$id as string | undefined) ?? `def-${i}`,
      },
    });
    app.addHook('onRoute', (route) => {
      if (/^\/docs(\/|$)/.test(route.url)) {
        route.config = { ...route.config, access: 'public', produces: 'any' };
      }
    });
    // Pages alone need the whole set of headers; an answer of the API gets `nosniff` from `request-ids`. In a scope of their
    // own, because the hooks of helmet cost promises on every request that they see.
    await app.register(async (pages) => {
      await pages.register(helmet, { contentSecurityPolicy: false });
      await pages.register(swaggerUi, {
        routePrefix: '/docs',
        staticCSP: true,
        uiConfig: { persistAuthorization: true, displayRequestDuration: true },
      });
    });
  },
  { name: 'openapi' },
);
