import { randomUUID } from 'node:crypto';
import t from 'tap';
import { insertPurchase } from '../../helpers/purchases.js';
import { type MadeCustomer, startService } from '../../helpers/service.js';
import { newItem, newReserver } from '../orders/buy.js';

const service = await startService(t);
const { request, tokens, sql } = service;
const list = ({ customerId }: MadeCustomer, query = '') => `/v1/customers/${customerId}/entitlements${query}`;
const get = (path: string, token = tokens.admin) => request('GET', path, { token });

t.test('what the partner and what the customer bought are entitlements, each with its artifact', async (t) => {
  const customer = await newReserver(service);
  const offerId = await newItem(service);
  const [productId, skuId] = offerId.split(':');
  const ordered = await request('POST', `/v1/customers/${customer.customerId}/orders`, {
    body: {
      lineItems: [
        {
          offerId,
          quantity: 2,
          termDuration: 'P1Y',
          friendlyName: 'Web',
          provisioningContext: {
            subscriptionId: customer.subscriptionId,
            scope: 'single',
            entitlementId: customer.azureSubscriptionId,
          },
        },
      ],
    },
  });
  t.equal(ordered.status, 201);
  const { reservationOrderId } = ordered.body.lineItems[0];
  await insertPurchase(service.db, customer, { total: 60000, on: new Date(Date.now() + 1) });
  const { status, body } = await get(list(customer));
  t.equal(status, 200);
  t.same(Object.keys(body).sort(), ['attributes', 'items', 'totalCount']);
  const uri = `/customers/${customer.customerId}/artifacts/reservedinstance/groups/${ordered.body.id}/lineitems/0/resource/${reservationOrderId}`;
  t.same(body.items[0], {
    includedEntitlements: [],
    referenceOrder: { id: ordered.body.id, lineItemId: '0' },
    productId,
    skuId,
    quantity: 2,
    quantityDetails: [{ quantity: 2, status: 'Fulfilled' }],
    entitledArtifacts: [
      {
        artifactType: 'reservedinstance',
        resourceId: reservationOrderId,
        link: { uri, method: 'GET', headers: [] },
        dynamicAttributes: { reservationType: 'virtualmachines' },
      },
    ],
    entitlementType: 'reservedinstance',
    fulfillmentState: 'Fulfilled',
  });
  t.equal(body.totalCount, 2, "the subscription is none, and the customer's purchase is one");

  const artifact = await get(`/v1${uri}`, tokens.helpdesk);
  t.match(artifact, {
    status: 200,
    body: {
      type: 'reservedinstance',
      reservations: [
        {
          reservationId: /^[0-9a-f-]{36}$/,
          scopeType: 'Single',
          displayName: 'Web',
          appliedScopes: [`/subscriptions/${customer.azureSubscriptionId}`],
          quantity: 2,
          provisioningState: 'Succeeded',
        },
      ],
    },
  });
  t.same(artifact.body.virtualMachineReservations, artifact.body.reservations);
  t.equal((await get(body.items[1].entitledArtifacts[0].link.uri.replace(/^/, '/v1'))).status, 200);
});

t.test('the list is narrowed by type, and shows the expiry where asked for', async (t) => {
  const customer = await service.newCustomer();
  await insertPurchase(service.db, customer, { total: 60000 });
  const { orderId } = await insertPurchase(service.db, customer, { total: 60000 });
  await sql(`update reservation_orders set reserved_resource_type = 'SqlDatabases' where order_id = $1`, [orderId]);
  const types = async (query: string) =>
    (await get(list(customer, query))).body.items.map(
      (item: { entitledArtifacts: { dynamicAttributes: { reservationType: string } }[] }) =>
        item.entitledArtifacts[0]?.dynamicAttributes.reservationType,
    );
  t.same((await types('')).sort(), ['sqldatabases', 'virtualmachines']);
  t.same((await types('?entitlementtype=ReservedInstance')).sort(), ['sqldatabases', 'virtualmachines']);
  t.same(await types('?entitlementType=virtualmachinereservedinstance'), ['virtualmachines']);
  t.same(await types('?entitlementType=software'), []);
  t.match(await get(list(customer, '?entitlementType=other')), { status: 400 });
  t.match(await get(list(customer, '?showExpiry=yes')), { status: 400 });
  t.notOk('expiryDate' in (await get(list(customer))).body.items[0]);
  t.match((await get(list(customer, '?showExpiry=True'))).body.items[0], { expiryDate: /^\d{4}-.*Z$/ });
});

t.test('units that were split, merged, returned, expired or never approved are told apart', async (t) => {
  const customer = await service.newCustomer();
  const { reservationOrderId } = await insertPurchase(service.db, customer, { total: 60000, quantity: 5 });
  const path = (await get(list(customer))).body.items[0].entitledArtifacts[0].link.uri;
  const copy = (quantity: number, state: string) =>
    sql(
      `insert into reservations
         select (jsonb_populate_record(r, jsonb_build_object('reservation_id', gen_random_uuid(), 'quantity', $2::int,
           'provisioning_state', $3::text))).* from reservations r where reservation_order_id = $1 limit 1`,
      [reservationOrderId, quantity, state],
    );
  await copy(2, 'Succeeded');
  await copy(2, 'Cancelled');
  await copy(1, 'Merged');
  await sql(`update reservations set provisioning_state = 'Split' where reservation_order_id = $1 and quantity = 5`, [
    reservationOrderId,
  ]);
  const item = async () => (await get(list(customer))).body.items[0];
  t.match(await item(), {
    quantity: 2,
    quantityDetails: [
      { quantity: 2, status: 'Fulfilled' },
      { quantity: 2, status: 'Cancelled' },
    ],
    fulfillmentState: 'Fulfilled',
  });
  const { reservations } = (await get(`/v1${path}`)).body;
  t.same(
    reservations
      .map((one: { quantity: number; provisioningState: string }) => `${one.quantity} ${one.provisioningState}`)
      .sort(),
    ['1 Merged', '2 Cancelled', '2 Succeeded', '5 Split'],
  );
  await sql(`update reservations set expires_on = now() where reservation_order_id = $1`, [reservationOrderId]);
  t.match(await item(), { quantity: 0, fulfillmentState: 'Expired' });

  const waiting = await service.newCustomer();
  const { orderId } = await insertPurchase(service.db, waiting, { total: 60000, quantity: 3, pending: true });
  t.match((await get(list(waiting))).body.items, [{ quantity: 3, fulfillmentState: 'PrefulfillmentPending' }]);
  await sql('update orders set approval_expires_on = now() where order_id = $1', [orderId]);
  t.match((await get(list(waiting))).body.items, [{ quantity: 0, fulfillmentState: 'Cancelled' }]);
});

t.test('only users of the partner read them, and an artifact only at its own address', async (t) => {
  const customer = await service.newCustomer();
  await insertPurchase(service.db, customer, { total: 60000 });
  const path: string = (await get(list(customer))).body.items[0].entitledArtifacts[0].link.uri;
  const other = await service.newCustomer();
  const missing = { status: 404, body: { code: '1000' } };
  t.equal((await get(`/v1${path.toUpperCase().replace('/CUSTOMERS', '/customers')}`)).status, 200);
  t.match(await get(`/v1${path.replace('lineitems/0', 'lineitems/1')}`), missing);
  t.match(await get(`/v1${path.replace(/groups\/[^/]+/, `groups/${randomUUID()}`)}`), missing);
  t.match(await get(`/v1${path.replace(/resource\/.*/, `resource/${randomUUID()}`)}`), missing);
  t.match(await get(`/v1${path.replace(customer.customerId, other.customerId)}`), missing);
  t.match(await get(`/v1${path.replace('lineitems/0', 'lineitems/99999999999')}`), { status: 400 });
  t.match(await get(`/v1${path.replace('lineitems/0', 'lineitems/x')}`), { status: 400 });
  const user = await tokens.customerUser(customer.customerId, customer.ownerUpn);
  for (const address of [list(customer), `/v1${path}`]) {
    t.match(await get(address, tokens.appOnly), { status: 403, body: { code: '900329' } });
    t.match(await get(address, user), { status: 403 });
    const foreign = await get(address, tokens.fabrikamAdmin);
    t.match(foreign, { status: 404, body: { code: '60003' } });
    t.equal(foreign.text, (await get(address.replace(customer.customerId, randomUUID()))).text);
  }
});
