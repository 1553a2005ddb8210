import { customerId, untilQuiet } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { permissionPath } from '../harness/bare.js';
import type { Bench, Scenario } from '../harness/bench.js';
import { captureSwitches, openSwitches, prepareSwitches, SWITCHED } from '../harness/captured-switches.js';
import { withDatabaseTime } from '../harness/database-time.js';
import { deal, type PlannedRequest } from '../harness/load.js';
import { findPgbench } from '../harness/pgbench.js';
import { alternate, report, type Slice } from '../harness/slices.js';

/** PUT on and DELETE in turn for customers number `from` to `to`, by clients of which each has customers of its own. */
export function createSwitchLoad(
  bench: Bench,
  database: HarnessDatabase,
  service: RunningService,
  { connections, from, to }: { connections: number; from: number; to: number },
) {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const range = [customerId(from), customerId(to)];
  const sequences = deal(numbers, connections).map((own) =>
    own.flatMap((number): PlannedRequest[] => {
      const path = permissionPath(number);
      return [
        { method: 'PUT', path, body: '{"state":"on"}' },
        { method: 'DELETE', path },
      ];
    }),
  );
  const entries = async () => {
    const [row] = await database.sql<{ sum: number }>(
      'select sum(log_seq)::int as sum from customers where customer_id between $1 and $2',
      range,
    );
    return row?.sum ?? 0;
  };
  return async (seconds: number): Promise<Slice> => {
    await untilQuiet(database);
    // The last slice ended somewhere in the sequences; each starts with what is off.
    await database.sql(
      `update purchase_permissions set state = 'off', effective = false
       where state = 'on' and customer_id between $1 and $2`,
      range,
    );
    const before = await entries();
    const slice = await bench.generator.slice(
      { url: service.url, connections, until: { seconds }, headers: bench.headers, sequences },
      service.process,
    );
    const written = (await entries()) - before;
    if (written < slice.count) throw new Error(`${slice.count} switches were answered and ${written} written`);
    return slice;
  };
}

/** By connections. */
const AIMS: ReadonlyMap<number, string> = new Map([
  [256, '≥ 3.0'],
  [64, '≥ 2.3'],
  [8, '≥ 1.0'],
  [1, '≥ 0.5'],
]);

/** PUT / DELETE of a permission ÷ pgbench sending the same statements. */
export const switches: Scenario = async (bench) => {
  const program = await findPgbench(bench.print);
  if (program === undefined) return;
  const database = await openSwitches(bench, 'switch');
  const captured = await captureSwitches(bench, database);
  const service = await bench.serve(database);
  const timed = await withDatabaseTime(database);
  for (const connections of bench.connections) {
    const pgbench = await prepareSwitches(bench, database, { program, captured, connections });
    const load = timed(createSwitchLoad(bench, database, service, { connections, from: 1, to: SWITCHED }));
    const reference = timed(pgbench.slice);
    const rounds = await alternate(
      bench.rounds,
      [() => load(bench.warmUpSeconds), () => reference(bench.warmUpSeconds)],
      () => load(bench.sliceSeconds),
      () => reference(bench.sliceSeconds),
    );
    const title = `${connections} connection${connections > 1 ? 's' : ''} ÷ ${pgbench.clients} of pgbench`;
    const aim = AIMS.get(connections);
    const names = ['service', 'pgbench'] as const;
    bench.print(report({ title, names, ...(aim !== undefined && { aim }), ratio: 'rate' }, rounds));
  }
  await service.stop();
  await database.drop();
};
