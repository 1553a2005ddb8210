import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../harness/database.js';
import { openProxy } from '../harness/proxy.js';
import { startRedis } from '../harness/redis.js';
import { PROBE, secondPartnerToken, startService } from '../harness/service.js';
import { type Alteration, alterBuild } from './altered-build.js';
import { type Answered, startSteadyLoad } from './paced-load.js';
import type { Figure, Proof } from './suite.js';

const LIMIT = 100;
const LATE_MS = 1000;
const PER_SECOND = 40;

/** A request that cannot be counted fails. */
const FAILING: Alteration = {
  file: 'plugins/counts/shared-store.js',
  line: 'if (!shared)',
  by: "if (!shared) throw new Error('not counted');\nif (!shared)",
};

async function ask(url: string, token: string): Promise<number> {
  const answer = await fetch(`${url}${PROBE}`, { headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  return answer.status;
}

/** Asks all instances at once, three times as often as may be asked. @returns the requests that were let through */
async function countAdmitted(urls: readonly string[], token: string): Promise<number> {
  let admitted = 0;
  for (let sent = 0; sent < 3 * LIMIT; sent += urls.length) {
    const statuses = await Promise.all(urls.map((url) => ask(url, token)));
    admitted += statuses.filter((status) => status === 200).length;
  }
  return admitted;
}

const isBad = ({ status, milliseconds }: Answered) => (status !== 200 && status !== 429) || milliseconds > LATE_MS;

/**
 * Two instances on one Redis, which is silent for a while, then killed and started again.
 * @returns `limits-shared` and `limits-store`
 */
export async function measureSharedLimits(
  proof: Proof,
  database: HarnessDatabase,
  guarded: boolean,
): Promise<Record<string, Figure>> {
  const redis = await startRedis(proof.workDir);
  const proxy = await openProxy({ host: '127.0.0.1', port: redis.port });
  const { workDir, token } = proof;
  const start = (cli: string | undefined, environment: Record<string, string>) =>
    startService({
      workDir,
      databaseUrl: database.appUrl,
      token,
      environment,
      ...(cli !== undefined && { cli }),
    });
  const store = { RATE_LIMIT_STORE: `redis://127.0.0.1:${proxy.port}` };
  const cli = guarded ? undefined : await alterBuild(join(workDir, 'store-needed'), [FAILING]);
  const counting = { REQUESTS_PER_MINUTE: String(LIMIT), ...(guarded && store) };
  const [one, other, withStore] = await Promise.all([
    start(undefined, counting),
    start(undefined, counting),
    start(cli, { ...store, REQUESTS_PER_MINUTE: '1000000' }),
  ]);
  // Of a partner that nobody has asked for before, as the start of the services did with the first one's token.
  const admitted = await countAdmitted([one.url, other.url], await secondPartnerToken(workDir));
  const load = startSteadyLoad({ url: withStore.url, token: () => token, perSecond: PER_SECOND, path: () => PROBE });
  await setTimeout(500);
  proxy.stall();
  await setTimeout(guarded ? 1200 : 500);
  proxy.resume();
  await redis.kill();
  await setTimeout(guarded ? 1200 : 500);
  await redis.start();
  await setTimeout(guarded ? 1200 : 0);
  await load.stop();
  await Promise.all([one, other, withStore].map((service) => service.stop()));
  await proxy.close();
  await redis.stop();
  const bad = load.answered.filter(isBad).length;
  return {
    'limits-shared': { reached: `${admitted} of ${LIMIT}`, kept: admitted === LIMIT },
    'limits-store': { reached: `${bad} of ${load.answered.length}`, kept: bad === 0 && load.answered.length > 0 },
  };
}
