import type { ScheduledPayment } from '../../db/tables.js';
import { toAmount } from '../../lib/money.js';
import { findReservationType } from '../products/reservation-types.js';
import type { PurchaseRequest } from './purchase-request.js';
import type { ReservationOrderRow, ReservationRow } from './queries.js';
import type { ReservationOrderResponse, ReservationResponse } from './schemas.js';

/** Azure tells of a renewal, and sends its first mail, 30 days before the end of the term. */
export const EXPIRING_MILLISECONDS = 30 * 24 * 60 * 60 * 1000;

/** A reservation order with what its purchase says of its approval; absent: it waits for none. */
export type OrderToShow = ReservationOrderRow & { approval_expires_on?: Date | null };

export function orderPath(reservationOrderId: string): string {
  return `/providers/microsoft.capacity/reservationOrders/${reservationOrderId}`;
}

export function reservationPath(reservationOrderId: string, reservationId: string): string {
  return `${orderPath(reservationOrderId)}/reservations/${reservationId}`;
}

function day(at: Date): string {
  return at.toISOString().slice(0, 10);
}

/** Nobody approved it in time: it is cancelled, whether or not the rows say so already. */
export function hasLapsed(order: OrderToShow, now: Date): boolean {
  const { provisioning_state: state, approval_expires_on: until } = order;
  return state === 'PendingBilling' && until !== null && until !== undefined && until <= now;
}

export function stateOfOrder(order: OrderToShow, now: Date) {
  return hasLapsed(order, now) ? 'Cancelled' : order.provisioning_state;
}

/** `Expired` follows from the date, `Cancelled` of a purchase that lapsed from that of its approval. */
export function stateOf(order: OrderToShow, reservation: ReservationRow, now: Date) {
  const stored = reservation.provisioning_state;
  if (stored === 'Succeeded' && reservation.expires_on <= now) return 'Expired';
  if (stored === 'PendingBilling' && hasLapsed(order, now)) return 'Cancelled';
  return stored;
}

type State = ReturnType<typeof stateOf>;

function displayedState(state: State, expiresOn: Date, now: Date) {
  if (state === 'Succeeded') {
    return expiresOn.getTime() - now.getTime() <= EXPIRING_MILLISECONDS ? 'Expiring' : 'Succeeded';
  }
  if (state === 'PendingBilling') return 'Pending';
  return state === 'Expired' ? 'Expired' : 'Cancelled';
}

function scopeShown({ applied_scope_type: type, applied_scope: scope }: ReservationRow) {
  return type === 'Single' && scope?.includes('/resourceGroups/') ? 'ResourceGroup' : type;
}

function renewShown(state: State, row: ReservationRow) {
  if (row.renew_destination !== null) return 'Renewed';
  if (state === 'Expired') return 'NotRenewed';
  if (state !== 'Succeeded' && state !== 'PendingBilling') return 'NotApplicable';
  return row.renew ? 'On' : 'Off';
}

const ENDED: Readonly<Partial<Record<State, { statusCode: string; message: string }>>> = {
  Split: { statusCode: 'Split', message: 'This reservation was split and is no longer active.' },
  Merged: { statusCode: 'Merged', message: 'This reservation was merged and is no longer active.' },
  Expired: { statusCode: 'Expired', message: 'The term of this reservation has ended.' },
  PendingBilling: { statusCode: 'Pending', message: 'This reservation waits for the approval of the partner.' },
};

/** Of an order that was returned, the payments that had been made stay so: the others are marked. */
function statusOf(payment: ScheduledPayment, order: OrderToShow, now: Date) {
  if (payment.cancelled || hasLapsed(order, now)) return 'Cancelled';
  const pending = order.provisioning_state === 'PendingBilling';
  return !pending && payment.dueDate <= day(now) ? 'Succeeded' : 'Scheduled';
}

function planOf(order: OrderToShow, now: Date) {
  const currencyCode = order.currency_code;
  const transactions = order.payments.map((payment) => {
    const total = { currencyCode, amount: toAmount(payment.minor, currencyCode) };
    const status = statusOf(payment, order, now);
    const paid = status === 'Succeeded';
    return {
      dueDate: payment.dueDate,
      ...(paid && { paymentDate: payment.dueDate }),
      pricingCurrencyTotal: total,
      ...(paid && { billingCurrencyTotal: total }),
      status,
    } as const;
  });
  const next = transactions.find(({ status }) => status === 'Scheduled');
  return {
    pricingCurrencyTotal: { currencyCode, amount: toAmount(order.total_minor, currencyCode) },
    startDate: day(order.benefit_start_on),
    ...(next && { nextPaymentDueDate: next.dueDate }),
    transactions,
  };
}

function systemDataOf(order: ReservationOrderRow) {
  return {
    createdBy: order.bought_by,
    createdByType: order.bought_by.includes('@') ? 'User' : 'Application',
    createdAt: order.created_on.toISOString(),
  } as const;
}

/**
 * A reservation order as Azure shows it. Amounts are the customer's; retail and cost are the partner's business.
 * @param expand `schedule` adds the payments
 */
export function toReservationOrder(
  order: OrderToShow,
  reservations: readonly Pick<ReservationRow, 'reservation_id'>[],
  now: Date,
  { expand }: { expand?: 'schedule' | undefined } = {},
): ReservationOrderResponse {
  const id = order.reservation_order_id;
  return {
    id: orderPath(id),
    name: id,
    type: 'Microsoft.Capacity/reservationOrders',
    etag: order.version,
    systemData: systemDataOf(order),
    properties: {
      displayName: order.display_name,
      requestDateTime: order.requested_on.toISOString(),
      createdDateTime: order.created_on.toISOString(),
      expiryDate: day(order.expires_on),
      expiryDateTime: order.expires_on.toISOString(),
      benefitStartTime: order.benefit_start_on.toISOString(),
      originalQuantity: order.original_quantity,
      term: order.term,
      provisioningState: stateOfOrder(order, now),
      billingPlan: order.billing_plan,
      ...(expand === 'schedule' && { planInformation: planOf(order, now) }),
      reservations: reservations.map((one) => ({ id: reservationPath(id, one.reservation_id) })),
      ...(order.review_on !== null && { reviewDateTime: order.review_on.toISOString() }),
    },
  };
}

/** What a reservation came from and became, as ids of resources. */
function lineage(row: ReservationRow, orderIds: ReadonlyMap<string, string>) {
  const path = (id: string) => reservationPath(row.reservation_order_id, id);
  const elsewhere = <Name extends string>(name: Name, id: string | null) => {
    const orderId = id === null ? undefined : orderIds.get(id);
    return (id === null || orderId === undefined ? {} : { [name]: reservationPath(orderId, id) }) as {
      [key in Name]?: string;
    };
  };
  const split = {
    ...(row.split_destinations.length > 0 && { splitDestinations: row.split_destinations.map(path) }),
    ...(row.split_source !== null && { splitSource: path(row.split_source) }),
  };
  const merge = {
    ...(row.merge_destination !== null && { mergeDestination: path(row.merge_destination) }),
    ...(row.merge_sources.length > 0 && { mergeSources: row.merge_sources.map(path) }),
  };
  const swap = {
    ...elsewhere('swapSource', row.swap_source),
    ...elsewhere('swapDestination', row.swap_destination),
  };
  return {
    ...elsewhere('renewSource', row.renew_source),
    ...elsewhere('renewDestination', row.renew_destination),
    ...(Object.keys(split).length > 0 && { splitProperties: split }),
    ...(Object.keys(merge).length > 0 && { mergeProperties: merge }),
    ...(Object.keys(swap).length > 0 && { swapProperties: swap }),
  };
}

function scopesOf(row: ReservationRow) {
  const { applied_scope: scope, applied_scope_name: displayName } = row;
  if (scope === null) return {};
  const named = scope.includes('/resourceGroups/') ? { resourceGroupId: scope } : { subscriptionId: scope };
  return {
    appliedScopes: [scope],
    appliedScopeProperties: { ...named, ...(displayName !== null && { displayName }) },
  };
}

export interface ReservationView {
  /** Adds what a renewal would buy. */
  expand?: 'renewProperties' | undefined;
  /** Reservation order ids of its relatives, by reservation id: those that are missing are not shown. */
  orderIds?: ReadonlyMap<string, string>;
}

/** A reservation as Azure shows it. */
export function toReservation(
  order: OrderToShow,
  row: ReservationRow,
  now: Date,
  { expand, orderIds = new Map() }: ReservationView = {},
): ReservationResponse {
  const state = stateOf(order, row, now);
  const { kind } = findReservationType(row.reserved_resource_type) ?? {};
  const status = ENDED[state];
  return {
    id: reservationPath(row.reservation_order_id, row.reservation_id),
    name: `${row.reservation_order_id}/${row.reservation_id}`,
    type: 'Microsoft.Capacity/reservationOrders/reservations',
    ...(kind !== undefined && { kind }),
    location: row.location,
    etag: row.version,
    sku: { name: row.sku_name },
    systemData: systemDataOf(order),
    properties: {
      reservedResourceType: row.reserved_resource_type,
      instanceFlexibility: row.instance_flexibility,
      displayName: row.display_name,
      ...scopesOf(row),
      appliedScopeType: row.applied_scope_type,
      archived: row.archived,
      quantity: row.quantity,
      provisioningState: state,
      displayProvisioningState: displayedState(state, row.expires_on, now),
      effectiveDateTime: row.effective_on.toISOString(),
      benefitStartTime: order.benefit_start_on.toISOString(),
      lastUpdatedDateTime: row.updated_on.toISOString(),
      expiryDate: day(row.expires_on),
      expiryDateTime: row.expires_on.toISOString(),
      purchaseDate: day(row.purchased_on),
      purchaseDateTime: row.purchased_on.toISOString(),
      ...(row.review_on !== null && { reviewDateTime: row.review_on.toISOString() }),
      skuDescription: row.sku_name,
      ...(status && { extendedStatusInfo: status }),
      billingPlan: order.billing_plan,
      billingScopeId: `/subscriptions/${order.billing_subscription_id}`,
      term: order.term,
      renew: row.renew,
      ...(expand === 'renewProperties' &&
        row.renew_properties !== null && {
          renewProperties: row.renew_properties as { purchaseProperties: PurchaseRequest },
        }),
      ...lineage(row, orderIds),
      userFriendlyAppliedScopeType: scopeShown(row),
      userFriendlyRenewState: renewShown(state, row),
    },
  };
}

const DATES = ['review_on', 'effective_on', 'expires_on', 'purchased_on', 'updated_on'] as const;

/** What a reservation was, told as it was then, from the columns that a revision keeps as JSON. */
export function toRevision(order: OrderToShow, content: Readonly<Record<string, unknown>>): ReservationResponse {
  const dates = DATES.map((name) => [name, content[name] === null ? null : new Date(String(content[name]))]);
  const row = { ...content, ...Object.fromEntries(dates) } as ReservationRow;
  const shown = toReservation(order, row, row.updated_on);
  return {
    ...shown,
    id: `${shown.id}/revisions/${row.version}`,
    name: `${shown.name}/${row.version}`,
    type: 'Microsoft.Capacity/reservationOrders/reservations/revisions',
  };
}
