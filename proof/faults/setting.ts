import { setTimeout } from 'node:timers/promises';
import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { type KillableServer, startKillableServer } from '../../harness/killable-server.js';
import { type Proxy as NetworkProxy, openProxy } from '../../harness/proxy.js';
import { type RunningService, startService } from '../../harness/service.js';
import type { Figure, Promised, Proof } from '../suite.js';
import { type Entry, type Journal, openJournal } from './journal.js';

/** One fault, and what has to hold while it lasts. */
export interface Scenario {
  promised: Promised;
  run(setting: Setting, ground: Ground): Promise<Figure>;
}

/** A scenario with a login or a database of its own, and therefore a service of its own. */
export interface LoneScenario {
  promised: Promised;
  run(setting: Setting): Promise<Figure>;
}

/** A service that scenarios have one after the other. */
export interface Ground {
  service: RunningService;
  /** Of what the sessions of the service call themselves. */
  session: string;
  /** Between the service and its database, where there is one. */
  proxy: NetworkProxy | undefined;
}

export interface Group {
  scenarios: readonly Scenario[];
  /** Settings of the service's sessions. */
  sessions(setting: Setting): Readonly<Record<string, string>>;
  environment?(setting: Setting): Promise<Readonly<Record<string, string>>>;
  proxied?: true;
}

export const POOL = 10;
const CUSTOMERS = 6000;
/** Customers that a scenario has to itself. */
const SHARE = 400;

/** What the scenarios run on: a PostgreSQL whose settings they may change, and another that can take its place. */
export interface Setting {
  proof: Proof;
  guarded: boolean;
  server: KillableServer;
  database: HarnessDatabase;
  /** On the run's own server, with the same rows, name and login. */
  spare: HarnessDatabase;
  /** The program: as it is shipped, or without its guards. */
  cli: string | undefined;
  /** The database's URL with settings for the sessions of one service. */
  url(settings: Readonly<Record<string, string>>, session: string): URL;
  serve(url: URL, environment?: Readonly<Record<string, string>>): Promise<RunningService>;
  /** @param firstCustomer of those that are written to. Default: customers of no other journal */
  openJournal(service: RunningService, firstCustomer?: number): Journal;
  close(): Promise<void>;
}

export async function openSetting(proof: Proof, guarded: boolean, cli: string | undefined): Promise<Setting> {
  const name = guarded ? 'faults' : 'faults_unguarded';
  // Deadlocks are found before the login's lock_timeout of a second ends the wait.
  const server = await startKillableServer(proof.workDir, 'customer_permissions_proof', {
    deadlock_timeout: '100ms',
    // For several services at once, each with connections that it has just left.
    max_connections: '150',
  });
  const fill = async (database: HarnessDatabase) => {
    await insertPartner(database.sql);
    await insertCustomers(database, 1, CUSTOMERS);
    await insertEligibility(database, CUSTOMERS);
    await settle(database);
  };
  const database = await server.cluster.createDatabase(name);
  const spare = await proof.cluster.createDatabase(name);
  await Promise.all([fill(database), fill(spare)]);
  const { username, password } = new URL(spare.appUrl);
  await database.sql(`alter role ${username} password '${decodeURIComponent(password)}'`);
  // What a scenario changes for the whole server is not meant for the sessions that measure.
  for (const apart of Object.entries(APART)) {
    await database.sql(`set ${apart[0]} = ${apart[1]}; alter role postgres set ${apart[0]} = ${apart[1]}`);
  }
  let shares = 0;
  return {
    proof,
    guarded,
    server,
    database,
    spare,
    cli,
    url(settings, session) {
      const there = new URL(database.appUrl);
      there.password = password;
      const options = Object.entries(settings).map(([key, value]) => `-c ${key}=${value.replaceAll(' ', '\\ ')}`);
      there.searchParams.set('options', options.join(' '));
      there.searchParams.set('application_name', session);
      return there;
    },
    async serve(url, environment = {}) {
      const { workDir, token } = proof;
      const start = () =>
        startService({
          workDir,
          databaseUrl: url.href,
          token,
          environment: { POOL_MAX: String(POOL), ...environment },
          ...(cli !== undefined && { cli }),
        });
      // Among so many connections the port is sometimes taken between its choice and the start.
      return start().catch((error: Error) => {
        if (!/ is in use /.test(error.message)) throw error;
        return start();
      });
    },
    openJournal: ({ url }, firstCustomer = 2 + SHARE * shares++) => openJournal(url, proof.token, firstCustomer),
    async close() {
      await database.drop().catch(() => {});
      await spare.drop();
      await server.close();
    },
  };
}

/** Settings of a session that is not to be touched by what another scenario does to the whole server. */
export const APART = { synchronous_commit: 'local', default_transaction_read_only: 'off' };

/** The figures of what could be measured. */
export type Run = (setting: Setting) => Promise<Record<string, Figure>>;

/** A scenario that fails has no figure, and so counts as missed; the others go on. */
async function measured(
  { proof }: Setting,
  { id }: Promised,
  run: () => Promise<Figure>,
): Promise<Record<string, Figure>> {
  if (!proof.wants(id)) return {};
  try {
    return { [id]: await run() };
  } catch (error) {
    proof.print(`${id} could not be measured: ${error instanceof Error ? error.stack : error}`);
    return {};
  }
}

export const alone =
  ({ promised, run }: LoneScenario): Run =>
  (setting) =>
    measured(setting, promised, () => run(setting));

/** Runs the scenarios of a group one after the other, on one service. */
export const together =
  ({ scenarios, sessions, environment, proxied }: Group): Run =>
  async (setting) => {
    const { server, guarded } = setting;
    const proxy = proxied && (await openProxy({ host: '127.0.0.1', port: server.port }));
    const session = `proof_${scenarios[0]?.promised.id}_${guarded}`;
    const url = setting.url(sessions(setting), session);
    if (proxy) url.port = String(proxy.port);
    const service = await setting.serve(url, await environment?.(setting));
    const figures: Record<string, Figure> = {};
    for (const { promised, run } of scenarios) {
      Object.assign(figures, await measured(setting, promised, () => run(setting, { service, session, proxy })));
    }
    await service.stop();
    await proxy?.close();
    return figures;
  };

/** @returns milliseconds until the work was answered as wished; undefined: not within the limit */
export async function until(
  work: () => Promise<Entry>,
  wished: (entry: Entry) => boolean,
  limitMilliseconds: number,
): Promise<number | undefined> {
  const begin = performance.now();
  while (performance.now() - begin < limitMilliseconds) {
    if (wished(await work())) return performance.now() - begin;
    await setTimeout(20);
  }
  return undefined;
}

/** The scenario's figure, missed when the answers and the log do not agree or a condition does not hold. */
export async function figureOf(
  { proof, database }: Setting,
  journal: Journal,
  reached: string,
  conditions: Readonly<Record<string, boolean>>,
  databases: readonly HarnessDatabase[] = [database],
): Promise<Figure> {
  const faults = await journal.findFaults(databases);
  faults.push(...Object.entries(conditions).flatMap(([name, holds]) => (holds ? [] : [name])));
  for (const fault of new Set(faults)) proof.print(fault);
  const first = faults[0] === undefined ? '' : `; ${faults.length} faults, the first: ${faults[0]}`;
  return { reached: `${reached}${first}`, kept: faults.length === 0 };
}
