import fp from 'fastify-plugin';
import { ApiError } from '../errors/api-error.js';
import type { ErrorName } from '../errors/catalogue.js';
import type { Caller, RouteAccess } from './authentication.js';
import type { PartnerRole } from './tokens/rules.js';

/** The three agents read, an AdminAgent alone writes (learn.microsoft.com/partner-center/customers/give-customers-permission). */
export const READERS: readonly PartnerRole[] = ['AdminAgent', 'SalesAgent', 'HelpDeskAgent'];
export const WRITERS: readonly PartnerRole[] = ['AdminAgent'];

/** Why the caller may not use the route, or undefined when it may. */
export function refusalFor(caller: Caller, access: Exclude<RouteAccess, 'public'>): ErrorName | undefined {
  if (caller.appOnly && access.appOnly === false) return 'AppOnlyNotAllowed';
  const allowed =
    caller.kind === 'customer'
      ? access.customer === true
      : (access.partner?.some((role) => caller.roles.has(role)) ?? false);
  return allowed ? undefined : 'RoleLacksRights';
}

/** Holds the caller against what its route declares in `config.access`. */
export const authorization = fp(
  async (app) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { access } = request.routeOptions.config;
      if (request.is404 || access === 'public') return done();
      const { caller } = request;
      const reason = refusalFor(caller, access ?? {});
      if (!reason) return done();
      const { tenantId, objectId, applicationId, tokenId } = caller;
      const route = `${request.method} ${request.routeOptions.url}`;
      request.log.warn(
        {
          event: 'access_refused',
          requestId: request.requestId,
          correlationId: request.correlationId,
          reason,
          route,
          tenantId,
          objectId,
          applicationId,
          tokenId,
          roles: [...caller.roles],
        },
        'access refused',
      );
      done(new ApiError(reason));
    });
  },
  { name: 'authorization', fastify: '5.x', dependencies: ['authentication'] },
);
