import { CONTOSO, customerId, subscriptionId } from '../harness/data.js';
import { send, sendOk } from './client.js';
import type { Proof } from './suite.js';
import type { Means } from './withdrawals.js';

export const WRITERS = 100;

/** A resource that has an ETag, and what is written to it. */
interface EtagKind {
  what: string;
  path: (customer: number) => string;
  /** Where it is not PUT. */
  method?: 'PATCH';
  /**
   * A change of what was read.
   * @param serial another one for each round
   */
  change: (read: Readonly<Record<string, unknown>>, serial: number) => unknown;
}

const base = (customer: number) => `/v1/customers/${customerId(customer)}`;
const RESERVATIONS = { resource: 'AzureReservedInstances', action: 'Purchase' };
const SAVINGS_PLANS = { resource: 'AzureSavingsPlan', action: 'Purchase' };

export const etagKinds: readonly EtagKind[] = [
  {
    what: 'a self-serve policy',
    path: (customer) => `/v1/SelfServePolicy/${CONTOSO}_${customerId(customer)}`,
    change: (policy) => ({
      ...policy,
      permissions: (policy.permissions as unknown[]).length === 1 ? [RESERVATIONS, SAVINGS_PLANS] : [SAVINGS_PLANS],
    }),
  },
  {
    what: 'a purchase permission',
    path: (customer) => `${base(customer)}/purchasepermissions/AzureReservedInstances`,
    change: ({ state }) => ({ state: state === 'on' ? 'off' : 'on' }),
  },
  {
    what: 'purchase guards',
    path: (customer) => `${base(customer)}/purchasepermissions/AzureReservedInstances/guards`,
    change: (_guards, serial) => ({ currencyCode: 'USD', capPerPurchase: `${1000 + serial}.00` }),
  },
  {
    what: 'a billing profile',
    path: (customer) => `${base(customer)}/profiles/billing`,
    change: ({ email, culture, language, companyName, defaultAddress }, serial) => ({
      email,
      culture,
      language,
      companyName,
      defaultAddress: { ...(defaultAddress as object), addressLine1: `Way ${serial}` },
    }),
  },
  {
    what: 'a subscription',
    path: (customer) => `${base(customer)}/subscriptions/${subscriptionId(customer)}`,
    method: 'PATCH',
    change: ({ id }, serial) => ({ id, friendlyName: `Plan ${serial}` }),
  },
  {
    what: 'the price book',
    path: () => '/v1/pricebook',
    change: (_book, serial) => ({ currencyCode: 'USD', entries: [{ marginPercent: String(serial % 90) }] }),
  },
];

const unquoted = (etag: string) => etag.replace(/^"(.*)"$/, '$1');

/**
 * Lets many writers change one thing with the ETag that all of them read, again and again; without the guard until it went
 * wrong. Customers are eligible.
 */
export async function writeAtOnce(
  proof: Pick<Proof, 'token' | 'print'>,
  { url }: Pick<Means, 'url'>,
  { from, rounds, guarded }: { from: number; rounds: number; guarded: boolean },
) {
  const { token } = proof;
  const tallies = [];
  for (const { what, path, method = 'PUT', change } of etagKinds) {
    let wrong = 0;
    let round = 0;
    for (; round < rounds && (guarded || wrong === 0); round++) {
      const target = path(from + round);
      const read = JSON.parse((await sendOk(url, { method: 'GET', path: target, token })).text);
      const headers = { 'if-match': `"${unquoted(read.attributes.etag)}"` };
      const call = { method, path: target, headers, body: change(read, round + 1), token };
      const statuses = await Promise.all(
        Array.from({ length: WRITERS }, () => send(url, call).then(({ status }) => status)),
      );
      const written = statuses.filter((status) => status < 300).length;
      const others = statuses.filter((status) => status !== 412).length - written;
      if (written === 1 && others === 0) continue;
      wrong++;
      proof.print(`${what}: ${written} of ${WRITERS} wrote, ${others} failed otherwise`);
    }
    tallies.push({ what, pairs: round, wrong, firsts: round });
  }
  return tallies;
}
