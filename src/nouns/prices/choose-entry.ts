import type { PriceBookEntry } from '../../db/purchase-tables.js';
import type { PriceKey } from './price-key.js';

/** What an entry can be for, the one that counts most first. */
const SELECTORS = ['customerId', 'skuName', 'location', 'term', 'reservedResourceType'] as const;

/**
 * The entry that prices a product, of those that match it: one for the customer beats every other; then one for the
 * SKU, the location, the term, the product type, in this order. No two entries have the same selectors, so one wins.
 */
export function chooseEntry(
  entries: readonly PriceBookEntry[],
  wanted: PriceKey & { customerId: string },
): PriceBookEntry | undefined {
  const matching = entries.filter((entry) =>
    SELECTORS.every((name) => entry[name] === undefined || entry[name].toLowerCase() === wanted[name].toLowerCase()),
  );
  return matching.reduce<PriceBookEntry | undefined>(
    (best, entry) => (best === undefined || weightOf(entry) > weightOf(best) ? entry : best),
    undefined,
  );
}

function weightOf(entry: PriceBookEntry): number {
  return SELECTORS.reduce((weight, name) => weight * 2 + (entry[name] === undefined ? 0 : 1), 0);
}
