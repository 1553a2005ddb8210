import type { CommitWith, Tx } from '../../db/connect.js';
import { type LockedCustomer, lockCustomer } from '../../db/customer-lock.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import { type Act, nameOf, type Outcome } from '../../plugins/idempotency/plugin.js';
import { appendEntries } from '../activity-log/append.js';
import { findOrder, type OrderRow, updateOrderStatus } from '../orders/queries.js';
import { loadSpend } from '../purchase-guards/queries.js';
import type { PermissionRules } from '../purchase-permissions/service.js';
import { requestOf } from '../reservations/create.js';
import { endOfTerm, schedulePayments } from '../reservations/payments.js';
import {
  findReservationOrder,
  listReservationsOf,
  type ReservationOrderRow,
  type ReservationRow,
  updateReservation,
  updateReservationOrder,
} from '../reservations/queries.js';
import { enqueueEvents } from '../webhooks/outbox.js';
import { decidePurchase } from './decide-purchase.js';
import { loadPurchaseFacts, purchaseFacts } from './load-facts.js';
import { describePurchase, keyValues } from './purchase.js';
import type { OrderDecision } from './schemas.js';

export type Decision = 'approve' | 'decline' | 'lapse';

export interface DecisionInput {
  customerId: string;
  orderId: string;
  decision: Decision;
  comment?: string;
}

interface Waiting {
  customer: LockedCustomer;
  now: Date;
  order: OrderRow;
  reservationOrder: ReservationOrderRow;
  reservations: readonly ReservationRow[];
}

/** @throws ApiError CustomerNotFound, OrderNotFound, OrderNotWaiting */
async function lockWaiting(
  tx: Tx,
  partnerId: string,
  { customerId, orderId, decision }: DecisionInput,
): Promise<Waiting> {
  // The reservation order of a customer's purchase has the id of its order.
  const [{ customer, now }, order, reservationOrder, reservations] = await Promise.all([
    lockCustomer(tx, partnerId, customerId),
    findOrder(tx, partnerId, customerId, orderId),
    findReservationOrder(tx, partnerId, orderId),
    listReservationsOf(tx, partnerId, orderId),
  ]);
  if (!customer) throw new ApiError('CustomerNotFound');
  if (!order) throw new ApiError('OrderNotFound');
  const lapsed = order.approval_expires_on !== null && order.approval_expires_on <= now;
  if (order.status !== 'pending' || !reservationOrder) throw new ApiError('OrderNotWaiting');
  if (lapsed && decision !== 'lapse') {
    throw new ApiError('OrderNotWaiting', {
      description: `The time for a decision ended on ${order.approval_expires_on?.toISOString()}. The customer has to purchase again.`,
    });
  }
  if (!lapsed && decision === 'lapse') throw new ApiError('OrderNotWaiting');
  return { customer, now, order, reservationOrder, reservations };
}

/**
 * Everything but the quote's expiry and the approval itself has to hold now as it had to when the customer purchased.
 * @throws ApiError ActionNotAllowed with every reason
 */
async function demandStillAllowed(tx: Tx, rules: PermissionRules, waiting: Waiting) {
  const { customer, now, reservationOrder: order } = waiting;
  const { partner_id: partnerId, customer_id: customerId, reservation_order_id: id } = order;
  const buyer = {
    kind: 'customer',
    objectId: order.bought_by_id ?? '',
    userPrincipalName: order.bought_by,
    appOnly: false,
  } as const;
  const [loaded, spend] = await Promise.all([
    loadPurchaseFacts(tx, { partnerId, customerId, buyer }),
    loadSpend(tx, partnerId, customerId, order.currency_code, now, id),
  ]);
  const request = requestOf(order);
  const price = { currencyCode: order.currency_code, totalMinor: order.total_minor };
  const facts = purchaseFacts(loaded, customer, {
    request,
    renew: false,
    scopeSubscriptionId: waiting.reservations[0]?.applied_scope?.split('/')[2],
    quote: { request, price, expiresOn: now },
    spend,
  });
  const verdict = decidePurchase(facts, { ...rules, now, approved: true });
  if (!verdict.allowed) {
    throw new ApiError('ActionNotAllowed', {
      description: 'The purchase is not allowed any more. data[] says why and what to do; the order goes on waiting.',
      reasons: verdict.reasons,
    });
  }
  return verdict;
}

/**
 * Decides what becomes of a purchase that waits for the partner: approved, it starts now at the price it was quoted at;
 * declined or lapsed, it is cancelled and nothing of it is paid.
 * @throws ApiError CustomerNotFound, OrderNotFound, OrderNotWaiting, ActionNotAllowed
 */
export async function decideOrder(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  deps: { rules: PermissionRules; events: Events },
  input: DecisionInput,
): Promise<Outcome> {
  const { customerId, decision } = input;
  const waiting = await lockWaiting(tx, act.partnerId, input);
  const { customer, now, order, reservationOrder } = waiting;
  const approved = decision === 'approve';
  const verdict = approved ? await demandStillAllowed(tx, deps.rules, waiting) : undefined;
  const decidedBy = nameOf(act.actor);

  const after: OrderRow = {
    ...order,
    status: approved ? 'completed' : 'cancelled',
    approval_expires_on: null,
    decided_on: now,
    decided_by: decidedBy,
    version: order.version + 1,
  };
  commitWith(updateOrderStatus(tx, after));
  const state = approved ? 'Succeeded' : 'Cancelled';
  const { total_minor: total, billing_plan: plan, term } = reservationOrder;
  const payments = approved
    ? schedulePayments(total, plan, term, now)
    : reservationOrder.payments.map((payment) => ({ ...payment, cancelled: true as const }));
  const runs = approved ? { benefit_start_on: now, expires_on: endOfTerm(now, term) } : {};
  commitWith(
    updateReservationOrder(tx, {
      ...reservationOrder,
      ...runs,
      payments,
      provisioning_state: state,
      version: reservationOrder.version + 1,
    }),
  );
  for (const reservation of waiting.reservations) {
    commitWith(
      updateReservation(
        tx,
        {
          ...reservation,
          ...(approved && { effective_on: now, expires_on: endOfTerm(now, term) }),
          provisioning_state: state,
          updated_on: now,
          version: reservation.version + 1,
        },
        decidedBy,
      ),
    );
  }
  const description = describePurchase(reservationOrder);
  const [entry] = appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'update_order',
        resourceType: 'order',
        resourceId: order.order_id,
        oldValue: { ...description, Status: order.status },
        newValue: { ...description, Status: after.status },
        customizedData: [
          ...keyValues({ ...description, Decision: decision }),
          ...(input.comment === undefined ? [] : [{ key: 'Comment', value: input.comment }]),
        ],
        ...(verdict && { evidence: { Purchase: verdict.conditions } }),
      },
    ],
    commitWith,
  );
  const told = {
    resourceUri: `/v1/customers/${customerId}/orders/${order.order_id}`,
    resourceName: 'Order',
    ...(entry && { entry }),
    details: { CustomerId: customerId, CustomerName: customer.company_name, ...description, Decision: decision },
  };
  enqueueEvents(
    tx,
    act,
    customerId,
    now,
    [
      { name: 'reservation-approval-decided', ...told },
      ...(approved ? [{ name: 'reservation-purchased' as const, ...told }] : []),
    ],
    commitWith,
  );
  const body: OrderDecision = {
    orderId: order.order_id,
    reservationOrderId: reservationOrder.reservation_order_id,
    status: approved ? 'completed' : 'cancelled',
    decidedBy,
    decidedOn: now.toISOString(),
    attributes: { objectType: 'OrderDecision' },
  };
  return {
    status: 200,
    body,
    committed: () => {
      if (!approved) return;
      deps.events.purchaseMade({
        partnerId: act.partnerId,
        customerId,
        origin: 'customer',
        buyerId: order.bought_by_id,
        reservationOrderId: reservationOrder.reservation_order_id,
        orderId: order.order_id,
        outcome: 'completed',
      });
    },
  };
}
