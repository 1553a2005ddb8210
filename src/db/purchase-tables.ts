import type { BillingPlan, Fixed, Json, Origin, PermissionResource, Term } from './column-types.js';
import type {
  RefundSessionsTable,
  RefundsTable,
  ReservationOrdersTable,
  ReservationRevisionsTable,
  ReservationsTable,
} from './reservation-tables.js';

export interface RetailPricesTable {
  partner_id: Fixed<string>;
  /** ISO 4217, upper case. */
  currency_code: Fixed<string>;
  /** As Microsoft.Capacity names it: VirtualMachines, SqlDatabases, … */
  reserved_resource_type: Fixed<string>;
  /** ARM region name in lower case: `westeurope`. */
  location: Fixed<string>;
  /** arm_sku_name in lower case. */
  sku_key: Fixed<string>;
  term: Fixed<Term>;
  effective_on: Fixed<Date>;
  arm_sku_name: string;
  /** Decimal text: one unit for the whole term. */
  unit_price: string;
  product_id: string;
  /** Without the product id before it. */
  sku_id: string;
  meter_id: string;
  product_name: string;
  sku_name: string;
  service_name: string;
}

/** One rule of a price book. What it leaves out matches everything; the most specific rule wins. */
export interface PriceBookEntry {
  customerId?: string;
  reservedResourceType?: string;
  skuName?: string;
  location?: string;
  term?: Term;
  /** Decimal text, percent on top of retail; may be negative. Either this or `unitPrice`. */
  marginPercent?: string;
  /** Decimal text: one unit for the whole term, in the currency of the book. */
  unitPrice?: string;
}

export interface PriceBooksTable {
  partner_id: Fixed<string>;
  version: Fixed<number>;
  currency_code: Fixed<string>;
  entries: Json<PriceBookEntry[]>;
  changed_on: Fixed<Date>;
  changed_by: Fixed<string>;
}

export interface CustomerAgreementsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  agreement_type: Fixed<'MicrosoftCustomerAgreement' | 'MicrosoftCloudAgreement'>;
  agreement_id: Fixed<string>;
  template_id: Fixed<string>;
  date_agreed: Fixed<Date>;
  primary_contact: Json<{ firstName: string; lastName: string; email: string; phoneNumber?: string }>;
  accepted_by: Fixed<string>;
  created_on: Fixed<Date>;
}

/** What a quote prices; a purchase under it has to ask for the same. */
export interface QuotedRequest {
  azureSubscriptionId: string;
  reservedResourceType: string;
  skuName: string;
  location: string;
  term: Term;
  billingPlan: BillingPlan;
  quantity: number;
}

/** A price with all it was made of. Minor units. */
export interface QuotedPrice {
  currencyCode: string;
  /** The customer's price of one unit for the whole term. */
  unitMinor: number;
  totalMinor: number;
  /** Decimal text, as published. */
  retailUnitPrice: string;
  retailEffectiveOn: string;
  /** 0: there was no price book. */
  priceBookVersion: number;
  productId: string;
  skuId: string;
  skuTitle: string;
  skuDescription: string;
}

export interface QuotesTable {
  partner_id: Fixed<string>;
  quote_id: Fixed<string>;
  customer_id: Fixed<string>;
  request: Json<QuotedRequest>;
  price: Json<QuotedPrice>;
  created_on: Fixed<Date>;
  created_by: Fixed<string | null>;
  expires_on: Fixed<Date>;
}

export interface CartLine {
  id: number;
  catalogItemId: string;
  friendlyName?: string;
  quantity: number;
  currencyCode?: string;
  billingCycle: string;
  termDuration?: string;
  participants?: { key: string; value: string }[];
  provisioningContext?: Record<string, string>;
  /** Lines of one group become one order; absent where the line has an error. */
  orderGroup?: string;
  /** Why it cannot be ordered, as judged when the cart was written. */
  error?: { errorCode: number; errorDescription: string };
}

export interface CartsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  cart_id: Fixed<string>;
  status: 'Active' | 'Ordered';
  lines: Json<CartLine[]>;
  /** What the checkout answered; null before it. */
  checkout_result: Json<object | null, string | null>;
  created_on: Fixed<Date>;
  last_modified_on: Date;
  last_modified_by: string;
  expires_on: Date;
  version: number;
}

export interface OrderLine {
  lineItemNumber: number;
  /** Catalogue item: `product:sku:availability`, or MS-AZR-0145P. */
  offerId: string;
  friendlyName?: string;
  quantity: number;
  /** The subscription made by the line; of a reservation, the Azure subscription it is billed to. */
  subscriptionId?: string;
  termDuration?: string;
  partnerIdOnRecord?: string;
  provisioningContext?: Record<string, string>;
  /** Lines of reservations. */
  reservationOrderId?: string;
  /** Minor units; absent where a line has no price, as an Azure plan. */
  pricing?: { listMinor: number; unitMinor: number; extendedMinor: number };
}

export interface OrdersTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  order_id: Fixed<string>;
  kind: Fixed<'subscription' | 'reservation' | 'mixed'>;
  /** Who bought: the partner, or the customer itself under a purchase permission. */
  origin: Fixed<Origin>;
  status: 'completed' | 'pending' | 'cancelled';
  billing_cycle: string;
  currency_code: string;
  total_minor: number;
  lines: Json<OrderLine[]>;
  bought_by_id: Fixed<string | null>;
  /** User principal name, or application id. */
  bought_by: Fixed<string>;
  created_on: Fixed<Date>;
  approval_expires_on: Date | null;
  decided_on: Date | null;
  decided_by: string | null;
  version: number;
}

/** Limits on what a customer buys itself. Absent: no limit of that kind. Money is decimal text in `currencyCode`. */
export interface Guards {
  allowedSubscriptions?: string[];
  allowedProductTypes?: string[];
  allowedTerms?: Term[];
  allowedBillingPlans?: BillingPlan[];
  currencyCode?: string;
  capPerPurchase?: string;
  capPerMonth?: string;
  capOutstanding?: string;
  /** From here on nothing can be bought. */
  expiresOn?: string;
  /** A purchase above it waits for the partner. */
  approvalAbove?: string;
  /** How long it waits. */
  approvalHours?: number;
}

export interface PurchaseGuardsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  resource: Fixed<PermissionResource>;
  guards: Json<Guards>;
  version: number;
  changed_on: Date;
  changed_by: string;
}

export interface ChangeRequestsTable {
  partner_id: Fixed<string>;
  customer_id: Fixed<string>;
  change_request_id: Fixed<string>;
  kind: Fixed<'exchange' | 'cancel' | 'renew' | 'scope'>;
  status: 'open' | 'approved' | 'declined';
  reservation_order_id: Fixed<string>;
  reservation_id: Fixed<string>;
  request: Json<object>;
  comment: string | null;
  outcome: Json<object | null, string | null>;
  requested_by_id: Fixed<string | null>;
  requested_by: Fixed<string>;
  created_on: Fixed<Date>;
  decided_on: Date | null;
  decided_by: string | null;
  version: number;
}

export interface WebhookRegistrationsTable {
  partner_id: Fixed<string>;
  subscriber_id: Fixed<string>;
  webhook_url: string;
  webhook_events: string[];
  signature_to_ms_signature_header: boolean;
  version: number;
  changed_on: Date;
  changed_by: string;
  /** What occurred before is not sent; null: made before it was written down. */
  registered_on: Fixed<Date | null>;
}

export interface WebhookKeysTable {
  partner_id: Fixed<string>;
  key_id: Fixed<string>;
  /** PEM, X.509. */
  certificate: Fixed<string>;
  sealed_key: Fixed<Buffer>;
  created_on: Fixed<Date>;
  expires_on: Fixed<Date>;
}

export interface DeliveryResult {
  attemptedOn: string;
  /** Of the answer; absent where there was none. */
  responseCode?: number;
  message: string;
}

export interface WebhookEventsTable {
  partner_id: Fixed<string>;
  /** Nil uuid: it concerns no customer. */
  customer_id: Fixed<string>;
  /** UUIDv7. Events of a customer are in order of `occurred_on`, then of this. */
  event_id: Fixed<string>;
  event_name: Fixed<string>;
  payload: Json<object>;
  correlation_id: Fixed<string>;
  status: 'waiting' | 'delivered' | 'failed';
  /** Attempts begun. */
  attempts: number;
  /** While an attempt runs: the end of its lease. */
  next_attempt_on: Date;
  results: Json<DeliveryResult[]>;
  occurred_on: Fixed<Date>;
}

export interface PurchaseTables {
  retail_prices: RetailPricesTable;
  price_books: PriceBooksTable;
  customer_agreements: CustomerAgreementsTable;
  quotes: QuotesTable;
  carts: CartsTable;
  orders: OrdersTable;
  reservation_orders: ReservationOrdersTable;
  reservations: ReservationsTable;
  reservation_revisions: ReservationRevisionsTable;
  refund_sessions: RefundSessionsTable;
  refunds: RefundsTable;
  purchase_guards: PurchaseGuardsTable;
  change_requests: ChangeRequestsTable;
  webhook_registrations: WebhookRegistrationsTable;
  webhook_keys: WebhookKeysTable;
  webhook_events: WebhookEventsTable;
}
