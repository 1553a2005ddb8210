import { ApiError } from '../errors/api-error.js';
import { shown } from './shown.js';

const DAY = 86_400_000;
// https://learn.microsoft.com/partner-center/developer/get-a-record-of-partner-center-activity-by-user
const MAX_AGE_DAYS = 90;
const MAX_WINDOW_DAYS = 30;

export interface AuditDate {
  readonly at: Date;
  /** The text named a day and no time. */
  readonly wholeDay: boolean;
}

const isoDay = /^(\d{4})-(\d{2})-(\d{2,3})$/;
// A "+" that was not encoded arrives as a blank.
const isoDateTime =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?(?:Z|([-+ ])(\d{2}):(\d{2}))?$/i;
const invariantCulture = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?: (\d{1,2}):(\d{2}):(\d{2})(?: (AM|PM))?)?$/i;

interface Parts {
  year: number;
  month: number;
  day: number;
  hour?: number;
  minute?: number;
  second?: number;
  millisecond?: number;
}

function startOfDay(time: number): number {
  return time - (time % DAY);
}

/** Undefined when a part is out of its range; Date.UTC would carry it over. */
function utc(parts: Parts): Date | undefined {
  const { year, month, day, hour = 0, minute = 0, second = 0, millisecond = 0 } = parts;
  if (year < 2000 || year > 2100 || hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second, millisecond));
  return date.getUTCMonth() === month - 1 ? date : undefined;
}

function readIsoDay(text: string): Date | undefined {
  const match = isoDay.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (day <= 31) return utc({ year, month, day });
  // The Java SDK prints the day of the year: 2026-11-324 (Azure/Partner-Center-Java#149).
  const date = new Date(Date.UTC(year, 0, day));
  const agrees = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1;
  return agrees ? utc({ year, month, day: date.getUTCDate() }) : undefined;
}

function readIsoDateTime(text: string): Date | undefined {
  const match = isoDateTime.exec(text);
  if (match === null) return undefined;
  const date = utc({
    year: Number(match[1]),
    month: Number(match[2]),
    day: Number(match[3]),
    hour: Number(match[4]),
    minute: Number(match[5]),
    second: Number(match[6] ?? 0),
    millisecond: Number((match[7] ?? '').padEnd(3, '0').slice(0, 3)),
  });
  const [hours, minutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (date === undefined || hours > 14 || minutes > 59) return undefined;
  const offset = (hours * 60 + minutes) * 60_000;
  return new Date(date.getTime() + (match[8] === '-' ? offset : -offset));
}

function readInvariantCulture(text: string): Date | undefined {
  const match = invariantCulture.exec(text);
  if (match === null) return undefined;
  const half = match[7]?.toUpperCase();
  let hour = Number(match[4] ?? 0);
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return undefined;
    hour = (hour % 12) + (half === 'PM' ? 12 : 0);
  }
  return utc({
    year: Number(match[3]),
    month: Number(match[1]),
    day: Number(match[2]),
    hour,
    minute: Number(match[5] ?? 0),
    second: Number(match[6] ?? 0),
  });
}

/**
 * Reads a date of the audit log in every form published clients send: `2020-09-02`,
 * `6/1/2017 12:00:00 AM`, `06/15/2017 00:00:00`, ISO 8601 with or without zone, Java's day of the year. UTC where no
 * zone is named, years 2000 to 2100. Midnight in the .NET form is a whole day: .NET has no other way to write a date.
 *
 * @throws ApiError InvalidDate
 */
export function parseAuditDate(text: string): AuditDate {
  const day = readIsoDay(text);
  const invariant = readInvariantCulture(text);
  const at = day ?? invariant ?? readIsoDateTime(text);
  if (at === undefined) {
    throw new ApiError('InvalidDate', {
      description: `${shown(text)} is not a date of the years 2000 to 2100. Send it as yyyy-mm-dd.`,
    });
  }
  return { at, wholeDay: day !== undefined || invariant?.getTime() === startOfDay(at.getTime()) };
}

/** From `from` on, before `until`. */
export interface AuditWindow {
  readonly from: Date;
  readonly until: Date;
}

/**
 * The window an audit query asks for, in whole UTC days where a date names no time. Start: 30 days before today; end:
 * 30 days after the start or now, whichever is earlier; equal dates are that whole day. A start more than 90 days ago
 * is refused. So is a window of more than 30 days, and not cut: a reader of a log must not take a part for the whole.
 * A start in the future is an empty window, because it is already tomorrow where some callers live.
 *
 * @throws ApiError InvalidDate
 */
export function auditWindow(start: string | undefined, end: string | undefined, now: Date): AuditWindow {
  const today = startOfDay(now.getTime());
  const first = start === undefined ? undefined : parseAuditDate(start);
  const last = end === undefined ? undefined : parseAuditDate(end);
  const from = first?.at.getTime() ?? today - MAX_WINDOW_DAYS * DAY;
  const firstDay = startOfDay(from);

  if (firstDay < today - MAX_AGE_DAYS * DAY) {
    throw new ApiError('InvalidDate', {
      description: `The start date ${shown(start)} is more than ${MAX_AGE_DAYS} days ago. Send a later one.`,
    });
  }
  if (last === undefined) {
    const until = Math.min(firstDay + (MAX_WINDOW_DAYS + 1) * DAY, now.getTime() + 1);
    return { from: new Date(from), until: new Date(Math.max(from, until)) };
  }
  const to = last.at.getTime();
  if (to < from && !(last.wholeDay && to === firstDay)) {
    throw new ApiError('InvalidDate', { description: `The end date ${shown(end)} is before the start date.` });
  }
  if (startOfDay(to) - firstDay > MAX_WINDOW_DAYS * DAY) {
    throw new ApiError('InvalidDate', {
      description: `The dates are more than ${MAX_WINDOW_DAYS} days apart. Ask in slices of ${MAX_WINDOW_DAYS} days.`,
    });
  }
  if (to === from) return { from: new Date(firstDay), until: new Date(firstDay + DAY) };
  return { from: new Date(from), until: new Date(last.wholeDay ? to + DAY : to + 1) };
}

/**
 * A time as an audit record shows it: UTC with seven fractional digits
 * (https://learn.microsoft.com/partner-center/developer/auditing-resources).
 */
export function formatAuditDate(date: Date): string {
  return date.toISOString().replace('Z', '0000Z');
}
