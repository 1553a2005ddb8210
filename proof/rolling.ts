import { setTimeout } from 'node:timers/promises';
import { insertCustomers, insertEligibility, insertPartner, settle } from '../harness/data.js';
import { startKillableServer } from '../harness/killable-server.js';
import { freePort } from '../harness/processes.js';
import { PROBE, type RunningService, startService } from '../harness/service.js';
import { beforeInstances, startHaproxy } from './haproxy.js';
import { countWithoutEntry, startLoad } from './steady-load.js';
import type { Figure, Proof } from './suite.js';

const PER_SECOND = 150;
const CUSTOMERS = 600;
const DRAIN_SECONDS = 2;
/** The run that the share of failures is of. */
const RUN_SECONDS = 300;
/** For the balancer to see a change. */
const SEEN_MS = 1000;
const ATTEMPTS = 8;
const MOST = 0.005;

/**
 * Restarts two instances behind HAProxy one by one, and PostgreSQL in between.
 * @param guarded else: without health checks, and of one instance alone
 */
export async function restartOneByOne(proof: Proof, guarded: boolean): Promise<Figure> {
  const name = guarded ? 'restarts_rolling' : 'restarts_rolling_unguarded';
  const server = await startKillableServer(proof.workDir, name);
  const database = await server.cluster.createDatabase('rolling');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await settle(database);
  const ports = [await freePort(), await freePort()];
  const startOn = (port: number): Promise<RunningService> =>
    startService({
      workDir: proof.workDir,
      databaseUrl: database.appUrl,
      token: proof.token,
      port,
      environment: { DRAIN_SECONDS: String(DRAIN_SECONDS) },
    });
  const instances: RunningService[] = [];
  for (const port of ports) instances.push(await startOn(port));
  const haproxy = await startHaproxy(proof.workDir, name, beforeInstances(ports, guarded));
  const url = `http://127.0.0.1:${haproxy.port}`;
  const untilServed = async () => {
    const headers = { authorization: `Bearer ${proof.token}` };
    while ((await fetch(`${url}${PROBE}`, { headers }).then(({ status }) => status)) !== 200) await setTimeout(100);
  };
  await untilServed();
  const load = startLoad({
    url,
    token: proof.token,
    perSecond: PER_SECOND,
    customers: { from: 1, count: CUSTOMERS },
    random: proof.random,
    attempts: ATTEMPTS,
  });
  const begin = performance.now();
  const replace = async (index: number) => {
    const instance = instances[index];
    const port = ports[index];
    if (!instance || port === undefined) return;
    instance.process.signal('SIGTERM');
    const code = await instance.process.ended;
    if (code !== 0) throw new Error(`an instance ended with ${code}`);
    instances[index] = await startOn(port);
    await setTimeout(SEEN_MS);
  };
  await setTimeout(SEEN_MS);
  await replace(0);
  if (guarded) {
    await server.end('SIGINT');
    await server.start();
    await untilServed();
    await setTimeout(SEEN_MS);
    await replace(1);
  }
  const quiet = RUN_SECONDS * 1000 - (performance.now() - begin);
  if (proof.long && guarded && quiet > 0) await setTimeout(quiet);
  const perSecond = (1000 * load.journal.sent) / (performance.now() - begin);
  await load.stop();
  await haproxy.process.stop();
  await Promise.all(instances.map((instance) => instance.stop()));
  const { journal } = load;
  const withoutEntry = await countWithoutEntry(database, journal);
  await server.close();
  const share = journal.failedFirst / (perSecond * RUN_SECONDS);
  const unretryable = [...journal.wrong, ...journal.lost];
  if (unretryable.length > 0) proof.print([...new Set(unretryable)].slice(0, 5).join('; '));
  return {
    reached: `${(100 * share).toFixed(2)} % (${journal.failedFirst} at ${Math.round(perSecond)} a second), of which ${unretryable.length} not to be repeated, ${journal.failed} failed for good, ${withoutEntry} without a log entry`,
    kept: share < MOST && unretryable.length + journal.failed + withoutEntry === 0,
  };
}
