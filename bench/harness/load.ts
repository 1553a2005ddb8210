import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cpuMicros, type RunningProcess } from '../../harness/processes.js';
import type { Slice } from './slices.js';

export interface PlannedRequest {
  method: 'GET' | 'PUT' | 'DELETE';
  path: string;
  body?: string;
  /** Besides those of the plan, or in their place. */
  headers?: Readonly<Record<string, string>>;
}

export interface LoadPlan {
  url: string;
  connections: number;
  until: { seconds: number } | { requests: number };
  headers: Readonly<Record<string, string>>;
  /** One for each connection, sent in order and over again; fewer are shared in turn. */
  sequences: readonly (readonly PlannedRequest[])[];
  /** Whether to be refused is what is measured. Default: no. */
  maybeRefused?: boolean;
  /** Requests a second in all, at random times. Default: each connection asks when it has its answer. */
  rate?: number;
}

export interface LoadResult {
  /** Answers 2xx. */
  answered: number;
  refused: number;
  failed: number;
  seconds: number;
  /** Milliseconds; of a plan without `rate` whole ones. */
  p50: number;
  p99: number;
}

export interface LoadGenerator {
  /** Loads a server and reads its process's CPU time. @throws Error when more than one answer in a hundred is not 2xx */
  slice(plan: LoadPlan, server: RunningProcess): Promise<Slice>;
  close(): void;
}

/** Keeps the generator in one process for the whole run, so that its code is warm in every slice. */
export function startLoadGenerator(): LoadGenerator {
  const script = fileURLToPath(new URL('./load-process.js', import.meta.url));
  const child: ChildProcess = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const gone = once(child, 'exit').then(() => {
    throw new Error('the load generator ended');
  });
  gone.catch(() => {});
  return {
    async slice(plan, server) {
      const [cpu, ownCpu] = [cpuMicros(server.pid), cpuMicros(child.pid ?? 0)];
      child.send(plan);
      const [result] = (await Promise.race([once(child, 'message'), gone])) as [LoadResult];
      const [cpuAfter, ownCpuAfter] = [cpuMicros(server.pid), cpuMicros(child.pid ?? 0)];
      const { answered, refused, failed, seconds } = result;
      if (answered === 0 || (refused + failed > answered / 100 && !plan.maybeRefused)) {
        throw new Error(`${plan.url}: ${answered} answers were 2xx, ${refused} others, ${failed} requests failed`);
      }
      return {
        count: answered,
        refused: refused + failed,
        rate: answered / seconds,
        p50: result.p50,
        p99: result.p99,
        ...(cpu !== undefined && cpuAfter !== undefined && { cpu: (cpuAfter - cpu) / answered }),
        ...(ownCpu !== undefined && ownCpuAfter !== undefined && { generator: (ownCpuAfter - ownCpu) / seconds / 1e6 }),
      };
    },
    close: () => {
      child.disconnect();
    },
  };
}

/** Deals items to connections like cards, so that no two connections share one. */
export function deal<T>(items: readonly T[], hands: number): T[][] {
  return Array.from({ length: hands }, (_, hand) => items.filter((_, index) => index % hands === hand));
}
