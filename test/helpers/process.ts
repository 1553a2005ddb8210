import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const CLI = fileURLToPath(new URL('../../cli.js', import.meta.url));

export interface Started {
  child: ChildProcess;
  url: string;
  metricsUrl: string;
  output(): string;
  exited: Promise<unknown[]>;
}

/** The command line as a process of its own, not yet looked after. */
export function spawnService(t: Test, settings: Record<string, string>, prefix: readonly string[] = []): ChildProcess {
  const [program = '', ...args] = [...prefix, process.execPath, CLI, 'serve'];
  const child = spawn(program, args, {
    cwd: t.testdir(),
    env: { PATH: process.env.PATH, PORT: '0', METRICS_PORT: '0', DEMO: 'false', ...settings },
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** The command line as a process of its own; resolves when it listens. */
export async function startProcess(
  t: Test,
  settings: Record<string, string>,
  prefix: readonly string[] = [],
): Promise<Started> {
  const child = spawnService(t, settings, prefix);
  let output = '';
  child.stdout?.on('data', (part) => {
    output += part;
  });
  child.stderr?.on('data', (part) => {
    output += part;
  });
  const exited = once(child, 'exit');
  const ended = exited.then(([code]) => Promise.reject(new Error(`ended with ${code}: ${output}`)));
  const listening = (async () => {
    while (child.exitCode === null && child.signalCode === null) {
      const url = /Listening on +(\S+)/.exec(output)?.[1];
      const metricsUrl = /Metrics +(\S+)/.exec(output)?.[1];
      if (url && metricsUrl) return { url, metricsUrl };
      await setTimeout(20);
    }
    return ended;
  })();
  ended.catch(() => {});
  return { child, exited, output: () => output, ...(await Promise.race([listening, ended])) };
}

export const statusOf = async (url: string) => (await fetch(url)).status;

/** A machine so busy that the event loop is late answers 503 for a while. */
export async function settledStatusOf(url: string): Promise<number> {
  for (let i = 0; i < 40; i++) {
    const status = await statusOf(url);
    if (status !== 503) return status;
    await setTimeout(250);
  }
  return 503;
}
