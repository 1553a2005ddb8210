import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DatabaseHandle } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { ApiVersion, requireApiVersion } from '../../http/api-version.js';
import { armRefusals } from '../../http/responses.js';
import { ref } from '../../http/schemas.js';
import { isUuid } from '../../lib/uuid.js';
import type { Caller } from '../../plugins/authentication.js';
import type { PermissionRules } from '../purchase-permissions/service.js';
import {
  type PurchaseRequest,
  PurchaseRequest as PurchaseRequestSchema,
  readPurchaseRequest,
  type WantedPurchase,
} from '../reservations/purchase-request.js';
import { ReservationOrderResponse } from '../reservations/schemas.js';
import { toReservationOrder } from '../reservations/wire.js';
import { demand, loadRights, locate, type Target } from '../role-assignments/access/access.js';
import { originOf } from '../role-assignments/arm-paging.js';
import { ANY_CALLER } from '../role-assignments/scope-shapes.js';
import { scopeOf } from '../role-assignments/scopes.js';
import { type Purchased, purchase } from './purchase.js';
import { insertQuote } from './queries.js';
import { makeQuote, readProduct, toCalculatePriceResponse } from './quotes.js';
import { CalculatePriceResponse } from './schemas.js';

export interface PurchaseOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
  now: () => Date;
  publicUrl: string | undefined;
  quoteMinutes: number;
}

const READ = 'Microsoft.Resources/subscriptions/read';
const CAPACITY = '/providers/Microsoft.Capacity';
/** Seconds until a poll of a purchase that waits for a person makes sense; one that was made has been made. */
const RETRY_AFTER = { made: '1', waiting: '60' };

/** @throws ApiError InvalidInput, ARM code InvalidReservationOrderId */
function readReservationOrderId(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidReservationOrderId',
    description: `The reservation order id '${text.slice(0, 100)}' is not a GUID. Use the one that CalculatePrice answered.`,
  });
}

/** The customer's side of buying: prices and purchases (https://learn.microsoft.com/rest/api/reserved-vm-instances). */
export const purchases: FastifyPluginAsyncTypebox<PurchaseOptions> = async (app, options) => {
  const { db, rules, events, now, publicUrl, quoteMinutes } = options;
  const tags = ['Reservations'];
  requireApiVersion(app);

  /** The customer that the billing subscription is of, and the partner it was bought through. */
  async function locateBilling(caller: Caller, body: PurchaseRequest): Promise<[Target, WantedPurchase]> {
    const wanted = readPurchaseRequest(body);
    const request = readProduct(wanted.request);
    const scope = scopeOf({ subscriptionId: request.azureSubscriptionId });
    return [await locate(db, caller, scope, READ, undefined), { ...wanted, request }];
  }

  app.post(
    `${CAPACITY}/calculatePrice`,
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: 'calculatePrice',
        summary: 'Calculate the price of a reservation',
        description:
          "The customer's price as its partner set it, frozen under the reservation order id of the answer until `quoteExpiryDateTime`. Whether it may be bought is decided by the purchase.",
        querystring: Type.Object(ApiVersion),
        body: ref(PurchaseRequestSchema),
        response: { 200: ref(CalculatePriceResponse), ...armRefusals(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const [target, wanted] = await locateBilling(caller, request.body);
      const { partnerId, customerId } = target;
      return app.write(request, reply, partnerId, async (tx, _act, commitWith) => {
        const of = { partnerId, customerId, createdBy: caller.objectId, minutes: quoteMinutes };
        const [rights, quote] = await Promise.all([
          loadRights(tx, caller, target),
          makeQuote(tx, of, wanted.request, now()),
        ]);
        demand(READ, caller, target, rights, now());
        commitWith(insertQuote(tx, quote));
        return { status: 200, body: toCalculatePriceResponse(quote) };
      });
    },
  );

  app.put(
    `${CAPACITY}/reservationOrders/:reservationOrderId`,
    {
      config: ANY_CALLER,
      schema: {
        tags,
        operationId: 'purchaseReservationOrder',
        summary: 'Purchase a reservation',
        description:
          'Under the id of a live quote and for what it was made. 202 when this request bought it, 200 when it was bought before. Where the partner approves purchases of this size it waits: the operation stays InProgress. A refusal has every reason in `details`.',
        params: Type.Object({
          reservationOrderId: Type.String({ description: 'GUID that calculatePrice answered.', maxLength: 100 }),
        }),
        querystring: Type.Object(ApiVersion),
        body: ref(PurchaseRequestSchema),
        response: {
          200: ref(ReservationOrderResponse),
          202: {
            ...ref(ReservationOrderResponse),
            headers: {
              'Azure-AsyncOperation': { type: 'string', description: 'Status of the purchase.' },
              Location: { type: 'string', description: 'The reservation order.' },
              'Retry-After': { type: 'string' },
            },
          },
          ...armRefusals(409, 413, 415),
        },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const reservationOrderId = readReservationOrderId(request.params.reservationOrderId);
      const [{ partnerId, customerId }, wanted] = await locateBilling(caller, request.body);
      const origin = originOf(request, publicUrl);
      const version = `?api-version=${encodeURIComponent(request.query['api-version'])}`;
      const answer = ({ order, reservations, approvalExpiresOn, isNew }: Purchased) => {
        const shown = { ...order, approval_expires_on: approvalExpiresOn };
        const body = toReservationOrder(shown, reservations, now());
        if (!isNew) return { status: 200, body };
        return {
          status: 202,
          headers: {
            'Azure-AsyncOperation': `${origin}${CAPACITY}/operationResults/${reservationOrderId}${version}`,
            Location: `${origin}${CAPACITY}/reservationOrders/${reservationOrderId}${version}`,
            'Retry-After': approvalExpiresOn ? RETRY_AFTER.waiting : RETRY_AFTER.made,
          },
          body,
        };
      };
      return app.write(request, reply, partnerId, (tx, act, commitWith) =>
        purchase(
          tx,
          act,
          commitWith,
          { rules, events },
          { partnerId, customerId, caller, reservationOrderId, wanted },
          answer,
        ),
      );
    },
  );
};
