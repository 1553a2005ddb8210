import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';

const TURNS = new URL('../../src/db/turns.js', import.meta.url).href;
const STOOD_MS = 1500;

/** Someone waits half a second for a place that becomes free `freeAfter` milliseconds after the first turn in which all is late. */
const waiting = (freeAfter: number) => `
  import { openTurns } from ${JSON.stringify(TURNS)};
  const turns = openTurns({ places: 1, waitMilliseconds: 500, mostWaiting: 1 });
  turns.take();
  turns.take().then(() => console.log('served'), (error) => console.log('refused: ' + error.message))
    .finally(() => process.exit());
  let last = performance.now();
  setInterval(() => {
    if (performance.now() - last > 1000) setTimeout(turns.give, ${freeAfter});
    last = performance.now();
  }, 20);
  process.on('SIGUSR2', () => { for (const end = performance.now() + ${STOOD_MS}; performance.now() < end; ); });
  setTimeout(() => console.log('waiting'), 100);
`;

/** @param hold makes the process late @returns what the one that waits is told */
async function outcome(t: Test, freeAfter: number, hold: (child: ChildProcess) => unknown): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', waiting(freeAfter)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  const told = once(lines, 'line');
  await hold(child);
  return (await told)[0];
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  await setTimeout(STOOD_MS);
  child.kill('SIGCONT');
}

t.test(
  'who waits while the process stands still is not refused for that, and is refused when its time is over',
  async (t) => {
    t.equal(await outcome(t, 100, stop), 'served');
    t.equal(await outcome(t, 2000, stop), 'refused: no connection became free in 500 ms');
  },
);

t.test('a process that computes does not stand still', async (t) => {
  t.match(await outcome(t, 100, (child) => child.kill('SIGUSR2')), 'refused');
});
