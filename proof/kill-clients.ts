import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { customerId } from '../harness/data.js';

/** What came of sending a request once. */
export type Outcome =
  | { kind: 'answer'; status: number; code: string; replayed: boolean; etag: string | undefined }
  /** Nobody took the connection: nothing can have happened. */
  | { kind: 'not connected' }
  | { kind: 'lost' };

export interface Attempt {
  requestId: string;
  /** Milliseconds since 1970, as the log's times. */
  sentAt: number;
  outcome: Outcome;
}

/** One change that a client wants, written down before it is sent. */
export interface Entry {
  customer: number;
  method: 'PUT' | 'DELETE';
  state: 'on' | 'off';
  /** The version that it makes, where nobody else writes the customer; it is then a change by all means. */
  version: number | undefined;
  attempts: Attempt[];
}

export interface Clients {
  journal: readonly Entry[];
  acknowledged(): number;
  /** Milliseconds of the slowest answer that a client waited for. */
  slowest(): number;
  /** Settled by the next change that the instance acknowledges. */
  nextFrom(instance: number): Promise<void>;
  /** Ends when every request is answered. @throws when one is not, for a long time */
  stop(): Promise<void>;
  /** Gives up what is not answered yet. */
  abandon(): void;
}

export interface ClientOptions {
  token: string;
  /** Where the instances listen; one that is down has its last address. */
  urls: readonly { url: string }[];
  workers: number;
  random: () => number;
  /** One request in so many is given up by its client on the way. */
  hangUpEvery: number;
  /** Sends repetitions under new ids: nothing tells that they are some. */
  forgetIds: boolean;
  /** Called with the count of acknowledged changes. */
  onAcknowledged: (count: number) => void;
}

const CUSTOMERS_EACH = 8;
/** Written by whoever comes. */
const SHARED = 8;
const SHARED_EVERY = 10;
export const customersOf = (workers: number) => SHARED + workers * CUSTOMERS_EACH;
const HANG_UP_MS = 40;
/** Longer than a request may take, so that one which takes longer is seen. */
const PATIENCE_MS = 10_000;
/** Before a repetition, on average. */
const PAUSE_MS = 150;
const GIVE_UP_MS = 60_000;
const RUNNING = '990015';

/** Whether it says what became of the change, so that there is nothing to repeat. */
export function settles(outcome: Outcome): boolean {
  return outcome.kind === 'answer' && outcome.status !== 503 && outcome.code !== RUNNING;
}

export function acknowledges(outcome: Outcome): boolean {
  return outcome.kind === 'answer' && outcome.status < 300;
}

/** Clients that switch permissions and repeat what was not answered until it is. */
export function startClients(options: ClientOptions): Clients {
  const { token, urls, random } = options;
  const agent = new Agent({ keepAlive: true });
  const journal: Entry[] = [];
  const waiting = new Set<{ instance: number; done: () => void }>();
  let stopping = false;
  let abandoned = false;
  let acknowledged = 0;
  let slowest = 0;

  function sendOnce(entry: Entry, url: string, requestId: string, hangUpAfter: number | undefined): Promise<Outcome> {
    const { customer, method, state, version } = entry;
    const body = method === 'PUT' ? JSON.stringify({ state }) : '';
    const begin = performance.now();
    return new Promise((resolve) => {
      const sent = request(`${url}/v1/customers/${customerId(customer)}/purchasepermissions/AzureReservedInstances`, {
        method,
        agent,
        headers: {
          authorization: `Bearer ${token}`,
          'ms-requestid': requestId,
          ...(version !== undefined && { 'if-match': `"${version - 1}"` }),
          ...(body && { 'content-type': 'application/json', 'content-length': body.length }),
        },
      });
      const timer = globalThis.setTimeout(() => sent.destroy(), hangUpAfter ?? PATIENCE_MS);
      const end = (outcome: Outcome) => {
        clearTimeout(timer);
        if (hangUpAfter === undefined) slowest = Math.max(slowest, performance.now() - begin);
        resolve(outcome);
      };
      sent.on('error', ({ code }: NodeJS.ErrnoException) =>
        end({ kind: code === 'ECONNREFUSED' ? 'not connected' : 'lost' }),
      );
      sent.on('response', (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          text += part;
        });
        answer.on('error', () => end({ kind: 'lost' }));
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          const { etag, 'ms-replayed': replayed } = answer.headers;
          const code = status >= 400 ? (/"code":"?(\w+)/.exec(text)?.[1] ?? '') : '';
          end({ kind: 'answer', status, code, replayed: replayed === 'true', etag });
        });
      });
      sent.end(body);
    });
  }

  /** Sends until it is answered. */
  async function perform(entry: Entry): Promise<void> {
    journal.push(entry);
    const deadline = performance.now() + GIVE_UP_MS;
    const firstId = randomUUID();
    const hangUpAfter = random() * options.hangUpEvery < 1 ? random() * HANG_UP_MS : undefined;
    for (let first = true; performance.now() < deadline && !abandoned; first = false) {
      const instance = Math.floor(random() * urls.length);
      const attempt: Attempt = {
        requestId: first || !options.forgetIds ? firstId : randomUUID(),
        sentAt: Date.now(),
        outcome: { kind: 'lost' },
      };
      entry.attempts.push(attempt);
      attempt.outcome = await sendOnce(
        entry,
        urls[instance]?.url ?? '',
        attempt.requestId,
        first ? hangUpAfter : undefined,
      );
      if (settles(attempt.outcome)) {
        if (acknowledges(attempt.outcome)) {
          acknowledged++;
          options.onAcknowledged(acknowledged);
          for (const one of waiting) if (one.instance === instance) one.done();
        }
        return;
      }
      await setTimeout(PAUSE_MS * (0.5 + random()));
    }
    throw new Error(`a request was not answered: ${JSON.stringify(entry)}`);
  }

  async function work(worker: number): Promise<void> {
    const versions = new Map<number, number>();
    while (!stopping) {
      const shared = random() * SHARED_EVERY < 1;
      const customer = shared
        ? 1 + Math.floor(random() * SHARED)
        : 1 + SHARED + worker * CUSTOMERS_EACH + Math.floor(random() * CUSTOMERS_EACH);
      const version = shared ? undefined : (versions.get(customer) ?? 0) + 1;
      const state = (version === undefined ? random() < 0.5 : version % 2 === 1) ? 'on' : 'off';
      const method = state === 'off' && random() < 0.5 ? 'DELETE' : 'PUT';
      await perform({ customer, method, state, version, attempts: [] });
      if (version !== undefined) versions.set(customer, version);
    }
  }

  const workers = Array.from({ length: options.workers }, (_, worker) => work(worker));
  // Looked at by `stop`.
  for (const worker of workers) worker.catch(() => {});
  return {
    journal,
    acknowledged: () => acknowledged,
    slowest: () => slowest,
    nextFrom: (instance) =>
      new Promise((resolve) => {
        const one = {
          instance,
          done: () => {
            waiting.delete(one);
            resolve();
          },
        };
        waiting.add(one);
      }),
    stop: async () => {
      stopping = true;
      await Promise.all(workers);
    },
    abandon: () => {
      [stopping, abandoned] = [true, true];
      agent.destroy();
    },
  };
}
