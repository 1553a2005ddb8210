import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { DatabaseHandle } from '../../src/db/connect.js';
import { findCustomerUser } from '../../src/nouns/identity/customer-users.js';
import { type Identity, loadIdentity } from '../../src/nouns/identity/identity.js';
import { mintToken } from '../../src/nouns/identity/mint.js';

export const CONTOSO = '634f6379-ad54-449b-9821-564f737158ab';
export const FABRIKAM = 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11';
export const OWNER_ROLE = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const demoDir = fileURLToPath(new URL('../../../demo/', import.meta.url));
export const ADMIN_AGENTS: Readonly<Record<string, string>> = {
  [CONTOSO]: 'aaaaaaaa-0000-4000-8000-000000000001',
  [FABRIKAM]: 'aaaaaaaa-0000-4000-8000-000000000002',
};

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed JSON; undefined when there is no body. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
  body: any;
  text: string;
}

export interface NewCustomer {
  /** Default: contoso. */
  partnerId?: string;
  /** Default true: an Azure plan with an active Azure subscription and a home user who is Owner on it. */
  eligible?: boolean;
  name?: string;
}

export interface NewPrice {
  /** Default: contoso. */
  partnerId?: string;
  /** Default: VirtualMachines. */
  reservedResourceType?: string;
  /** Default: Standard_D2s_v5. */
  skuName?: string;
  /** Default: westeurope. */
  location?: string;
  /** Default: P1Y. */
  term?: 'P1Y' | 'P3Y' | 'P5Y';
  /** Decimal text, one unit for the whole term. Default: 600. */
  unitPrice?: string;
  /** Default: USD. */
  currencyCode?: string;
  /** Default: 2026-01-01. */
  effectiveOn?: string;
}

export interface MadeCustomer {
  partnerId: string;
  customerId: string;
  subscriptionId: string;
  azureSubscriptionId: string;
  /** The user who is Owner, and the name of the assignment that makes it so. */
  ownerId: string;
  ownerUpn: string;
  roleAssignmentId: string;
}

/** A service, wherever it runs, seen from outside, with its database and the keys of its issuer. */
export interface ServiceClient {
  url: string;
  db: DatabaseHandle;
  identity: Identity;
  /** Sends JSON as an AdminAgent of contoso unless `token` says otherwise (null: none). */
  request(
    method: string,
    path: string,
    options?: { token?: string | null; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>;
  tokens: {
    admin: string;
    sales: string;
    helpdesk: string;
    appOnly: string;
    fabrikamAdmin: string;
    customerUser(tenantId: string, upn: string): Promise<string>;
  };
  newCustomer(options?: NewCustomer): Promise<MadeCustomer>;
  /** Puts a retail price of a virtual machine reservation in force. */
  newPrice(options?: NewPrice): Promise<Required<NewPrice>>;
  /** As the superuser: row-level security does not apply. */
  sql<R extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  /** Its OpenAPI document. */
  document(): object;
}

/** What a client is made of. */
export type Reached = Pick<ServiceClient, 'url' | 'db' | 'identity' | 'sql' | 'document'>;

/** The issuer whose keys are in `dataDir`. */
export function openIssuer(db: DatabaseHandle, dataDir?: string): Promise<Identity> {
  return loadIdentity({
    dataDir: dataDir ?? join(demoDir, '..', '.data'),
    accountsFile: join(demoDir, 'identity.json'),
    publicUrl: 'http://127.0.0.1',
    findCustomerUser: (tenantId, upn) => findCustomerUser(db, tenantId, upn),
  });
}

/** The partners contoso and fabrikam. */
export async function insertPartners(sql: ServiceClient['sql']): Promise<void> {
  for (const [partnerId, name] of [
    [CONTOSO, 'contoso'],
    [FABRIKAM, 'fabrikam'],
  ] as const) {
    await sql(
      `insert into partners (partner_id, company_name, domain, country, mpn_id, admin_agents_group_id, created_on)
       values ($1, $2, $3, 'US', '1234567', $4, now())`,
      [partnerId, name, `${name}partner.onmicrosoft.com`, ADMIN_AGENTS[partnerId]],
    );
  }
}

export async function makeTokens(identity: Identity): Promise<ServiceClient['tokens']> {
  const partnerToken = (partner: string, role: 'AdminAgent' | 'SalesAgent' | 'HelpDeskAgent') =>
    mintToken(identity, { partner, role });
  return {
    admin: await partnerToken('contoso', 'AdminAgent'),
    sales: await partnerToken('contoso', 'SalesAgent'),
    helpdesk: await partnerToken('contoso', 'HelpDeskAgent'),
    appOnly: await mintToken(identity, { partner: 'contoso', role: 'AdminAgent', appOnly: true }),
    fabrikamAdmin: await partnerToken('fabrikam', 'AdminAgent'),
    customerUser: (tenantId: string, upn: string) => mintToken(identity, { customer: tenantId, user: upn }),
  };
}

/** Sends JSON, by default with this token. */
export function createRequest(url: string, defaultToken: string): ServiceClient['request'] {
  return async (method, path, { token = defaultToken, body, headers = {} } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined };
  };
}

export async function openClient(reached: Reached): Promise<ServiceClient> {
  const tokens = await makeTokens(reached.identity);
  return {
    ...reached,
    tokens,
    newCustomer: (options) => makeCustomer(reached.sql, options),
    newPrice: (options) => makePrice(reached.sql, options),
    request: createRequest(reached.url, tokens.admin),
  };
}

export async function makeCustomer(sql: ServiceClient['sql'], options: NewCustomer = {}): Promise<MadeCustomer> {
  const { partnerId = CONTOSO, eligible = true } = options;
  const made = {
    partnerId,
    customerId: randomUUID(),
    subscriptionId: randomUUID(),
    azureSubscriptionId: randomUUID(),
    ownerId: randomUUID(),
    ownerUpn: '',
    roleAssignmentId: randomUUID(),
  };
  const name = options.name ?? `Customer ${made.customerId.slice(0, 8)}`;
  const domain = `c${made.customerId.slice(0, 8)}.onmicrosoft.com`;
  made.ownerUpn = `olga@${domain}`;
  const address = { country: 'US', city: 'Redmond', state: 'WA', addressLine1: 'One Way', postalCode: '98052' };
  await sql(
    `insert into customers values ($1, $2, $3, lower($3), $4, 'reseller', true, 'US', null, $5, $6, 1, 0,
       decode(repeat('00', 32), 'hex'), now() - interval '1 year', null)`,
    [
      partnerId,
      made.customerId,
      name,
      domain,
      { address },
      {
        id: randomUUID(),
        email: `billing@${domain}`,
        culture: 'en-US',
        language: 'en',
        companyName: name,
        defaultAddress: address,
        version: 1,
      },
    ],
  );
  if (!eligible) return made;
  await sql(
    `insert into subscriptions values ($1, $2, $3, 'DZH318Z0BPS6:0001:DZH318Z0BML6', 'Azure plan', 'Azure plan',
       'DZH318Z0BPS6', 'Azure plan', 1, 'Usage-based', 'active', 'usage', 'one_time', null, false, false, false, true,
       'Microsoft', '1234567', $4, null, '{}', 'notregistered', false, now() - interval '1 year',
       now() - interval '1 year', '9999-12-10', 1)`,
    [partnerId, made.customerId, made.subscriptionId, randomUUID()],
  );
  await sql(
    `insert into azure_subscriptions values ($1, $2, $3, $4, 'Azure subscription 1', 'active', 'Enabled',
       'CSP_2015-05-01', '{}', null, 1, now() - interval '1 year')`,
    [partnerId, made.azureSubscriptionId, made.customerId, made.subscriptionId],
  );
  await sql(
    `insert into users values ($1, $2, $3, $4, lower($4), 'Olga Owner', 'Olga', 'Owner', 'US', null, null, 'managed',
       'member', 'active', null, 1, now() - interval '1 year', null)`,
    [partnerId, made.customerId, made.ownerId, made.ownerUpn],
  );
  const scope = `/subscriptions/${made.azureSubscriptionId}`;
  await sql(
    `insert into role_assignments values
       ($1, $2, $3, $4, lower($4), 'subscription', $5, $6, $7, 'User', 'active', null, null, null, null,
        now() - interval '1 month', now() - interval '1 month', null, null),
       ($1, $2, gen_random_uuid(), $4, lower($4), 'subscription', $5, $6, $8, 'ForeignGroup', 'active', null, null, null,
        null, now() - interval '1 year', now() - interval '1 year', null, null)`,
    [
      partnerId,
      made.customerId,
      made.roleAssignmentId,
      scope,
      made.azureSubscriptionId,
      OWNER_ROLE,
      made.ownerId,
      ADMIN_AGENTS[partnerId],
    ],
  );
  return made;
}

export async function makePrice(sql: ServiceClient['sql'], options: NewPrice = {}): Promise<Required<NewPrice>> {
  const made = {
    partnerId: CONTOSO,
    reservedResourceType: 'VirtualMachines',
    skuName: 'Standard_D2s_v5',
    location: 'westeurope',
    term: 'P1Y' as const,
    unitPrice: '600',
    currencyCode: 'USD',
    effectiveOn: '2026-01-01T00:00:00Z',
    ...options,
  };
  await sql(
    `insert into retail_prices values ($1, $2, $3, $4, lower($5), $6, $7, $5, $8, 'DZH318Z0BQ35', $9, gen_random_uuid(),
       'Virtual Machines Dsv5 Series', $5, 'Virtual Machines')`,
    [
      made.partnerId,
      made.currencyCode,
      made.reservedResourceType,
      made.location,
      made.skuName,
      made.term,
      made.effectiveOn,
      made.unitPrice,
      made.skuName.replace(/\W|_/g, '').slice(-6).toUpperCase(),
    ],
  );
  return made;
}
