import t from 'tap';
import { reservationClient } from '../../helpers/azure-clients.js';
import { startService } from '../../helpers/service.js';
import { buy } from './bought.js';

const service = await startService(t);
await service.newPrice({ skuName: 'Standard_D4s_v5', unitPrice: '1200' });

const client = reservationClient(service.url, service.tokens.admin);

t.test('the published client calculates a refund and returns a reservation', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made, { billingPlan: 'Monthly', unitMinor: 12_000 });
  const reservationToReturn = { reservationId: bought.reservationId, quantity: 1 };
  const id = `/providers/microsoft.capacity/reservationOrders/${bought.reservationOrderId}`;
  const refund = await client.calculateRefund.post(bought.reservationOrderId, {
    id,
    properties: { scope: 'Reservation', reservationToReturn },
  });
  t.match(refund.properties, {
    billingRefundAmount: { currencyCode: 'USD', amount: 10 },
    policyResult: { properties: { maxRefundLimit: { amount: 50_000 }, policyErrors: [] } },
    billingInformation: { completedTransactions: 1, totalTransactions: 12 },
  });
  const { sessionId } = refund.properties ?? {};
  const order = await client.return.beginPostAndWait(bought.reservationOrderId, {
    properties: {
      ...(sessionId !== undefined && { sessionId }),
      scope: 'Reservation',
      reservationToReturn,
      returnReason: 'Purchased the wrong SKU or term',
    },
  });
  t.match(order, { id, name: bought.reservationOrderId, provisioningState: 'Cancelled' });
  t.type(order.expiryDateTime, Date);
});

t.test('the published client exchanges a reservation', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const calculated = await client.calculateExchange.beginPostAndWait({
    properties: {
      reservationsToExchange: [{ reservationId: bought.reservationId, quantity: 1 }],
      reservationsToPurchase: [
        {
          sku: { name: 'Standard_D4s_v5' },
          location: 'westeurope',
          reservedResourceType: 'VirtualMachines',
          billingScopeId: `/subscriptions/${made.azureSubscriptionId}`,
          term: 'P1Y',
          billingPlan: 'Upfront',
          quantity: 1,
          displayName: 'Larger',
          appliedScopeType: 'Shared',
          renew: false,
          reservedResourceProperties: { instanceFlexibility: 'On' },
        },
      ],
    },
  });
  t.match(calculated, {
    status: 'Succeeded',
    properties: { netPayable: { amount: 600 }, policyResult: { policyErrors: [] } },
  });
  const { sessionId } = calculated.properties ?? {};
  const done = await client.exchange.beginPostAndWait({
    properties: { ...(sessionId !== undefined && { sessionId }) },
  });
  t.match(done, {
    status: 'Succeeded',
    properties: {
      reservationsToExchange: [{ status: 'Succeeded', billingRefundAmount: { amount: 600 } }],
      reservationsToPurchase: [{ status: 'Succeeded', properties: { displayName: 'Larger', term: 'P1Y' } }],
    },
  });
});

t.test('the published client throws what the customer is told', async (t) => {
  const made = await service.newCustomer();
  const bought = await buy(service, made);
  const customer = reservationClient(service.url, await service.tokens.customerUser(made.customerId, made.ownerUpn));
  const request = {
    properties: { reservationToReturn: { reservationId: bought.reservationId, quantity: 1 } },
  };
  await t.rejects(customer.calculateRefund.post(bought.reservationOrderId, request), {
    statusCode: 403,
    code: 'Forbidden',
    message: /by the partner/,
  });
});
