import type { CommitWith, Tx } from '../../db/connect.js';
import type { OrderLine, OrdersTable } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { toMinor } from '../../lib/money.js';
import { uuidv4 } from '../../lib/uuid.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { appendEntries, type NewEntry } from '../activity-log/append.js';
import { findReservationType } from '../products/reservation-types.js';
import { insertReservation, type MadeReservation, makeReservation } from '../reservations/create.js';
import { addAzureSubscription } from '../subscriptions/new-azure-subscription.js';
import { insertSubscription } from '../subscriptions/queries.js';
import {
  type Decided,
  type DecidedOffer,
  type DecidedReservation,
  decideLines,
  type NumberedLine,
} from './decide-lines.js';
import type { OrderingFacts } from './load-facts.js';
import { orderDetails } from './order-details.js';
import { insertOrder, type OrderRow } from './queries.js';
import { toOrder } from './view.js';

export interface PlacedOrder {
  order: OrderRow;
  /** Subscriptions were made: facts of eligibility have changed. */
  madeSubscriptions: boolean;
  reservations: readonly MadeReservation[];
}

/** How the first Azure subscription of a plan is called. */
const FIRST_AZURE_SUBSCRIPTION = 'Azure subscription 1';

const buyerOf = ({ actor }: Act) => ({
  id: actor.id,
  name: nameOf(actor),
});

function toReservation(line: DecidedReservation, orderId: string, act: Act, facts: OrderingFacts): MadeReservation {
  const { item, request, price, scope, number, ownerIds } = line;
  return makeReservation(
    {
      partnerId: act.partnerId,
      customerId: facts.customer.customer_id,
      reservationOrderId: uuidv4(),
      orderId,
      lineNumber: number,
      origin: 'partner',
      request,
      price,
      displayName: line.line.friendlyName ?? price.skuTitle,
      scope,
      instanceFlexibility: findReservationType(item.reservedResourceType)?.instanceFlexibility ? 'On' : 'Off',
      renew: false,
      reviewOn: null,
      buyer: buyerOf(act),
      ownerIds,
      pending: false,
    },
    facts.now,
  );
}

function toOrderLine(decided: Decided, made: MadeReservation | undefined): OrderLine {
  const { line, item, number } = decided;
  const { provisioningContext, partnerIdOnRecord } = line;
  const common = {
    lineItemNumber: number,
    offerId: item.catalogItemId,
    quantity: line.quantity,
    ...(partnerIdOnRecord !== undefined && { partnerIdOnRecord }),
  };
  if (decided.kind === 'offer') {
    const { friendly_name: friendlyName, subscription_id: subscriptionId } = decided.subscription;
    return { ...common, friendlyName, subscriptionId };
  }
  const { price, request } = decided;
  return {
    ...common,
    friendlyName: line.friendlyName ?? price.skuTitle,
    subscriptionId: request.azureSubscriptionId,
    termDuration: request.term,
    ...(provisioningContext && { provisioningContext: { ...provisioningContext } }),
    ...(made && { reservationOrderId: made.order.reservation_order_id }),
    pricing: {
      listMinor: toMinor(price.retailUnitPrice, price.currencyCode),
      unitMinor: price.unitMinor,
      extendedMinor: price.totalMinor,
    },
  };
}

function kindOf(decided: readonly Decided[]): OrdersTable['kind']['__select__'] {
  const offers = decided.filter(({ kind }) => kind === 'offer').length;
  if (offers === decided.length) return 'subscription';
  return offers === 0 ? 'reservation' : 'mixed';
}

function billingCycleOf(decided: readonly Decided[]): string {
  const cycles = new Set(decided.map(({ billingCycle }) => billingCycle));
  const [only] = cycles;
  if (only !== undefined && cycles.size === 1) return only;
  throw new ApiError('BillingCycleInvalid', {
    description: `The products of one order are billed in one cycle, and these are billed ${[...cycles].join(' and ')}. Order them apart.`,
  });
}

function writeSubscription(
  tx: Tx,
  commitWith: CommitWith,
  { subscription, azureSubscriptionId, item, line }: DecidedOffer,
  { seller, now }: OrderingFacts,
): NewEntry[] {
  const { partner_id: partnerId, customer_id: customerId, subscription_id: subscriptionId } = subscription;
  commitWith(insertSubscription(tx, subscription));
  const friendlyName = item.kind === 'azure-plan' ? FIRST_AZURE_SUBSCRIPTION : (line.friendlyName ?? item.title);
  const { entries } = addAzureSubscription(
    tx,
    commitWith,
    { partnerId, customerId, subscriptionId, azureSubscriptionId, friendlyName, seller },
    now,
  );
  return entries;
}

/**
 * Buys the lines as one order, all of them or none: decides on what is locked, then writes order, subscriptions, their
 * Azure subscriptions, reservations and log. The caller re-evaluates the permissions when subscriptions were made.
 * @param facts of the lock; the answered ones are those after the order
 * @throws ApiError AgreementNotAccepted, PriceNotFound, TotalTooLarge, and those of getItem and judgeLine: nothing has been
 *   written then
 */
export async function placeOrder(
  tx: Tx,
  act: Act,
  commitWith: CommitWith,
  facts: OrderingFacts,
  lines: readonly NumberedLine[],
): Promise<PlacedOrder & { after: OrderingFacts }> {
  const { customer, now } = facts;
  const orderId = uuidv4();
  const { decided, after } = await decideLines(tx, facts, lines, orderId);
  const billingCycle = billingCycleOf(decided);
  const reservations = new Map(
    decided.flatMap((one) =>
      one.kind === 'reservation' ? [[one.number, toReservation(one, orderId, act, facts)] as const] : [],
    ),
  );
  const orderLines = decided.map((one) => toOrderLine(one, reservations.get(one.number)));
  const total = orderLines.reduce((sum, { pricing }) => sum + (pricing?.extendedMinor ?? 0), 0);
  if (!Number.isSafeInteger(total)) throw new ApiError('TotalTooLarge');
  const buyer = buyerOf(act);
  const order: OrderRow = {
    partner_id: act.partnerId,
    customer_id: customer.customer_id,
    order_id: orderId,
    kind: kindOf(decided),
    origin: 'partner',
    status: 'completed',
    billing_cycle: billingCycle,
    currency_code: facts.currencyCode,
    total_minor: total,
    lines: orderLines,
    bought_by_id: buyer.id,
    bought_by: buyer.name,
    created_on: now,
    approval_expires_on: null,
    decided_on: null,
    decided_by: null,
    version: 1,
  };
  commitWith(insertOrder(tx, order));
  const made = decided.flatMap((one) => (one.kind === 'offer' ? writeSubscription(tx, commitWith, one, facts) : []));
  for (const reservation of reservations.values()) insertReservation(tx, reservation, commitWith);
  appendEntries(
    tx,
    act,
    customer,
    now,
    [
      {
        operationType: 'create_order',
        resourceType: 'order',
        resourceId: orderId,
        newValue: toOrder(order, facts.country, { includePrice: true, now }),
        customizedData: orderDetails(order, facts.seller.mpnId),
      },
      ...made,
    ],
    commitWith,
  );
  return { order, madeSubscriptions: made.length > 0, reservations: [...reservations.values()], after };
}
