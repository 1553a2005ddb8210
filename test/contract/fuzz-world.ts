import { randomUUID } from 'node:crypto';
import { insertPurchase } from '../helpers/purchases.js';
import { FABRIKAM, type MadeCustomer, OWNER_ROLE, type ServiceClient } from '../helpers/service-client.js';
import { acceptAgreement, newItem, register } from '../nouns/orders/buy.js';

/** What generated requests find in the service. */
export interface FuzzWorld {
  /** A customer with everything a customer can have. */
  made: MadeCustomer;
  /** For what ends a customer: the others are to be there for the rest of the run. */
  passing: MadeCustomer;
  /** A catalog item that can be ordered. */
  item: string;
  /** What exists, or not for this caller. */
  ids: readonly string[];
  /** Right values by the name of the parameter. */
  likely: Readonly<Record<string, readonly string[]>>;
  tokens: Readonly<Record<Sender, string>>;
}

/** Who sends a request; `owner` is the customer's user who is Owner. */
export type Sender = 'admin' | 'sales' | 'appOnly' | 'fabrikamAdmin' | 'owner';

export async function makeFuzzWorld(service: ServiceClient): Promise<FuzzWorld> {
  const made = await service.newCustomer();
  const passing = await service.newCustomer();
  const foreign = await service.newCustomer({ partnerId: FABRIKAM });
  await acceptAgreement(service, made);
  await register(service, made);
  const item = await newItem(service);
  const lineItems = [
    { offerId: item, catalogItemId: item, quantity: 1, provisioningContext: { subscriptionId: made.subscriptionId } },
  ];
  const bought = await service.request('POST', `/v1/customers/${made.customerId}/orders`, { body: { lineItems } });
  const cart = await service.request('POST', `/v1/customers/${made.customerId}/carts`, { body: { lineItems } });
  const purchase = await insertPurchase(service.db, made, { total: 100_000, quantity: 1000 });
  const ids = [
    made.customerId,
    made.customerId.toUpperCase(),
    made.subscriptionId,
    made.azureSubscriptionId,
    made.ownerId,
    made.roleAssignmentId,
    foreign.customerId,
    foreign.azureSubscriptionId,
    made.partnerId,
    `${made.partnerId}_${made.customerId}`,
    '00000000-0000-0000-0000-000000000000',
  ];
  const likely = {
    customer: [made.customerId],
    subscription: [made.subscriptionId],
    entitlement: [made.azureSubscriptionId],
    order: [bought.body.id],
    cart: [cart.body.id],
    line: ['0'],
    subscriptionId: [made.azureSubscriptionId],
    user: [made.ownerId],
    resource: ['AzureReservedInstances', 'azuresavingsplan', bought.body.lineItems[0].reservationOrderId],
    id: [`${made.partnerId}_${made.customerId}`],
    roleAssignmentName: [made.roleAssignmentId, randomUUID()],
    reservationOrderId: [purchase.reservationOrderId],
    reservationId: [purchase.reservationId],
    operationId: [purchase.reservationOrderId],
    'api-version': ['2022-04-01'],
    size: ['1', '500'],
    seekOperation: ['First'],
    'MS-ContinuationToken': [''],
    filter: ['{"Field":"CompanyName","Value":"cust","Operator":"starts_with"}'],
    startDate: [new Date().toISOString().slice(0, 10)],
    endDate: [new Date().toISOString()],
    $filter: [
      'atScope()',
      'properties/archived eq false',
      `principalId eq '${made.ownerId}'`,
      `assignedTo('${made.ownerId}')`,
    ],
    tenantId: [made.customerId],
    managementGroup: [made.customerId],
    roleDefinitionId: [OWNER_ROLE],
    resourceGroup: ['rg'],
    namespace: ['Microsoft.Compute'],
    resourceType: ['virtualMachines'],
    childType: ['extensions'],
    resourceName: ['one'],
    childName: ['two'],
    customerId: [made.customerId],
    entity_id: [made.customerId],
    domain: ['fresh.onmicrosoft.com'],
    state: ['on', 'off'],
    effective: ['true', 'false'],
    from: ['2026-01-01'],
    sortField: ['displayName', 'DisplayName'],
    sortDirection: ['Ascending', 'descending'],
  };
  const { admin, sales, appOnly, fabrikamAdmin } = service.tokens;
  const owner = await service.tokens.customerUser(made.customerId, made.ownerUpn);
  return { made, passing, item, ids, likely, tokens: { admin, sales, appOnly, fabrikamAdmin, owner } };
}
