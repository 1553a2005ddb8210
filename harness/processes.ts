import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';

const KILL_AFTER_MS = 20_000;
/** Below the ports that systems give to outgoing connections: one of those could be taken before it is used. */
const [FIRST_PORT, LAST_PORT] = [10_240, 32_000];
const groups = new AsyncLocalStorage<symbol>();
/** Of which group each is. */
const running = new Map<RunningProcess, symbol | undefined>();
/** Servers that put themselves in the background. */
const servers = new Map<() => Promise<void>, symbol | undefined>();
let closed = false;

export interface RunningProcess {
  pid: number;
  /** Settled when the process is gone, with its exit code; -1 when a signal ended it. */
  ended: Promise<number>;
  hasEnded(): boolean;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  args: readonly string[];
  /** Nothing of this process's environment but PATH and this reaches it. */
  environment?: Readonly<Record<string, string>>;
  /** Gets what it prints. */
  logFile: string;
  /** Default: this process's own. */
  user?: { uid: number; gid: number } | undefined;
  workDir?: string;
}

/** Runs a script in a process of its own. */
export function spawnNode(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  logFile: string,
): RunningProcess {
  return spawnProgram(process.execPath, { args, environment, logFile });
}

/** Runs a program, which does not put itself in the background; it ends with the run. */
export function spawnProgram(program: string, options: ProgramOptions): RunningProcess {
  if (closed) throw new Error('the run is over');
  const output = openSync(options.logFile, 'w');
  const child: ChildProcess = spawn(program, options.args, {
    env: { PATH: process.env.PATH, ...options.environment },
    stdio: ['ignore', output, output],
    ...options.user,
    ...(options.workDir !== undefined && { cwd: options.workDir }),
  });
  closeSync(output);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const made: RunningProcess = {
    pid: child.pid ?? 0,
    ended: once(child, 'exit').then(([code]) => {
      running.delete(made);
      return code ?? -1;
    }),
    hasEnded,
    signal: (name) => {
      child.kill(name);
    },
    stop: async () => {
      running.delete(made);
      if (hasEnded()) return;
      child.kill('SIGTERM');
      const late = new AbortController();
      setTimeout(KILL_AFTER_MS, undefined, { signal: late.signal }).then(
        () => child.kill('SIGKILL'),
        () => {},
      );
      await made.ended;
      late.abort();
    },
  };
  running.set(made, groups.getStore());
  return made;
}

/** Has a server end with the run at the latest. @returns takes that back, for when it has ended */
export function endWithRun(stop: () => Promise<void>): () => void {
  servers.set(stop, groups.getStore());
  return () => void servers.delete(stop);
}

/** {@link endWithRun} for one that may still be starting: a run that is over waits for it, and takes it along. */
export const endWithRunOnceStarted = (starting: () => Promise<{ stop(): Promise<void> }>): (() => void) =>
  endWithRun(() =>
    starting().then(
      (server) => server.stop(),
      () => {},
    ),
  );

/** What `work` starts is of one group. */
export const inOneGroup = <T>(work: () => Promise<T>): Promise<T> => groups.run(Symbol('group'), work);

/** Stops what is running; within a group, what is of it. */
export async function stopAll(): Promise<void> {
  const group = groups.getStore();
  const isOurs = (of: symbol | undefined) => group === undefined || of === group;
  await Promise.all([...running].map(([one, of]) => isOurs(of) && one.stop()));
  await Promise.all([...servers].map(([stop, of]) => isOurs(of) && stop()));
}

/** From now on none is started either: a scenario that was cut off may be between two of them. */
export async function stopForGood(): Promise<void> {
  closed = true;
  await stopAll();
}

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    const probe = createServer().listen(port, '127.0.0.1');
    try {
      await once(probe, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

/**
 * Asks until the answer is 200. Without pause while nothing listens, as a refused connection costs next to nothing.
 * @returns milliseconds it took
 * @throws Error with the end of the log when the process ends before
 */
export async function untilOk(
  url: string,
  headers: Readonly<Record<string, string>>,
  process: RunningProcess,
  logFile: string,
): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const status = await fetch(url, { headers }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => undefined,
    );
    if (status === 200) return performance.now() - begin;
    const log = () => readFileSync(logFile, 'utf8').trim().slice(-2000);
    if (process.hasEnded()) throw new Error(`The process ended before ${url} answered: ${log()}`);
    if (performance.now() - begin > 60_000) throw new Error(`${url} does not answer 200 but ${status}: ${log()}`);
    await setTimeout(3);
  }
}

/** CPU time of all threads so far in microseconds; undefined where /proc does not tell. */
export function cpuMicros(pid: number): number | undefined {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const nanos = tasks.map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
    );
    return nanos.reduce((sum, one) => sum + one, 0) / 1000;
  } catch {
    return undefined;
  }
}

/** {@link cpuMicros} of a process, of its children and of those that have ended, these to a hundredth of a second. */
export function cpuMicrosOfFamily(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    // Behind the name, which may hold anything: cutime and cstime, in ticks of which Linux shows a hundred a second.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const ended = (Number(fields[13]) + Number(fields[14])) * 10_000;
    return [pid, ...children.map(Number)].reduce((sum, one) => sum + (cpuMicros(one) ?? 0), ended);
  } catch {
    return undefined;
  }
}

/** Resident memory now and at its highest in MiB; undefined where /proc does not tell. */
export function residentMebibytes(pid: number): { now: number; peak: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    return { now: read('VmRSS'), peak: read('VmHWM') };
  } catch {
    return undefined;
  }
}
