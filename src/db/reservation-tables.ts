import type { BillingPlan, Fixed, Json, Origin, Term } from './column-types.js';

/** One payment of a schedule; it is made on its due date. */
export interface ScheduledPayment {
  /** `2026-11-21`, UTC. */
  dueDate: string;
  minor: number;
  /** It will not be made: what it was for was returned. */
  cancelled?: true;
}

export interface ReservationOrdersTable {
  partner_id: Fixed<string>;
  /** The id of the quote it was bought under. */
  reservation_order_id: Fixed<string>;
  customer_id: Fixed<string>;
  order_id: Fixed<string>;
  line_number: Fixed<number>;
  origin: Fixed<Origin>;
  display_name: string;
  reserved_resource_type: Fixed<string>;
  sku_name: Fixed<string>;
  location: Fixed<string>;
  term: Fixed<Term>;
  billing_plan: Fixed<BillingPlan>;
  original_quantity: Fixed<number>;
  billing_subscription_id: Fixed<string>;
  /** `PendingBilling` while it waits for the partner's approval. */
  provisioning_state: 'PendingBilling' | 'Succeeded' | 'Cancelled';
  currency_code: Fixed<string>;
  unit_minor: Fixed<number>;
  total_minor: Fixed<number>;
  retail_unit_price: Fixed<string>;
  price_book_version: Fixed<number>;
  payments: Json<ScheduledPayment[]>;
  requested_on: Fixed<Date>;
  created_on: Fixed<Date>;
  benefit_start_on: Date;
  expires_on: Date;
  review_on: Date | null;
  bought_by_id: Fixed<string | null>;
  bought_by: Fixed<string>;
  owner_ids: Fixed<string[]>;
  version: number;
}

export type AppliedScopeType = 'Single' | 'Shared' | 'ManagementGroup';

export interface ReservationsTable {
  partner_id: Fixed<string>;
  reservation_order_id: Fixed<string>;
  reservation_id: Fixed<string>;
  customer_id: Fixed<string>;
  display_name: string;
  sku_name: Fixed<string>;
  location: Fixed<string>;
  reserved_resource_type: Fixed<string>;
  quantity: number;
  /** `Expired` follows from `expires_on` and is never stored. */
  provisioning_state: 'PendingBilling' | 'Succeeded' | 'Cancelled' | 'Split' | 'Merged';
  applied_scope_type: AppliedScopeType;
  /** Single: `/subscriptions/{id}[/resourceGroups/{name}]`; ManagementGroup: its id; null: shared. */
  applied_scope: string | null;
  applied_scope_tenant_id: string | null;
  applied_scope_name: string | null;
  instance_flexibility: 'On' | 'Off';
  renew: boolean;
  renew_properties: Json<object | null, string | null>;
  /** Reservation ids. */
  renew_source: string | null;
  renew_destination: string | null;
  archived: boolean;
  review_on: Date | null;
  effective_on: Date;
  expires_on: Date;
  purchased_on: Fixed<Date>;
  updated_on: Date;
  split_source: string | null;
  split_destinations: string[];
  merge_sources: string[];
  merge_destination: string | null;
  swap_source: string | null;
  swap_destination: string | null;
  version: number;
}

export interface ReservationRevisionsTable {
  partner_id: Fixed<string>;
  reservation_order_id: Fixed<string>;
  reservation_id: Fixed<string>;
  version: Fixed<number>;
  customer_id: Fixed<string>;
  /** The columns of the reservation as they became. */
  content: Json<Record<string, unknown>>;
  changed_on: Fixed<Date>;
  changed_by: Fixed<string>;
}

export interface RefundSessionsTable {
  partner_id: Fixed<string>;
  session_id: Fixed<string>;
  customer_id: Fixed<string>;
  kind: Fixed<'refund' | 'exchange'>;
  request: Json<object>;
  result: Json<object>;
  created_on: Fixed<Date>;
  expires_on: Fixed<Date>;
}

export interface RefundsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  refund_id: Fixed<string>;
  kind: Fixed<'return' | 'exchange'>;
  reservation_order_id: Fixed<string>;
  reservation_id: Fixed<string>;
  quantity: Fixed<number>;
  currency_code: Fixed<string>;
  refund_minor: Fixed<number>;
  fee_minor: Fixed<number>;
  cancelled_commitment_minor: Fixed<number>;
  /** What it takes of the limit of a rolling 12 months: cents of USD, 0 for an exchange. */
  limit_usd_minor: Fixed<number>;
  reason: Fixed<string | null>;
  created_on: Fixed<Date>;
  created_by: Fixed<string>;
}
