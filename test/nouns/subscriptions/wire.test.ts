import t from 'tap';
import { type ExportedSubscription, toSubscription, toSubscriptionRow } from '../../../src/nouns/subscriptions/wire.js';

const owner = {
  partnerId: '634f6379-ad54-449b-9821-564f737158ab',
  customerId: '4d3cf487-70f4-4e1e-9ff1-b2bfce8d9f04',
};
const get = (uri: string) => ({ uri, method: 'GET', headers: [] });
const self = (id: string) => get(`/customers/${owner.customerId}/subscriptions/${id}`);

/** https://learn.microsoft.com/partner-center/developer/get-a-subscription-by-id */
const DOCUMENTED = {
  id: 'A356AC8C-E310-44F4-BF85-C7F29044AF99',
  entitlementId: '42226ED6-070A-4E0F-B80C-4CDFB3E97AA7',
  offerId: 'MS-AZR-0145P',
  offerName: 'Microsoft Azure',
  friendlyName: 'Microsoft Azure',
  quantity: 1,
  unitType: 'Usage-based',
  creationDate: '2016-05-10T07:30:05.427Z',
  effectiveStartDate: '2016-05-10T00:00:00Z',
  commitmentEndDate: '9999-12-10T00:00:00Z',
  status: 'active',
  autoRenewEnabled: false,
  billingType: 'usage',
  contractType: 'subscription',
  orderId: 'B23FDEDD-D6BD-415A-8B71-3624C81C9644',
} as const;

t.test('MS-AZR-0145P has the documented shape, ids in lower case, and nothing that is null', async (t) => {
  const id = DOCUMENTED.id.toLowerCase();
  t.same(toSubscription({ ...toSubscriptionRow(DOCUMENTED, owner), version: 2 }, 'US'), {
    ...DOCUMENTED,
    id,
    entitlementId: DOCUMENTED.entitlementId.toLowerCase(),
    billingCycle: 'unknown',
    hasPurchasableAddons: false,
    isTrial: false,
    isMicrosoftProduct: true,
    links: { offer: get('/offers/MS-AZR-0145P?country=US'), self: self(id) },
    attributes: {
      etag: 'eyJpZCI6ImEzNTZhYzhjLWUzMTAtNDRmNC1iZjg1LWM3ZjI5MDQ0YWY5OSIsInZlcnNpb24iOjJ9',
      objectType: 'Subscription',
    },
  });
});

t.test('an Azure plan links its product, sku and availability in the market of the customer', async (t) => {
  const plan: ExportedSubscription = {
    id: '3f15978e-005c-b763-bb78-2a8fab289c58',
    offerId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
    offerName: 'Azure plan',
    friendlyName: 'Azure plan',
    productType: { id: 'Azure', displayName: 'Azure' },
    quantity: 1,
    unitType: 'Usage-based',
    creationDate: '2019-09-17T20:31:45Z',
    effectiveStartDate: '2019-09-17T00:00:00Z',
    commitmentEndDate: '9999-12-10T00:00:00Z',
    status: 'suspended',
    suspensionReasons: ['PartnerRequest'],
    autoRenewEnabled: false,
    billingType: 'usage',
    billingCycle: 'one_time',
    termDuration: 'P1M',
    hasPurchasableAddons: false,
    isTrial: false,
    isMicrosoftProduct: true,
    publisherName: 'Microsoft',
    partnerId: '6048879',
    orderId: 'PnaR4Qm1',
  };
  t.same(toSubscription(toSubscriptionRow(plan, owner), 'DE'), {
    ...plan,
    contractType: 'subscription',
    links: {
      product: get('/products/DZH318Z0BPS6?country=DE'),
      sku: get('/products/DZH318Z0BPS6/skus/0001?country=DE'),
      availability: get('/products/DZH318Z0BPS6/skus/0001/availabilities/DZH318Z0BML6?country=DE'),
      self: self(plan.id),
    },
    attributes: {
      etag: Buffer.from(`{"id":"${plan.id}","version":1}`).toString('base64'),
      objectType: 'Subscription',
    },
  });
});

t.test('times without a zone are UTC, seven digits are read, and what an export leaves out has a value', async (t) => {
  const { id, offerId } = DOCUMENTED;
  const minimal = { id, offerId, status: 'active', billingType: 'license' } as const;
  const row = toSubscriptionRow({ ...minimal, creationDate: '2017-06-15T22:56:05.0589308' }, owner);
  t.equal(row.creation_date.toISOString(), '2017-06-15T22:56:05.058Z');
  t.equal(row.effective_start_date.toISOString(), '2017-06-15T22:56:05.058Z');
  t.equal(row.commitment_end_date.toISOString(), '9999-12-10T00:00:00.000Z');
  t.match(row, { offer_name: offerId, friendly_name: offerId, quantity: 1, unit_type: 'Licenses', order_id: '' });
  t.notOk('orderId' in toSubscription(row, 'US'));
  t.throws(() => toSubscriptionRow({ ...minimal, creationDate: '2017-13-15T22:56:05Z' }, owner), RangeError);
});
