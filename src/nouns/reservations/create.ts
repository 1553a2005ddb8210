import type { CommitWith, Tx } from '../../db/connect.js';
import type { AppliedScopeType, Origin, QuotedPrice, QuotedRequest } from '../../db/tables.js';
import { uuidv7 } from '../../lib/uuid.js';
import { endOfTerm, schedulePayments } from './payments.js';
import {
  insertReservationOrder,
  insertReservations,
  type ReservationOrderRow,
  type ReservationRow,
} from './queries.js';

/** Where the discount applies. */
export interface AppliedScope {
  type: AppliedScopeType;
  /** Single: `/subscriptions/{id}[/resourceGroups/{name}]`; ManagementGroup: its id; null: shared. */
  scope: string | null;
  tenantId: string | null;
  displayName: string | null;
}

export const SHARED: AppliedScope = { type: 'Shared', scope: null, tenantId: null, displayName: null };

export interface NewReservation {
  partnerId: string;
  customerId: string;
  /** The id of the quote. */
  reservationOrderId: string;
  orderId: string;
  lineNumber: number;
  origin: Origin;
  request: QuotedRequest;
  price: QuotedPrice;
  displayName: string;
  scope: AppliedScope;
  instanceFlexibility: 'On' | 'Off';
  renew: boolean;
  reviewOn: Date | null;
  buyer: { id: string | null; name: string };
  /** Users who are Owner of the billing subscription now: they can read the reservation. */
  ownerIds: readonly string[];
  /** It waits for the partner's approval: it has no effect yet. */
  pending: boolean;
  /** What it replaces. */
  swapSource?: string;
  renewSource?: string;
}

export interface MadeReservation {
  order: ReservationOrderRow;
  reservation: ReservationRow;
}

/** The rows of a purchase: a reservation order with one reservation in it. The order's row has to be inserted before. */
export function makeReservation(wanted: NewReservation, now: Date): MadeReservation {
  const { partnerId, customerId, reservationOrderId, request, price, scope } = wanted;
  const state = wanted.pending ? 'PendingBilling' : 'Succeeded';
  const expiresOn = endOfTerm(now, request.term);
  return {
    order: {
      partner_id: partnerId,
      reservation_order_id: reservationOrderId,
      customer_id: customerId,
      order_id: wanted.orderId,
      line_number: wanted.lineNumber,
      origin: wanted.origin,
      display_name: wanted.displayName,
      reserved_resource_type: request.reservedResourceType,
      sku_name: request.skuName,
      location: request.location,
      term: request.term,
      billing_plan: request.billingPlan,
      original_quantity: request.quantity,
      billing_subscription_id: request.azureSubscriptionId,
      provisioning_state: state,
      currency_code: price.currencyCode,
      unit_minor: price.unitMinor,
      total_minor: price.totalMinor,
      retail_unit_price: price.retailUnitPrice,
      price_book_version: price.priceBookVersion,
      payments: schedulePayments(price.totalMinor, request.billingPlan, request.term, now),
      requested_on: now,
      created_on: now,
      benefit_start_on: now,
      expires_on: expiresOn,
      review_on: wanted.reviewOn,
      bought_by_id: wanted.buyer.id,
      bought_by: wanted.buyer.name,
      owner_ids: [...wanted.ownerIds],
      version: 1,
    },
    reservation: {
      partner_id: partnerId,
      reservation_order_id: reservationOrderId,
      reservation_id: uuidv7(now.getTime()),
      customer_id: customerId,
      display_name: wanted.displayName,
      sku_name: request.skuName,
      location: request.location,
      reserved_resource_type: request.reservedResourceType,
      quantity: request.quantity,
      provisioning_state: state,
      applied_scope_type: scope.type,
      applied_scope: scope.scope,
      applied_scope_tenant_id: scope.tenantId,
      applied_scope_name: scope.displayName,
      instance_flexibility: wanted.instanceFlexibility,
      renew: wanted.renew,
      renew_properties: null,
      renew_source: wanted.renewSource ?? null,
      renew_destination: null,
      archived: false,
      review_on: wanted.reviewOn,
      effective_on: now,
      expires_on: expiresOn,
      purchased_on: now,
      updated_on: now,
      split_source: null,
      split_destinations: [],
      merge_sources: [],
      merge_destination: null,
      swap_source: wanted.swapSource ?? null,
      swap_destination: null,
      version: 1,
    },
  };
}

/** What was asked for when the order was bought. */
export function requestOf(order: ReservationOrderRow): QuotedRequest {
  return {
    azureSubscriptionId: order.billing_subscription_id,
    reservedResourceType: order.reserved_resource_type,
    skuName: order.sku_name,
    location: order.location,
    term: order.term,
    billingPlan: order.billing_plan,
    quantity: order.original_quantity,
  };
}

/** Writes what {@link makeReservation} made, in the transaction of its order. */
export function insertReservation(tx: Tx, made: MadeReservation, commitWith: CommitWith): void {
  commitWith(insertReservationOrder(tx, made.order));
  commitWith(insertReservations(tx, [made.reservation], made.order.bought_by));
}
