import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';

const moduleOf = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
const STOOD_MS = 1500;

/** What can be waited for, half a second at the most: `give` ends the wait, `asked` tells how it ended. */
const WAITS = {
  connection: `
    const { openTurns } = await import(${moduleOf('db/turns.js')});
    const turns = openTurns({ places: 1, waitMilliseconds: 500, mostWaiting: 1 });
    turns.take();
    const give = turns.give;
    const asked = turns.take().then(() => 'served', (error) => 'refused: ' + error.message);`,
  answer: `
    const { default: Fastify } = await import('fastify');
    const app = Fastify();
    await app.register((await import(${moduleOf('plugins/errors.js')})).errors);
    await app.register((await import(${moduleOf('plugins/request-ids.js')})).requestIds);
    await app.register((await import(${moduleOf('plugins/deadline.js')})).deadline, { milliseconds: 500 });
    let give;
    const given = new Promise((resolve) => { give = resolve; });
    app.get('/', () => given);
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const asked = fetch(url).then(({ status }) => (status === 200 ? 'served' : 'refused: ' + status));`,
};

/** @param giveAfter milliseconds after the first turn in which all is late */
const script = (wait: keyof typeof WAITS, giveAfter: number) => `
  ${WAITS[wait]}
  asked.then(console.log).finally(() => process.exit());
  let last = performance.now();
  setInterval(() => {
    if (performance.now() - last > 1000) setTimeout(give, ${giveAfter}, {});
    last = performance.now();
  }, 20);
  process.on('SIGUSR2', () => { for (const end = performance.now() + ${STOOD_MS}; performance.now() < end; ); });
  setTimeout(() => console.log('waiting'), 100);
`;

/** @param hold makes the process late @returns what the one that waits is told */
async function outcome(t: Test, code: string, hold: (child: ChildProcess) => unknown): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
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

t.test('who waits while the process stands still is not refused for that, but when its time is over', async (t) => {
  const outcomes = await Promise.all([
    outcome(t, script('connection', 100), stop),
    outcome(t, script('connection', 2000), stop),
    outcome(t, script('answer', 100), stop),
    outcome(t, script('answer', 2000), stop),
  ]);
  t.same(outcomes, ['served', 'refused: no connection became free in 500 ms', 'served', 'refused: 503']);
});

/** Stops itself when the guard has just looked: all that the guard sees at its next look is the time of the stop. */
const GUARDED = `
  const { default: Fastify } = await import('fastify');
  const { default: fp } = await import('fastify-plugin');
  const app = Fastify();
  await app.register((await import(${moduleOf('plugins/errors.js')})).errors);
  await app.register(fp(async () => {}, { name: 'authentication' }));
  await app.register((await import(${moduleOf('plugins/pressure.js')})).pressure);
  let looks = 0;
  setInterval(() => {
    if (++looks !== 4) return;
    console.log('stopping');
    process.kill(process.pid, 'SIGSTOP');
    setTimeout(async () => {
      console.log((await app.inject('/')).statusCode);
      process.exit();
    }, 200);
  }, 1000);
  app.get('/', { config: { access: {} } }, async () => ({}));
  await app.listen({ host: '127.0.0.1', port: 0 });
`;

t.test('that the process stood still is no pressure: whoever comes next is served', async (t) => {
  const resume = (child: ChildProcess) => setTimeout(STOOD_MS).then(() => child.kill('SIGCONT'));
  t.equal(await outcome(t, GUARDED, resume), '200');
});

t.test('a process that computes does not stand still', async (t) => {
  const compute = (child: ChildProcess) => child.kill('SIGUSR2');
  t.match(await outcome(t, script('connection', 100), compute), 'refused');
  t.match(await outcome(t, script('answer', 100), compute), 'refused');
});
