import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const LOG = fileURLToPath(new URL('../src/log.js', import.meta.url));
const LINES = 70_000;

/**
 * Runs a program with the output of the service.
 * @param source tells its tests by `tell`, on the standard error
 */
function run(t: Test, source: string, stdout: 'pipe' | number) {
  const program = `
    import { setTimeout } from 'node:timers/promises';
    import { bufferedOutput } from ${JSON.stringify(LOG)};
    process.stdout;
    const output = bufferedOutput();
    const tell = (text) => process.stderr.write(text + '\\n');
    let count = 0;
    const write = async (lines) => {
      for (const end = count + lines; count < end; ) {
        output.write(String(count++).padStart(10, '0') + 'x'.repeat(289) + '\\n');
        if (count % 1000 === 0) await setTimeout(0);
      }
    };
    ${source}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', stdout, 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const told = createInterface({ input: child.stderr as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return { child, ended: once(child, 'exit'), told: async () => (await told.next()).value as string | undefined };
}

t.test(
  'lines that cannot be written are kept up to a limit, the others are counted, and it goes on when it can',
  async (t) => {
    const { child, told } = run(
      t,
      `await write(${LINES});
    process.once('SIGHUP', async () => {
      for (let n = 0; n < 5; n++) await output.end();
      await write(10);
      await output.end();
      tell(String(output.lost()));
      process.exit();
    });
    tell(String(process.memoryUsage.rss() / 1024 / 1024));
    setInterval(() => {}, 1000);`,
      'pipe',
    );
    t.ok(Number(await told()) < 160, 'memory is bounded');
    const received: string[] = [];
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => received.push(line));
    const closed = once(child.stdout as NodeJS.ReadableStream, 'close');
    child.kill('SIGHUP');
    const lost = Number(await told());
    await closed;
    t.ok(lost > 0);
    t.equal(received.length + lost, LINES + 10);
    t.equal(
      received.findIndex((line) => line.length !== 299),
      -1,
      'none is torn',
    );
    t.same(
      received.slice(-10).map((line) => Number(line.slice(0, 10))),
      Array.from({ length: 10 }, (_, n) => LINES + n),
    );
  },
);

t.test('a full disk ends nothing, nor does a reader that is gone', async (t) => {
  for (const stdout of ['pipe', openSync('/dev/full', 'w')] as const) {
    const { child, told, ended } = run(
      t,
      `await write(10);
      output.flush();
      await setTimeout(300);
      await write(10);
      await output.end();
      tell('on');
      process.exitCode = 3;`,
      stdout,
    );
    child.stdout?.destroy();
    t.equal(await told(), 'on');
    t.same(await ended, [3, null]);
  }
});
