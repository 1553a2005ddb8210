import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import type { Bench } from './bench.js';
import type { CapturedSwitch } from './captured-switches.js';
import { startHandWritten } from './hand-written.js';
import { variableOf } from './pgbench.js';

interface ReplayedValue {
  made?: ReturnType<typeof variableOf>;
  value?: string | null;
}

/** The flights of each method, with what is made anew in each of their values. */
export type Replay = Readonly<
  Record<string, readonly (readonly { name: string; text: string; values: readonly ReplayedValue[] }[])[]>
>;

function toReplay(captured: readonly CapturedSwitch[]): Replay {
  let statements = 0;
  const names = new Map<string, string>();
  const nameOf = (text: string) => {
    const name = names.get(text) ?? `replay_${++statements}`;
    names.set(text, name);
    return name;
  };
  return Object.fromEntries(
    captured.map(({ method, flights, variables }) => [
      method,
      flights.map((flight) =>
        flight.map(({ text, values }) => ({
          name: nameOf(text),
          text,
          values: values.map((value): ReplayedValue => {
            const made = variableOf(value, variables);
            if (made) return { made };
            return { value: Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : value };
          }),
        })),
      ),
    ]),
  );
}

/** A server that sends the captured statements, in a process of its own. */
export async function startReplayServer(
  bench: Bench,
  database: HarnessDatabase,
  captured: readonly CapturedSwitch[],
): Promise<RunningService> {
  const file = join(bench.workDir, 'replay.json');
  await writeFile(file, JSON.stringify(toReplay(captured)));
  return startHandWritten(bench, { name: 'replay-server', args: [database.appUrl, file] });
}
