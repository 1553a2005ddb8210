/** https://learn.microsoft.com/partner-center/developer/partner-center-webhooks */
export const MAX_ATTEMPTS = 10;

const FIRST = 30_000;
const LONGEST = 4 * 60 * 60 * 1000;
/** Events that failed together are not tried again together. */
const JITTER = 0.2;

/**
 * How long after a failed attempt the next one follows, in milliseconds: 30 s, three times as long after each, 4 h at the
 * most. The ten attempts span about 15 hours, so a receiver may be down for a night.
 * @param attempts made so far, 1 or more
 * @param random from 0 to 1
 */
export function backOff(attempts: number, random: number): number {
  return Math.min(LONGEST, FIRST * 3 ** (attempts - 1)) * (1 - JITTER + 2 * JITTER * random);
}
