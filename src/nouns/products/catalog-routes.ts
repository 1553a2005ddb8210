import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiVersion, requireApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { demand, loadRightsOf, locate } from '../role-assignments/access/access.js';
import { originOf } from '../role-assignments/arm-paging.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { scopeOf } from '../role-assignments/scopes.js';
import { listCatalog } from './catalog.js';
import { parseCatalogFilter } from './catalog-filter.js';
import { ReservationCatalogListResult } from './catalog-schemas.js';

export interface CatalogOptions {
  db: DatabaseHandle;
  publicUrl: string | undefined;
  now: () => Date;
}

/** The original states none. */
const PAGE_SIZE = 200;
const text = (description: string) =>
  Type.Optional(Type.String({ description, pattern: '^[^\\x00-\\x1f\\x7f]{1,200}$' }));

/** What can be reserved for an Azure subscription (https://learn.microsoft.com/rest/api/reserved-vm-instances/get-catalog). */
export const reservationCatalog: FastifyPluginAsyncTypebox<CatalogOptions> = async (app, { db, publicUrl, now }) => {
  requireApiVersion(app);

  app.get(
    '/subscriptions/:subscriptionId/providers/Microsoft.Capacity/catalogs',
    {
      config: ANY_CALLER,
      schema: {
        tags: ['Products'],
        operationId: 'getReservationCatalog',
        summary: 'List what can be reserved for an Azure subscription',
        description: "SKUs by region, with the customer's price: retail under the partner's price book.",
        params: Type.Object({
          subscriptionId: Type.String({ description: 'Id of the Azure subscription.', maxLength: 100 }),
        }),
        querystring: Type.Object({
          ...ApiVersion,
          reservedResourceType: text('As Microsoft.Capacity names it: `VirtualMachines`. Default: all.'),
          location: text('ARM region name, or `global`. Default: all.'),
          publisherId: text('Products of third parties, of which there are none here.'),
          offerId: text('As `publisherId`.'),
          planId: text('As `publisherId`.'),
          $filter: Type.Optional(Type.String({ description: "`name eq 'Standard_D2s_v5' and locations eq 'eastus'`" })),
          $skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
          $take: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: PAGE_SIZE })),
        }),
        response: { 200: ref(ReservationCatalogListResult), ...armRefusals() },
      },
    },
    async (request) => {
      const { caller, query } = request;
      const { reservedResourceType, location, $filter, $skip: skip = 0, $take: take = PAGE_SIZE } = query;
      const conditions = $filter === undefined ? [] : parseCatalogFilter($filter);
      const action = 'Microsoft.Capacity/catalogs/read';
      const target = await locate(db, caller, scopeOf(request.params), action, undefined);
      const { partnerId, customerId } = target;
      const { value, totalItems } = await db.read(partnerId, async (reading) => {
        demand(action, caller, target, await loadRightsOf(reading, target), now());
        const thirdParty = query.publisherId ?? query.offerId ?? query.planId;
        if (thirdParty !== undefined) return { value: [], totalItems: 0 };
        return listCatalog(reading, partnerId, customerId, {
          ...(reservedResourceType !== undefined && { reservedResourceType }),
          ...(location !== undefined && { location }),
          conditions,
          skip,
          take,
          at: now(),
        });
      });
      if (skip + value.length >= totalItems || value.length === 0) return { value, totalItems };
      const next = new URLSearchParams();
      for (const [name, sent] of Object.entries({ ...query, $skip: skip + take, $take: take }))
        next.set(name, String(sent));
      const path = `${target.scope.path}/providers/Microsoft.Capacity/catalogs`;
      return { value, nextLink: `${originOf(request, publicUrl)}${path}?${next}`, totalItems };
    },
  );
};
