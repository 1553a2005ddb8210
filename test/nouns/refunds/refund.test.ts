import fc from 'fast-check';
import t from 'tap';
import type { ScheduledPayment } from '../../../src/db/reservation-tables.js';
import { limitTaken } from '../../../src/nouns/refunds/limit.js';
import { type Refund, type RefundedOrder, type RefundTerms, refundOf } from '../../../src/nouns/refunds/refund.js';
import { exchangeSunset, feePercent, readRefundFee, refundLimit } from '../../../src/nouns/refunds/rules.js';
import { endOfTerm, schedulePayments } from '../../../src/nouns/reservations/payments.js';

interface Bought {
  plan?: 'Upfront' | 'Monthly';
  term?: 'P1Y' | 'P3Y';
  start?: string;
  unit: number;
  quantity?: number;
}

function order({ plan = 'Upfront', term = 'P1Y', start = '2026-01-01', unit, quantity = 1 }: Bought): RefundedOrder {
  const begins = new Date(`${start}T10:00:00Z`);
  return {
    currency_code: 'USD',
    unit_minor: unit,
    payments: schedulePayments(unit * quantity, plan, term, begins),
    benefit_start_on: begins,
    expires_on: endOfTerm(begins, term),
  };
}

const NO_FEE: RefundTerms = { currentUnitMinor: undefined, feePercent: '0' };
const minors = (payments: readonly ScheduledPayment[]) => payments.map(({ minor }) => minor);

interface Row {
  bought: Bought;
  at: string;
  terms?: Partial<RefundTerms>;
  want: Partial<Refund>;
}
const YEAR: Bought = { unit: 36500 };
const MONTHS: Bought = { plan: 'Monthly', unit: 12000 };
const ROWS: Readonly<Record<string, Row>> = {
  'on the day of the purchase all of it': {
    bought: YEAR,
    at: '2026-01-01T23:59:59Z',
    want: {
      paidMinor: 36500,
      refundMinor: 36500,
      commitmentMinor: 36500,
      completedTransactions: 1,
      totalTransactions: 1,
    },
  },
  'a day counts when it has passed': { bought: YEAR, at: '2026-01-02T09:59:59Z', want: { refundMinor: 36500 } },
  'and then as a whole': { bought: YEAR, at: '2026-01-02T10:00:00Z', want: { refundMinor: 36400 } },
  'after 100 days': { bought: YEAR, at: '2026-04-11T10:00:00Z', want: { refundMinor: 26500, unpaidMinor: 0 } },
  'on the last day one day': { bought: YEAR, at: '2026-12-31T12:00:00Z', want: { refundMinor: 100 } },
  'nothing when it has ended': {
    bought: YEAR,
    at: '2027-01-01T10:00:00Z',
    want: { refundMinor: 0, commitmentMinor: 0 },
  },
  'a year with February 29 has 366 days': {
    bought: { unit: 36600, start: '2027-06-01' },
    at: '2027-06-02T10:00:00Z',
    want: { refundMinor: 36500 },
  },
  'three years with one have 1096': {
    bought: { unit: 109600, term: 'P3Y', start: '2026-03-01' },
    at: '2026-03-02T10:00:00Z',
    want: { refundMinor: 109500 },
  },
  'half a cent goes to the customer': {
    bought: { unit: 73 },
    at: '2026-07-02T10:00:00Z',
    want: { refundMinor: 37 },
  },
  '99.726 is 99.73': { bought: { unit: 10000 }, at: '2026-01-02T10:00:00Z', want: { refundMinor: 9973 } },
  'what is free stays free': {
    bought: { unit: 0 },
    at: '2026-02-02T10:00:00Z',
    want: { refundMinor: 0, commitmentMinor: 0 },
  },
  'a lower price of today counts': {
    bought: YEAR,
    at: '2026-04-11T10:00:00Z',
    terms: { currentUnitMinor: 18250 },
    want: { refundMinor: 13250, paidMinor: 36500 },
  },
  'a higher one does not': {
    bought: YEAR,
    at: '2026-04-11T10:00:00Z',
    terms: { currentUnitMinor: 99999 },
    want: { refundMinor: 26500 },
  },
  'a fee is a part of the refund': {
    bought: YEAR,
    at: '2026-04-11T10:00:00Z',
    terms: { feePercent: '12' },
    want: { feeMinor: 3180, refundMinor: 23320, commitmentMinor: 26500 },
  },
  'monthly: the rest of the month is paid back, the months to come end': {
    bought: MONTHS,
    at: '2026-01-15T10:00:00Z',
    want: { paidMinor: 1000, unpaidMinor: 11000, refundMinor: 540, commitmentMinor: 11540, totalTransactions: 12 },
  },
  'monthly on the first day: the first payment': {
    bought: MONTHS,
    at: '2026-01-01T10:00:00Z',
    want: { refundMinor: 1000, commitmentMinor: 12000, completedTransactions: 1 },
  },
  'monthly on the last day: one day, and nothing is left to pay': {
    bought: { plan: 'Monthly', unit: 36500 },
    at: '2026-12-31T12:00:00Z',
    want: { paidMinor: 36500, unpaidMinor: 0, refundMinor: 100 },
  },
  'monthly, 61 days for two payments: nothing, and nothing more to pay': {
    bought: { ...MONTHS, start: '2026-07-01' },
    at: '2026-08-31T10:00:00Z',
    want: { paidMinor: 2000, refundMinor: 0, commitmentMinor: 10000 },
  },
  'monthly at half the price': {
    bought: MONTHS,
    at: '2026-01-15T10:00:00Z',
    terms: { currentUnitMinor: 6000 },
    want: { refundMinor: 270, unpaidMinor: 11000 },
  },
  'a payment due today was made': {
    bought: MONTHS,
    at: '2026-02-01T00:00:00Z',
    want: { completedTransactions: 2, paidMinor: 2000 },
  },
};

t.test('a return pays back the days not used of what was paid, to the cent', (t) => {
  for (const [name, { bought, at, terms, want }] of Object.entries(ROWS)) {
    t.match(refundOf(order(bought), 1, 1, new Date(at), { ...NO_FEE, ...terms }), want, name);
  }
  t.end();
});

t.test('a whole return ends the payments to come; a part leaves the schedule of what lives on', (t) => {
  const bought = order({ plan: 'Monthly', unit: 1000, quantity: 3 });
  const at = new Date('2026-01-15T10:00:00Z');
  const whole = refundOf(bought, 3, 3, at, NO_FEE);
  t.same(minors(whole.payments), Array(12).fill(250), 'the amounts stay readable');
  t.same(
    whole.payments.map(({ cancelled }) => cancelled ?? false),
    [false, ...Array(11).fill(true)],
  );
  const part = refundOf(bought, 3, 1, at, NO_FEE);
  t.match(part, { paidMinor: 83, unpaidMinor: 917 });
  t.same(minors(part.payments), [250, 167, 167, 167, 167, 167, 167, 167, 166, 166, 166, 166]);
  t.notOk(part.payments.some(({ cancelled }) => cancelled));
  t.end();
});

t.test('whatever is returned in whatever parts and whenever, the payments add up to the cent', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom('Upfront' as const, 'Monthly' as const),
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 364 })), { minLength: 1 }),
      fc.integer({ min: 0, max: 9 }),
      (plan, unit, returns, kept) => {
        const quantity = returns.reduce((sum, [units]) => sum + units, kept);
        let current = order({ plan, unit, quantity });
        let living = quantity;
        let ended = 0;
        for (const [units, day] of returns.toSorted(([, a], [, b]) => a - b)) {
          const at = new Date(current.benefit_start_on.getTime() + day * 86_400_000);
          const refund = refundOf(current, living, units, at, NO_FEE);
          if (refund.paidMinor + refund.unpaidMinor !== unit * units) return false;
          if (refund.refundMinor < 0 || refund.refundMinor > refund.paidMinor || refund.unpaidMinor < 0) return false;
          ended += refund.unpaidMinor;
          living -= units;
          current = { ...current, payments: refund.payments };
        }
        const left = current.payments.reduce((sum, { minor, cancelled }) => sum + (cancelled ? 0 : minor), 0);
        return left === unit * quantity - ended;
      },
    ),
    { numRuns: 500 },
  );
  t.end();
});

t.test('the rules are those of their day', (t) => {
  t.same(refundLimit(new Date()), { maxMinor: 5_000_000, currencyCode: 'USD', windowDays: 365 });
  const fees = ['2026-07-01=0', '2020-01-01=12@5'].map(readRefundFee);
  const bought = new Date('2026-06-01T10:00:00Z');
  t.equal(feePercent(fees, bought, new Date('2026-06-06T10:00:00Z')), '0', 'five days are free');
  t.equal(feePercent(fees, bought, new Date('2026-06-06T10:00:01Z')), '12');
  t.equal(feePercent(fees, bought, new Date('2026-07-01T00:00:00Z')), '0', 'a later rule takes its place');
  t.equal(feePercent([readRefundFee('2026-01-01=1.5')], bought, new Date('2026-06-01T10:00:01Z')), '1.5');
  t.equal(feePercent([readRefundFee('2026-07-01=12')], bought, new Date('2026-06-10T10:00:00Z')), '0', 'not before');
  t.equal(feePercent([], bought, new Date('2026-06-10T10:00:00Z')), '0');
  const sold = (day: string) => new Date(`${day}T12:00:00Z`);
  t.equal(exchangeSunset('VirtualMachines', sold('2027-02-01')), undefined);
  t.match(exchangeSunset('VirtualMachines', sold('2027-02-02')), { purchasedAfter: '2027-02-01' });
  t.equal(exchangeSunset('SqlDatabases', sold('2028-01-01')), undefined);
  t.end();
});

t.test('what another currency takes of the limit follows from the retail prices of the product in both', (t) => {
  const pair = (inOrderCurrency?: string, inLimitCurrency?: string) => ({ inOrderCurrency, inLimitCurrency });
  t.equal(limitTaken(12345, 'USD', 'USD', pair()), 12345, 'the same currency needs none');
  t.equal(limitTaken(10000, 'EUR', 'USD', pair('800', '1000')), 12500);
  t.equal(limitTaken(10000, 'JPY', 'USD', pair('150000', '1000')), 6667, 'a currency without cents');
  t.equal(limitTaken(0, 'EUR', 'USD', pair()), 0);
  for (const missing of [pair(), pair('800'), pair(undefined, '1000'), pair('0', '1000')]) {
    t.equal(limitTaken(10000, 'EUR', 'USD', missing), undefined);
  }
  t.end();
});
