import type { Reading } from '../../db/connect.js';
import type { QuotedRequest } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import { toAmount } from '../../lib/money.js';
import { uuidv4 } from '../../lib/uuid.js';
import { findPrice } from '../prices/find-price.js';
import { findReservationType } from '../products/reservation-types.js';
import { schedulePayments } from '../reservations/payments.js';
import type { QuoteRow } from './queries.js';
import type { CalculatePriceResponse } from './schemas.js';

/**
 * The request in the spelling of the catalogue.
 * @throws ApiError InvalidInput, ARM code UnsupportedReservationTerm for a term the type is not sold for
 */
export function readProduct(request: QuotedRequest): QuotedRequest {
  const type = findReservationType(request.reservedResourceType);
  if (!type) {
    throw new ApiError('InvalidInput', {
      description: `There are no reservations of the type '${request.reservedResourceType}'. The catalogue lists those there are.`,
    });
  }
  if (!type.terms.includes(request.term)) {
    throw new ApiError('InvalidInput', {
      armCode: 'UnsupportedReservationTerm',
      description: `${type.title} is sold for ${type.terms.join(', ')}, not for ${request.term}.`,
    });
  }
  if (!type.billingPlans.includes(request.billingPlan)) {
    throw new ApiError('InvalidInput', {
      description: `${type.title} is sold with the billing plan ${type.billingPlans.join(', ')}, not ${request.billingPlan}.`,
    });
  }
  return { ...request, reservedResourceType: type.reservedResourceType };
}

/**
 * A price that holds until it expires, whatever becomes of prices and price book meanwhile.
 * @throws ApiError PriceNotFound
 */
export async function makeQuote(
  db: Reading,
  of: { partnerId: string; customerId: string; createdBy: string; minutes: number },
  request: QuotedRequest,
  now: Date,
): Promise<QuoteRow> {
  const { partnerId, customerId } = of;
  const price = await findPrice(db, partnerId, { ...request, customerId, at: now });
  if (!price) {
    throw new ApiError('PriceNotFound', {
      description: `There is no price for ${request.quantity} × ${request.skuName} in ${request.location} for ${request.term}. Choose a SKU and a location that the catalogue lists.`,
    });
  }
  return {
    partner_id: partnerId,
    quote_id: uuidv4(),
    customer_id: customerId,
    request: { ...request, skuName: price.skuDescription },
    price,
    created_on: now,
    created_by: of.createdBy,
    expires_on: new Date(now.getTime() + of.minutes * 60_000),
  };
}

/** https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation-order/calculate */
export function toCalculatePriceResponse({
  quote_id: id,
  request,
  price,
  created_on: on,
  expires_on,
}: QuoteRow): CalculatePriceResponse {
  const { currencyCode, totalMinor } = price;
  const money = (minor: number) => ({ currencyCode, amount: toAmount(minor, currencyCode) });
  const total = toAmount(totalMinor, currencyCode);
  return {
    properties: {
      billingCurrencyTotal: money(totalMinor),
      netTotal: total,
      taxTotal: 0,
      grandTotal: total,
      isTaxIncluded: false,
      isBillingPartnerManaged: true,
      reservationOrderId: id,
      skuTitle: price.skuTitle,
      skuDescription: price.skuDescription,
      pricingCurrencyTotal: money(totalMinor),
      paymentSchedule: schedulePayments(totalMinor, request.billingPlan, request.term, on).map(
        ({ dueDate, minor }) => ({
          dueDate,
          pricingCurrencyTotal: money(minor),
          billingCurrencyTotal: money(minor),
          status: 'Scheduled',
        }),
      ),
      quoteExpiryDateTime: expires_on.toISOString(),
    },
  };
}
