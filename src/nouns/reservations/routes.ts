import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { requireApiVersion } from '../../http/api-version.js';
import type { TokenCodec } from '../../http/continuation-token.js';
import { listRoutes } from './list-routes.js';
import { operationRoutes } from './operation-routes.js';
import { orderRoutes } from './order-routes.js';
import { reservationRoutes } from './reservation-routes.js';

export interface ReservationOptions {
  db: DatabaseHandle;
  tokens: TokenCodec;
  now: () => Date;
  /** Origin of absolute links; without it they start with where the request came in. */
  publicUrl: string | undefined;
}

/** Azure Resource Manager's face of what was bought: Microsoft.Capacity without the purchase itself. */
export const reservations: FastifyPluginAsyncTypebox<ReservationOptions> = async (app, options) => {
  requireApiVersion(app);
  for (const routes of [orderRoutes, reservationRoutes, listRoutes, operationRoutes])
    await app.register(routes, options);
};
