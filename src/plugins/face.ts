import type { FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { compileEnum, compileFolder } from '../http/casing.js';
import { faceOf } from '../http/face.js';
import { foldQuery } from '../http/query.js';
import { checking } from './checking.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is validated exactly as sent: our own resources, where a misspelt switch must not pass unseen. */
    strictBody?: boolean;
    /** Computed at registration. */
    fold?: (request: FastifyRequest) => void;
  }
}

type Property = { type?: string; enum?: readonly string[] };
type Read = (text: string) => unknown;

/** Reads a query value or path parameter by an explicit pattern; anything else stays text and fails validation. */
function readerOf({ type, enum: values }: Property): Read | undefined {
  if (type === 'integer') return (text) => (/^\d{1,9}$/.test(text) ? Number(text) : text);
  if (type === 'boolean') return (text) => (/^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : text);
  if (!values) return undefined;
  const read = compileEnum(values);
  return (text) => read(text) ?? text;
}

function readersOf(properties: Readonly<Record<string, Property>>): [string, Read][] {
  return Object.entries(properties).flatMap(([name, property]) => {
    const read = readerOf(property);
    return read ? [[name, read]] : [];
  });
}

function readAll(values: Record<string, unknown>, readers: readonly [string, Read][]): void {
  for (const [name, read] of readers) {
    const value = values[name];
    if (typeof value === 'string') values[name] = read(value);
  }
}

/**
 * The tolerances of each face, applied between parsing and validation: names of query keys and body members and
 * enum values in any case, nulls and unknown members dropped where Partner Center's SDKs send them, doubled query keys.
 */
export const face = fp(
  async (app) => {
    const resolve = (ref: string) => app.getSchema(ref.replace(/#$/, '')) as object | undefined;
    app.addHook('onRoute', (route: RouteOptions) => {
      const kind = faceOf(route.url);
      if (kind === 'identity' || !route.config?.access || route.config.produces === 'any') return;
      const { querystring, params, body } = (route.schema ?? {}) as {
        querystring?: { properties?: Record<string, Property> };
        params?: { properties?: Record<string, Property> };
        body?: object;
      };
      const declared = Object.keys(querystring?.properties ?? {});
      const queryReaders = readersOf(querystring?.properties ?? {});
      const pathReaders = readersOf(params?.properties ?? {});
      const duplicates = kind === 'arm' ? 'first' : 'refuse';
      const unknown = kind === 'arm' ? 'keep' : 'drop';
      const foldsBody = body !== undefined && !route.config.strictBody;
      let foldBody: ((value: unknown) => unknown) | undefined;
      const fold = (request: FastifyRequest) => {
        const query = foldQuery(declared, request.query as Record<string, unknown>, { duplicates });
        readAll(query, queryReaders);
        request.query = query;
        readAll(request.params as Record<string, unknown>, pathReaders);
        if (!foldsBody || request.body === undefined) return;
        // Compiled at the first request: components may be added after the route.
        foldBody ??= compileFolder(body, { unknown, resolve });
        request.body = foldBody(request.body);
      };
      // A new object: routes share the constants that their access is declared by.
      route.config = { ...route.config, fold };
    });
    app.addHook(
      'preValidation',
      checking((request) => request.routeOptions.config.fold?.(request)),
    );
  },
  { name: 'face', dependencies: ['protocol'] },
);
