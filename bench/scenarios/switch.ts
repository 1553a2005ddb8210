import { setTimeout } from 'node:timers/promises';
import {
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  settle,
  untilQuiet,
} from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { permissionPath } from '../harness/bare.js';
import type { Bench, Scenario } from '../harness/bench.js';
import { deal, type PlannedRequest } from '../harness/load.js';
import { findPgbench, preparePgbench, toScript } from '../harness/pgbench.js';
import { alternate, report, type Slice } from '../harness/slices.js';
import { captureWire } from '../harness/wire-capture.js';

/** Of the service; pgbench has as many of its own behind them. */
const CUSTOMERS = 1920;
const CAPTURED = 2 * CUSTOMERS + 1;
/** POOL_MAX by default: more connections to the database the service does not open. */
const POOL = 10;

async function send(service: RunningService, headers: Bench['headers'], method: 'PUT' | 'DELETE'): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${service.url}${permissionPath(CAPTURED)}`, {
      method,
      headers: { ...headers, ...(method === 'PUT' && { 'content-type': 'application/json' }) },
      ...(method === 'PUT' && { body: '{"state":"on"}' }),
    });
    const text = await answer.text();
    if (answer.ok) return answer.headers.get('ms-requestid') ?? '';
    // The capture delays every flight: on a busy machine the first connections take longer than the service waits.
    if (answer.status !== 503 || attempt === 5) throw new Error(`${method} answered ${answer.status}: ${text}`);
    await setTimeout(1000);
  }
}

/** The service's own statements of one switch on and one off, as scripts for so many clients. */
async function captureScripts(bench: Bench, database: HarnessDatabase) {
  const capture = await captureWire(database.appUrl);
  const service = await bench.serve({ ...database, appUrl: capture.url }, { profileDir: undefined });
  // The first ones look the caller's tenant up and prepare the statements.
  for (const method of ['PUT', 'DELETE'] as const) await send(service, bench.headers, method);
  // A number that nothing else in a statement has.
  await database.sql('update customers set log_seq = 700000 where customer_id = $1', [customerId(CAPTURED)]);
  const switches: ((clients: number) => string)[] = [];
  const described: string[] = [];
  for (const method of ['PUT', 'DELETE'] as const) {
    capture.takeWrites();
    const requestId = await send(service, bench.headers, method);
    const writes = capture.takeWrites();
    const [flights] = writes;
    if (!flights || writes.length > 1) {
      throw new Error(`${writes.length} writes were read between the service and its database, not one`);
    }
    const [head] = await database.sql<{ seq: number }>('select log_seq as seq from customers where customer_id = $1', [
      customerId(CAPTURED),
    ]);
    const variables = { customerId: customerId(CAPTURED), seq: Number(head?.seq), requestId };
    switches.push((clients) => {
      const each = Math.floor(CUSTOMERS / clients);
      return toScript(flights, variables, { first: CUSTOMERS + 1, each });
    });
    described.push(`${method} ${flights.map((flight) => flight.length).join(' + ')}`);
  }
  await service.stop();
  capture.close();
  return { switches, described: described.join(', ') };
}

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

/** PUT / DELETE of a permission ÷ pgbench sending the same statements. */
export const switches: Scenario = async (bench) => {
  const program = await findPgbench();
  if (program === undefined) {
    bench.print('  skipped: pgbench 15 or newer is not installed (on Debian it is in postgresql-contrib)');
    return;
  }
  const database = await bench.cluster.createDatabase('switch');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CAPTURED);
  await insertEligibility(database, CAPTURED);
  await settle(database);
  const { switches: scripts, described } = await captureScripts(bench, database);
  bench.print(`  statements in each flight: ${described}`);
  const service = await bench.serve(database);
  for (const connections of bench.connections) {
    const clients = Math.min(connections, POOL);
    const pgbench = await preparePgbench({
      program,
      databaseUrl: database.appUrl,
      workDir: bench.workDir,
      clients,
      scripts: scripts.map((script) => script(clients)),
    });
    const load = createSwitchLoad(bench, database, service, { connections, from: 1, to: CUSTOMERS });
    const rounds = await alternate(
      bench.rounds,
      [() => load(bench.warmUpSeconds), () => pgbench.slice(bench.warmUpSeconds)],
      () => load(bench.sliceSeconds),
      () => pgbench.slice(bench.sliceSeconds),
    );
    const title = `${connections} connection${connections > 1 ? 's' : ''} ÷ ${clients} of pgbench`;
    bench.print(report({ title, names: ['service', 'pgbench'], aim: '≥ 0.6', ratio: 'rate' }, rounds));
  }
  await service.stop();
  await database.drop();
};
