import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { CONTOSO, customerId } from '../harness/data.js';

/** Clients behind a balancer: each reads and switches the permissions of customers of its own. */
export interface RollingLoad {
  /** As the balancer does when an instance answers /readyz. */
  add(url: string): void;
  remove(url: string): void;
  requests(): number;
  /** Answers of 5xx by status, and `none` for requests that got no answer. */
  failures(): ReadonlyMap<string, number>;
  /** By the number of the customer. */
  acknowledged(): ReadonlyMap<number, { changes: number; on: boolean }>;
  stop(): Promise<void>;
}

export interface LoadOptions {
  token: string;
  clients: number;
  /** Number 1 and on, all switched on. */
  customersEach: number;
  random(): number;
}

/** A request that is not answered, however often it is sent: each time counts, and its client sends no more. */
class GivenUp extends Error {}

const PAUSE_MS = 15;
const ATTEMPTS = 50;
const RETRY_MS = 100;

export function startLoad(options: LoadOptions): RollingLoad {
  const { token, clients, customersEach, random } = options;
  const instances: string[] = [];
  const failures = new Map<string, number>();
  const acknowledged = new Map<number, { changes: number; on: boolean }>();
  let requests = 0;
  let over = false;

  /** @returns the status; undefined without an answer */
  async function send(method: string, path: string, requestId: string, body?: object): Promise<number | undefined> {
    const url = instances[Math.floor(random() * instances.length)];
    requests++;
    const status = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'ms-requestid': requestId,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => undefined,
    );
    if (status === undefined || status >= 500) {
      const key = String(status ?? 'none');
      failures.set(key, (failures.get(key) ?? 0) + 1);
    }
    return status;
  }

  /** The same request again until it is answered, as a client does that has to know. */
  async function ask(method: string, path: string, body?: object): Promise<void> {
    const requestId = randomUUID();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const status = await send(method, path, requestId, body);
      if (status !== undefined && status < 300) return;
      if (status !== undefined && status < 500) throw new Error(`${method} ${path} was answered ${status}`);
      await setTimeout(RETRY_MS);
    }
    throw new GivenUp();
  }

  async function work(first: number): Promise<void> {
    for (let n = 0; !over; n = (n + 1) % customersEach) {
      const number = first + n;
      const path = `/v1/customers/${customerId(number)}/purchasepermissions/AzureReservedInstances`;
      const state = acknowledged.get(number) ?? { changes: 0, on: true };
      if (!state.on) await ask('PUT', path, { state: 'on' });
      else if (random() < 0.5) await ask('PUT', path, { state: 'off' });
      else await ask('DELETE', `/v1/SelfServePolicy/${CONTOSO}_${customerId(number)}`);
      acknowledged.set(number, { changes: state.changes + 1, on: !state.on });
      await setTimeout(PAUSE_MS);
      await ask('GET', random() < 0.5 ? '/v1/purchasepermissions?size=20' : path.replace(/\/[^/]+$/, ''));
      await setTimeout(PAUSE_MS);
    }
  }

  let working: Promise<unknown> | undefined;
  return {
    add: (url) => {
      instances.push(url);
      working ??= Promise.all(
        Array.from({ length: clients }, (_, index) =>
          work(1 + index * customersEach).catch((error) => {
            if (!(error instanceof GivenUp)) throw error;
          }),
        ),
      );
      // Reported by `stop`.
      working.catch(() => {});
    },
    remove: (url) => {
      instances.splice(instances.indexOf(url), 1);
    },
    requests: () => requests,
    failures: () => failures,
    acknowledged: () => acknowledged,
    stop: async () => {
      over = true;
      await working;
    },
  };
}
