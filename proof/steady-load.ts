import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { customerId } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';

export interface LoadOptions {
  url: string;
  token: string;
  perSecond: number;
  /** Numbers of customers that are read and switched; nobody has switched them before. */
  customers: { from: number; count: number };
  random: () => number;
  /** How often a request is sent at the most, with the same `MS-RequestId`. Default: once. */
  attempts?: number;
}

/** What became of the requests. Each is sent when it is due, as long as a connection is free. */
export interface Journal {
  sent: number;
  /** Not served at the first time. */
  failedFirst: number;
  /** Not served at the last time either. */
  failed: number;
  /** Times that no connection came to be: sure not to have been sent. */
  refused: number;
  /** Answers that ask for a repetition: with Retry-After. */
  putOff: number;
  /** Other answers than success, as `503 GET`. */
  wrong: string[];
  /** Sent and not answered: the connection broke, or the time was over. */
  lost: string[];
  /** The switches that were answered with success, and when, in milliseconds of `performance.now`. */
  acknowledged: { requestId: string; at: number }[];
}

export interface Load {
  journal: Journal;
  inFlight(): number;
  /** Resolves when so many requests are under way. */
  untilInFlight(count: number): Promise<void>;
  /** Sends no more; returns when what was sent is settled. */
  stop(): Promise<void>;
}

const CONNECTIONS = 48;
const WRITES = 1 / 3;
const ANSWER_WITHIN_MS = 10_000;
const TICK_MS = 5;
const PAUSE_MS = 200;
/** Each changes something when the one before it did. */
const SWITCHES = [
  { method: 'PUT', body: '{"state":"on"}' },
  { method: 'PUT', body: '{"state":"off"}' },
  { method: 'PUT', body: '{"state":"on"}' },
  { method: 'DELETE', body: undefined },
] as const;

type Outcome = 'success' | 'refused' | { status: number; retryAfter: number | undefined } | { lost: string };

/** Mixed reads and switches over kept connections, at a fixed rate. */
export function startLoad({ url, token, perSecond, customers, random, attempts = 1 }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const journal: Journal = {
    sent: 0,
    failedFirst: 0,
    failed: 0,
    refused: 0,
    putOff: 0,
    wrong: [],
    lost: [],
    acknowledged: [],
  };
  /** Customers that nobody writes to, and whose state is known; with the number of switches. */
  const idle = Array.from({ length: customers.count }, (_, index) => ({ number: customers.from + index, switched: 0 }));
  const open = new Set<Promise<void>>();
  let busy = 0;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

  async function send(method: string, path: string, requestId: string, body: string | undefined): Promise<Outcome> {
    const asked = request(`${url}${path}`, {
      agent,
      method,
      headers: { ...headers, 'ms-requestid': requestId },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    busy++;
    try {
      asked.end(body);
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      for await (const _part of answer);
      const { statusCode: status = 0 } = answer;
      if (status >= 200 && status < 300) return 'success';
      const retryAfter = answer.headers['retry-after'];
      return { status, retryAfter: retryAfter === undefined ? undefined : Number(retryAfter) };
    } catch (error) {
      const { syscall, message } = error as NodeJS.ErrnoException;
      if (syscall === 'connect') return 'refused';
      return { lost: `${method}: ${message}${asked.reusedSocket ? ', on a connection used before' : ''}` };
    } finally {
      busy--;
    }
  }

  function record(outcome: Outcome, method: string): void {
    if (outcome === 'success') return;
    if (outcome === 'refused') journal.refused++;
    else if ('lost' in outcome) journal.lost.push(outcome.lost);
    else if (outcome.retryAfter === undefined) journal.wrong.push(`${outcome.status} ${method}`);
    else journal.putOff++;
  }

  /** @returns whether it was served in the end */
  async function serve(method: string, path: string, requestId: string, body?: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await send(method, path, requestId, body);
      record(outcome, method);
      if (outcome === 'success') return true;
      if (attempt === 1) journal.failedFirst++;
      if (attempt === attempts) return false;
      const asked = typeof outcome === 'object' && 'retryAfter' in outcome ? outcome.retryAfter : undefined;
      await setTimeout(asked === undefined ? PAUSE_MS : asked * 1000);
    }
  }

  async function one(): Promise<void> {
    journal.sent++;
    const requestId = crypto.randomUUID();
    const path = (number: number) => `/v1/customers/${customerId(number)}/purchasepermissions/AzureReservedInstances`;
    const chosen = random() < WRITES ? idle.splice(Math.floor(random() * idle.length), 1)[0] : undefined;
    if (!chosen) {
      const number = customers.from + Math.floor(random() * customers.count);
      if (!(await serve('GET', path(number), requestId))) journal.failed++;
      return;
    }
    const { method, body } = SWITCHES[chosen.switched % SWITCHES.length] ?? SWITCHES[0];
    if (await serve(method, path(chosen.number), requestId, body)) {
      journal.acknowledged.push({ requestId, at: performance.now() });
      chosen.switched++;
      idle.push(chosen);
    } else journal.failed++;
  }

  let last = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    due += ((now - last) / 1000) * perSecond;
    last = now;
    for (; due >= 1 && busy < CONNECTIONS; due--) {
      const work = one().finally(() => open.delete(work));
      open.add(work);
    }
    // What a slow machine did not get to is not made up for.
    due = Math.min(due, 1);
  }, TICK_MS);

  return {
    journal,
    inFlight: () => open.size,
    untilInFlight: async (count) => {
      while (open.size < count) await setTimeout(1);
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
      agent.destroy();
    },
  };
}

/** How many acknowledged switches do not have exactly one log entry. */
export async function countWithoutEntry({ sql }: HarnessDatabase, { acknowledged }: Journal): Promise<number> {
  const [found] = await sql<{ once: number }>(
    `select count(*)::int as once from (
       select request_id from activity_log where request_id = any ($1::uuid[]) group by request_id having count(*) = 1) r`,
    [acknowledged.map(({ requestId }) => requestId)],
  );
  return acknowledged.length - (found?.once ?? 0);
}
