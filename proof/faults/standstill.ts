import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { spawnNode } from '../../harness/processes.js';
import { watchHealth } from './health.js';
import { isOk, isUnavailable, latest, seconds } from './journal.js';
import { figureOf, type Scenario, type Setting, until } from './setting.js';

const SEND_EVERY_MS = 200;
const STILL_MS = 2000;
const LAGS_MS = 5000;
/** When the guard, which looks every second, has seen it. */
const SEEN_MS = 3000;
const BUSY_MS = 5000;
const BACK_MS = 3000;
const BURNERS = 4;

/** Loaded into the process beside the service: at the signal every turn of the event loop takes 0.7 s, for a while. */
const LAG = `process.on('SIGWINCH', () => {
  const end = performance.now() + ${LAGS_MS};
  const block = () => {
    const until = performance.now() + 700;
    while (performance.now() < until);
    if (until < end) setImmediate(block);
  };
  block();
});`;

/** For the environment of a service that is to lag. */
export async function prepareLag({ proof, guarded }: Setting): Promise<Readonly<Record<string, string>>> {
  const file = join(proof.workDir, `lag-${guarded}.mjs`);
  await writeFile(file, LAG);
  return { NODE_OPTIONS: `--import ${pathToFileURL(file).href}` };
}

export const standstill: Scenario = {
  promised: {
    id: 'faults-f15-standstill',
    says: 'The process stands still for 2 s, then each turn of its event loop takes 0.7 s: everything is answered, while it lags new requests are turned away, `/livez` never fails',
    target: 'all within 5 s; > 0 turned away; 0 failures of /livez',
    withoutGuard: 'without the guards against a lagging event loop',
  },
  async run(setting, { service }) {
    const { proof } = setting;
    const journal = setting.openJournal(service);
    const stopHealth = watchHealth(service.url);
    const stopFirst = journal.keepSending(SEND_EVERY_MS);

    service.process.signal('SIGSTOP');
    await setTimeout(STILL_MS);
    service.process.signal('SIGCONT');
    await setTimeout(500);
    await stopFirst();

    const stopSending = journal.keepSending(SEND_EVERY_MS);
    service.process.signal('SIGWINCH');
    const laggingAt = performance.now();
    await setTimeout(LAGS_MS);
    const back = await until(journal.read, isOk, BACK_MS);
    await setTimeout(500);

    const busyAt = performance.now();
    if (proof.long) {
      const burners = Array.from({ length: BURNERS }, (_, n) =>
        spawnNode(['-e', 'for (;;);'], {}, join(proof.workDir, `burner-${n}.log`)),
      );
      await setTimeout(BUSY_MS);
      for (const burner of burners) burner.signal('SIGKILL');
    }
    await stopSending();
    const between = (from: number, to: number) => journal.entries.filter(({ at }) => at >= from && at < to);
    const lagging = between(laggingAt + SEEN_MS, laggingAt + LAGS_MS - 1200);
    const turnedAway = lagging.filter(isUnavailable);
    const others = [...between(0, laggingAt), ...between(busyAt, Number.POSITIVE_INFINITY)];
    const health = await stopHealth();
    return figureOf(
      setting,
      journal,
      `all of ${journal.entries.length} within ${seconds(latest(journal.entries))}; ${turnedAway.length} of ${lagging.length} turned away; /livez failed ${health.deaths} times`,
      {
        'some are lost over a standstill': others.every((one) => isOk(one) || isUnavailable(one)),
        'nobody is turned away': turnedAway.length > 0,
        'the service does not come back': back !== undefined,
        'the process seems dead': health.deaths === 0,
      },
    );
  },
};
