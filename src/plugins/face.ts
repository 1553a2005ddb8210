import type { FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { compileFolder } from '../http/casing.js';
import { faceOf } from '../http/face.js';
import { foldQuery } from '../http/query.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is validated exactly as sent: our own resources, where a misspelt switch must not pass unseen. */
    strictBody?: boolean;
    /** Computed at registration. */
    fold?: (request: FastifyRequest) => void;
  }
}

type Property = { type?: string };

/** Reads integers and booleans of a query by an explicit pattern; anything else stays text and fails validation. */
function typed(
  properties: Readonly<Record<string, Property>>,
  query: Record<string, unknown>,
): Record<string, unknown> {
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'string') continue;
    const { type } = properties[name] ?? {};
    if (type === 'integer' && /^\d{1,9}$/.test(value)) query[name] = Number(value);
    else if (type === 'boolean' && /^(true|false)$/i.test(value)) query[name] = value.toLowerCase() === 'true';
  }
  return query;
}

/**
 * The tolerances of each face, applied between parsing and validation: names of query keys and body members in any case,
 * nulls and unknown members dropped where Partner Center's SDKs send them, doubled query keys.
 */
export const face = fp(
  async (app) => {
    const resolve = (ref: string) => app.getSchema(ref.replace(/#$/, '')) as object | undefined;
    app.addHook('onRoute', (route: RouteOptions) => {
      const kind = faceOf(route.url);
      if (kind === 'identity' || !route.config?.access || route.config.produces === 'any') return;
      const { querystring, body } = (route.schema ?? {}) as {
        querystring?: { properties?: Record<string, Property> };
        body?: object;
      };
      const properties = querystring?.properties ?? {};
      const declared = Object.keys(properties);
      const duplicates = kind === 'arm' ? 'first' : 'refuse';
      const unknown = kind === 'arm' ? 'keep' : 'drop';
      const foldsBody = body !== undefined && !route.config.strictBody;
      let foldBody: ((value: unknown) => unknown) | undefined;
      const fold = (request: FastifyRequest) => {
        const query = foldQuery(declared, request.query as Record<string, unknown>, { duplicates });
        request.query = typed(properties, query);
        if (!foldsBody || request.body === undefined) return;
        // Compiled at the first request: components may be added after the route.
        foldBody ??= compileFolder(body, { unknown, resolve });
        request.body = foldBody(request.body);
      };
      // A new object: routes share the constants that their access is declared by.
      route.config = { ...route.config, fold };
    });
    app.addHook('preValidation', async (request) => {
      request.routeOptions.config.fold?.(request);
    });
  },
  { name: 'face', dependencies: ['protocol'] },
);
