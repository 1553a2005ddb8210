import { customerId } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';
import { type Attempt, type Entry, settles } from './kill-clients.js';

export interface Findings {
  /** One sentence each. */
  exceptions: string[];
  /** Requests of which a client once did not know whether they were done. */
  unknown: number;
  /** Those of them that were answered in the end, truly. */
  resolved: number;
  /** Those of them that had been done already when they were repeated. */
  alreadyDone: number;
  /** Answers that nothing was changed, of which one can say whether that was true. */
  denials: number;
  /** Those of them where it was. */
  untrue: number;
}

interface LogRow {
  request_id: string;
  customer_id: string;
  seq: number;
  on: boolean;
  /** Milliseconds since 1970. */
  at: number;
}

/** 503 that say "Nothing was changed": Unavailable and Busy. */
const DENIALS = new Set(['990026', '990027']);
/** The log has whole milliseconds. */
const TICK_MS = 2;

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

const denies = ({ outcome }: Attempt) => outcome.kind === 'answer' && DENIALS.has(outcome.code);
const leavesOpen = ({ outcome }: Attempt) =>
  outcome.kind === 'lost' || (outcome.kind === 'answer' && !settles(outcome) && !DENIALS.has(outcome.code));

/** What is wrong with the answer to a change that nobody else can have made or hindered. */
function wrongAnswer({ method, state, version }: Entry, { outcome }: Attempt): string | undefined {
  if (outcome.kind !== 'answer') return 'it was not answered';
  const status = method === 'DELETE' ? 204 : state === 'on' ? 201 : 200;
  if (outcome.status !== status) return `it was answered ${outcome.status}, not ${status}`;
  if (method === 'PUT' && outcome.etag !== `"${version}"`) return `it got the version ${outcome.etag}, not ${version}`;
  return undefined;
}

/** Holds what the clients were told against what is there. */
export async function check({ sql }: HarnessDatabase, journal: readonly Entry[]): Promise<Findings> {
  const findings: Findings = { exceptions: [], unknown: 0, resolved: 0, alreadyDone: 0, denials: 0, untrue: 0 };
  const log = await sql<LogRow>(
    `select request_id, customer_id, seq::int, operation_type <> 'delete_self_serve_policy' as on,
       (extract(epoch from occurred_on) * 1000)::float8 as at
     from activity_log order by customer_id, seq`,
  );
  const rowsOf = groupBy(log, (row) => row.request_id);
  const explained = new Set<string>();
  for (const entry of journal) {
    const last = entry.attempts.at(-1);
    if (!last) continue;
    const rows = rowsOf.get(last.requestId) ?? [];
    explained.add(last.requestId);
    const fault = faultOf(entry, last, rows);
    if (fault !== undefined) findings.exceptions.push(`customer ${entry.customer}, ${entry.state}: ${fault}`);
    const open = entry.attempts.findIndex(leavesOpen);
    if (open >= 0) {
      findings.unknown++;
      if (fault === undefined) findings.resolved++;
      if (last.outcome.kind === 'answer' && last.outcome.replayed) findings.alreadyDone++;
    }
    const [row] = rows;
    for (const [index, attempt] of entry.attempts.entries()) {
      // What an earlier attempt may have done is not what a later one denies.
      if (open >= 0 && index > open) break;
      const next = entry.attempts[index + 1];
      if (!next || !denies(attempt)) continue;
      findings.denials++;
      if (row && row.at + TICK_MS < next.sentAt && row.request_id === attempt.requestId) findings.untrue++;
    }
  }
  for (const row of log) {
    if (!explained.has(row.request_id)) {
      findings.exceptions.push(`entry ${row.seq} of ${row.customer_id} is of a request that was never acknowledged`);
    }
  }
  findings.exceptions.push(...(await faultsOfCustomers(sql, log, journal)));
  return findings;
}

function faultOf(entry: Entry, last: Attempt, rows: readonly LogRow[]): string | undefined {
  const { outcome } = last;
  if (outcome.kind !== 'answer' || outcome.status >= 300) {
    return `refused with ${outcome.kind === 'answer' ? outcome.status : outcome.kind}, ${rows.length} rows`;
  }
  if (rows.length > 1) return `${rows.length} rows`;
  const [row] = rows;
  if (row && (row.customer_id !== customerId(entry.customer) || row.on !== (entry.state === 'on'))) {
    return `its row tells of another change: entry ${row.seq} of ${row.customer_id}`;
  }
  if (entry.version !== undefined) {
    const wrong = wrongAnswer(entry, last);
    if (wrong !== undefined) return wrong;
    if (!row) return `acknowledged as version ${entry.version}, no row`;
    if (row.seq !== entry.version) return `version ${entry.version} is entry ${row.seq}`;
    return undefined;
  }
  // 201 says that it switched on, 200 that it was on; of switching off no answer says whether it was off before.
  if (entry.state === 'on' && rows.length !== (outcome.status === 201 ? 1 : 0)) {
    return `${outcome.status} and ${rows.length} rows`;
  }
  return undefined;
}

/** Customers whose counts, versions, order or state do not fit each other or what was acknowledged. */
async function faultsOfCustomers(
  sql: HarnessDatabase['sql'],
  log: readonly LogRow[],
  journal: readonly Entry[],
): Promise<string[]> {
  const states = await sql<{ customer_id: string; log_seq: number; version: number; state: string }>(
    `select c.customer_id, c.log_seq::int, coalesce(p.version, 0)::int as version, coalesce(p.state, 'off') as state
     from customers c left join purchase_permissions p using (partner_id, customer_id)`,
  );
  const logs = groupBy(log, (row) => row.customer_id);
  const lastVersion = new Map<string, number>();
  for (const { customer, version } of journal)
    if (version !== undefined) lastVersion.set(customerId(customer), version);
  return states.flatMap(({ customer_id, log_seq, version, state }) => {
    const rows = logs.get(customer_id) ?? [];
    const gapless = rows.every(({ seq, on }, index) => seq === index + 1 && on === (index % 2 === 0));
    const expected = lastVersion.get(customer_id) ?? version;
    const agree = log_seq === rows.length && version === rows.length && version === expected;
    if (gapless && agree && state === (version % 2 === 1 ? 'on' : 'off')) return [];
    return [
      `${customer_id}: ${state}, version ${version}, head ${log_seq}, ${rows.length} rows${gapless ? '' : ' with gaps'}, ${expected} acknowledged`,
    ];
  });
}
