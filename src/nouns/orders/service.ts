import type { CommitWith, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import type { Events } from '../../events.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import {
  announceEligibility,
  type EligibilityChange,
  type PermissionRules,
  reevaluate,
} from '../purchase-permissions/service.js';
import type { MadeReservation } from '../reservations/create.js';
import type { NumberedLine } from './decide-lines.js';
import { demandReseller, lockForOrdering } from './load-facts.js';
import { placeOrder } from './place-order.js';
import type { Order, OrderCreate } from './schemas.js';
import { toOrder } from './view.js';

/** The lines under their numbers; one that has none gets that of its place. */
function numbered({ lineItems, billingCycle, currencyCode }: OrderCreate): NumberedLine[] {
  const lines = lineItems.map((line, index) => ({
    ...line,
    ...(billingCycle !== undefined && { billingCycle }),
    ...(currencyCode !== undefined && { currencyCode }),
    lineItemNumber: line.lineItemNumber ?? index,
  }));
  const numbers = new Set(lines.map(({ lineItemNumber }) => lineItemNumber));
  if (numbers.size < lines.length || Math.max(...numbers) >= lines.length) {
    throw new ApiError('LineItemNumberInvalid');
  }
  return lines.sort((a, b) => a.lineItemNumber - b.lineItemNumber);
}

export interface OrderResult {
  order: Order;
  changes: EligibilityChange[];
  reservations: readonly MadeReservation[];
}

/**
 * Buys for a customer what the lines name, all of it or nothing.
 * https://learn.microsoft.com/partner-center/developer/create-an-order
 * @throws ApiError LineItemNumberInvalid, CustomerNotFound, NoRelationship, and those of placeOrder
 */
export async function createOrder(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  rules: PermissionRules,
  customerId: string,
  wanted: OrderCreate,
): Promise<OrderResult> {
  const lines = numbered(wanted);
  const facts = await lockForOrdering(tx, act.partnerId, customerId);
  demandReseller(facts);
  const { order, madeSubscriptions, reservations } = await placeOrder(tx, act, commitWith, facts, lines);
  const changes = madeSubscriptions ? await reevaluate(tx, act, commitWith, rules, facts.customer, facts.now) : [];
  return { order: toOrder(order, facts.country, { includePrice: false, now: facts.now }), changes, reservations };
}

/** Tells of a committed order: permissions it changed, and reservations it bought. */
export function announceOrder(
  events: Events,
  partnerId: string,
  customerId: string,
  { changes, reservations }: Omit<OrderResult, 'order'>,
): void {
  announceEligibility(events, partnerId, customerId, changes);
  for (const { order } of reservations) {
    events.purchaseMade({
      partnerId,
      customerId,
      origin: 'partner',
      buyerId: order.bought_by_id,
      reservationOrderId: order.reservation_order_id,
      orderId: order.order_id,
      outcome: 'completed',
    });
  }
}
