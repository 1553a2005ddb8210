import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadDemo } from '../../src/import/demo.js';
import { all, authorizationClient, reservationClient } from '../helpers/azure-clients.js';
import { type Answer, OWNER_ROLE, startService } from '../helpers/service.js';

const service = await startService(t);
const { request, tokens } = service;
// The helper has made both partners; a partner without an MPN id is one that was not loaded whole.
await service.sql('update partners set mpn_id = null');
const demoDir = fileURLToPath(new URL('../../../demo/', import.meta.url));
await loadDemo(service.db, demoDir, { purchaserRoles: ['owner'] }, () => {});

/** Civic Records Office has no Azure plan, and its agreement was never confirmed. */
const CUSTOMER = 'c85bb84a-3465-4852-b455-e44bc265c84f';
const AZURE_PLAN = 'DZH318Z0BPS6:0001:DZH318Z0BML6';
const BUYER = 'paula@civicrecordsdemo.onmicrosoft.com';
const PERMISSION = `/v1/customers/${CUSTOMER}/purchasepermissions/AzureReservedInstances`;
const today = new Date().toISOString().slice(0, 10);
const partner = reservationClient(service.url, tokens.admin);

/** The customer's user signs in as `az login --username --password` does. */
async function signIn(username: string): Promise<string> {
  const answer = await fetch(`${service.url}/${CUSTOMER}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'password',
      client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
      scope: 'https://management.azure.com//.default',
      username,
      password: 'Demo-Passw0rd',
    }),
  });
  const { access_token: token } = (await answer.json()) as { access_token: string };
  return token;
}

/** What a walk-through expects of an answer, else its text. */
function done(answer: Answer, status: number): Answer['body'] {
  if (answer.status !== status) throw new Error(`${answer.status} instead of ${status}: ${answer.text}`);
  return answer.body;
}

const pairs = (list: { key: string; value: string }[]) =>
  Object.fromEntries(list.map(({ key, value }) => [key, value]));

let azureSubscriptionId = '';
let reservationOrderId = '';
let customer: ReturnType<typeof reservationClient>;

/** One year of a Standard_D2s_v5 in West Europe: 605 USD in the demo. */
const wanted = () => ({
  sku: { name: 'Standard_D2s_v5' },
  location: 'westeurope',
  reservedResourceType: 'VirtualMachines',
  billingScopeId: `/subscriptions/${azureSubscriptionId}`,
  term: 'P1Y',
  billingPlan: 'Monthly',
  quantity: 1,
  displayName: 'Records',
  appliedScopeType: 'Shared',
  renew: false,
  reservedResourceProperties: { instanceFlexibility: 'On' },
});

t.test('the partner orders an Azure plan once the agreement is confirmed', async (t) => {
  const orders = `/v1/customers/${CUSTOMER}/orders`;
  const body = {
    billingCycle: 'one_time',
    lineItems: [{ lineItemNumber: 0, offerId: AZURE_PLAN, quantity: 1, friendlyName: 'Azure plan' }],
  };
  t.match(await request('POST', orders, { body }), { status: 403, body: { code: '13605' } });

  const type = 'MicrosoftCustomerAgreement';
  const [{ templateId }] = done(await request('GET', `/v1/agreements?agreementType=${type}`), 200).items;
  const agreement = {
    primaryContact: { firstName: 'Rita', lastName: 'Records', email: 'rita@civicrecordsdemo.onmicrosoft.com' },
    templateId,
    dateAgreed: '2024-01-15T00:00:00Z',
    type,
  };
  done(await request('POST', `/v1/customers/${CUSTOMER}/agreements`, { body: agreement }), 201);

  const order = done(await request('POST', orders, { body }), 201);
  t.match(order, { status: 'completed', lineItems: [{ offerId: AZURE_PLAN }], purchasedBy: { origin: 'partner' } });
  const plan = order.lineItems[0].subscriptionId;
  const entitlements = `/v1/customers/${CUSTOMER}/subscriptions/${plan}/azureEntitlements`;
  const { items } = done(await request('GET', entitlements), 200);
  t.match(items, [{ friendlyName: 'Azure subscription 1', status: 'active' }]);
  azureSubscriptionId = items[0].id;
});

t.test('a user of the customer becomes Owner, and the permission goes on', async (t) => {
  t.match(await request('PUT', PERMISSION, { body: { state: 'on' } }), { status: 403 }, 'not without an Owner');
  const user = done(
    await request('POST', `/v1/customers/${CUSTOMER}/users`, {
      body: {
        usageLocation: 'US',
        userPrincipalName: BUYER,
        firstName: 'Paula',
        lastName: 'Purchase',
        displayName: 'Paula Purchase',
        passwordProfile: { password: 'Demo-Passw0rd', forceChangePassword: false },
      },
    }),
    201,
  );
  const { roleAssignments } = authorizationClient(service.url, tokens.admin, azureSubscriptionId);
  const scope = `/subscriptions/${azureSubscriptionId}`;
  const assigned = await roleAssignments.create(scope, randomUUID(), {
    roleDefinitionId: `${scope}/providers/Microsoft.Authorization/roleDefinitions/${OWNER_ROLE}`,
    principalId: user.id,
    principalType: 'User',
  });
  t.match(assigned, { principalId: user.id, scope });
  t.match(await request('PUT', PERMISSION, { body: { state: 'on' } }), {
    status: 201,
    body: { state: 'on', effective: true },
  });
});

t.test('the user quotes and buys with the published client', async (t) => {
  customer = reservationClient(service.url, await signIn(BUYER));
  const filter = { reservedResourceType: 'VirtualMachines', location: 'westeurope' };
  const catalog = await all(customer.listCatalog(azureSubscriptionId, filter));
  t.match(
    catalog.find(({ name }) => name === 'Standard_D2s_v5'),
    { resourceType: 'virtualMachines', terms: ['P1Y', 'P3Y'], locations: ['westeurope'] },
    'it is in the catalogue',
  );
  const { properties: quote } = await customer.reservationOrder.calculate(wanted());
  t.match(quote, {
    billingCurrencyTotal: { currencyCode: 'USD', amount: 605 },
    reservationOrderId: String,
    paymentSchedule: Array.from({ length: 12 }, () => ({ dueDate: Date, status: 'Scheduled' })),
  });
  reservationOrderId = quote?.reservationOrderId ?? '';
  const order = await customer.reservationOrder.beginPurchaseAndWait(reservationOrderId, wanted());
  t.match(order, {
    id: `/providers/microsoft.capacity/reservationOrders/${reservationOrderId}`,
    name: reservationOrderId,
    displayName: 'Records',
    provisioningState: 'Succeeded',
    originalQuantity: 1,
    term: 'P1Y',
    billingPlan: 'Monthly',
    expiryDate: Date,
    reservations: [{ id: String }],
  });

  t.match(await customer.reservationOrder.get(reservationOrderId, { expand: 'schedule' }), {
    planInformation: { transactions: [{ status: 'Succeeded' }, { status: 'Scheduled' }] },
  });
  for (const [client, who] of [
    [customer, 'the customer'],
    [partner, 'the partner'],
  ] as const) {
    const orders = await all(client.reservationOrder.list());
    t.same(
      orders.map(({ name }) => name),
      [reservationOrderId],
      `${who} sees the order`,
    );
    const [reservation, ...others] = await all(client.reservation.listAll());
    t.match(
      reservation,
      { sku: { name: 'Standard_D2s_v5' }, location: 'westeurope', properties: { displayName: 'Records', quantity: 1 } },
      `${who} sees the reservation`,
    );
    t.same(others, []);
    t.match(await all(client.reservation.list(reservationOrderId)), [{ id: reservation?.id }]);
  }
  const applied = await customer.getAppliedReservationList(azureSubscriptionId);
  t.match(
    applied.reservationOrderIds?.value,
    [new RegExp(`/${reservationOrderId}$`)],
    'it applies to the subscription',
  );
});

t.test('the partner sees who bought what for how much', async (t) => {
  const orders = done(await request('GET', `/v1/customers/${CUSTOMER}/orders?include_price=true`), 200).items;
  t.match(orders, [
    { purchasedBy: { origin: 'partner' }, lineItems: [{ offerId: AZURE_PLAN }] },
    {
      status: 'completed',
      billingCycle: 'monthly',
      currencyCode: 'USD',
      totalPrice: 605,
      purchasedBy: { origin: 'customer', userPrincipalName: BUYER },
      lineItems: [{ reservationOrderId, quantity: 1, termDuration: 'P1Y', pricing: { extendedPrice: 605 } }],
    },
  ]);
  const entitlements = done(await request('GET', `/v1/customers/${CUSTOMER}/entitlements`), 200).items;
  t.match(entitlements, [
    {
      entitlementType: 'reservedinstance',
      quantity: 1,
      fulfillmentState: 'Fulfilled',
      referenceOrder: { id: orders[1].id },
      entitledArtifacts: [{ artifactType: 'reservedinstance', resourceId: reservationOrderId }],
    },
  ]);
  const { uri } = entitlements[0].entitledArtifacts[0].link;
  t.match(done(await request('GET', `/v1${uri}`), 200), {
    virtualMachineReservations: [{ displayName: 'Records', quantity: 1, provisioningState: 'Succeeded' }],
  });

  const told = {
    OrderId: orders[1].id,
    PurchasedBy: BUYER,
    Product: 'VirtualMachines Standard_D2s_v5 westeurope',
    'Term-0': 'P1Y',
    'Total-0': '605.00',
    'Currency-0': 'USD',
  };
  const filter = { Field: 'CustomerId', Value: CUSTOMER, Operator: 'equals' };
  const audited = {
    'auditRequest.startDate': today,
    'auditRequest.filter.field': filter.Field,
    'auditRequest.filter.value': filter.Value,
    'auditRequest.filter.operator': filter.Operator,
  };
  for (const path of [
    `/v1/activitylog?${new URLSearchParams({ customerId: CUSTOMER })}`,
    `/v1/auditrecords?${new URLSearchParams({ startDate: today, filter: JSON.stringify(filter) })}`,
    `/auditactivity/v1/auditrecords?${new URLSearchParams(audited)}`,
  ]) {
    const { items } = done(await request('GET', path), 200);
    const created = items
      .filter(({ operationType }: { operationType: string }) => operationType === 'create_order')
      .map(({ customizedData }: { customizedData: { key: string; value: string }[] }) => pairs(customizedData));
    t.equal(created.length, 2, path);
    t.match(
      created.find(({ OrderId }: { OrderId: string }) => OrderId === orders[1].id),
      told,
      path,
    );
  }
});

t.test('a second purchase beyond the cap is refused with the figure', async (t) => {
  const body = { currencyCode: 'USD', capPerMonth: '1000.00' };
  done(await request('PUT', `${PERMISSION}/guards`, { body }), 200);
  const { properties: quote } = await customer.reservationOrder.calculate(wanted());
  await t.rejects(customer.reservationOrder.beginPurchaseAndWait(quote?.reservationOrderId ?? '', wanted()), {
    statusCode: 403,
    code: 'Forbidden',
    details: {
      error: {
        details: [
          {
            code: 'GuardCapPerMonth',
            message:
              /1000\.00 USD at the most: 605\.00 USD of them are used, 395\.00 USD are left and this purchase costs 605\.00 USD/,
          },
        ],
      },
    },
  });
});

t.test('a purchase above the threshold waits for the partner, and the client with it', async (t) => {
  const { attributes } = done(await request('GET', `${PERMISSION}/guards`), 200);
  const body = { currencyCode: 'USD', approvalAbove: '500.00', attributes };
  done(await request('PUT', `${PERMISSION}/guards`, { body }), 200);
  for (const [decision, state] of [
    ['approve', 'Succeeded'],
    ['decline', 'Cancelled'],
  ] as const) {
    const { properties: quote } = await customer.reservationOrder.calculate(wanted());
    const id = quote?.reservationOrderId ?? '';
    const poller = await customer.reservationOrder.beginPurchase(id, wanted());
    t.notOk(poller.isDone(), 'it waits');
    t.match(await customer.reservationOrder.get(id), { provisioningState: 'PendingBilling' });
    const order = `/v1/customers/${CUSTOMER}/orders/${id}`;
    done(await request('POST', `${order}/${decision}`, { body: {} }), 200);
    if (decision === 'decline') await t.rejects(poller.poll(), /OperationFailed.* is cancelled/);
    else await poller.poll();
    t.ok(poller.isDone());
    t.match(await customer.reservationOrder.get(id), { provisioningState: state });
  }
});

t.test('the customer does not return what it bought, the partner does', async (t) => {
  const [reservation] = await all(partner.reservation.list(reservationOrderId));
  const reservationToReturn = { reservationId: reservation?.id ?? '', quantity: 1 };
  const asked = {
    id: `/providers/Microsoft.Capacity/reservationOrders/${reservationOrderId}`,
    properties: { scope: 'Reservation', reservationToReturn },
  };
  const giveBack = (client: typeof partner, sessionId: string) =>
    client.return.beginPostAndWait(reservationOrderId, {
      properties: { sessionId, scope: 'Reservation', reservationToReturn, returnReason: 'Not needed any more' },
    });
  const refused = { statusCode: 403, code: 'Forbidden', message: /cancelled, .* by the partner\. Ask the partner/ };
  await t.rejects(customer.calculateRefund.post(reservationOrderId, asked), refused);
  await t.rejects(giveBack(customer, randomUUID()), refused);

  const { properties: refund } = await partner.calculateRefund.post(reservationOrderId, asked);
  t.match(refund, { sessionId: String, policyResult: { properties: { policyErrors: [] } } });
  await t.rejects(giveBack(customer, refund?.sessionId ?? ''), refused, 'not under the session of the partner either');
  const returned = await giveBack(partner, refund?.sessionId ?? '');
  t.match(returned, { name: reservationOrderId, provisioningState: 'Cancelled' });

  t.match(await all(partner.reservation.list(reservationOrderId)), [
    { id: reservation?.id, properties: { provisioningState: 'Cancelled' } },
  ]);
  const entitlements = done(await request('GET', `/v1/customers/${CUSTOMER}/entitlements`), 200).items;
  t.match(entitlements[0], { quantity: 0, fulfillmentState: 'Cancelled', referenceOrder: { id: reservationOrderId } });
  const { items } = done(await request('GET', `/v1/activitylog?customerId=${CUSTOMER}`), 200);
  t.match(
    items.filter(({ operationType }: { operationType: string }) => operationType === 'return_reservation'),
    [{ resourceType: 'reservation', actor: { userPrincipalName: 'ada.admin@contosopartner.onmicrosoft.com' } }],
    'the log tells of the return once, and who did it',
  );
});
