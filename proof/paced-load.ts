import { Agent, request } from 'node:http';

/** What came of one request. */
export interface Answered {
  /** `performance.now()` when it was sent. */
  at: number;
  milliseconds: number;
  /** 0: no answer, or none in time. */
  status: number;
  retryAfter: string | undefined;
}

export interface SteadyLoadOptions {
  url: string;
  token(n: number): string;
  /** Sent at this rate whatever the answers take: who waits for answers does not see that they are late. */
  perSecond: number;
  path(n: number): string;
  /** Every so many requests go over a new connection. Default: none. */
  newConnectionEvery?: number;
}

export interface SteadyLoad {
  answered: Answered[];
  /** Sends nothing more; back when every answer is there. */
  stop(): Promise<void>;
}

const TICK_MS = 5;
const PATIENCE_MS = 5000;

/** Requests of one client at a steady rate. */
export function startSteadyLoad({ url, token, perSecond, path, newConnectionEvery }: SteadyLoadOptions): SteadyLoad {
  const agent = new Agent({ keepAlive: true });
  const answered: Answered[] = [];
  const waiting = new Set<Promise<void>>();
  const begin = performance.now();
  let sent = 0;

  function send(n: number): void {
    const at = performance.now();
    const isNew = newConnectionEvery !== undefined && n % newConnectionEvery === 0;
    const headers = { authorization: `Bearer ${token(n)}` };
    const done = new Promise<void>((resolve) => {
      const settle = (status: number, retryAfter?: string) => {
        answered.push({ at, milliseconds: performance.now() - at, status, retryAfter });
        resolve();
      };
      const sending = request(`${url}${path(n)}`, { agent: isNew ? false : agent, headers, timeout: PATIENCE_MS });
      sending.on('response', (response) => {
        response.on('end', () => settle(response.statusCode ?? 0, response.headers['retry-after']));
        response.on('error', () => settle(0));
        response.resume();
      });
      sending.on('timeout', () => sending.destroy());
      sending.on('error', () => settle(0));
      sending.end();
    });
    waiting.add(done);
    void done.then(() => waiting.delete(done));
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - begin) / 1000) * perSecond;
    while (sent < due) send(sent++);
  }, TICK_MS);
  return {
    answered,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(waiting);
      agent.destroy();
    },
  };
}

const SLICE_MS = 1000;

/** The 99th percentile of each second, and of those the median: what another program on the machine takes for a moment drops out. */
export function steadyP99(answered: readonly Answered[]): number {
  const slices = new Map<number, number[]>();
  for (const { at, milliseconds } of answered) {
    const slice = Math.floor(at / SLICE_MS);
    slices.set(slice, [...(slices.get(slice) ?? []), milliseconds]);
  }
  const percentiles = [...slices.values()].map((times) => {
    times.sort((one, other) => one - other);
    return times[Math.ceil(times.length * 0.99) - 1] ?? 0;
  });
  percentiles.sort((one, other) => one - other);
  return percentiles[Math.floor(percentiles.length / 2)] ?? 0;
}

export const errorsOf = (answered: readonly Answered[]) => answered.filter(({ status }) => status !== 200).length;
