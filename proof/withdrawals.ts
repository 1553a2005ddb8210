import {
  azureSubscriptionId,
  CONTOSO,
  customerId,
  ownerId,
  roleAssignmentId,
  subscriptionId,
} from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';
import { type Call, send } from './client.js';
import type { Importer } from './importer.js';

/** What takes the right to buy away from a customer. */
export interface Withdrawal {
  /** `the Owner role is removed` */
  what: string;
  /** What customers have to be besides eligible. */
  prepare?: (database: HarnessDatabase, from: number, to: number) => Promise<void>;
  /** Where fewer pairs at the same time meet better. */
  atOnce?: number;
  /** @throws when it was refused */
  perform(by: Means, customer: number): Promise<void>;
}

export interface Means {
  url: string;
  /** An AdminAgent's. */
  token: string;
  importer: Importer;
}

const base = (customer: number) => `/v1/customers/${customerId(customer)}`;

const request =
  (callOf: (customer: number) => Omit<Call, 'token'>): Withdrawal['perform'] =>
  async ({ url, token }, customer) => {
    const call = { ...callOf(customer), token };
    const { status, text } = await send(url, call);
    if (status >= 300) throw new Error(`${call.method} ${call.path}: ${status} ${text}`);
  };

export const switchedOff: Withdrawal = {
  what: 'the permission is switched off',
  perform: request((customer) => ({
    method: 'PUT',
    path: `${base(customer)}/purchasepermissions/AzureReservedInstances`,
    body: { state: 'off' },
  })),
};

/** Somewhere Azure reservations are not sold. */
const ELSEWHERE = { country: 'IM', city: 'Douglas', addressLine1: 'One Way', postalCode: 'IM1 1AA' };

/** The permission stays effective there: only what is bought is refused. */
export const movedAway: Withdrawal = {
  what: 'the customer moves to a market without reservations',
  perform: request((customer) => ({
    method: 'PUT',
    path: `${base(customer)}/profiles/billing`,
    headers: { 'if-match': '*' },
    body: {
      email: `billing@c${customer}.onmicrosoft.com`,
      culture: 'en-US',
      language: 'en',
      companyName: `Customer ${customer}`,
      defaultAddress: ELSEWHERE,
    },
  })),
};

/** One waits for the other. */
const ONE_IMPORT = 1;

/** What ends a customer's eligibility, each through the operation, or the import, that does it. */
export const lapses: readonly Withdrawal[] = [
  {
    what: 'the Owner role is removed',
    perform: request((customer) => ({
      method: 'DELETE',
      path: `/subscriptions/${azureSubscriptionId(customer)}/providers/Microsoft.Authorization/roleAssignments/${roleAssignmentId(customer)}?api-version=2022-04-01`,
    })),
  },
  {
    what: 'the user is disabled',
    perform: request((customer) => ({
      method: 'PATCH',
      path: `${base(customer)}/users/${ownerId(customer)}`,
      body: { state: 'inactive' },
    })),
  },
  {
    what: 'the user is deleted',
    perform: request((customer) => ({ method: 'DELETE', path: `${base(customer)}/users/${ownerId(customer)}` })),
  },
  {
    what: 'the Azure subscription is cancelled',
    perform: request((customer) => ({
      method: 'POST',
      path: `${base(customer)}/subscriptions/${subscriptionId(customer)}/azureEntitlements/${azureSubscriptionId(customer)}/cancel`,
      body: { cancellationReason: 'compromise' },
    })),
  },
  {
    what: 'the subscription is suspended',
    // An Azure plan cannot be suspended while an Azure subscription of it is active.
    prepare: async ({ sql }, from, to) => {
      await sql(
        `update subscriptions set offer_id = 'MS-AZR-0145P', offer_name = 'Microsoft Azure', product_type_id = null,
           entitlement_id = (select azure_subscription_id from azure_subscriptions a
             where a.partner_id = subscriptions.partner_id and a.customer_id = subscriptions.customer_id
               and a.subscription_id = subscriptions.subscription_id)
         where partner_id = $1 and customer_id between $2 and $3`,
        [CONTOSO, customerId(from), customerId(to)],
      );
    },
    perform: request((customer) => ({
      method: 'PATCH',
      path: `${base(customer)}/subscriptions/${subscriptionId(customer)}`,
      body: { id: subscriptionId(customer), status: 'suspended' },
    })),
  },
  {
    what: 'the customer is deleted',
    perform: request((customer) => ({ method: 'DELETE', path: base(customer) })),
  },
  {
    what: 'an import ends the relationship',
    atOnce: ONE_IMPORT,
    perform: ({ importer }, customer) =>
      importer.take('customers', {
        id: customerId(customer),
        companyProfile: { domain: `c${customer}.onmicrosoft.com`, companyName: `Customer ${customer}` },
        relationshipToPartner: 'none',
        attributes: { objectType: 'Customer' },
      }),
  },
  {
    what: 'an import brings a deny assignment',
    atOnce: ONE_IMPORT,
    perform: ({ importer }, customer) =>
      importer.take('deny-assignments', {
        name: crypto.randomUUID(),
        type: 'Microsoft.Authorization/denyAssignments',
        properties: {
          denyAssignmentName: 'no purchases',
          scope: `/subscriptions/${azureSubscriptionId(customer)}`,
          permissions: [{ actions: ['*'] }],
          principals: [{ id: '00000000-0000-0000-0000-000000000000', type: 'SystemDefined' }],
        },
      }),
  },
];
