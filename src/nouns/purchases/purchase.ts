import type { CommitWith, Tx } from '../../db/connect.js';
import { lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { toDecimal, toMinor } from '../../lib/money.js';
import type { Caller } from '../../plugins/authentication.js';
import { type Act, nameOf, type Outcome, type RefusedOutcome } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { orderDetails } from '../orders/order-details.js';
import { insertOrder, type OrderRow } from '../orders/queries.js';
import { toOrder } from '../orders/view.js';
import { catalogItemIdOf } from '../products/catalog-item.js';
import type { Spend } from '../purchase-guards/judge-guards.js';
import { loadSpend } from '../purchase-guards/queries.js';
import { ownersOf } from '../purchase-permissions/owners.js';
import type { PermissionRules } from '../purchase-permissions/service.js';
import { isOwnOrder } from '../reservations/access.js';
import { subscriptionOf } from '../reservations/applied-scope.js';
import { insertReservation, type MadeReservation, makeReservation, requestOf } from '../reservations/create.js';
import type { WantedPurchase } from '../reservations/purchase-request.js';
import {
  type FoundOrder,
  findReservationOrder,
  listReservationsOf,
  type ReservationOrderRow,
  type ReservationRow,
} from '../reservations/queries.js';
import { enqueueEvents } from '../webhooks/outbox.js';
import { type Buyer, decidePurchase, isSameRequest, type PurchaseVerdict, QUOTE_CODES } from './decide-purchase.js';
import { loadPurchaseFacts, purchaseFacts } from './load-facts.js';
import { findQuote, type QuoteRow } from './queries.js';

const NOTHING_SPENT: Spend = { monthMinor: 0, outstandingMinor: 0 };

export interface PurchaseInput {
  partnerId: string;
  customerId: string;
  caller: Caller;
  reservationOrderId: string;
  wanted: WantedPurchase;
}

/** What a purchase left, for its answer. */
export interface Purchased {
  order: ReservationOrderRow;
  reservations: readonly ReservationRow[];
  /** When a pending one lapses. */
  approvalExpiresOn: Date | null;
  /** False: it was made before, under the same request. */
  isNew: boolean;
}

const buyerOf = ({ kind, objectId, userPrincipalName, appOnly }: Caller): Omit<Buyer, 'groupIds'> => ({
  kind,
  objectId,
  userPrincipalName,
  appOnly,
});

/** What the partner is told of a purchase. */
export function describePurchase(order: ReservationOrderRow) {
  return {
    OrderId: order.order_id,
    ReservationOrderId: order.reservation_order_id,
    PurchasedBy: order.bought_by,
    Product: `${order.reserved_resource_type} ${order.sku_name} ${order.location}`,
    Quantity: String(order.original_quantity),
    Term: order.term,
    BillingPlan: order.billing_plan,
    Total: toDecimal(order.total_minor, order.currency_code),
    Currency: order.currency_code,
  };
}

export const keyValues = (fields: Readonly<Record<string, string>>) =>
  Object.entries(fields).map(([key, value]) => ({ key, value }));

function refuse(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  events: Events,
  input: PurchaseInput,
  verdict: PurchaseVerdict,
  now: Date,
): RefusedOutcome {
  const { partnerId, customerId, caller, reservationOrderId, wanted } = input;
  const { reasons } = verdict;
  enqueueEvents(
    tx,
    act,
    customerId,
    now,
    [
      {
        name: 'reservation-purchase-refused',
        resourceUri: `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`,
        resourceName: 'PurchasePermission',
        details: { CustomerId: customerId, PurchasedBy: nameOf(act.actor), Request: wanted.request, Reasons: reasons },
      },
    ],
    commitWith,
  );
  const onlyTheQuote = reasons.every(({ code }) => QUOTE_CODES.includes(code));
  return {
    refusal: new ApiError(onlyTheQuote ? 'QuoteExpired' : 'PurchaseRefused', { reasons }),
    committed: () =>
      events.purchaseRefused({
        partnerId,
        customerId,
        origin: 'customer',
        buyerId: caller.objectId,
        reservationOrderId,
        requestId: act.requestId,
        reasons: reasons.map(({ code }) => code),
      }),
  };
}

/** The order of a purchase, with one line. */
export function orderRow(
  made: MadeReservation,
  quote: Pick<QuoteRow, 'price' | 'request'>,
  approvalExpiresOn: Date | null,
): OrderRow {
  const { order } = made;
  const { price, request } = quote;
  const listMinor = toMinor(price.retailUnitPrice, price.currencyCode);
  return {
    partner_id: order.partner_id,
    customer_id: order.customer_id,
    order_id: order.order_id,
    kind: 'reservation',
    origin: order.origin,
    status: approvalExpiresOn ? 'pending' : 'completed',
    billing_cycle: request.billingPlan === 'Monthly' ? 'monthly' : 'one_time',
    currency_code: price.currencyCode,
    total_minor: price.totalMinor,
    lines: [
      {
        lineItemNumber: 0,
        offerId: catalogItemIdOf({ ...price, ...request }),
        friendlyName: order.display_name,
        quantity: request.quantity,
        subscriptionId: request.azureSubscriptionId,
        termDuration: request.term,
        reservationOrderId: order.reservation_order_id,
        pricing: { listMinor, unitMinor: price.unitMinor, extendedMinor: price.totalMinor },
      },
    ],
    bought_by_id: order.bought_by_id,
    bought_by: order.bought_by,
    created_on: order.created_on,
    approval_expires_on: approvalExpiresOn,
    decided_on: null,
    decided_by: null,
    version: 1,
  };
}

/** The purchase that was made under this id before, if it is the same one. */
async function repeated(tx: Tx, input: PurchaseInput, order: FoundOrder): Promise<Purchased> {
  const { caller, customerId, wanted } = input;
  const same =
    isOwnOrder(caller, order) && order.customer_id === customerId && isSameRequest(requestOf(order), wanted.request);
  if (!same) throw new ApiError('ReservationOrderIdAlreadyExists');
  const reservations = await listReservationsOf(tx, input.partnerId, order.reservation_order_id);
  return { order, reservations, approvalExpiresOn: order.approval_expires_on ?? null, isNew: false };
}

/**
 * Buys a reservation for the customer, by the customer: lock, decide on what is locked, write, log, tell the partner, in
 * the caller's transaction. Under the lock of the customer row, like everything the decision rests on: a switch-off or the
 * removal of a role is either seen or comes later. What was bought under the same id before is answered again.
 * @returns the purchase, or the refusal with every reason: nothing is written of it but the event for the partner
 * @throws ApiError SubscriptionNotFound, ReservationOrderIdAlreadyExists
 */
export async function purchase(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  deps: { rules: PermissionRules; events: Events },
  input: PurchaseInput,
  answer: (purchased: Purchased) => Omit<Outcome, 'committed'>,
): Promise<Outcome | RefusedOutcome> {
  const { partnerId, customerId, caller, reservationOrderId, wanted } = input;
  const { request } = wanted;
  const [{ customer, now }, loaded, existing, quote] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    loadPurchaseFacts(tx, { partnerId, customerId, buyer: buyerOf(caller) }),
    findReservationOrder(tx, partnerId, reservationOrderId),
    findQuote(tx, partnerId, customerId, reservationOrderId),
  ]);
  if (!customer) throw new ApiError('SubscriptionNotFound');
  if (existing) return answer(await repeated(tx, input, existing));

  const { guards } = loaded;
  const spend =
    guards && quote ? await loadSpend(tx, partnerId, customerId, quote.price.currencyCode, now) : NOTHING_SPENT;
  const facts = purchaseFacts(loaded, customer, {
    request,
    renew: wanted.renew,
    scopeSubscriptionId: subscriptionOf(wanted.scope),
    quote: quote && { request: quote.request, price: quote.price, expiresOn: quote.expires_on },
    spend,
  });
  const verdict = decidePurchase(facts, { ...deps.rules, now, approved: false });
  if (!verdict.allowed || !quote) return refuse(tx, act, commitWith, deps.events, input, verdict, now);

  const approvalExpiresOn = verdict.needsApproval ? new Date(now.getTime() + verdict.approvalHours * 3_600_000) : null;
  const made = makeReservation(
    {
      partnerId,
      customerId,
      reservationOrderId,
      orderId: reservationOrderId,
      lineNumber: 0,
      origin: 'customer',
      request: quote.request,
      price: quote.price,
      displayName: wanted.displayName ?? quote.price.skuTitle,
      scope: wanted.scope,
      instanceFlexibility: wanted.instanceFlexibility,
      renew: false,
      reviewOn: wanted.reviewOn,
      buyer: { id: caller.objectId, name: nameOf(act.actor) },
      ownerIds: ownersOf(facts.facts, request.azureSubscriptionId, now),
      pending: approvalExpiresOn !== null,
    },
    now,
  );
  const order = orderRow(made, quote, approvalExpiresOn);
  commitWith(insertOrder(tx, order));
  insertReservation(tx, made, commitWith);
  const description = describePurchase(made.order);
  const [entry] = appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'create_order',
        resourceType: 'order',
        resourceId: made.order.order_id,
        newValue: toOrder(order, customer.country, { includePrice: true, now }),
        customizedData: [
          ...orderDetails(order, null),
          { key: 'Product', value: description.Product },
          { key: 'BillingPlan', value: description.BillingPlan },
        ],
        evidence: { Purchase: verdict.conditions },
      },
    ],
    commitWith,
  );
  enqueueEvents(
    tx,
    act,
    customerId,
    now,
    [
      {
        name: approvalExpiresOn ? 'reservation-approval-waiting' : 'reservation-purchased',
        resourceUri: `/v1/customers/${customerId}/orders/${made.order.order_id}`,
        resourceName: 'Order',
        ...(entry && { entry }),
        details: {
          CustomerId: customerId,
          CustomerName: customer.company_name,
          ...description,
          ...(approvalExpiresOn && { ApprovalExpiresUtcDate: approvalExpiresOn.toISOString() }),
        },
      },
    ],
    commitWith,
  );
  const outcome = answer({ order: made.order, reservations: [made.reservation], approvalExpiresOn, isNew: true });
  return {
    ...outcome,
    committed: () =>
      deps.events.purchaseMade({
        partnerId,
        customerId,
        origin: 'customer',
        buyerId: caller.objectId,
        reservationOrderId,
        orderId: made.order.order_id,
        outcome: approvalExpiresOn ? 'pending' : 'completed',
      }),
  };
}
