import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, openCluster } from './database.js';
import { stopForGood } from './processes.js';

export interface Run {
  workDir: string;
  cluster: Cluster;
  /** Somebody or the time has ended the run: what fails now is not to blame. */
  isOver(): boolean;
}

export interface RunOptions {
  /** What the names of files, databases and logins start with. */
  name: string;
  /** A superuser's URL. Default: an embedded server. */
  databaseUrl: string | undefined;
  /** A run that hangs ends by itself. */
  limitMinutes: number;
}

class Stopped extends Error {}

/**
 * Runs `work` with a directory and a PostgreSQL of its own, and ends the process. Whether it is done, has failed, is ended by
 * a signal or takes too long, no process and no file stays.
 */
export async function runAndExit(options: RunOptions, work: (run: Run) => Promise<void>): Promise<never> {
  const stopped = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Stopped(`ended by ${signal}`)));
    const { limitMinutes } = options;
    const end = () => reject(new Stopped(`not done after ${limitMinutes} minutes`));
    setTimeout(end, limitMinutes * 60_000).unref();
  });
  stopped.catch(() => {});
  const workDir = await mkdtemp(join(tmpdir(), `${options.name.replaceAll('_', '-')}-`));
  // PostgreSQL does not run as root; the user it runs as then has to get in.
  await chmod(workDir, 0o755);
  const opening = openCluster({ url: options.databaseUrl, workDir, name: options.name });
  let over = false;
  try {
    await Promise.race([opening.then((cluster) => work({ workDir, cluster, isOver: () => over })), stopped]);
  } catch (error) {
    process.stderr.write(`${error instanceof Error && !(error instanceof Stopped) ? error.stack : error}\n`);
    process.exitCode = 1;
  } finally {
    over = true;
    await stopForGood();
    await opening.then(
      (cluster) => cluster.close(),
      () => {},
    );
    await rm(workDir, { recursive: true, force: true });
  }
  // What was cut off may still wait for its timers.
  process.exit();
}
