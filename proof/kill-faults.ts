import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import type { Arena, Instance } from './kill-arena.js';
import type { Clients } from './kill-clients.js';

export const FAULTS = ['service', 'backend', 'fast', 'immediate', 'postmaster'] as const;
export type Fault = (typeof FAULTS)[number];

/** What was measured at the faults of PostgreSQL so far. */
export interface Health {
  /** From its being back to the first acknowledged change of an instance, the longest, in milliseconds. */
  recovery: number;
  /** From its end to the first 503 of an instance's /readyz, the longest of those outages that lasted, in milliseconds. */
  notice: number;
  /** Outages of an instance that lasted. */
  outages: number;
  /** Instances that ended, or whose /livez was not 200. */
  dead: number;
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', postmaster: 'SIGKILL' } as const;
/** So long an outage that /readyz has to tell of it. */
const LASTING_MS = 1000;
const LASTS_EVERY = 3;
const SHORT_MS = 300;
const PROBE_EVERY_MS = 50;
const SWALLOWED_AT_ONCE = 3;

async function statusOf(url: string): Promise<number> {
  try {
    const answer = await fetch(url);
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 0;
  }
}

/** Asks an instance how it is until it is told to stop. */
function watchHealth({ url, service }: Instance) {
  let over = false;
  let firstDown: number | undefined;
  let wasAlive = true;
  async function look() {
    while (!over) {
      const [ready, live] = await Promise.all([statusOf(`${url}/readyz`), statusOf(`${url}/livez`)]);
      if (ready === 503) firstDown ??= performance.now();
      if (live !== 200) wasAlive = false;
      await setTimeout(PROBE_EVERY_MS);
    }
    return { firstDown, wasAlive: wasAlive && !service.process.hasEnded() };
  }
  const looking = look();
  return () => {
    over = true;
    return looking;
  };
}

async function untilReady(instance: Instance): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await statusOf(`${instance.url}/readyz`)) !== 200) {
    if (performance.now() > deadline) throw new Error('/readyz does not come back');
    await setTimeout(PROBE_EVERY_MS);
  }
}

async function untilAccepting(connectionString: string): Promise<void> {
  for (const deadline = performance.now() + 30_000; ; await setTimeout(10)) {
    const client = new pg.Client({ connectionString });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      await client.end();
      return;
    } catch (error) {
      await client.end().catch(() => {});
      if (performance.now() > deadline) throw error;
    }
  }
}

/** Kills one session, on which PostgreSQL ends all others and replays its log. Returns when that has begun. */
async function killBackend({ server }: Arena, random: () => number): Promise<void> {
  const witness = new pg.Client({ connectionString: server.superuserUrl });
  const gone = new Promise<void>((resolve) => {
    witness.on('error', () => {});
    witness.on('end', resolve);
  });
  await witness.connect();
  const { rows } = await witness.query<{ pid: number }>('select pg_backend_pid() as pid');
  const others = server.backends().filter((pid) => pid !== rows[0]?.pid);
  const victim = others[Math.floor(random() * others.length)];
  if (victim === undefined) throw new Error('PostgreSQL serves nobody');
  process.kill(victim, 'SIGKILL');
  await gone;
}

/** Has commits under way whose replies are lost, which the service then cannot ask about. */
async function loseCommits({ proxy }: Arena, random: () => number): Promise<void> {
  const before = proxy.swallowed();
  for (let n = 0; n < SWALLOWED_AT_ONCE; n++) proxy.swallowNextCommit();
  for (let waited = 0; proxy.swallowed() === before && waited < 300; waited += 2) await setTimeout(2);
  await setTimeout(random() * 50);
}

/** Until an instance serves. @throws when it has ended, which nobody told it to */
async function untilAcknowledges({ number, service }: Instance, clients: Clients): Promise<void> {
  const ended = service.process.ended.then((code) => {
    throw new Error(`the service ended by itself with ${code}`);
  });
  await Promise.race([clients.nextFrom(number), ended]);
}

/** Lets one thing happen, and returns when both instances serve again. */
export async function strike(
  fault: Fault,
  arena: Arena,
  clients: Clients,
  random: () => number,
  health: Health,
): Promise<void> {
  const { server, instances } = arena;
  if (fault === 'service') {
    const instance = instances[Math.floor(random() * instances.length)];
    if (!instance) return;
    instance.service.process.signal('SIGKILL');
    await instance.service.process.ended;
    await arena.restart(instance);
    await untilAcknowledges(instance, clients);
    return;
  }
  if (fault !== 'backend') await loseCommits(arena, random);
  const watches = instances.map(watchHealth);
  if (fault === 'backend') await killBackend(arena, random);
  else await server.end(SIGNALS[fault]);
  const gone = performance.now();
  if (fault !== 'backend') {
    await setTimeout(random() * LASTS_EVERY < 1 ? LASTING_MS : random() * SHORT_MS);
    await server.start();
  }
  await untilAccepting(server.superuserUrl);
  const back = performance.now();
  await Promise.all(
    instances.map(async (instance) => {
      await untilAcknowledges(instance, clients);
      health.recovery = Math.max(health.recovery, performance.now() - back);
      await untilReady(instance);
    }),
  );
  for (const stop of watches) {
    const { firstDown, wasAlive } = await stop();
    if (!wasAlive) health.dead++;
    if (back - gone < LASTING_MS) continue;
    health.outages++;
    health.notice = Math.max(health.notice, (firstDown ?? back) - gone);
  }
}
