import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../harness/database.js';
import { type RunningService, startService } from '../harness/service.js';
import { countWithoutEntry, type Journal, startLoad } from './steady-load.js';
import type { Figure, Proof } from './suite.js';

const PER_SECOND = 300;
const BEFORE_MS = 1000;
/** Requests under way at the least when the signal comes. */
const UNDER_WAY = 4;
const AGAIN_MS = 200;

/** Customers of each round. */
export const CUSTOMERS = 300;

export interface Way {
  /** Number of the first customer. */
  from: number;
  rounds: number;
  drainSeconds: number;
  /** What ends the service; SIGTERM is sent three times. */
  signal: 'SIGTERM' | 'SIGKILL';
  /** As process 1 of a namespace of its own. */
  asFirst: boolean;
  /** From the end of the drain, at the most. */
  endWithinSeconds: number;
  /** Another build. */
  cli?: string;
}

interface Ended {
  journal: Journal;
  withoutEntry: number;
  code: number;
  /** Requests a second until the signal. */
  rate: number;
  /** From the signal to the first 503 of /readyz. */
  notReadyMs: number;
  /** From the signal to the end of the process. */
  endedMs: number;
}

/** The process that a signal is for: the service, not the program that made its namespace. */
async function serviceOf({ process: { pid } }: RunningService, asFirst: boolean): Promise<number> {
  if (!asFirst) return pid;
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
}

async function notReadyAfter(url: string): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const status = await fetch(`${url}/readyz`).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => 0,
    );
    if (status !== 200) return status === 503 ? performance.now() - begin : Number.POSITIVE_INFINITY;
    await setTimeout(10);
  }
}

async function endOnce(proof: Proof, database: HarnessDatabase, way: Way, round: number): Promise<Ended> {
  const { drainSeconds, signal, asFirst, cli } = way;
  const service = await startService({
    workDir: proof.workDir,
    databaseUrl: database.appUrl,
    token: proof.token,
    environment: { DRAIN_SECONDS: String(drainSeconds) },
    ...(asFirst && { under: ['unshare', '-fp', '--mount-proc', '--kill-child'] }),
    ...(cli !== undefined && { cli }),
  });
  const pid = await serviceOf(service, asFirst);
  const { url, process: running } = service;
  const customers = { from: way.from + round * CUSTOMERS, count: CUSTOMERS };
  const load = startLoad({ url, token: proof.token, perSecond: PER_SECOND, customers, random: proof.random });
  const begin = performance.now();
  await setTimeout(BEFORE_MS);
  await load.untilInFlight(UNDER_WAY);
  const signalled = performance.now();
  const rate = (1000 * load.journal.sent) / (signalled - begin);
  process.kill(pid, signal);
  const send = () => {
    if (!running.hasEnded()) process.kill(pid, signal);
  };
  const notReady = notReadyAfter(url);
  for (let again = 1; again <= 2; again++) {
    await setTimeout(AGAIN_MS);
    send();
  }
  const limit = (drainSeconds + way.endWithinSeconds) * 1000;
  const late = new AbortController();
  await Promise.race([running.ended, setTimeout(limit, undefined, { signal: late.signal }).catch(() => {})]);
  late.abort();
  const endedMs = performance.now() - signalled;
  if (!running.hasEnded()) running.signal('SIGKILL');
  const code = await running.ended;
  await load.stop();
  const { journal } = load;
  const withoutEntry = await countWithoutEntry(database, journal);
  return { journal, withoutEntry, code, rate, notReadyMs: await notReady, endedMs };
}

/** Ends the service under load, time after time. */
export async function endUnderLoad(proof: Proof, database: HarnessDatabase, way: Way): Promise<Figure> {
  const all: Ended[] = [];
  for (let round = 0; round < way.rounds; round++) all.push(await endOnce(proof, database, way, round));
  const lost = all.flatMap(({ journal }) => journal.lost);
  const wrong = all.flatMap(({ journal }) => journal.wrong);
  const sum = (of: (ended: Ended) => number) => all.reduce((total, one) => total + of(one), 0);
  const withoutEntry = sum((one) => one.withoutEntry);
  const sent = sum(({ journal }) => journal.sent - journal.refused);
  const codes = [...new Set(all.map(({ code }) => code))];
  const readiness = Math.max(...all.map(({ notReadyMs }) => notReadyMs));
  const rate = Math.round(Math.min(...all.map((one) => one.rate)));
  const ended = Math.max(...all.map(({ endedMs }) => endedMs));
  if (lost.length + wrong.length > 0) proof.print([...new Set([...lost, ...wrong])].slice(0, 5).join('; '));
  const kept =
    lost.length + wrong.length + withoutEntry === 0 &&
    codes.every((code) => code === 0) &&
    readiness < 1000 &&
    ended < (way.drainSeconds + way.endWithinSeconds) * 1000 &&
    sent > 0;
  const when = Number.isFinite(readiness) ? `, /readyz 503 after ${Math.round(readiness)} ms` : '';
  return {
    reached: `${lost.length + wrong.length + withoutEntry} of ${sent} (${rate} a second), exit ${codes.join(' and ')}${when}, ended ${(ended / 1000).toFixed(1)} s after the signal`,
    kept,
  };
}
