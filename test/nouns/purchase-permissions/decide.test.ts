import fc from 'fast-check';
import t from 'tap';
import {
  CHECK_NAMES,
  type CheckName,
  type CheckResult,
  decide,
  type Facts,
  failingReasons,
  judgeAssignment,
  type RoleAssignmentFact,
  type Rules,
  type SubscriptionFact,
} from '../../../src/nouns/purchase-permissions/decide.js';
import { anyFacts, neverCounting } from './any-facts.js';
import { alex, azure, azureGlobal, deny, factsOf, now, owner, plan, role, rules } from './facts-of.js';

function checkOf(facts: Facts, name: CheckName, change: Partial<Rules> = {}) {
  const check = decide(facts, { ...rules, ...change }).checks.find((one) => one.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
}

type Expected = Partial<Record<CheckName, CheckResult>>;

const rows = new Set<number>();

/** `expected` names every check that does not pass; `text` is in the evidence and remedy of one of them, or of the named. */
function subscriptionRow(row: number, is: string, change: Partial<Facts>, expected: Expected, text: RegExp): void {
  rows.add(row);
  const eligible = !Object.values(expected).includes('fail');
  t.test(`subscription row ${row}: ${is} ${eligible ? 'qualifies' : 'does not qualify'}`, (t) => {
    const verdict = decide(factsOf(change), rules);
    const unpassed = verdict.checks.filter((check) => check.result !== 'pass');
    t.same(Object.fromEntries(unpassed.map((check) => [check.name, check.result])), expected);
    t.equal(verdict.eligible, eligible);
    const told = (unpassed.length > 0 ? unpassed : verdict.checks).map((check) => `${check.evidence} ${check.remedy}`);
    t.match(told.join('\n'), text);
    t.end();
  });
}

const sold = (change: Partial<SubscriptionFact>) => ({ subscriptions: [{ ...plan, ...change }] });
const noSale: Expected = { subscription: 'fail', azure_subscription: 'fail', owner: 'fail' };
const noAzure: Expected = { azure_subscription: 'fail', owner: 'fail' };
const underGlobal = { azureSubscriptions: [{ ...azure, subscriptionId: 'global-1' }] };

subscriptionRow(1, 'an Azure plan with an active Azure subscription', {}, {}, /Active: Azure plan plan-1\./);
subscriptionRow(
  1,
  'an Azure plan of another availability, in lower case',
  sold({ offerId: 'dzh318z0bps6:0001:other' }),
  {},
  /Azure plan plan-1/,
);
subscriptionRow(
  1,
  'an Azure plan by its product alone',
  sold({ offerId: 'x', productTypeId: 'dzh318z0bps6' }),
  {},
  /Azure plan plan-1/,
);
subscriptionRow(
  1,
  'another SKU of the product',
  sold({ offerId: 'DZH318Z0BPS6:0002:X' }),
  noSale,
  /neither an Azure plan/,
);
subscriptionRow(1, 'a plan by its name only', sold({ offerId: 'CFQ7TTC0LH18:0001' }), noSale, /neither an Azure plan/);
subscriptionRow(2, 'MS-AZR-0145P', { subscriptions: [azureGlobal], ...underGlobal }, {}, /MS-AZR-0145P global-1/);
subscriptionRow(
  2,
  'ms-azr-0145p in lower case',
  { subscriptions: [{ ...azureGlobal, offerId: 'ms-azr-0145p' }], ...underGlobal },
  {},
  /MS-AZR-0145P global-1/,
);
subscriptionRow(
  3,
  'an Azure plan without an Azure subscription',
  { azureSubscriptions: [] },
  noAzure,
  /Add an active Azure subscription to Azure plan plan-1\./,
);
subscriptionRow(
  3,
  'an Azure plan whose Azure subscription is inactive',
  { azureSubscriptions: [{ ...azure, status: 'inactive' }] },
  noAzure,
  /Azure subscription az-1 \("Production"\) is inactive\. Reactivate Azure subscription az-1/,
);
const remedies = {
  suspended: /Reactivate Azure plan plan-1\./,
  pending: /Wait until Azure plan plan-1 is provisioned\./,
};
for (const status of ['suspended', 'pending', 'deleted', 'expired', 'disabled', 'none'] as const) {
  const remedy = status === 'suspended' || status === 'pending' ? remedies[status] : /Buy the Azure plan/;
  subscriptionRow(
    4,
    `a ${status} subscription`,
    sold({ status }),
    noSale,
    new RegExp(`plan-1 is ${status}, not active`),
  );
  subscriptionRow(4, `a ${status} subscription, with its remedy,`, sold({ status }), noSale, remedy);
}
for (const armState of ['Warned', 'PastDue'] as const) {
  const facts = { azureSubscriptions: [{ ...azure, armState }] };
  subscriptionRow(5, `an Azure subscription in state ${armState}`, facts, { azure_subscription: 'warn' }, /Settle/);
}
for (const armState of ['Disabled', 'Deleted'] as const) {
  const facts = { azureSubscriptions: [{ ...azure, armState }] };
  subscriptionRow(5, `an Azure subscription in state ${armState}`, facts, noAzure, new RegExp(`in state ${armState}`));
}
subscriptionRow(
  6,
  "an Azure subscription of another seller, with this partner's plan beside it,",
  { azureSubscriptions: [{ ...azure, subscriptionId: null }] },
  noAzure,
  /was not bought through this partner/,
);
subscriptionRow(
  6,
  'an Azure subscription under a subscription this partner did not sell',
  { azureSubscriptions: [{ ...azure, subscriptionId: 'plan-of-another' }] },
  noAzure,
  /was not bought through this partner/,
);
for (const offerId of ['MS-AZR-USGOV-0145P', 'MS-AZR-DE-0145P']) {
  subscriptionRow(7, offerId, sold({ offerId, productTypeId: 'DZH318Z0BPS6' }), noSale, new RegExp(offerId));
}
subscriptionRow(
  8,
  'a dev/test subscription',
  { azureSubscriptions: [{ ...azure, quotaId: 'CSPDEVTEST_2018-05-01' }] },
  { dev_test: 'warn' },
  /dev\/test quota CSPDEVTEST_2018-05-01/,
);
for (const billingType of ['license', 'none', 'benefit'] as const) {
  subscriptionRow(9, `a ${billingType} subscription`, sold({ billingType }), noSale, /neither an Azure plan nor/);
}
for (const country of ['BR', 'br', 'RU', 'AZ', 'BQ']) {
  const facts = { customer: { relationship: 'reseller', country, deleted: false } } as const;
  subscriptionRow(10, `a customer in ${country}`, facts, { market: 'warn' }, /not sold in .* https:\/\//);
}
subscriptionRow(
  11,
  'a subscription in transition',
  sold({ transitionInProgress: true }),
  noSale,
  /Wait until the transition/,
);
subscriptionRow(12, 'a trial', sold({ isTrial: true }), { trial: 'warn' }, /Azure plan plan-1 is a trial\./);

t.test('every row of the table of subscriptions has a case', (t) => {
  t.same(
    [...rows],
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  t.end();
});

t.test('only a reseller relationship with a customer that is not deleted is eligible', (t) => {
  for (const relationship of ['advisor', 'syndication', 'microsoft_support', 'none'] as const) {
    const facts = factsOf({ customer: { relationship, country: 'DE', deleted: false } });
    t.match(checkOf(facts, 'relationship'), { result: 'fail', evidence: new RegExp(relationship) });
    t.equal(decide(facts, rules).eligible, false);
  }
  const deleted = factsOf({ customer: { relationship: 'reseller', country: 'DE', deleted: true } });
  t.match(checkOf(deleted, 'relationship'), { result: 'fail', evidence: 'The customer is deleted.' });
  t.equal(decide(deleted, rules).eligible, false);
  t.end();
});

t.test('markets of reservations say nothing of savings plans', (t) => {
  const facts = factsOf({ customer: { relationship: 'reseller', country: 'BR', deleted: false } });
  t.match(checkOf(facts, 'market', { resource: 'AzureSavingsPlan' }), { result: 'pass' });
  t.end();
});

t.test('a bad subscription beside a good one does no harm', (t) => {
  const bad = { ...plan, subscriptionId: 'plan-2', status: 'suspended' } as const;
  const facts = factsOf({
    subscriptions: [bad, plan],
    azureSubscriptions: [{ ...azure, azureSubscriptionId: 'az-2', subscriptionId: 'plan-2' }, azure],
  });
  t.same(decide(facts, rules), { ...decide(factsOf(), rules) });
  t.end();
});

t.test(
  'what is nearest to qualifying is named first: an Azure offer before a licence, own sales before others',
  (t) => {
    const licence: SubscriptionFact = {
      ...plan,
      subscriptionId: 'licence-1',
      offerId: 'CFQ7:0001',
      billingType: 'license',
    };
    const suspended: SubscriptionFact = { ...plan, status: 'suspended' };
    const facts = factsOf({
      subscriptions: [licence, suspended],
      azureSubscriptions: [{ ...azure, azureSubscriptionId: 'az-2', subscriptionId: null }, azure],
    });
    t.match(checkOf(facts, 'subscription'), {
      evidence: /: Azure plan plan-1 is suspended, not active\.$/,
      remedy: 'Reactivate Azure plan plan-1.',
    });
    t.match(checkOf(facts, 'azure_subscription'), {
      evidence: /: Azure subscription az-1 [^;]*suspended[^;]*; Azure subscription az-2 [^;]*not bought/,
      remedy: 'Reactivate Azure plan plan-1.',
    });
    t.end();
  },
);

t.test('Owner on the subscription that does not qualify alone is not enough', (t) => {
  const facts = factsOf({
    azureSubscriptions: [azure, { ...azure, azureSubscriptionId: 'az-2', subscriptionId: null }],
    roleAssignments: [{ ...owner, scope: '/subscriptions/az-2', azureSubscriptionId: 'az-2' }],
  });
  const verdict = decide(facts, rules);
  t.equal(verdict.eligible, false);
  t.match(failingReasons(verdict), [
    /alex@fabrikam\.com holds Owner at .*az-2, but .* was not bought through this partner/,
  ]);
  t.end();
});

t.test('everything that fails at once is reported, each with what to do, in the fixed order', (t) => {
  const facts = factsOf({
    customer: { relationship: 'none', country: 'BR', deleted: false },
    subscriptions: [],
    azureSubscriptions: [],
    roleAssignments: [],
  });
  const verdict = decide(facts, rules);
  t.same(
    verdict.checks.map((check) => check.name),
    CHECK_NAMES,
  );
  t.same(failingReasons(verdict), [
    'The relationship to the customer is none, not reseller. Establish a reseller relationship with the customer.',
    'There is no active Azure plan or MS-AZR-0145P subscription bought through this partner. Buy the Azure plan for the customer.',
    'There is no active Azure subscription under an active Azure plan or MS-AZR-0145P of this partner. Buy the Azure plan for the customer and add an Azure subscription to it.',
    "No user of the customer holds Owner on a qualifying Azure subscription: no role is assigned. Grant Owner on a qualifying Azure subscription to an enabled user of the customer's own directory.",
  ]);
  t.equal(checkOf(facts, 'market').result, 'warn');
  t.same(failingReasons(decide(factsOf(), rules)), []);
  t.end();
});

t.test('without Owner the nearest miss comes first and gives the remedy', (t) => {
  const foreign: RoleAssignmentFact = { ...owner, principalType: 'ForeignGroup', principalId: 'admin-agents' };
  const eligible: RoleAssignmentFact = { ...owner, assignmentState: 'eligible' };
  const contributor: RoleAssignmentFact = { ...owner, roleDefinitionId: role.contributor };
  t.match(checkOf(factsOf({ roleAssignments: [contributor, foreign, eligible] }), 'owner'), {
    result: 'fail',
    evidence:
      /subscription: alex@fabrikam\.com may activate Owner [^;]*; ForeignGroup admin-agents [^;]*never counts\.$/,
    remedy: 'Have the user activate the role in Privileged Identity Management.',
  });
  t.match(checkOf(factsOf({ roleAssignments: [contributor] }), 'owner'), {
    evidence: /1 assignments of other roles/,
    remedy: /^Grant Owner on Azure subscription az-1 \("Production"\)/,
  });
  t.end();
});

t.test('a deny assignment fails when it stops the last Owner and warns when another is left', (t) => {
  const bob = { ...alex, userId: 'bob', userPrincipalName: 'bob@fabrikam.com' };
  const ofBob = { ...owner, roleAssignmentId: 'ra-2', principalId: 'bob' };
  const facts = factsOf({ users: [alex, bob], denyAssignments: [deny] });
  t.match(checkOf(facts, 'deny_assignment'), { result: 'fail', evidence: /"No capacity"/, remedy: /^Remove the deny/ });
  const both = factsOf({ users: [alex, bob], denyAssignments: [deny], roleAssignments: [owner, ofBob] });
  t.match(checkOf(both, 'deny_assignment'), { result: 'warn', evidence: /blocks alex/ });
  t.equal(decide(both, rules).eligible, true);
  t.end();
});

t.test('whoever can buy by a role that does not count is shown, also beside an Owner', (t) => {
  const purchaser = { ...owner, roleAssignmentId: 'ra-2', roleDefinitionId: role.reservationPurchaser };
  const facts = factsOf({ roleAssignments: [owner, purchaser] });
  t.match(checkOf(facts, 'other_purchasers'), { result: 'warn', evidence: /Reservation Purchaser/ });
  t.match(checkOf(facts, 'other_purchasers', { purchaserRoles: ['owner', 'reservation-purchaser'] }), {
    result: 'pass',
  });
  t.end();
});

t.test('a role granted just now is a warning of its own check', (t) => {
  const facts = factsOf({ roleAssignments: [{ ...owner, createdOn: now }] });
  t.match(checkOf(facts, 'propagation'), { result: 'warn', evidence: /propagating/ });
  t.equal(decide(facts, rules).eligible, true);
  t.equal(checkOf(factsOf(), 'propagation').result, 'pass');
  t.end();
});

t.test('long evidence is cut to five items and the number of the others', (t) => {
  const roleAssignments = Array.from({ length: 4000 }, (_, index) => ({ ...owner, roleAssignmentId: `ra-${index}` }));
  const { evidence } = checkOf(factsOf({ roleAssignments, users: [] }), 'owner');
  t.match(evidence, /; and 3995 more\.$/);
  t.equal(evidence.split('; ').length, 6);
  t.notMatch(checkOf(factsOf({ roleAssignments: roleAssignments.slice(0, 5), users: [] }), 'owner').evidence, /more/);
  t.end();
});

t.test('effectiveUntil is the last end of a counting assignment, null where one has no end or nobody counts', (t) => {
  const ending = (minutes: number) => ({ ...owner, endsOn: new Date(now.getTime() + minutes * 60_000) });
  const until = (roleAssignments: RoleAssignmentFact[], change: Partial<Facts> = {}) =>
    decide(factsOf({ roleAssignments, ...change }), rules).effectiveUntil?.toISOString() ?? null;
  t.equal(until([ending(5), ending(60), ending(30)]), '2026-03-01T13:00:00.000Z');
  t.equal(until([ending(5), owner, ending(30)]), null);
  t.equal(until([ending(5), { ...ending(60), principalType: 'ForeignGroup' }]), '2026-03-01T12:05:00.000Z');
  t.equal(until([ending(5)], { customer: { relationship: 'none', country: 'DE', deleted: false } }), null);
  t.equal(until([ending(-5)]), null);
  t.end();
});

const property = (predicate: (facts: Facts) => boolean | undefined) =>
  fc.assert(fc.property(anyFacts, predicate), { numRuns: 500 });

t.test('a customer is eligible exactly when it is a reseller customer with a counting assignment', (t) => {
  let eligible = 0;
  property((facts) => {
    const verdict = decide(facts, rules);
    if (verdict.eligible) eligible++;
    const counts = facts.roleAssignments.some((assignment) => judgeAssignment(assignment, facts, rules).counts);
    return verdict.eligible === (counts && facts.customer.relationship === 'reseller' && !facts.customer.deleted);
  });
  t.ok(eligible > 25 && eligible < 475, `the generator gives both: ${eligible} of 500 eligible`);
  t.end();
});

t.test('without its counting assignments no customer is eligible', (t) => {
  property((facts) => {
    const left = facts.roleAssignments.filter((assignment) => !judgeAssignment(assignment, facts, rules).counts);
    return !decide({ ...facts, roleAssignments: left }, rules).eligible;
  });
  t.end();
});

t.test('facts that never count change neither the answer nor its end', (t) => {
  fc.assert(
    fc.property(anyFacts, fc.array(neverCounting, { maxLength: 8 }), (facts, added) => {
      const before = decide(facts, rules);
      const after = decide({ ...facts, roleAssignments: [...added, ...facts.roleAssignments] }, rules);
      return before.eligible === after.eligible && Number(before.effectiveUntil) === Number(after.effectiveUntil);
    }),
  );
  t.end();
});

t.test('eligibility lasts until the millisecond before effectiveUntil and not a moment longer', (t) => {
  property((facts) => {
    const { eligible, effectiveUntil } = decide(facts, rules);
    const at = (time: number) => decide(facts, { ...rules, now: new Date(time) }).eligible;
    if (effectiveUntil === null) return at(Date.UTC(2200, 0)) === eligible;
    return at(effectiveUntil.getTime() - 1) && !at(effectiveUntil.getTime());
  });
  t.end();
});

t.test('every check is there once, with evidence, and with a remedy of one sentence unless it passes', (t) => {
  property((facts) => {
    const { checks } = decide(facts, rules);
    const sentence = /^[A-Z].*\.$/;
    return (
      checks.map((check) => check.name).join() === CHECK_NAMES.join() &&
      checks.every(({ evidence }) => evidence.endsWith('.') && !evidence.endsWith('..')) &&
      checks.every(({ result, remedy }) => (result === 'pass' ? remedy === undefined : sentence.test(remedy ?? '')))
    );
  });
  t.end();
});
