import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/**
 * Names a running process in a way that no later process shares: on Linux its id and start time (container restarts hand
 * out the same low ids again), elsewhere its id.
 * @returns undefined when there is no such process, or only its unreaped remains
 */
export function identify(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      // proc(5): the name in brackets may hold anything; after it, field 3 is the state and field 22 the start time.
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${pid}-${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    process.kill(pid, 0);
    return String(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? String(pid) : undefined;
  }
}

/** Whether the process that `identity` names still runs. */
export function isRunning(identity: string): boolean {
  return identify(Number.parseInt(identity, 10)) === identity;
}

/**
 * Runs `work` while no other process of this machine does so under the same path. The lock of a killed process is broken.
 * @throws Error when a living process keeps the lock longer than `waitMs`
 */
export async function withProcessLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const mine = `${identify(process.pid)} ${randomUUID()}`;
  const deadline = Date.now() + waitMs;
  while (!(await createFile(path, mine))) {
    const holder = await read(path);
    if (holder === undefined) continue;
    if (await isAbandoned(path, holder)) await breakLock(path, holder);
    if (Date.now() > deadline) {
      throw new Error(`${path} is held by another process (${holder}): end that process, or remove the file.`);
    }
    await setTimeout(20);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Two processes may find the same dead holder, and the slower one must not remove the lock that the faster one took
 * since. So the right to remove goes to one process per holder, and that one looks again.
 * @param holder content of the lock file when its process was found dead
 */
export async function breakLock(path: string, holder: string): Promise<void> {
  const right = `${path}.${holder.split(' ')[1] ?? 'unnamed'}`;
  if (!(await createFile(right, ''))) return;
  try {
    if ((await read(path)) === holder) await rm(path);
  } finally {
    await rm(right, { force: true });
  }
}

async function isAbandoned(path: string, holder: string): Promise<boolean> {
  if (holder !== '') return !isRunning(holder.split(' ')[0] ?? '');
  // Killed between creating the file and writing to it; a living process needs microseconds for that.
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
  return Date.now() - mtimeMs > 5000;
}

async function createFile(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
