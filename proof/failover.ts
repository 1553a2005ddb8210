import { setTimeout } from 'node:timers/promises';
import { insertCustomers, insertEligibility, insertPartner, settle } from '../harness/data.js';
import { openCluster } from '../harness/database.js';
import { beforePrimary, startHaproxy } from './haproxy.js';
import { startPair } from './patroni.js';
import { countWithoutEntry, startLoad } from './steady-load.js';
import type { Figure, Proof } from './suite.js';

const PER_SECOND = 100;
const CUSTOMERS = 600;
/** HAProxy takes a server for a primary until its checks say otherwise. */
const CHECKED_MS = 4000;
const BEFORE_MS = 2000;
/** How long the standby has not got what the primary wrote when the primary is killed. */
const BEHIND_MS = 500;
const AFTER_MS = 3000;
/** Answers that the killed primary still gave have arrived by then. */
const LATE_MS = 250;
const ATTEMPTS = 40;
const LIMIT_MS = 60_000;
export const FIRST_WRITE_SECONDS = 20;

export interface Failover {
  lost: Figure;
  firstWrite: Figure;
}

/**
 * Kills the primary of a Patroni pair under load, with everything on its machine.
 * @param synchronous whether a commit waits for the standby
 */
export async function failOver(proof: Proof, synchronous: boolean): Promise<Failover> {
  const { workDir, token, random } = proof;
  const name = `restarts_pair_${synchronous ? 'synchronous' : 'asynchronous'}`;
  const pair = await startPair(workDir, name, synchronous);
  const haproxy = await startHaproxy(workDir, name, beforePrimary(pair.members));
  await setTimeout(CHECKED_MS);
  const cluster = await openCluster({ url: pair.urlThrough(haproxy.port), workDir, name });
  const database = await cluster.createDatabase('failover');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await settle(database);
  const service = await proof.serve(database);
  const customers = { from: 1, count: CUSTOMERS };
  const load = startLoad({ url: service.url, token, perSecond: PER_SECOND, customers, random, attempts: ATTEMPTS });
  await setTimeout(BEFORE_MS);
  const primary = await pair.primary();
  primary.replication.stall();
  await setTimeout(BEHIND_MS);
  await primary.kill();
  const killed = performance.now();
  primary.replication.cut();
  const first = () => load.journal.acknowledged.find(({ at }) => at > killed + LATE_MS)?.at;
  while (first() === undefined && performance.now() - killed < LIMIT_MS) await setTimeout(50);
  await setTimeout(AFTER_MS);
  await load.stop();
  const { journal } = load;
  const withoutEntry = await countWithoutEntry(database, journal);
  await service.stop();
  await cluster.close();
  await haproxy.process.stop();
  await pair.stop();
  const seconds = ((first() ?? Number.POSITIVE_INFINITY) - killed) / 1000;
  const bad = [...journal.wrong, ...journal.lost];
  if (bad.length > 0) proof.print([...new Set(bad)].slice(0, 5).join('; '));
  return {
    lost: {
      reached: `${withoutEntry} of ${journal.acknowledged.length}, ${journal.putOff} answers 503 with Retry-After, ${bad.length} others, ${journal.failed} failed for good`,
      kept: withoutEntry + bad.length + journal.failed === 0 && seconds < LIMIT_MS / 1000,
    },
    firstWrite: { reached: `${seconds.toFixed(1)} s`, kept: seconds < FIRST_WRITE_SECONDS },
  };
}
