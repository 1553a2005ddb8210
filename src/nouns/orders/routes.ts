import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { readClock } from '../../db/clock.js';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { partnerCenterCollection, partnerCenterPage } from '../../http/paging.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, textEnum, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import type { PermissionRules } from '../purchase-permissions/service.js';
import { findMarket } from '../subscriptions/queries.js';
import { BILLING_CYCLES } from '../subscriptions/schemas.js';
import { findOrder, listOrders, type OrderRow } from './queries.js';
import { Order, OrderCollection, OrderCreate, OrderLineItemProvisioningStatusCollection } from './schemas.js';
import { announceOrder, createOrder } from './service.js';
import { toOrder, toProvisioningStatuses } from './view.js';

export interface OrderOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
}

const Customer = Type.Object({ customer: Uuid });
const OneOrder = Type.Object({ customer: Uuid, order: Uuid });
const includePrice = Type.Optional(
  Type.Boolean({ description: 'With `pricing` of the lines and `totalPrice`. Default: false.' }),
);

export const orders: FastifyPluginAsyncTypebox<OrderOptions> = async (app, { db, rules, events }) => {
  const tags = ['Orders'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  async function read(
    partnerId: string,
    params: { customer: string; order: string },
  ): Promise<[OrderRow, string, Date]> {
    const [customerId, orderId] = [lowerCaseUuid(params.customer), lowerCaseUuid(params.order)];
    const [market, row, now] = await db.lookUp(partnerId, (reading) =>
      Promise.all([
        findMarket(reading, partnerId, customerId),
        findOrder(reading, partnerId, customerId, orderId),
        readClock(reading),
      ]),
    );
    if (market === undefined) throw new ApiError('CustomerNotFound');
    if (!row) throw new ApiError('OrderNotFound');
    return [row, market, now];
  }

  app.post(
    '/v1/customers/:customer/orders',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'createOrder',
        summary: 'Buy an Azure plan, MS-AZR-0145P or reservations for a customer',
        description:
          'All lines or none. A plan comes with its first Azure subscription, of which the AdminAgents group of the partner is Owner.',
        params: Customer,
        body: ref(OrderCreate),
        response: { 201: ref(Order), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const { body } = request;
      const { referenceCustomerId } = body;
      if (referenceCustomerId !== undefined && referenceCustomerId.toLowerCase() !== customerId) {
        throw new ApiError('InvalidProperty', {
          data: ['body/referenceCustomerId is not the customer of the address.'],
        });
      }
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const { order, ...made } = await createOrder(tx, act, commitWith, rules, customerId, body);
        return { status: 201, body: order, committed: () => announceOrder(events, partnerId, customerId, made) };
      });
    },
  );

  app.get(
    '/v1/customers/:customer/orders',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'listOrders',
        summary: "List a customer's orders: what the partner and what the customer bought",
        description: 'All of them in one answer, oldest first; those of one billing cycle where asked for.',
        params: Customer,
        querystring: Type.Object({
          billingType: Type.Optional(textEnum(BILLING_CYCLES, { description: 'Billing cycle of the orders.' })),
          include_price: includePrice,
        }),
        response: { 200: ref(OrderCollection), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const customerId = lowerCaseUuid(request.params.customer);
      const { billingType, include_price: priced } = request.query;
      const filter = { ...(billingType !== undefined && { billingCycle: billingType }) };
      const [market, rows, now] = await db.lookUp(partnerId, (reading) =>
        Promise.all([
          findMarket(reading, partnerId, customerId),
          listOrders(reading, partnerId, customerId, filter),
          readClock(reading),
        ]),
      );
      if (market === undefined) throw new ApiError('CustomerNotFound');
      return partnerCenterPage({
        items: rows.map((row) => toOrder(row, market, { includePrice: priced === true, now })),
        path: `/customers/${customerId}/orders`,
        query: { billingType, include_price: priced === undefined ? undefined : String(priced) },
      });
    },
  );

  app.get(
    '/v1/customers/:customer/orders/:order',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getOrder',
        summary: 'Get an order',
        params: OneOrder,
        querystring: Type.Object({ include_price: includePrice }),
        response: { 200: ref(Order), ...refusals() },
      },
    },
    async (request) => {
      const [row, market, now] = await read(request.caller.tenantId, request.params);
      return toOrder(row, market, { includePrice: request.query.include_price === true, now });
    },
  );

  app.get(
    '/v1/customers/:customer/orders/:order/provisioningstatus',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getOrderProvisioningStatus',
        summary: 'Get the provisioning status of the lines of an order',
        params: OneOrder,
        response: { 200: ref(OrderLineItemProvisioningStatusCollection), ...refusals() },
      },
    },
    async (request) => {
      const [row, , now] = await read(request.caller.tenantId, request.params);
      return partnerCenterCollection(toProvisioningStatuses(row, now));
    },
  );
};
