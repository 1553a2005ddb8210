import { readFileSync } from 'node:fs';
import type { HarnessDatabase } from '../../harness/database.js';
import { cpuMicrosOfFamily } from '../../harness/processes.js';
import type { Slice } from './slices.js';

/** Adds to slices what processor time PostgreSQL took for them; not where it runs on another machine. */
export async function withDatabaseTime({
  sql,
}: HarnessDatabase): Promise<(side: (seconds: number) => Promise<Slice>) => (seconds: number) => Promise<Slice>> {
  const [session] = await sql<{ pid: number }>('select pg_backend_pid() as pid');
  const postmaster = parentOf(session?.pid ?? 0);
  return (side) => async (seconds) => {
    const before = postmaster && cpuMicrosOfFamily(postmaster);
    const slice = await side(seconds);
    const after = postmaster && cpuMicrosOfFamily(postmaster);
    return before && after ? { ...slice, database: (after - before) / slice.count } : slice;
  };
}

/** The process that a session of PostgreSQL is of. */
function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return /^Name:\s+postgres$/m.test(status) ? Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]) : undefined;
  } catch {
    return undefined;
  }
}
