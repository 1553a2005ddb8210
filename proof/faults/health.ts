import { setTimeout } from 'node:timers/promises';

/** What balancers and supervisors saw. */
export interface Health {
  /** Answers of /livez that were not 200, or none within the limit of a supervisor. */
  deaths: number;
  slowestLive: number;
  slowestReady: number;
}

const EVERY_MS = 200;
/** Of a probe in a supervisor. */
const LIMIT_MS = 3000;

/** Asks for the health of a service until told to stop. */
export function watchHealth(url: string): () => Promise<Health> {
  const health: Health = { deaths: 0, slowestLive: 0, slowestReady: 0 };
  const stopped = new AbortController();
  async function ask(path: string): Promise<{ status: number; milliseconds: number }> {
    const begin = performance.now();
    const status = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(LIMIT_MS) }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => 0,
    );
    return { status, milliseconds: performance.now() - begin };
  }
  const asking = (async () => {
    while (!stopped.signal.aborted) {
      const [live, ready] = await Promise.all([ask('/livez'), ask('/readyz')]);
      if (live.status !== 200) health.deaths++;
      health.slowestLive = Math.max(health.slowestLive, live.milliseconds);
      health.slowestReady = Math.max(health.slowestReady, ready.milliseconds);
      await setTimeout(EVERY_MS);
    }
  })();
  return async () => {
    stopped.abort();
    await asking;
    return health;
  };
}
