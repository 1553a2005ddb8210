/**
 * Reads a time as Partner Center and Azure write it: one without a zone is UTC, a day alone is its start.
 * @returns undefined for what is no time, also for a day that does not exist: `new Date` would carry it over
 */
export function readUtcTime(text: string): Date | undefined {
  const zoned = !text.includes('T') || /(Z|[-+]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
  const time = new Date(zoned);
  if (Number.isNaN(time.getTime())) return undefined;
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? [];
  if (year === undefined) return time;
  const named = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return named.getUTCDate() === Number(day) ? time : undefined;
}
