import autocannon from 'autocannon';
import type { LoadPlan, LoadResult } from './load.js';
import { runPaced } from './paced.js';

/** The load generator's process: one plan at a time from its parent, answered with what came of it. */
async function run(plan: LoadPlan): Promise<LoadResult> {
  const { rate, until } = plan;
  if (rate !== undefined && 'seconds' in until) return runPaced({ ...plan, rate, until });
  let next = 0;
  const result = await autocannon({
    url: plan.url,
    connections: plan.connections,
    ...('seconds' in plan.until ? { duration: plan.until.seconds } : { amount: plan.until.requests }),
    headers: plan.headers,
    setupClient: (client) => {
      const requests = plan.sequences[next++ % plan.sequences.length] ?? [];
      client.setRequests(
        requests.map(({ method, path, body, headers }) => ({
          method,
          path,
          headers: { ...plan.headers, ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
          ...(body !== undefined && { body }),
        })),
      );
    },
  });
  return {
    answered: result['2xx'],
    refused: result.non2xx,
    failed: result.errors + result.timeouts,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

process.on('message', (plan: LoadPlan) => {
  run(plan).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      throw error;
    },
  );
});
process.on('disconnect', () => process.exit());
