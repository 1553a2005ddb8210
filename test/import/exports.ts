import { randomUUID } from 'node:crypto';
import { importFiles } from '../../src/import/import-files.js';
import type { Source } from '../../src/import/read-export.js';
import { CONTOSO, OWNER_ROLE, type Service } from '../helpers/service.js';

export const rules = { purchaserRoles: ['owner'] as const };

export const source = (name: string, content: unknown): Source => ({
  name,
  async *open() {
    yield Buffer.isBuffer(content)
      ? content
      : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
  },
});

let serial = 0;
export function customer(over: Record<string, unknown> = {}) {
  const id = randomUUID();
  const domain = `import${++serial}.onmicrosoft.com`;
  return {
    id,
    companyProfile: { tenantId: id, domain, companyName: `Import ${serial}` },
    relationshipToPartner: 'reseller',
    attributes: { objectType: 'Customer' },
    ...over,
  };
}

/** Exports of a customer that is eligible. */
export function eligibleExports() {
  const wire = customer();
  const [plan, azure, user] = [randomUUID(), randomUUID(), randomUUID()];
  const scope = `/subscriptions/${azure}`;
  const assignment = {
    name: randomUUID(),
    scope,
    roleDefinitionId: `${scope}/providers/Microsoft.Authorization/roleDefinitions/${OWNER_ROLE}`,
    principalId: user,
    principalType: 'User',
    createdOn: '2024-03-11T14:05:22.4113920Z',
  };
  const subscription = {
    id: plan,
    offerId: 'DZH318Z0BPS6:0001:DZH318Z0BML6',
    orderId: 'order1',
    status: 'active',
    billingType: 'usage',
    creationDate: '2023-02-06T09:12:31',
    links: { self: { uri: `/customers/${wire.id}/subscriptions/${plan}` } },
    attributes: { objectType: 'Subscription' },
  };
  const entitlement = { id: azure, friendlyName: 'Azure', status: 'active', subscriptionId: plan };
  const account = {
    id: user,
    userPrincipalName: `olga@${wire.companyProfile.domain}`,
    displayName: 'Olga',
    links: { self: { uri: `/customers/${wire.id}/users/${user}` } },
  };
  const files = {
    'role-assignments.json': [assignment],
    'entitlements.json': { items: [entitlement] },
    'users.json': { items: [account] },
    'subscriptions.json': { totalCount: 1, items: [subscription] },
    'customers.json': { items: [wire] },
  };
  return { files, customerId: wire.id, azure, user, scope, assignment, subscription, entitlement, account, wire };
}

export const permission = (customerId: string) =>
  `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;

/** Runs imports into a service's database, for contoso unless another partner is named. */
export function importsInto({ db, sql }: Service) {
  async function run(content: Record<string, unknown>, customerId?: string, partnerId = CONTOSO) {
    const sources = Object.entries(content).map(([name, value]) => source(name, value));
    return importFiles(db, sources, { rules, partnerId, ...(customerId && { customerId }) });
  }
  return {
    run,
    /** The report of the only file. */
    async runOne(content: unknown, customerId?: string, partnerId = CONTOSO) {
      const { files } = await run({ 'file.json': content }, customerId, partnerId);
      const [report] = files;
      if (!report) throw new Error('no report');
      return report;
    },
    logOf: (customerId: string) => sql('select * from activity_log where customer_id = $1 order by seq', [customerId]),
  };
}
