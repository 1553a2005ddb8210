import { setTimeout } from 'node:timers/promises';
import { watchHealth } from './health.js';
import { type Entry, isOk, isUnavailable, latest, seconds } from './journal.js';
import { figureOf, POOL, type Scenario, until } from './setting.js';

const SEND_EVERY_MS = 50;
/** Until the first refusal; from then on they come at once. */
const REFUSED_MS = 3000;
const AT_ONCE_MS = 500;
const BACK_MS = 2000;
/** What was sent at the last moment may have its answer already. */
const UNDER_WAY_MS = 200;

export const silentNetwork: Scenario = {
  promised: {
    id: 'faults-f6-silent-network',
    says: 'The network to PostgreSQL drops everything without a word: requests are answered 503 in time, later ones at once; served again soon after, with no connection left behind',
    target: `503 within ${REFUSED_MS / 1000} s, then within ${AT_ONCE_MS} ms; 200 within ${BACK_MS / 1000} s`,
    withoutGuard: 'without a limit to the silence of a connection',
  },
  async run(setting, { service, session, proxy }) {
    if (!proxy) throw new Error('there is no proxy');
    const journal = setting.openJournal(service);
    const stopHealth = watchHealth(service.url);
    const stopSending = journal.keepSending(SEND_EVERY_MS);
    await setTimeout(500);
    proxy.stall();
    const stalledAt = performance.now();
    // The time of whatever was sent before the refusals came is over by then.
    await setTimeout(2 * REFUSED_MS);
    proxy.resume();
    const resumedAt = performance.now();
    const back = await until(journal.write, isOk, 2 * BACK_MS);
    await setTimeout(500);
    await stopSending();
    const between = (from: number, to: number) => journal.entries.filter(({ at }) => at >= from && at < to);
    const stalled = between(stalledAt + UNDER_WAY_MS, resumedAt - AT_ONCE_MS);
    const late = between(stalledAt + REFUSED_MS, resumedAt - AT_ONCE_MS);
    const after = between(resumedAt + (back ?? BACK_MS), Number.POSITIVE_INFINITY);
    const [open] = await setting.database.sql<{ n: number }>(
      'select count(*)::int as n from pg_stat_activity where application_name = $1',
      [session],
    );
    const health = await stopHealth();
    return figureOf(
      setting,
      journal,
      `503 within ${seconds(latest(stalled))}, then ${Math.round(latest(late))} ms; 200 after ${seconds(back ?? Number.NaN)}`,
      {
        'requests wait too long': latest(stalled) <= REFUSED_MS,
        [`some are answered ${listOthers(stalled)}`]: stalled.length > 0 && stalled.every(isUnavailable),
        'refusals do not come at once': late.length > 0 && latest(late) <= AT_ONCE_MS,
        'the service does not come back': back !== undefined && back <= BACK_MS && after.every(isOk),
        'connections are left behind': open !== undefined && open.n <= POOL,
        'the process seems dead': health.deaths === 0,
        'readiness is told late': health.slowestReady <= 2500,
      },
    );
  },
};

const listOthers = (entries: readonly Entry[]) => {
  const others = entries.filter((entry) => !isUnavailable(entry));
  return others.map(({ kind, status, milliseconds }) => `${kind} ${status} after ${seconds(milliseconds)}`).join(', ');
};

/** One way: a round trip takes twice as long. */
const SLOW_MS = 250;
const TOO_SLOW_MS = 1500;
const REQUESTS = 10;

export const slowNetwork: Scenario = {
  promised: {
    id: 'faults-f7-slow-network',
    says: 'Every round trip to PostgreSQL takes 0.5 s longer, then 3 s longer: the first is slower, the second 503, neither holds a transaction open',
    target: 'answered within 5 s; 100 % served at 0.5 s',
    withoutGuard: 'without the limits to silence and to the time of a request',
  },
  async run(setting, { service, session, proxy }) {
    if (!proxy) throw new Error('there is no proxy');
    const journal = setting.openJournal(service);
    const some = () =>
      Promise.all(Array.from({ length: REQUESTS }, (_, n) => (n % 2 === 0 ? journal.read() : journal.write())));
    // Opens the connections: at 0.5 s a round trip that alone takes 1.5 s.
    await some();
    proxy.delay(SLOW_MS);
    const slow = await some();
    proxy.delay(TOO_SLOW_MS);
    const tooSlow = await some();
    const [held] = await setting.database.sql<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where application_name = $1 and state like 'idle in%' and state_change < now() - interval '5 seconds'`,
      [session],
    );
    proxy.delay(0);
    const back = await until(journal.write, isOk, 2 * BACK_MS);
    return figureOf(
      setting,
      journal,
      `${slow.filter(isOk).length} of ${slow.length} served within ${seconds(latest(slow))}; 503 within ${seconds(latest(tooSlow))}; 200 after ${seconds(back ?? Number.NaN)}`,
      {
        'some are not served at +0.5 s': slow.every(isOk),
        'a transaction is held open': held?.n === 0,
        'the service does not come back': back !== undefined && back <= BACK_MS,
      },
    );
  },
};
