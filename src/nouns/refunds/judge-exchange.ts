import type { Term } from '../../db/column-types.js';
import type { QuotedPrice, QuotedRequest } from '../../db/purchase-tables.js';
import type { Reason } from '../../errors/api-error.js';
import { toDecimal } from '../../lib/money.js';
import type { ReservationType } from '../products/reservation-types.js';
import { exchangeSunset } from './rules.js';

/** One reservation that is given back for others. */
export interface ExchangedReservation {
  reservationId: string;
  reservedResourceType: string;
  boughtOn: Date;
  currencyCode: string;
  /** What is left of its commitment, minor units. */
  commitmentMinor: number;
}

/** One reservation that is taken for others, with what is known of it. */
export interface ExchangePurchase {
  request: QuotedRequest;
  /** Undefined: there is no price. */
  price: QuotedPrice | undefined;
  /** Why the billing subscription or the scope will not do, and what to do. */
  flaws: readonly Reason[];
}

type FindType = (name: string) => ReservationType | undefined;

/**
 * Whether reservations can be exchanged for others: of the same product family, for at least what is left of the
 * commitment (https://learn.microsoft.com/azure/cost-management-billing/reservations/exchange-and-refund-azure-reservations).
 * Every reason is answered, each with what to do.
 */
export function judgeExchange(
  returned: readonly ExchangedReservation[],
  purchases: readonly ExchangePurchase[],
  findType: FindType,
): Reason[] {
  const reasons = [...returned.flatMap(judgeReturned(findType)), ...purchases.flatMap(judgePurchase(findType))];
  const families = new Set(
    [...returned.map((one) => one.reservedResourceType), ...purchases.map((one) => one.request.reservedResourceType)]
      .map(findType)
      .flatMap((type) => (type ? [type.exchangeFamily] : [])),
  );
  if (families.size > 1) {
    reasons.push({
      code: 'ExchangeFamilyMismatch',
      message: `Reservations can be exchanged within one product family, not ${[...families].join(' for ')}. Return them and buy the others instead.`,
    });
  }
  return reasons.length > 0 ? reasons : judgeValue(returned, purchases);
}

function judgeReturned(findType: FindType) {
  return ({ reservationId, reservedResourceType, boughtOn }: ExchangedReservation): Reason[] => {
    const type = findType(reservedResourceType);
    if (type?.refundable !== true) {
      const message = `Reservation ${reservationId} of ${type?.title ?? reservedResourceType} cannot be exchanged. Keep it until it ends.`;
      return [{ code: 'SelfServiceRefundNotSupported', message }];
    }
    const sunset = exchangeSunset(type.reservedResourceType, boughtOn);
    if (!sunset) return [];
    const message = `Reservation ${reservationId} was bought after ${sunset.purchasedAfter} and is of a service that ${sunset.coveredBy} covers: it cannot be exchanged. Return it within the refund limit instead.`;
    return [{ code: 'ExchangeNotSupported', message }];
  };
}

function judgePurchase(findType: FindType) {
  return ({ request, price, flaws }: ExchangePurchase): Reason[] => {
    const { reservedResourceType, skuName, location, term, billingPlan } = request;
    const type = findType(reservedResourceType);
    if (!type || !price) {
      const message = `There is no price for ${reservedResourceType}, ${skuName} in ${location} for ${term}. Choose one that the catalogue lists.`;
      return [...flaws, { code: 'CalculatePriceFailed', message }];
    }
    const reasons = [...flaws];
    if (!type.terms.includes(term satisfies Term)) {
      const message = `${type.title} is not sold for ${term}. Choose one of ${type.terms.join(', ')}.`;
      reasons.push({ code: 'UnsupportedReservationTerm', message });
    }
    if (!type.billingPlans.includes(billingPlan)) {
      const message = `${type.title} is not billed ${billingPlan}. Choose one of ${type.billingPlans.join(', ')}.`;
      reasons.push({ code: 'BillingCustomerInputError', message });
    }
    return reasons;
  };
}

function judgeValue(returned: readonly ExchangedReservation[], purchases: readonly ExchangePurchase[]): Reason[] {
  const currencies = new Set([
    ...returned.map((one) => one.currencyCode),
    ...purchases.flatMap(({ price }) => (price ? [price.currencyCode] : [])),
  ]);
  const [currency = 'USD'] = currencies;
  if (currencies.size > 1) {
    const message = `The reservations are priced in ${[...currencies].join(' and ')}. Exchange those of one currency; a price book in the currency they were bought in prices the others so.`;
    return [{ code: 'ExchangeCurrencyMismatch', message }];
  }
  const left = returned.reduce((sum, one) => sum + one.commitmentMinor, 0);
  const taken = purchases.reduce((sum, { price }) => sum + (price?.totalMinor ?? 0), 0);
  if (taken >= left) return [];
  const message = `The new reservations come to ${toDecimal(taken, currency)} ${currency}, less than the ${toDecimal(left, currency)} ${currency} left of the old ones. Choose a longer term or a greater quantity.`;
  return [{ code: 'ExchangeValueTooLow', message }];
}
