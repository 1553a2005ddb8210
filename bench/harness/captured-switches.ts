import { setTimeout } from 'node:timers/promises';
import { customerId, insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { permissionPath } from './bare.js';
import type { Bench } from './bench.js';
import { type Pgbench, preparePgbench, toScript, type Variables } from './pgbench.js';
import { captureWire, type Flight } from './wire-capture.js';

/** Customers that the service switches; pgbench has as many of its own behind them. */
export const SWITCHED = 1920;
const CAPTURED = 2 * SWITCHED + 1;
/** POOL_MAX by default: more connections to the database the service does not open. */
const POOL = 10;

export interface CapturedSwitch {
  method: 'PUT' | 'DELETE';
  flights: readonly Flight[];
  variables: Variables;
}

/** A database with eligible customers for a service and for pgbench. */
export async function openSwitches(bench: Bench, name: string): Promise<HarnessDatabase> {
  const database = await bench.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CAPTURED);
  await insertEligibility(database, CAPTURED);
  await settle(database);
  return database;
}

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

/** The service's own statements of one switch on and one off, read off the wire. */
export async function captureSwitches(bench: Bench, database: HarnessDatabase): Promise<CapturedSwitch[]> {
  const capture = await captureWire(database.appUrl);
  const service = await bench.serve({ ...database, appUrl: capture.url }, { profileDir: undefined });
  // The first ones look the caller's tenant up and prepare the statements.
  for (const method of ['PUT', 'DELETE'] as const) await send(service, bench.headers, method);
  // A number that nothing else in a statement has.
  await database.sql('update customers set log_seq = 700000 where customer_id = $1', [customerId(CAPTURED)]);
  const captured: CapturedSwitch[] = [];
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
    const variables = { customerId: customerId(CAPTURED), seq: Number(head?.seq), requestId, at: Date.now() };
    captured.push({ method, flights, variables });
  }
  await service.stop();
  capture.close();
  const described = captured.map(
    ({ method, flights }) => `${method} ${flights.map(({ length }) => length).join(' + ')}`,
  );
  bench.print(`  statements in each flight: ${described.join(', ')}`);
  return captured;
}

/** pgbench with the captured statements and as many clients as the service may have connections, each with customers of its own. */
export async function prepareSwitches(
  bench: Bench,
  database: HarnessDatabase,
  options: { program: string; captured: readonly CapturedSwitch[]; connections: number },
): Promise<Pgbench & { clients: number }> {
  const { program, captured, connections } = options;
  const clients = Math.min(connections, POOL);
  const customers = { first: SWITCHED + 1, each: Math.floor(SWITCHED / clients) };
  const scripts = captured.map(({ method, flights, variables }) => toScript(method, flights, variables, customers));
  const pgbench = await preparePgbench({
    program,
    databaseUrl: database.appUrl,
    workDir: bench.workDir,
    clients,
    scripts,
  });
  return { ...pgbench, clients };
}
