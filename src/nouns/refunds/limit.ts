import Big from 'big.js';
import { toDecimal, toMinor } from '../../lib/money.js';

/** Retail prices of one product in force now, decimal text: what relates a currency to the limit's. */
export interface RetailPair {
  inOrderCurrency: string | undefined;
  inLimitCurrency: string | undefined;
}

/**
 * What a cancelled commitment takes of the limit, in minor units of the limit's currency. There is no exchange rate
 * here: another currency is related to it by the retail prices that Microsoft publishes for the same product in both.
 * @returns undefined where one of the two prices is missing
 */
export function limitTaken(
  commitmentMinor: number,
  currencyCode: string,
  limitCurrency: string,
  prices: RetailPair,
): number | undefined {
  if (currencyCode === limitCurrency || commitmentMinor === 0) return commitmentMinor;
  const { inOrderCurrency, inLimitCurrency } = prices;
  if (inOrderCurrency === undefined || inLimitCurrency === undefined || Big(inOrderCurrency).eq(0)) return undefined;
  const amount = Big(toDecimal(commitmentMinor, currencyCode)).times(inLimitCurrency).div(inOrderCurrency);
  return toMinor(amount, limitCurrency);
}
