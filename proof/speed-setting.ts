import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CONTOSO,
  customerId,
  insertCustomers,
  insertEligibility,
  insertLog,
  insertPartner,
  insertPermissions,
  settle,
} from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';
import { startKillableServer } from '../harness/killable-server.js';
import { freePort } from '../harness/processes.js';
import { type RunningService, startService } from '../harness/service.js';
import { type Alteration, alterBuild } from './altered-build.js';
import { COUNTING, prepareCounting } from './counters.js';
import type { Proof } from './suite.js';

export interface Size {
  customers: number;
  /** Entries of the log at first, and when it is large. */
  log: { small: number; large: number };
}

export const PAGE = 20;
/** The customer whose lists are asked for. */
export const ASKED = 600;
const NOT_ASKED = 6_000_000;
const MANY_USERS = 3000;
const DAY_MS = 86_400_000;

export interface SpeedSetting {
  size: Size;
  database: HarnessDatabase;
  service: RunningService;
  /** Of the server. */
  logFile: string;
  /** Continues the list of customers with its last page. */
  lastPageToken: string;
  ask(path: string, options?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<Response>;
  /** Makes the log large. */
  growLog(): Promise<void>;
  /** How often the service has collected its old generation. */
  countCollections(): Promise<number>;
  close(): Promise<void>;
}

export const permissionPath = (customer: number) =>
  `/v1/customers/${customerId(customer)}/purchasepermissions/AzureReservedInstances`;
export const CUSTOMER_PAGE = `/v1/customers?size=${PAGE}`;
export const NEXT_PAGE = `${CUSTOMER_PAGE}&seekOperation=Next`;

/** So many users of one customer that a page of them is not all. */
export async function insertManyUsers({ sql }: HarnessDatabase): Promise<void> {
  await sql(
    `insert into users (partner_id, customer_id, user_id, user_principal_name, upn_key, display_name, first_name,
       last_name, usage_location, user_domain_type, user_type, account_state, version, created_on)
     select $1, $2, gen_random_uuid(), upn, upn, 'User ' || n, 'User', n, 'US', 'managed', 'member', 'active', 1, now()
     from generate_series(1, $3::int) n, lateral (select 'user' || n || '@onmicrosoft.com' as upn) u`,
    [CONTOSO, customerId(ASKED), MANY_USERS],
  );
}

/** So many events that wait, of customers that are not asked for: of one of them as many as of all others together. */
export async function insertOutbox({ sql }: HarnessDatabase, events: number): Promise<void> {
  await sql(
    `insert into webhook_registrations (partner_id, subscriber_id, webhook_url, webhook_events,
       signature_to_ms_signature_header, version, changed_on, changed_by)
     values ($1, gen_random_uuid(), 'https://192.0.2.1/', '{t}', false, 1, now(), 't')`,
    [CONTOSO],
  );
  await sql(
    `insert into webhook_events (partner_id, customer_id, event_id, event_name, payload, correlation_id, status, attempts,
       next_attempt_on, results, occurred_on)
     select $1, case when n % 2 = 0 then $3 else gen_random_uuid() end, gen_random_uuid(), 't', '{}', gen_random_uuid(),
       'waiting', 0, now() + n % 2 * interval '1 hour', '[]', now() - n * interval '1 second'
     from generate_series(1, $2::int) n`,
    [CONTOSO, events, customerId(NOT_ASKED)],
  );
}

/** The service on a server of its own that counts. */
export async function openSpeedSetting(
  proof: Proof,
  options: { name: string; size: Size; alterations?: readonly Alteration[]; withoutIndexes?: readonly string[] },
): Promise<SpeedSetting> {
  const { name, size } = options;
  const server = await startKillableServer(proof.workDir, name, { ...COUNTING, shared_buffers: '1GB' });
  const database = await server.cluster.createDatabase('speed');
  await prepareCounting(database);
  for (const index of options.withoutIndexes ?? []) await database.sql(`drop index ${index}`);
  await insertPartner(database.sql);
  // The last two pages first: the token after the first of them is that of the last page however many come before.
  await insertCustomers(database, size.customers - 2 * PAGE + 1, size.customers);
  let cli: string | undefined;
  if (options.alterations) {
    const directory = join(proof.workDir, `${name}-build`);
    await mkdir(directory);
    cli = await alterBuild(directory, options.alterations);
  }
  const metricsPort = await freePort();
  const service = await startService({
    workDir: proof.workDir,
    databaseUrl: database.appUrl,
    token: proof.token,
    environment: { METRICS_PORT: String(metricsPort) },
    ...(cli !== undefined && { cli }),
  });
  const ask: SpeedSetting['ask'] = async (path, { headers, ...request } = {}) => {
    const answer = await fetch(`${service.url}${path}`, {
      ...request,
      headers: {
        authorization: `Bearer ${proof.token}`,
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer;
  };
  const { continuationToken } = (await (await ask(CUSTOMER_PAGE)).json()) as { continuationToken: string };
  await insertCustomers(database, 1, size.customers - 2 * PAGE);
  await insertEligibility(database, size.customers);
  await insertPermissions(database, size.customers);
  // Newest first: what is read is the same when the log has grown behind it.
  const now = Date.now();
  const log = { customers: size.customers };
  const [recent, middle, old] = [now - DAY_MS, now - 20 * DAY_MS, now - 200 * DAY_MS].map((time) => new Date(time)) as [
    Date,
    Date,
    Date,
  ];
  const { small, large } = size.log;
  await insertLog(database, { ...log, entries: small, from: middle, to: recent, firstSeq: 1_000_000 });
  await settle(database);
  return {
    size,
    database,
    service,
    logFile: server.logFile,
    lastPageToken: continuationToken,
    ask,
    growLog: async () => {
      await insertLog(database, { ...log, entries: large - small, from: old, to: middle, firstSeq: 2_000_000 });
      await settle(database);
    },
    countCollections: async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return Number(/^nodejs_gc_duration_seconds_count\{kind="major"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    },
    close: async () => {
      await service.stop();
      await server.close();
    },
  };
}
