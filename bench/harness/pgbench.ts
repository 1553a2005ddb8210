import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { customerIdSql } from '../../harness/data.js';
import type { Slice } from './slices.js';
import type { Flight, Parameter } from './wire-capture.js';

const run = promisify(execFile);
const DEBIAN = '/usr/lib/postgresql';

/** `pgbench` of the PATH, else the newest of Debian's places; undefined, and said so, where none is installed. */
export async function findPgbench(print: (line: string) => void): Promise<string | undefined> {
  const versions = (() => {
    try {
      return readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
    } catch {
      return [];
    }
  })();
  for (const program of ['pgbench', ...versions.map((version) => join(DEBIAN, version, 'bin', 'pgbench'))]) {
    try {
      const { stdout } = await run(program, ['--version']);
      if (Number(/(\d+)/.exec(stdout)?.[1]) >= 15) return program;
    } catch {
      // Not this one.
    }
  }
  print('  skipped: pgbench 15 or newer is not installed (on Debian it is in postgresql-contrib)');
  return undefined;
}

/** What of the captured values is made anew in every transaction. */
export interface Variables {
  customerId: string;
  /** Number that the log entry of the captured request got. */
  seq: number;
  /** Ids that may not come twice. */
  requestId: string;
  /** When it was captured: times near it are made anew. */
  at: number;
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/;

/** What a captured value is, when it is made anew in every transaction. */
export function variableOf(value: Parameter, variables: Variables): 'customer' | 'id' | 'seq' | 'time' | undefined {
  if (typeof value !== 'string') return undefined;
  if (value === variables.customerId) return 'customer';
  if (value === variables.requestId || UUID_V7.test(value)) return 'id';
  if (value === String(variables.seq)) return 'seq';
  return TIME.test(value) && Math.abs(Date.parse(value) - variables.at) < 60_000 ? 'time' : undefined;
}

const MADE = {
  customer: customerIdSql(':customer'),
  id: 'gen_random_uuid()',
  seq: ':seq',
  time: 'clock_timestamp()',
} as const;

export interface Script {
  text: string;
  /** The values of its variables that are the same in every transaction. */
  values: Readonly<Record<string, string>>;
}

/**
 * The captured transaction as a script: the same statements with the same parameters in the same flights, on customers of
 * the client's own.
 * @param name what its variables begin with
 * @param range the first number of the customers, and how many each client has
 */
export function toScript(
  name: string,
  flights: readonly Flight[],
  variables: Variables,
  range: { first: number; each: number },
): Script {
  const given: Record<string, string> = {};
  const take = (value: Parameter): string => {
    if (value === null) return 'null';
    const variable = variableOf(value, variables);
    if (variable) return MADE[variable];
    const text = typeof value === 'string' ? value : `\\x${value.toString('hex')}`;
    const own = `${name}_${Object.keys(given).length}`;
    given[own] = text;
    return `:${own}`;
  };
  const lines = [
    `\\set customer ${range.first} + :client_id * ${range.each} + random(0, ${range.each - 1})`,
    '\\set seq random(1000000, 4000000000000000)',
  ];
  for (const flight of flights) {
    lines.push('\\startpipeline');
    for (const { text, values } of flight) {
      const filled = text.replace(/\$(\d+)/g, (_, number) => take(values[number - 1] ?? null));
      lines.push(`${filled.replaceAll('\n', ' ')};`);
    }
    lines.push('\\endpipeline');
  }
  return { text: `${lines.join('\n')}\n`, values: given };
}

export interface Pgbench {
  slice(seconds: number): Promise<Slice>;
}

/** pgbench with prepared statements, each script in half of the transactions. */
export async function preparePgbench(options: {
  program: string;
  databaseUrl: string;
  workDir: string;
  clients: number;
  scripts: readonly Script[];
}): Promise<Pgbench> {
  const { program, databaseUrl, workDir, clients, scripts } = options;
  const files = await Promise.all(
    scripts.map(async (script, index) => {
      const file = join(workDir, `pgbench-${clients}-${index}.sql`);
      await writeFile(file, script.text);
      return file;
    }),
  );
  const values = scripts.flatMap((script) => Object.entries(script.values));
  const fixed = [
    ...['-n', '-M', 'prepared', '-c', String(clients), '-j', '1'],
    ...values.flatMap(([name, value]) => ['-D', `${name}=${value}`]),
    ...files.flatMap((file) => ['-f', file]),
  ];
  return {
    async slice(seconds) {
      const { stdout } = await run(program, [...fixed, '-T', String(seconds), databaseUrl]);
      const count = Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1]);
      const rate = Number(/tps = ([\d.]+) \(without/.exec(stdout)?.[1]);
      const failed = Number(/number of failed transactions: (\d+)/.exec(stdout)?.[1] ?? 0);
      if (!(rate > 0) || failed > 0) throw new Error(`pgbench did not run: ${stdout}`);
      return { count, rate };
    },
  };
}
