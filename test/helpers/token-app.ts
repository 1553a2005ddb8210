import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Test } from 'tap';
import { ApiError } from '../../src/errors/api-error.js';
import { type AuthenticationOptions, authentication, type Caller } from '../../src/plugins/authentication.js';
import { createTestIssuer, PARTNER, type TestIssuer } from './tokens.js';

export const CUSTOMER = '0e5cb2f1-9a3d-4b7e-8c66-1f2d3e4a5b6c';
const kinds = new Map<string, 'partner' | 'customer'>([
  [PARTNER, 'partner'],
  [CUSTOMER, 'customer'],
]);

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Record<string, unknown> & { code?: string; caller?: Caller & { roles: string[] } };
}

/** A listening application with the plugin, one guarded route and one public route. */
export async function startApp(
  test: Test,
  issuer: TestIssuer,
  options: Partial<AuthenticationOptions> = {},
  addRoutes: (app: FastifyInstance) => Promise<void> = async () => {},
) {
  const logged: string[] = [];
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => logged.push(line) } } });
  app.setErrorHandler((error, _request, reply) => {
    const { status, code, headers, message } = error instanceof ApiError ? error : new ApiError('InternalError');
    reply.code(status).headers(headers).send({ code, description: message });
  });
  await app.register(authentication, {
    rules: issuer.rules,
    findTenantKind: async (tenantId) => kinds.get(tenantId),
    now: () => new Date(),
    ...options,
  });
  app.post('/dummy', { config: { access: {} } }, async ({ caller }) => ({
    caller: { ...caller, roles: [...caller.roles] },
  }));
  app.get('/open', { config: { access: 'public' } }, async () => ({}));
  await addRoutes(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  test.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;

  function send(authorization: string | string[] | undefined, path = '/dummy', method = 'POST'): Promise<Answer> {
    const headers = authorization === undefined ? {} : { authorization };
    return new Promise((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port, path, method }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) }),
        );
      });
      if (headers.authorization !== undefined) request.setHeader('authorization', headers.authorization);
      request.on('error', reject).end();
    });
  }
  return { app, logged, send, sendToken: (token: string, path?: string) => send(`Bearer ${token}`, path) };
}

export async function withIssuer(test: Test): Promise<TestIssuer> {
  const issuer = await createTestIssuer();
  test.teardown(() => issuer.close());
  return issuer;
}
