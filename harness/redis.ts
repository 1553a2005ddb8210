import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort, spawnProgram } from './processes.js';
import { findProgram } from './programs.js';

/** A Redis that keeps nothing, on a port that stays the same from one start to the next. */
export interface RunningRedis {
  port: number;
  /** `redis://127.0.0.1:port` */
  url: string;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const LISTENS_WITHIN_MS = 10_000;

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'));
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });

/** @param settings of redis.conf as flags, e.g. `['--requirepass', 'secret']` */
export async function startRedis(workDir: string, settings: readonly string[] = []): Promise<RunningRedis> {
  const program = findProgram('redis-server');
  if (program === undefined) throw new Error('redis-server is not installed');
  const port = await freePort();
  const directory = join(workDir, `redis-${port}`);
  await mkdir(directory, { recursive: true });
  const launch = () =>
    spawnProgram(program, {
      args: ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory, ...settings],
      logFile: join(directory, 'log'),
    });
  let server = launch();
  const listens = async () => {
    for (const deadline = performance.now() + LISTENS_WITHIN_MS; !(await answers(port)); await setTimeout(10)) {
      if (server.hasEnded() || performance.now() > deadline)
        throw new Error(`redis-server does not answer: ${directory}`);
    }
  };
  await listens();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: async () => {
      server.signal('SIGKILL');
      await server.ended;
    },
    start: async () => {
      server = launch();
      await listens();
    },
    stop: () => server.stop(),
  };
}
