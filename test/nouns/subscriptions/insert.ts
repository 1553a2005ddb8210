import { randomUUID } from 'node:crypto';
import {
  type AzureSubscriptionRow,
  type ExportedSubscription,
  type SubscriptionRow,
  toAzureSubscriptionRow,
  toSubscriptionRow,
} from '../../../src/nouns/subscriptions/wire.js';
import type { MadeCustomer, Service } from '../../helpers/service.js';

async function insert(service: Service, table: string, row: object): Promise<void> {
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  await service.sql(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row));
}

/** A subscription of the customer, 10 Microsoft 365 licenses unless said otherwise. */
export async function addSubscription(
  service: Service,
  customer: MadeCustomer,
  exported: Partial<ExportedSubscription> = {},
  columns: Partial<SubscriptionRow> = {},
): Promise<SubscriptionRow> {
  const row = {
    ...toSubscriptionRow(
      {
        id: randomUUID(),
        offerId: 'CFQ7TTC0LH18:0001:CFQ7TTC0K971',
        offerName: 'Microsoft 365 Business Basic',
        status: 'active',
        billingType: 'license',
        billingCycle: 'annual',
        termDuration: 'P1Y',
        quantity: 10,
        autoRenewEnabled: true,
        creationDate: '2025-03-01T09:00:00Z',
        orderId: 'rl2m7s0IxMl5',
        partnerId: '1234567',
        ...exported,
      },
      customer,
    ),
    ...columns,
  };
  await insert(service, 'subscriptions', row);
  return row;
}

/** MS-AZR-0145P with its Azure subscription. */
export async function addAzureGlobal(
  service: Service,
  customer: MadeCustomer,
  columns: Partial<AzureSubscriptionRow> = {},
): Promise<{ subscription: SubscriptionRow; azure: AzureSubscriptionRow }> {
  const entitlementId = randomUUID();
  const subscription = await addSubscription(service, customer, {
    offerId: 'MS-AZR-0145P',
    offerName: 'Microsoft Azure',
    entitlementId,
    billingType: 'usage',
    billingCycle: 'monthly',
    quantity: 1,
    autoRenewEnabled: false,
    orderId: randomUUID(),
  });
  const azure = await addAzureSubscription(service, customer, subscription.subscription_id, {
    azure_subscription_id: entitlementId,
    ...columns,
  });
  return { subscription, azure };
}

export async function addAzureSubscription(
  service: Service,
  customer: MadeCustomer,
  subscriptionId: string,
  columns: Partial<AzureSubscriptionRow> = {},
): Promise<AzureSubscriptionRow> {
  const exported = { id: randomUUID(), friendlyName: 'Further', status: 'active' as const, subscriptionId };
  const row = { ...toAzureSubscriptionRow(exported, customer, new Date()), ...columns };
  await insert(service, 'azure_subscriptions', row);
  return row;
}

/** What the log tells of the customer, oldest first, values parsed. */
export async function logOf(service: Service, customer: MadeCustomer) {
  const rows = await service.sql<{ action: string; type: string; id: string; old: string; new: string }>(
    `select action, resource_type as type, resource_id as id, old_value as old, new_value as new
       from activity_log where customer_id = $1 order by seq`,
    [customer.customerId],
  );
  return rows.map((row) => ({ ...row, old: JSON.parse(row.old ?? 'null'), new: JSON.parse(row.new ?? 'null') }));
}
