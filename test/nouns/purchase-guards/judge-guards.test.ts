import t from 'tap';
import type { Guards } from '../../../src/db/tables.js';
import { type GuardedPurchase, judgeGuards, type Spend } from '../../../src/nouns/purchase-guards/judge-guards.js';

const SUBSCRIPTION = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
const NOW = new Date('2026-12-15T12:00:00Z');
const PURCHASE: GuardedPurchase = {
  azureSubscriptionId: SUBSCRIPTION,
  reservedResourceType: 'VirtualMachines',
  term: 'P1Y',
  billingPlan: 'Upfront',
  currencyCode: 'USD',
  totalMinor: 60_000,
};
const NOTHING: Spend = { monthMinor: 0, outstandingMinor: 0 };

interface Case {
  name: string;
  guards?: Guards;
  purchase?: Partial<GuardedPurchase>;
  spend?: Partial<Spend>;
  codes?: string[];
  /** Of the first reason. */
  says?: RegExp;
  waits?: boolean;
}

const usd = { currencyCode: 'USD' };
const cases: Case[] = [
  { name: 'no guards', codes: [] },
  { name: 'guards without a limit', guards: {}, codes: [] },
  { name: 'an allowed subscription', guards: { allowedSubscriptions: [OTHER, SUBSCRIPTION] }, codes: [] },
  {
    name: 'another subscription',
    guards: { allowedSubscriptions: [OTHER] },
    codes: ['GuardSubscriptionNotAllowed'],
    says: new RegExp(`${SUBSCRIPTION}.*${OTHER}`),
  },
  { name: 'an allowed product type', guards: { allowedProductTypes: ['VirtualMachines'] }, codes: [] },
  {
    name: 'another product type',
    guards: { allowedProductTypes: ['SqlDatabases', 'CosmosDb'] },
    codes: ['GuardProductTypeNotAllowed'],
    says: /VirtualMachines.*SqlDatabases, CosmosDb/,
  },
  { name: 'an allowed term', guards: { allowedTerms: ['P1Y'] }, codes: [] },
  {
    name: 'another term',
    guards: { allowedTerms: ['P1Y'] },
    purchase: { term: 'P3Y' },
    codes: ['GuardTermNotAllowed'],
  },
  { name: 'an allowed billing plan', guards: { allowedBillingPlans: ['Upfront'] }, codes: [] },
  { name: 'another billing plan', guards: { allowedBillingPlans: ['Monthly'] }, codes: ['GuardBillingPlanNotAllowed'] },
  { name: 'a cap per purchase reached exactly', guards: { ...usd, capPerPurchase: '600' }, codes: [] },
  {
    name: 'a cap per purchase missed by a cent',
    guards: { ...usd, capPerPurchase: '599.99' },
    codes: ['GuardCapPerPurchase'],
    says: /599\.99 USD.*600\.00 USD, 0\.01 USD too much/,
  },
  {
    name: 'a cap per month reached exactly',
    guards: { ...usd, capPerMonth: '1000.00' },
    spend: { monthMinor: 40_000, outstandingMinor: 9_999_999 },
    codes: [],
  },
  {
    name: 'a cap per month missed by a cent, with the figures and the day of the next month',
    guards: { ...usd, capPerMonth: '1000' },
    spend: { monthMinor: 40_001 },
    codes: ['GuardCapPerMonth'],
    says: /1000\.00 USD.*400\.01 USD of them are used, 599\.99 USD are left.*600\.00 USD.*2027-01-01/,
  },
  {
    name: 'a cap lowered below what is used leaves nothing, not less',
    guards: { ...usd, capPerMonth: '100' },
    spend: { monthMinor: 40_000 },
    codes: ['GuardCapPerMonth'],
    says: /400\.00 USD of them are used, 0\.00 USD are left/,
  },
  {
    name: 'a cap on what is outstanding reached exactly',
    guards: { ...usd, capOutstanding: '1000' },
    spend: { monthMinor: 9_999_999, outstandingMinor: 40_000 },
    codes: [],
  },
  {
    name: 'a cap on what is outstanding missed by a cent',
    guards: { ...usd, capOutstanding: '1000' },
    spend: { outstandingMinor: 40_001 },
    codes: ['GuardCapOutstanding'],
    says: /1000\.00 USD.*400\.01 USD.*599\.99 USD are left.*600\.00 USD/,
  },
  { name: 'a cap of nothing', guards: { ...usd, capPerPurchase: '0' }, codes: ['GuardCapPerPurchase'] },
  {
    name: 'something free under a cap of nothing',
    guards: { ...usd, capPerMonth: '0' },
    purchase: { totalMinor: 0 },
    codes: [],
  },
  {
    name: 'a currency without digits',
    guards: { currencyCode: 'JPY', capPerPurchase: '59999' },
    purchase: { currencyCode: 'JPY' },
    codes: ['GuardCapPerPurchase'],
    says: /59999 JPY.*60000 JPY/,
  },
  {
    name: 'limits in another currency, however high',
    guards: { currencyCode: 'EUR', capPerPurchase: '999999', approvalAbove: '1' },
    codes: ['GuardCurrency'],
    says: /EUR.*USD/,
    waits: false,
  },
  { name: 'a moment before the end', guards: { expiresOn: '2026-12-15T12:00:00.001Z' }, codes: [] },
  {
    name: 'the end itself',
    guards: { expiresOn: '2026-12-15T12:00:00.000Z' },
    codes: ['GuardExpired'],
    says: /2026-12-15T12:00:00\.000Z/,
  },
  {
    name: 'the threshold of approval reached exactly',
    guards: { ...usd, approvalAbove: '600' },
    codes: [],
    waits: false,
  },
  { name: 'a cent above the threshold', guards: { ...usd, approvalAbove: '599.99' }, codes: [], waits: true },
  {
    name: 'above the threshold and refused: nothing to approve',
    guards: { ...usd, approvalAbove: '1', capPerPurchase: '2' },
    codes: ['GuardCapPerPurchase'],
    waits: false,
  },
  {
    name: 'everything at once, each with its reason',
    guards: {
      ...usd,
      allowedSubscriptions: [OTHER],
      allowedProductTypes: ['CosmosDb'],
      allowedTerms: ['P3Y'],
      allowedBillingPlans: ['Monthly'],
      capPerPurchase: '1',
      capPerMonth: '1',
      capOutstanding: '1',
      expiresOn: '2026-01-01T00:00:00Z',
    },
    codes: [
      'GuardExpired',
      'GuardSubscriptionNotAllowed',
      'GuardProductTypeNotAllowed',
      'GuardTermNotAllowed',
      'GuardBillingPlanNotAllowed',
      'GuardCapPerPurchase',
      'GuardCapPerMonth',
      'GuardCapOutstanding',
    ],
  },
];

for (const { name, guards, purchase, spend, codes, says, waits } of cases) {
  t.test(name, (t) => {
    const verdict = judgeGuards(guards, { ...PURCHASE, ...purchase }, { ...NOTHING, ...spend }, NOW);
    t.same(
      verdict.reasons.map(({ code }) => code),
      codes,
    );
    for (const { message } of verdict.reasons) t.match(message, /\. (Buy|Choose|Ask) .+\.$/, 'says what to do');
    if (says) t.match(verdict.reasons[0]?.message, says);
    t.equal(verdict.needsApproval, waits ?? false);
    t.end();
  });
}

t.test('a purchase waits for 72 hours unless the guards say how long', (t) => {
  const hours = (guards: Guards | undefined) => judgeGuards(guards, PURCHASE, NOTHING, NOW).approvalHours;
  t.equal(hours(undefined), 72);
  t.equal(hours({ ...usd, approvalAbove: '1' }), 72);
  t.equal(hours({ ...usd, approvalAbove: '1', approvalHours: 4 }), 4);
  t.end();
});
