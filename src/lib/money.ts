import Big from 'big.js';

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Whether it is a currency code of ISO 4217, in upper case. */
export function isCurrency(code: string): boolean {
  return CURRENCIES.has(code);
}

const DIGITS = new Map<string, number>();

/** Digits after the decimal point of a currency (ISO 4217): USD 2, JPY 0. */
export function minorDigits(currencyCode: string): number {
  const known = DIGITS.get(currencyCode);
  if (known !== undefined) return known;
  // Kept: making the format was 4 % of the processor time of a purchase.
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: currencyCode });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  DIGITS.set(currencyCode, digits);
  return digits;
}

/** A decimal in the minor unit of its currency, half away from zero: `12.345` USD is 1235. */
export function toMinor(amount: Big.BigSource, currencyCode: string): number {
  return Big(amount)
    .times(Big(10).pow(minorDigits(currencyCode)))
    .round(0, Big.roundHalfUp)
    .toNumber();
}

/** Minor units as decimal text with all digits of the currency: 1235 is `12.35`. */
export function toDecimal(minor: number, currencyCode: string): string {
  const digits = minorDigits(currencyCode);
  return Big(minor).div(Big(10).pow(digits)).toFixed(digits);
}

/** Minor units as the JSON number that the contracts of Azure and Partner Center have; for answers alone. */
export function toAmount(minor: number, currencyCode: string): number {
  return Number(toDecimal(minor, currencyCode));
}

/** Whether decimal text has no more digits after the point than the currency. */
export function fitsCurrency(amount: string, currencyCode: string): boolean {
  return (amount.split('.')[1]?.length ?? 0) <= minorDigits(currencyCode);
}

/** `price` with a margin in percent on top, decimal text. */
export function withMargin(price: string, marginPercent: string): Big {
  return Big(price).times(Big(100).plus(marginPercent)).div(100);
}

/** Parts as equal as they can be that add up to `minor`; the larger ones come first. */
export function split(minor: number, parts: number): number[] {
  const least = Math.floor(minor / parts);
  const larger = minor - least * parts;
  return Array.from({ length: parts }, (_, index) => (index < larger ? least + 1 : least));
}
