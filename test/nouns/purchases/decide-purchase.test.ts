import t from 'tap';
import {
  decidePurchase,
  type PurchaseFacts,
  type PurchaseRules,
  type PurchaseVerdict,
} from '../../../src/nouns/purchases/decide-purchase.js';
import { alex, azure, deny, factsOf, now, owner, plan, role } from '../purchase-permissions/facts-of.js';

const rules: PurchaseRules = { purchaserRoles: ['owner'], now, approved: false };
const request = {
  azureSubscriptionId: 'az-1',
  reservedResourceType: 'VirtualMachines',
  skuName: 'Standard_D2s_v5',
  location: 'westeurope',
  term: 'P1Y',
  billingPlan: 'Monthly',
  quantity: 2,
} as const;
const price = { currencyCode: 'USD', totalMinor: 120_000 };
const minutes = (n: number) => new Date(now.getTime() + n * 60_000);

/** A purchase that is allowed, but for what is given. */
function purchaseOf(change: Partial<PurchaseFacts> = {}): PurchaseFacts {
  return {
    facts: factsOf(),
    buyer: { kind: 'customer', objectId: 'alex', userPrincipalName: 'alex@fabrikam.com', appOnly: false, groupIds: [] },
    permissionState: 'on',
    quote: { request, price, expiresOn: minutes(10) },
    request,
    renew: false,
    scopeSubscriptionId: undefined,
    guards: undefined,
    spend: { monthMinor: 0, outstandingMinor: 0 },
    ...change,
  };
}
const { buyer } = purchaseOf();
const codes = (verdict: PurchaseVerdict) => verdict.reasons.map(({ code }) => code);

t.test('a purchase is allowed when every condition holds, and says what each rests on', (t) => {
  const verdict = decidePurchase(purchaseOf(), rules);
  t.match(verdict, { allowed: true, needsApproval: false, reasons: [] });
  t.same(
    verdict.conditions.map(({ name, result }) => `${name} ${result}`),
    [
      'permission pass',
      'relationship pass',
      'buyer pass',
      'subscription pass',
      'owner pass',
      'market pass',
      'quote pass',
    ],
  );
  for (const { evidence } of verdict.conditions) t.match(evidence, /\.$/);
  t.end();
});

const otherAzure = { ...azure, azureSubscriptionId: 'az-2' };
const group = { ...owner, principalType: 'Group' as const, principalId: 'group-1' };

/** [sentence, what differs, codes of the refusal; empty: allowed] */
const rows: readonly (readonly [string, Partial<PurchaseFacts>, readonly string[]])[] = [
  ['the permission is off', { permissionState: 'off' }, ['PermissionOff']],
  ['the permission was never switched', { permissionState: undefined }, ['PermissionOff']],
  [
    'the reseller relationship has ended',
    { facts: factsOf({ customer: { relationship: 'none', country: 'DE', deleted: false } }) },
    ['NoRelationship'],
  ],
  [
    'an agent of the partner buys',
    { buyer: { ...buyer, kind: 'partner', objectId: 'ada' } },
    ['BuyerNotOfCustomer', 'BuyerNotOwner'],
  ],
  ['an application buys', { buyer: { ...buyer, appOnly: true } }, ['BuyerNotOfCustomer']],
  ['the buyer is not known', { buyer: { ...buyer, objectId: 'nobody' } }, ['BuyerNotOfCustomer', 'BuyerNotOwner']],
  [
    'the buyer is a guest',
    { facts: factsOf({ users: [{ ...alex, userType: 'guest' }] }) },
    ['BuyerNotOfCustomer', 'BuyerNotOwner'],
  ],
  [
    'the buyer is an employee of the partner who was made a member',
    { facts: factsOf({ users: [{ ...alex, homeDomain: 'contoso.com' }] }) },
    ['BuyerNotOfCustomer', 'BuyerNotOwner'],
  ],
  [
    'the account is disabled',
    { facts: factsOf({ users: [{ ...alex, accountState: 'inactive' }] }) },
    ['BuyerNotOfCustomer', 'BuyerNotOwner'],
  ],
  [
    'the user is deleted',
    { facts: factsOf({ users: [{ ...alex, deleted: true }] }) },
    ['BuyerNotOfCustomer', 'BuyerNotOwner'],
  ],
  ['the buyer holds no role', { facts: factsOf({ roleAssignments: [] }) }, ['BuyerNotOwner']],
  [
    'another user is the Owner',
    {
      facts: factsOf({
        roleAssignments: [{ ...owner, principalId: 'bea' }],
        users: [alex, { ...alex, userId: 'bea' }],
      }),
    },
    ['BuyerNotOwner'],
  ],
  [
    'the buyer is Contributor',
    { facts: factsOf({ roleAssignments: [{ ...owner, roleDefinitionId: role.contributor }] }) },
    ['BuyerNotOwner'],
  ],
  [
    'the buyer is Reservation Purchaser, which counts by the setting alone',
    { facts: factsOf({ roleAssignments: [{ ...owner, roleDefinitionId: role.reservationPurchaser }] }) },
    ['BuyerNotOwner'],
  ],
  [
    'the buyer is Owner of another subscription',
    {
      facts: factsOf({
        azureSubscriptions: [azure, otherAzure],
        roleAssignments: [{ ...owner, scope: '/subscriptions/az-2', azureSubscriptionId: 'az-2' }],
      }),
    },
    ['BuyerNotOwner'],
  ],
  [
    'the buyer is Owner of a resource group',
    {
      facts: factsOf({
        roleAssignments: [{ ...owner, scopeLevel: 'resource_group', scope: '/subscriptions/az-1/resourceGroups/a' }],
      }),
    },
    ['BuyerNotOwner'],
  ],
  [
    'the role is eligible, not active',
    { facts: factsOf({ roleAssignments: [{ ...owner, assignmentState: 'eligible' }] }) },
    ['BuyerNotOwner'],
  ],
  [
    'the role ended at this moment',
    { facts: factsOf({ roleAssignments: [{ ...owner, endsOn: now }] }) },
    ['BuyerNotOwner'],
  ],
  ['the role ends later', { facts: factsOf({ roleAssignments: [{ ...owner, endsOn: minutes(1) }] }) }, []],
  [
    'the role is inherited from a management group',
    {
      facts: factsOf({
        roleAssignments: [
          {
            ...owner,
            scopeLevel: 'management_group',
            azureSubscriptionId: null,
            scope: '/providers/Microsoft.Management/managementGroups/apps',
          },
        ],
      }),
    },
    [],
  ],
  [
    'the role is held through a group the buyer is in',
    { facts: factsOf({ roleAssignments: [group], groupIds: ['group-1'] }), buyer: { ...buyer, groupIds: ['group-1'] } },
    [],
  ],
  [
    'the role is held by a group the buyer is not in',
    {
      facts: factsOf({
        roleAssignments: [group],
        groupIds: ['group-1'],
        groupMemberships: [{ groupId: 'group-1', userId: 'bea' }],
        users: [alex, { ...alex, userId: 'bea' }],
      }),
    },
    ['BuyerNotOwner'],
  ],
  ['a deny assignment stops the buyer', { facts: factsOf({ denyAssignments: [deny] }) }, ['BuyerNotOwner']],
  [
    'the subscription is not known',
    { request: { ...request, azureSubscriptionId: 'az-9' } },
    ['SubscriptionNotEligible', 'BuyerNotOwner', 'QuoteMismatch'],
  ],
  [
    'the subscription was not bought through this partner',
    { facts: factsOf({ azureSubscriptions: [{ ...azure, subscriptionId: null }] }) },
    ['SubscriptionNotEligible', 'BuyerNotOwner'],
  ],
  [
    'the subscription is disabled',
    { facts: factsOf({ azureSubscriptions: [{ ...azure, armState: 'Disabled' }] }) },
    ['SubscriptionNotEligible', 'BuyerNotOwner'],
  ],
  [
    'the Azure plan is suspended',
    { facts: factsOf({ subscriptions: [{ ...plan, status: 'suspended' }] }) },
    ['SubscriptionNotEligible', 'BuyerNotOwner'],
  ],
  [
    'the plan is in a transition',
    { facts: factsOf({ subscriptions: [{ ...plan, transitionInProgress: true }] }) },
    ['SubscriptionNotEligible', 'BuyerNotOwner'],
  ],
  [
    'reservations are not sold in the market',
    { facts: factsOf({ customer: { relationship: 'reseller', country: 'BR', deleted: false } }) },
    ['NotSupportedCountry'],
  ],
  ['there is no quote', { quote: undefined }, ['QuoteNotLive']],
  ['the quote expired at this moment', { quote: { request, price, expiresOn: now } }, ['QuoteNotLive']],
  ['the quote is for another quantity', { request: { ...request, quantity: 3 } }, ['QuoteMismatch']],
  ['the quote is for another plan', { request: { ...request, billingPlan: 'Upfront' } }, ['QuoteMismatch']],
  ['the quote spells the SKU otherwise', { request: { ...request, skuName: 'STANDARD_D2S_V5' } }, []],
  ['the single scope is a subscription of this sale', { scopeSubscriptionId: 'az-1' }, []],
  ['the single scope is not known', { scopeSubscriptionId: 'az-9' }, ['AppliedScopesNotAssociatedWithCommerceAccount']],
  [
    "the single scope is another seller's",
    {
      facts: factsOf({ azureSubscriptions: [azure, { ...otherAzure, subscriptionId: null }] }),
      scopeSubscriptionId: 'az-2',
    },
    ['AppliedScopesNotAssociatedWithCommerceAccount'],
  ],
  ['renewal is asked for', { renew: true }, ['RenewIsThePartners']],
  ['a guard refuses', { guards: { currencyCode: 'USD', capPerPurchase: '1199.99' } }, ['GuardCapPerPurchase']],
  ['a cap is reached exactly', { guards: { currencyCode: 'USD', capPerPurchase: '1200.00' } }, []],
];

for (const [sentence, change, expected] of rows) {
  t.test(`${expected.length === 0 ? 'allowed' : 'refused'}: ${sentence}`, (t) => {
    const verdict = decidePurchase(purchaseOf(change), rules);
    t.same(codes(verdict), expected);
    t.equal(verdict.allowed, expected.length === 0);
    for (const { message } of verdict.reasons) t.match(message, /\. \S.+\.$/, 'what is so, and what to do');
    t.end();
  });
}

t.test('every reason is told at once', (t) => {
  const facts = factsOf({ roleAssignments: [], customer: { relationship: 'none', country: 'RU', deleted: false } });
  const purchase = purchaseOf({ facts, permissionState: 'off', quote: undefined, renew: true });
  t.same(codes(decidePurchase(purchase, rules)), [
    'PermissionOff',
    'NoRelationship',
    'BuyerNotOwner',
    'NotSupportedCountry',
    'QuoteNotLive',
    'RenewIsThePartners',
  ]);
  t.end();
});

t.test('Reservation Purchaser buys where the setting admits it', (t) => {
  const facts = factsOf({ roleAssignments: [{ ...owner, roleDefinitionId: role.reservationPurchaser }] });
  const verdict = decidePurchase(purchaseOf({ facts }), {
    ...rules,
    purchaserRoles: ['owner', 'reservation-purchaser'],
  });
  t.equal(verdict.allowed, true);
  t.end();
});

t.test('above the threshold a purchase waits, and an approved one waits for nothing and needs no live quote', (t) => {
  const guards = { currencyCode: 'USD', approvalAbove: '1000', approvalHours: 24 };
  t.match(decidePurchase(purchaseOf({ guards }), rules), { allowed: true, needsApproval: true, approvalHours: 24 });
  const late = purchaseOf({ guards, quote: { request, price, expiresOn: minutes(-60) } });
  t.match(decidePurchase(late, rules), { allowed: false, needsApproval: false });
  t.match(decidePurchase(late, { ...rules, approved: true }), { allowed: true, needsApproval: false });
  const capped = { ...late, guards: { ...guards, capPerMonth: '1000' } };
  t.same(codes(decidePurchase(capped, { ...rules, approved: true })), ['GuardCapPerMonth'], 'caps hold for it too');
  t.end();
});
