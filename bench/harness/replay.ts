import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HarnessDatabase } from '../../harness/database.js';
import { freePort, spawnNode, untilOk } from '../../harness/processes.js';
import type { RunningService } from '../../harness/service.js';
import type { Bench } from './bench.js';
import type { CapturedSwitch } from './captured-switches.js';
import { variableOf } from './pgbench.js';

interface ReplayedValue {
  made?: ReturnType<typeof variableOf>;
  value?: string | null;
}

/** The flights of each method, with what is made anew in each of their values. */
export type Replay = Readonly<
  Record<string, readonly (readonly { name: string; text: string; values: readonly ReplayedValue[] }[])[]>
>;

const script = fileURLToPath(new URL('../replay-server.js', import.meta.url));

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
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(bench.workDir, 'replay.log');
  const file = join(bench.workDir, 'replay.json');
  await writeFile(file, JSON.stringify(toReplay(captured)));
  const process = spawnNode([script, String(port), database.appUrl, file], {}, logFile);
  const startedIn = await untilOk(`${url}/livez`, {}, process, logFile);
  return { url, process, logFile, startedIn, stop: () => process.stop() };
}
