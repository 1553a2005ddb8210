import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { requireApiVersion } from '../../http/api-version.js';
import { listRoutes } from './list-routes.js';
import { operationRoutes } from './operation-routes.js';
import type { ReservationOptions } from './options.js';
import { orderRoutes } from './order-routes.js';
import { reservationRoutes } from './reservation-routes.js';

/** Azure Resource Manager's face of what was bought: Microsoft.Capacity without the purchase itself. */
export const reservations: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, options) => {
  requireApiVersion(app);
  for (const routes of [orderRoutes, reservationRoutes, listRoutes, operationRoutes])
    await app.register(routes, options);
};
