import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { azureSubscriptionId, customerId, RESERVATION } from '../harness/data.js';

/** What the clients of a mix know. */
export interface World {
  url: string;
  admin: string;
  customers: number;
  /** Owners of customers 1, 2, …, and what they may buy. */
  owners: readonly string[];
  quotes: { quoteId: string; customer: number }[];
  random(): number;
}

export interface Mix {
  /** Answers so far, by what was done. */
  answered: Map<string, number>;
  /** Unexpected answers: 5xx but 503, which is how the service sheds load. */
  failed: number;
  /** Ends everything and closes every connection from this side. */
  stop(): Promise<void>;
}

interface Wish {
  method: string;
  path: string;
  token?: string | undefined;
  body?: string | Buffer;
  headers?: Record<string, string>;
  /** Cut after so many milliseconds, answer or not. */
  cutAfter?: number;
}

const WORKERS = 24;
const PATIENCE_MS = 10_000;
const PERMISSION = 'purchasepermissions/AzureReservedInstances';
const DEEP = '['.repeat(20_000);
const LARGE = Buffer.alloc(200_000, 'a');

function purchaseOf({ quotes, owners }: World): Wish | undefined {
  const quote = quotes.pop();
  if (!quote) return undefined;
  const { skuName, location, ...properties } = RESERVATION;
  const billingScopeId = `/subscriptions/${azureSubscriptionId(quote.customer)}`;
  return {
    method: 'PUT',
    path: `/providers/Microsoft.Capacity/reservationOrders/${quote.quoteId}?api-version=2022-11-01`,
    token: owners[quote.customer - 1],
    body: JSON.stringify({
      sku: { name: skuName },
      location,
      properties: { ...properties, billingScopeId, displayName: 'Web servers', appliedScopeType: 'Shared' },
    }),
  };
}

/** What the clients do, each as often as the others. */
const ACTS: Readonly<Record<string, (world: World) => Wish | undefined>> = {
  read: (world) => ({ method: 'GET', path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`, token: world.admin }),
  list: ({ admin }) => ({ method: 'GET', path: '/v1/customers?size=100', token: admin }),
  log: ({ admin }) => ({ method: 'GET', path: '/v1/activitylog?size=50', token: admin }),
  'switch on': (world) => ({
    method: 'PUT',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    body: '{"state":"on"}',
  }),
  'switch off': (world) => ({
    method: 'DELETE',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    headers: { 'MS-RequestId': crypto.randomUUID() },
  }),
  purchase: purchaseOf,
  'bad JSON': (world) => ({
    method: 'PUT',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    body: world.random() < 0.5 ? '{"state":' : DEEP,
  }),
  'wrong members': (world) => ({
    method: 'PUT',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    body: JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`member${n}`, world.random()]))),
  }),
  'oversize body': (world) => ({
    method: 'PUT',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    body: LARGE,
  }),
  'forged token': (world) => ({ method: 'GET', path: '/v1/customers', token: forge(world) }),
  'no token': () => ({ method: 'GET', path: '/v1/customers' }),
  'unknown address': ({ admin, random }) => ({ method: 'GET', path: `/v1/${random()}/${random()}`, token: admin }),
  'unknown query': ({ admin, random }) => ({ method: 'GET', path: `/v1/customers?x${random()}=1`, token: admin }),
  'cut off': (world) => ({
    method: 'PUT',
    path: `/v1/customers/${anyCustomer(world)}/${PERMISSION}`,
    token: world.admin,
    body: '{"state":"on"}',
    cutAfter: world.random() * 10,
  }),
};

const anyCustomer = ({ customers, random }: World) => customerId(1 + Math.floor(random() * customers));

/** Well formed, of its own key id each time, and signed by nobody. */
function forge({ admin, random }: World): string {
  const [, claims = '', signature = ''] = admin.split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: String(random()) })).toString(
    'base64url',
  );
  return random() < 0.5
    ? `${header}.${claims}.${signature}`
    : admin.replace(/.{9}$/, random().toString(36).slice(2, 11));
}

/**
 * Load and abuse of every kind at once, by clients that each wait for their answer.
 * @param mostHalfOpen connections that are half open beside it
 */
export function startMix(world: World, mostHalfOpen: number): Mix {
  const agent = new Agent({ keepAlive: true });
  const names = Object.keys(ACTS);
  const halfOpen = new Set<Socket>();
  const mix: Mix = { answered: new Map(), failed: 0, stop };
  let stopping = false;

  function send({ method, path, token, body, headers, cutAfter }: Wish): Promise<number> {
    return new Promise((resolve) => {
      const sending = request(`${world.url}${path}`, {
        method,
        agent,
        timeout: PATIENCE_MS,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      });
      sending.on('response', (response) => {
        response.on('close', () => resolve(response.statusCode ?? 0));
        response.on('error', () => resolve(0));
        response.resume();
      });
      sending.on('timeout', () => sending.destroy());
      sending.on('error', () => resolve(0));
      sending.end(body);
      if (cutAfter !== undefined) setTimeout(() => sending.destroy(), cutAfter);
    });
  }

  async function work(): Promise<void> {
    while (!stopping) {
      const name = names[Math.floor(world.random() * names.length)] ?? '';
      const wish = ACTS[name]?.(world);
      if (!wish) continue;
      const status = await send(wish);
      mix.answered.set(name, (mix.answered.get(name) ?? 0) + 1);
      if (status >= 500 && status !== 503) mix.failed += 1;
    }
  }

  const port = Number(new URL(world.url).port);
  const opening = setInterval(() => {
    if (halfOpen.size >= mostHalfOpen) return;
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('POST /v1/customers HTTP/1.1\r\nHost: service\r\nX-Half: '),
    );
    halfOpen.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => halfOpen.delete(socket))
      .resume();
  }, 20);
  const workers = Array.from({ length: WORKERS }, work);

  async function stop(): Promise<void> {
    stopping = true;
    clearInterval(opening);
    await Promise.all(workers);
    agent.destroy();
  }
  return mix;
}
