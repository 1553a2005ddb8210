import { azureSubscriptionId, CONTOSO, customerId, ownerId } from '../harness/data.js';
import { ASKED, CUSTOMER_PAGE, NEXT_PAGE, permissionPath, type SpeedSetting } from './speed-setting.js';

const filter = (field: string, value: string, operator: string) =>
  `filter=${encodeURIComponent(JSON.stringify({ Field: field, Value: value, Operator: operator }))}`;

/** Each route whose statements are run often, in each of the forms that make another statement. */
export async function askEverything({ ask, lastPageToken }: SpeedSetting): Promise<void> {
  const customer = customerId(ASKED);
  const own = `/v1/customers/${customer}`;
  const subscription = customer.replace('-8000-', '-9000-');
  const azure = azureSubscriptionId(ASKED);
  const policy = `${CONTOSO}_${customer}`;
  for (const method of ['DELETE', 'PUT'] as const) {
    await ask(permissionPath(ASKED), {
      method,
      headers: { 'ms-requestid': crypto.randomUUID() },
      ...(method === 'PUT' && { body: '{"state":"on"}' }),
    });
  }
  for (const path of [
    permissionPath(ASKED),
    `${own}/purchasepermissions`,
    `${permissionPath(ASKED)}/eligibility`,
    `${permissionPath(ASKED)}/guards`,
    '/v1/purchasepermissions?size=100',
    '/v1/purchasepermissions?size=100&state=on',
    '/v1/purchasepermissions?size=100&effective=true',
    '/v1/SelfServePolicy',
    `/v1/SelfServePolicy/${policy}`,
    CUSTOMER_PAGE,
    `${CUSTOMER_PAGE}&${filter('CompanyName', 'customer 0000', 'starts_with')}`,
    `${CUSTOMER_PAGE}&${filter('Domain', 'c600', 'starts_with')}`,
    own,
    `${own}/profiles/billing`,
    `${own}/profiles/company`,
    `${own}/users`,
    `${own}/users/${ownerId(ASKED)}`,
    `${own}/subscriptions`,
    `${own}/subscriptions/${subscription}`,
    `${own}/subscriptions/${subscription}/azureEntitlements`,
    `${own}/subscriptions/${subscription}/roleassignments`,
    `${own}/entitlements`,
    `${own}/orders`,
    `${own}/changerequests`,
    `${own}/agreements`,
    '/v1/auditrecords?size=100',
    `/v1/auditrecords?size=100&${filter('CustomerId', customer, 'equals')}`,
    `/v1/auditrecords?size=100&${filter('CompanyName', 'Customer 60', 'substring')}`,
    '/v1/activitylog?size=100',
    `/v1/activitylog?size=100&customerId=${customer}`,
    `/subscriptions/${azure}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01`,
  ]) {
    await (await ask(path)).arrayBuffer();
  }
  await ask(NEXT_PAGE, { headers: { 'ms-continuationtoken': lastPageToken } });
}
