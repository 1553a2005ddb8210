import t from 'tap';
import type { QuotedPrice, QuotedRequest } from '../../../src/db/purchase-tables.js';
import { findReservationType } from '../../../src/nouns/products/reservation-types.js';
import {
  type ExchangedReservation,
  type ExchangePurchase,
  judgeExchange,
} from '../../../src/nouns/refunds/judge-exchange.js';

const old = (change: Partial<ExchangedReservation> = {}): ExchangedReservation => ({
  reservationId: '6ef59113-3482-40da-8d79-787f823e34bc',
  reservedResourceType: 'VirtualMachines',
  boughtOn: new Date('2026-06-01T00:00:00Z'),
  currencyCode: 'USD',
  commitmentMinor: 60_000,
  ...change,
});

const taken = (
  request: Partial<QuotedRequest> = {},
  price: Partial<QuotedPrice> | undefined = {},
  flaws: ExchangePurchase['flaws'] = [],
): ExchangePurchase => ({
  request: {
    azureSubscriptionId: '0f6a5f8a-2b6f-4d7e-8d55-6a6c1b2f3d10',
    reservedResourceType: 'VirtualMachines',
    skuName: 'Standard_D4s_v5',
    location: 'westeurope',
    term: 'P1Y',
    billingPlan: 'Upfront',
    quantity: 1,
    ...request,
  },
  price: {
    currencyCode: 'USD',
    unitMinor: 60_000,
    totalMinor: 60_000,
    retailUnitPrice: '600',
    retailEffectiveOn: '2026-01-01T00:00:00Z',
    priceBookVersion: 0,
    productId: 'DZH318Z0BQ35',
    skuId: '00D4',
    skuTitle: 'Reserved VM Instance',
    skuDescription: 'Standard_D4s_v5',
    ...price,
  },
  flaws,
});

const sql = { reservedResourceType: 'SqlDatabases' };
const ROWS: Readonly<Record<string, [ExchangedReservation[], ExchangePurchase[], string[]]>> = {
  'for exactly what is left': [[old()], [taken()], []],
  'for a cent less': [[old()], [taken({}, { totalMinor: 59_999 })], ['ExchangeValueTooLow']],
  'the sums count': [
    [old(), old({ commitmentMinor: 40_000 })],
    [taken({}, { totalMinor: 70_000 }), taken({}, { totalMinor: 30_000 })],
    [],
  ],
  'and all of them': [[old(), old({ commitmentMinor: 1 })], [taken()], ['ExchangeValueTooLow']],
  'another family': [[old()], [taken(sql)], ['ExchangeFamilyMismatch']],
  'two families for two': [[old(), old(sql)], [taken(), taken(sql)], ['ExchangeFamilyMismatch']],
  'another type of the family': [[old()], [taken({ reservedResourceType: 'DedicatedHost' })], []],
  'what is not refundable': [
    [old({ reservedResourceType: 'RedHat' })],
    [taken({ reservedResourceType: 'RedHat' })],
    ['SelfServiceRefundNotSupported'],
  ],
  'compute bought on the last day of exchanges': [[old({ boughtOn: new Date('2027-02-01T23:00:00Z') })], [taken()], []],
  'compute bought after it': [
    [old({ boughtOn: new Date('2027-02-02T00:00:00Z') })],
    [taken()],
    ['ExchangeNotSupported'],
  ],
  'databases bought after it': [[old({ ...sql, boughtOn: new Date('2027-02-02T00:00:00Z') })], [taken(sql)], []],
  'a term that is not sold': [[old(sql)], [taken({ ...sql, term: 'P5Y' })], ['UnsupportedReservationTerm']],
  'a plan that is not sold': [
    [old()],
    [taken({ reservedResourceType: 'SuseLinux', billingPlan: 'Monthly' })],
    ['BillingCustomerInputError', 'ExchangeFamilyMismatch'],
  ],
  'another currency': [[old({ currencyCode: 'EUR' })], [taken()], ['ExchangeCurrencyMismatch']],
  'everything at once': [
    [old({ boughtOn: new Date('2027-03-01T00:00:00Z') })],
    [taken(sql, {}, [{ code: 'InvalidSubscriptionId', message: 'Name another.' }])],
    ['ExchangeNotSupported', 'InvalidSubscriptionId', 'ExchangeFamilyMismatch'],
  ],
};

t.test('an exchange stays in its family and its value, and every reason is named', (t) => {
  for (const [name, [returned, purchases, codes]] of Object.entries(ROWS)) {
    const reasons = judgeExchange(returned, purchases, findReservationType);
    t.same(
      reasons.map(({ code }) => code),
      codes,
      name,
    );
    for (const { message } of reasons) t.match(message, /\. [A-Z].*\.$|^Name/, name);
  }
  t.end();
});
