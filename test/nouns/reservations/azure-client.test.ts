import t from 'tap';
import { all, reservationClient } from '../../helpers/azure-clients.js';
import { insertPurchase } from '../../helpers/purchases.js';
import { startService } from '../../helpers/service.js';

const service = await startService(t);

t.test('the published client reads, lists, renames, splits, merges and rescopes', async (t) => {
  const customer = await service.newCustomer();
  const bought = await insertPurchase(service.db, customer, { total: 1800, quantity: 3, billingPlan: 'Monthly' });
  const { reservationOrderId: orderId, reservationId } = bought;
  const ended = await insertPurchase(service.db, customer, { total: 600, reservationState: 'Cancelled' });
  const client = reservationClient(
    service.url,
    await service.tokens.customerUser(customer.customerId, customer.ownerUpn),
  );
  const partner = reservationClient(service.url, service.tokens.admin);

  const order = await client.reservationOrder.get(orderId, { expand: 'schedule' });
  t.match(order, {
    name: orderId,
    etag: 1,
    originalQuantity: 3,
    provisioningState: 'Succeeded',
    expiryDateTime: Date,
    planInformation: { pricingCurrencyTotal: { currencyCode: 'USD', amount: 18 } },
    reservations: [{ id: /reservations\// }],
  });
  t.equal(order.planInformation?.transactions?.length, 12);
  t.equal((await all(client.reservationOrder.list())).length, 2);
  t.equal((await all(client.reservation.list(orderId))).length, 1);
  t.match(await client.reservation.get(orderId, reservationId, { expand: 'renewProperties' }), {
    sku: { name: 'Standard_D2s_v5' },
    properties: { quantity: 3, effectiveDateTime: Date, userFriendlyRenewState: 'Off' },
  });
  const filter = 'properties/archived eq false and properties/quantity ge 3';
  const listed = await all(client.reservation.listAll({ filter, orderby: 'properties/displayName asc', take: 1 }));
  t.match(listed, [{ properties: { quantity: 3, displayProvisioningState: 'Succeeded' } }]);
  t.equal((await all(client.reservation.listAll({ take: 1 }))).length, 2, 'over pages');
  t.equal((await all(client.reservation.listAll({ skiptoken: 1 }))).length, 1);
  for await (const page of client.reservation.listAll({ refreshSummary: 'true' }).byPage()) t.equal(page.length, 2);

  const renamed = await client.reservation.beginUpdateAndWait(orderId, reservationId, { name: 'Build agents' });
  t.match(renamed, { etag: 2, properties: { displayName: 'Build agents' } });
  await t.rejects(client.reservation.beginUpdateAndWait(orderId, reservationId, { renew: true }), {
    statusCode: 403,
    code: 'Forbidden',
    message: /by the partner/,
  });
  const single = {
    appliedScopeType: 'Single',
    appliedScopeProperties: { subscriptionId: `/subscriptions/${customer.azureSubscriptionId}` },
  };
  t.match(await partner.reservation.beginUpdateAndWait(orderId, reservationId, single), {
    properties: { appliedScopeType: 'Single', appliedScopes: [`/subscriptions/${customer.azureSubscriptionId}`] },
  });
  const scopes = [`/subscriptions/${customer.azureSubscriptionId}`, '/subscriptions/x'];
  t.match(await client.reservation.beginAvailableScopesAndWait(orderId, reservationId, { properties: { scopes } }), {
    properties: { scopes: [{ valid: true }, { valid: false }] },
  });

  const path = `/providers/Microsoft.Capacity/reservationOrders/${orderId}/reservations/${reservationId}`;
  const parts = await client.reservation.beginSplitAndWait(orderId, { quantities: [1, 2], reservationId: path });
  t.same(
    parts.map((part) => [part.properties?.quantity, part.properties?.provisioningState]),
    [
      [1, 'Succeeded'],
      [2, 'Succeeded'],
      [3, 'Split'],
    ],
  );
  const sources = parts.slice(0, 2).map((part) => part.id ?? '');
  const merged = await client.reservation.beginMergeAndWait(orderId, { sources });
  t.match(merged.at(-1), { properties: { quantity: 3, mergeProperties: { mergeSources: sources } } });

  t.equal((await all(client.reservation.listRevisions(orderId, reservationId))).length, 4);
  await client.reservation.archive(ended.reservationOrderId, ended.reservationId);
  await client.reservation.unarchive(ended.reservationOrderId, ended.reservationId);
  const applied = await client.getAppliedReservationList(customer.azureSubscriptionId);
  t.same(applied.reservationOrderIds?.value, [`/providers/Microsoft.Capacity/reservationorders/${orderId}`]);
  await t.rejects(client.reservationOrder.changeDirectory(orderId, { destinationTenantId: customer.customerId }), {
    statusCode: 400,
    code: 'NonsupportedAccountId',
    message: /tenant/,
  });
  t.equal((await all(client.operation.list())).length, 2);
});
