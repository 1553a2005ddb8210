import type { Reading } from '../../db/connect.js';
import type { CartLine } from '../../db/tables.js';
import { ApiError } from '../../errors/api-error.js';
import type { ErrorName } from '../../errors/catalogue.js';
import { judgeLine, type WantedLine } from '../orders/judge-line.js';
import { getItem, type OrderingFacts } from '../orders/load-facts.js';
import type { CartCreate } from './schemas.js';

type SentLine = CartCreate['lineItems'][number];

/** https://learn.microsoft.com/partner-center/developer/cart-resources#carterrorcode */
const CODES = {
  CurrencyIsNotSupported: 10000,
  CatalogItemIdIsNotValid: 10001,
  UnableToProcessCartLineItem: 10006,
  SubscriptionIsNotValid: 10007,
  InvalidInput: 10010,
  SubscriptionNotRegistered: 10011,
} as const;

/** The error of a line by the refusal that an order would answer; what is not named here cannot be processed. */
const CODE_OF: Partial<Record<ErrorName, keyof typeof CODES>> = {
  CurrencyNotSupported: 'CurrencyIsNotSupported',
  InvalidOfferId: 'CatalogItemIdIsNotValid',
  ProductNotFound: 'CatalogItemIdIsNotValid',
  SkuNotFound: 'CatalogItemIdIsNotValid',
  AvailabilityNotFound: 'CatalogItemIdIsNotValid',
  NotAnAzureSubscription: 'SubscriptionIsNotValid',
  AzureSubscriptionNotActive: 'SubscriptionIsNotValid',
  SubscriptionNotReady: 'SubscriptionIsNotValid',
  EntitlementNotActive: 'SubscriptionIsNotValid',
  ItemNotForSubscription: 'SubscriptionIsNotValid',
  AzurePlanEmpty: 'SubscriptionIsNotValid',
  QuantityNotInRange: 'InvalidInput',
  BillingCycleInvalid: 'InvalidInput',
  TermDurationInvalid: 'InvalidInput',
  ScopeNotSupported: 'InvalidInput',
  EntitlementRequired: 'InvalidInput',
  AzurePlanRequired: 'InvalidInput',
  SubscriptionNotRegistered: 'SubscriptionNotRegistered',
};

const RESELLER = 'transaction_reseller';

/** A cart's line as an order has it. */
export function toWantedLine({ catalogItemId, participants, ...line }: Omit<CartLine, 'id'>): WantedLine {
  const reseller = participants?.find(({ key }) => key.toLowerCase() === RESELLER)?.value;
  const { friendlyName, quantity, billingCycle, termDuration, currencyCode, provisioningContext } = line;
  return {
    offerId: catalogItemId,
    quantity,
    billingCycle,
    ...(friendlyName !== undefined && { friendlyName }),
    ...(termDuration !== undefined && { termDuration }),
    ...(currencyCode !== undefined && { currencyCode }),
    ...(provisioningContext && { provisioningContext }),
    ...(reseller !== undefined && { partnerIdOnRecord: reseller }),
  };
}

/** Under their ids: a line that was there keeps its own, every other one gets the next that is free. */
function withIds(sent: readonly SentLine[], before: readonly CartLine[]): (SentLine & { id: number })[] {
  const known = new Set(before.map(({ id }) => id));
  const taken = new Set<number>();
  const kept = sent.map(({ id }) => {
    const keeps = id !== undefined && known.has(id) && !taken.has(id);
    if (keeps) taken.add(id);
    return keeps ? id : undefined;
  });
  let next = 0;
  return sent.map((line, index) => {
    let id = kept[index];
    if (id === undefined) {
      while (taken.has(next)) next++;
      id = next;
      taken.add(id);
    }
    return { ...line, id };
  });
}

/**
 * The lines of a cart, each with what is wrong with it. Those that are right are grouped: what is billed alike, and is of
 * one kind, becomes one order.
 * @param before the lines as they were, none of a new cart
 */
export async function judgeCart(
  db: Reading,
  partnerId: string,
  facts: OrderingFacts,
  sent: readonly SentLine[],
  before: readonly CartLine[],
): Promise<CartLine[]> {
  const groups = new Map<string, string>();
  const lines: CartLine[] = [];
  for (const { addonItems, billingCycle = 'unknown', ...rest } of withIds(sent, before)) {
    const line: CartLine = { ...rest, billingCycle };
    try {
      const item = await getItem(db, partnerId, line.catalogItemId, facts.now);
      if (addonItems && addonItems.length > 0) {
        throw new ApiError('ItemNotEligible', { description: `${item.title} has no add-ons. Leave addonItems out.` });
      }
      const judged = judgeLine(toWantedLine(line), item, facts);
      const key = `${judged.kind} ${judged.billingCycle}`;
      const orderGroup = groups.get(key) ?? String(groups.size);
      groups.set(key, orderGroup);
      lines.push({ ...line, catalogItemId: item.catalogItemId, billingCycle: judged.billingCycle, orderGroup });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const errorCode = CODES[CODE_OF[error.errorName] ?? 'UnableToProcessCartLineItem'];
      lines.push({ ...line, error: { errorCode, errorDescription: error.message } });
    }
  }
  return lines;
}
