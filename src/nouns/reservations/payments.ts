import type { BillingPlan, ScheduledPayment, Term } from '../../db/tables.js';
import { split } from '../../lib/money.js';

const YEARS: Readonly<Record<Term, number>> = { P1Y: 1, P3Y: 3, P5Y: 5 };

/** `start` moved by calendar months, UTC; the last day of a shorter month where the day does not exist. */
export function addMonths(start: Date, months: number): Date {
  const moved = new Date(start);
  moved.setUTCDate(1);
  moved.setUTCMonth(moved.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate();
  moved.setUTCDate(Math.min(start.getUTCDate(), lastDay));
  return moved;
}

export function endOfTerm(start: Date, term: Term): Date {
  return addMonths(start, YEARS[term] * 12);
}

/** The payments of a purchase: one now, or one a month that add up to the total exactly, the larger ones first. */
export function schedulePayments(totalMinor: number, plan: BillingPlan, term: Term, start: Date): ScheduledPayment[] {
  const count = plan === 'Upfront' ? 1 : YEARS[term] * 12;
  return split(totalMinor, count).map((minor, index) => ({
    dueDate: addMonths(start, index).toISOString().slice(0, 10),
    minor,
  }));
}
