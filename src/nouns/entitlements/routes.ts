import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { readClock } from '../../db/clock.js';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { partnerCenterCollection } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS } from '../../plugins/authorization.js';
import { listReservationsOf, type ReservationRow } from '../reservations/queries.js';
import { findMarket } from '../subscriptions/queries.js';
import { type BoughtReservationOrder, listBoughtOrders, listReservations } from './queries.js';
import { EntitlementCollection, ReservedInstanceArtifactDetails } from './schemas.js';
import { toArtifactDetails, toEntitlement } from './view.js';

export interface EntitlementOptions {
  db: DatabaseHandle;
}

const TYPES = ['software', 'reservedInstance', 'virtualmachinereservedinstance'] as const;

const Customer = Type.Object({ customer: Uuid });
const OneArtifact = Type.Object({
  customer: Uuid,
  order: Uuid,
  line: Type.Integer({ minimum: 0, description: 'Line item number of the order.' }),
  resource: Uuid,
});

function isOfType({ reserved_resource_type: type }: BoughtReservationOrder, asked: (typeof TYPES)[number] | undefined) {
  if (asked === 'software') return false;
  return asked !== 'virtualmachinereservedinstance' || type === 'VirtualMachines';
}

/** Microsoft serves these with App+User authentication alone. */
export const entitlements: FastifyPluginAsyncTypebox<EntitlementOptions> = async (app, { db }) => {
  const tags = ['Entitlements'];
  const readable = { access: { partner: READERS, appOnly: false } };

  app.get(
    '/v1/customers/:customer/entitlements',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listEntitlements',
        summary: "List a customer's entitlements: the reservations that partner or customer bought",
        description: 'All of them in one answer, oldest first. Subscriptions are no entitlements here.',
        params: Customer,
        querystring: Type.Object({
          entitlementType: Type.Optional(
            textEnum(TYPES, { description: 'There is no `software`: the list is empty.' }),
          ),
          showExpiry: Type.Optional(Type.Boolean({ description: 'With `expiryDate`. Default: false.' })),
        }),
        response: { 200: ref(EntitlementCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const { entitlementType, showExpiry = false } = request.query;
      const [market, orders, reservations, now] = await db.lookUp(partnerId, (reading) =>
        Promise.all([
          findMarket(reading, partnerId, customerId),
          listBoughtOrders(reading, partnerId, customerId),
          listReservations(reading, partnerId, customerId),
          readClock(reading),
        ]),
      );
      if (market === undefined) throw new ApiError('CustomerNotFound');
      const byOrder = new Map<string, ReservationRow[]>();
      for (const row of reservations) {
        const rows = byOrder.get(row.reservation_order_id);
        if (rows) rows.push(row);
        else byOrder.set(row.reservation_order_id, [row]);
      }
      return partnerCenterCollection(
        orders
          .filter((order) => isOfType(order, entitlementType))
          .map((order) => toEntitlement(order, byOrder.get(order.reservation_order_id) ?? [], now, showExpiry)),
      );
    },
  );

  app.get(
    '/v1/customers/:customer/artifacts/reservedinstance/groups/:order/lineitems/:line/resource/:resource',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getReservedInstanceArtifact',
        summary: 'Get the reservations of an entitlement',
        params: OneArtifact,
        response: { 200: ref(ReservedInstanceArtifactDetails), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const { params } = request;
      const customerId = lowerCaseUuid(params.customer);
      const resourceId = lowerCaseUuid(params.resource);
      const [market, [order], reservations, now] = await db.lookUp(partnerId, (reading) =>
        Promise.all([
          findMarket(reading, partnerId, customerId),
          listBoughtOrders(reading, partnerId, customerId, resourceId),
          listReservationsOf(reading, partnerId, resourceId),
          readClock(reading),
        ]),
      );
      if (market === undefined) throw new ApiError('CustomerNotFound');
      if (order?.order_id !== lowerCaseUuid(params.order) || order.line_number !== params.line) {
        throw new ApiError('NotFound', {
          description: 'There is no such artifact of this customer. Take its address of the list of entitlements.',
        });
      }
      return toArtifactDetails(order, reservations, now);
    },
  );
};
