import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { readClock } from '../../db/clock.js';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { refusals } from '../../http/responses.js';
import { lowerCaseUuid, ref, Uuid } from '../../http/schemas.js';
import { READERS, WRITERS } from '../../plugins/authorization.js';
import { announceOrder } from '../orders/service.js';
import type { PermissionRules } from '../purchase-permissions/service.js';
import { findMarket } from '../subscriptions/queries.js';
import { checkOut } from './checkout.js';
import { findCart } from './queries.js';
import { Cart, CartCheckoutResult, CartCreate, CartUpdate } from './schemas.js';
import { type CartKey, createCart, demandCart, updateLines } from './service.js';
import { toCart } from './view.js';

export interface CartOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
}

const Customer = Type.Object({ customer: Uuid });
const OneCart = Type.Object({ customer: Uuid, cart: Uuid });

function cartKey(params: { customer: string; cart: string }): CartKey {
  return { customerId: lowerCaseUuid(params.customer), cartId: lowerCaseUuid(params.cart) };
}

export const carts: FastifyPluginAsyncTypebox<CartOptions> = async (app, { db, rules, events }) => {
  const tags = ['Carts'];
  const readable = { access: { partner: READERS } };
  const writable = { access: { partner: WRITERS } };

  app.post(
    '/v1/customers/:customer/carts',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'createCart',
        summary: 'Create a cart for a customer',
        description: 'What is wrong with a line stands in its `error`; such a cart cannot be checked out.',
        params: Customer,
        body: ref(CartCreate),
        response: { 201: ref(Cart), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const customerId = lowerCaseUuid(request.params.customer);
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 201,
        body: await createCart(tx, act, commitWith, customerId, request.body),
      }));
    },
  );

  app.get(
    '/v1/customers/:customer/carts/:cart',
    {
      config: readable,
      schema: {
        tags,
        operationId: 'getCart',
        summary: 'Get a cart',
        params: OneCart,
        response: { 200: ref(Cart), ...refusals() },
      },
    },
    async (request) => {
      const partnerId = request.caller.tenantId;
      const { customerId, cartId } = cartKey(request.params);
      const [market, row, now] = await db.lookUp(partnerId, (reading) =>
        Promise.all([
          findMarket(reading, partnerId, customerId),
          findCart(reading, partnerId, customerId, cartId),
          readClock(reading),
        ]),
      );
      if (market === undefined) throw new ApiError('CustomerNotFound');
      return toCart(demandCart(row, now));
    },
  );

  app.put(
    '/v1/customers/:customer/carts/:cart',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'updateCart',
        summary: 'Replace the lines of a cart',
        description: 'A stale `attributes.etag` is 400 with code 2055; it is not needed.',
        params: OneCart,
        body: ref(CartUpdate),
        response: { 200: ref(Cart), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const key = cartKey(request.params);
      const { body } = request;
      if (body.id !== undefined && body.id.toLowerCase() !== key.cartId) {
        throw new ApiError('InvalidProperty', { data: ['body/id is not the cart of the address.'] });
      }
      return app.write(request, reply, request.caller.tenantId, async (tx, act, commitWith) => ({
        status: 200,
        body: await updateLines(tx, act, commitWith, key, body),
      }));
    },
  );

  app.post(
    '/v1/customers/:customer/carts/:cart/checkout',
    {
      config: writable,
      schema: {
        tags,
        operationId: 'checkoutCart',
        summary: 'Order what is in a cart',
        description:
          'One order for each group, all its lines or none; what failed stands in `orderErrors`. Repeating it answers the first result and tries again what failed. The body is empty, `null` or `{}`.',
        params: OneCart,
        response: { 201: ref(CartCheckoutResult), ...refusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const partnerId = request.caller.tenantId;
      const key = cartKey(request.params);
      return app.write(request, reply, partnerId, async (tx, act, commitWith) => {
        const { result, ...made } = await checkOut(tx, act, commitWith, rules, key);
        return { status: 201, body: result, committed: () => announceOrder(events, partnerId, key.customerId, made) };
      });
    },
  );
};
