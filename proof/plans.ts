import { readFile } from 'node:fs/promises';
import type { HarnessDatabase } from '../harness/database.js';

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Lossy Heap Blocks'?: number;
  'Heap Fetches'?: number;
  Plans?: readonly PlanNode[];
}

export interface RecordedPlan {
  text: string;
  root: PlanNode;
}

/** The longest page and one more, each of two permissions: a sort of so many is as good as none, and does not grow. */
const PAGE_ROWS = 1002;
/**
 * What walks all rows of a table: the watch and the deliveries the partners, `verify-log` the log, some thousands at a time. As
 * many as there are of them are read and sorted.
 */
const WALKS = [
  { text: /^select "partner_id" from "partners" order by "partner_id"$/, of: 'partners' },
  { text: /^select \* from \(select "partner_id" as "partnerId", \(select min\("occurred_on"\)/, of: 'partners' },
  { text: /^select \*, occurred_on = date_trunc\('milliseconds', occurred_on\)/, of: 'activity_log' },
];
/** A part of a name is searched for in each entry of a slice of the log, whose end is found by reading it. */
const SEARCHED = / from "activity_log" .* strpos\(|as "nth" from "activity_log" /;

/**
 * The plans by which the server answered a login while `work` ran, with what they really did: those the service gets,
 * generic ones by the settings of its login. Each text once, with a plan that has faults if there was one: what finds
 * nothing for one partner reads a lot for another.
 * @param logFile of the server
 */
export async function recordPlans<T>(
  { sql, login }: Pick<HarnessDatabase, 'sql' | 'login'>,
  logFile: string,
  work: () => Promise<T>,
): Promise<{ plans: RecordedPlan[]; result: T }> {
  const set = async (settings: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(settings)) await sql(`alter system set ${name} = ${value}`);
    await sql('select pg_reload_conf()');
    // The processes of the server take it when they are asked something next.
    await sql('select pg_sleep(0.2)');
  };
  const before = (await readFile(logFile)).length;
  await set({
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_timing': 'off',
    'auto_explain.log_format': 'json',
    log_line_prefix: "'%u '",
  });
  const result = await work().finally(() => set({ 'auto_explain.log_min_duration': '-1' }));
  const plans = new Map<string, RecordedPlan>();
  const log = (await readFile(logFile)).subarray(before).toString();
  for (const [, user, json = ''] of log.matchAll(/^(\S+) .* plan:\n((?:\t.*\n)+)/gm)) {
    if (user !== login) continue;
    const { 'Query Text': text, Plan: root } = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
    const plan = { text, root };
    if (!plans.has(text) || faultsOf(plan).length > 0) plans.set(text, plan);
  }
  return { plans: [...plans.values()], result };
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

const rowsInto = ({ Plans = [] }: PlanNode) => Plans.reduce((sum, child) => sum + Number(child['Actual Rows']), 0);

/** What makes a plan slower as tables grow; empty for a good one. */
export function faultsOf({ text, root }: RecordedPlan): string[] {
  const walk = WALKS.find((one) => one.text.test(text));
  return [...nodesOf(root)].flatMap((node) => {
    const { 'Node Type': type, 'Relation Name': table = '' } = node;
    if (walk && (table === walk.of || type === 'Sort')) return [];
    if (type === 'Seq Scan') return [`reads all of ${table}`];
    const read =
      (Number(node['Actual Rows']) + Number(node['Rows Removed by Filter'] ?? 0)) * Number(node['Actual Loops']);
    if (table !== '' && read > PAGE_ROWS && !SEARCHED.test(text))
      return [`reads ${Math.round(read)} rows of ${table} (${node['Index Name'] ?? type})`];
    // What a sort answers is no more than its limit; what it sorts came from below.
    const sorted = /Sort$/.test(type) ? rowsInto(node) : 0;
    if (sorted > PAGE_ROWS) return [`sorts ${sorted} rows`];
    if (Number(node['Lossy Heap Blocks']) > 0) return [`looks at whole pages of ${table}`];
    return [];
  });
}

/** Rows that an index alone did not answer. */
export function heapFetches({ root }: RecordedPlan, index: string): number | undefined {
  const scan = [...nodesOf(root)].find((node) => node['Index Name'] === index);
  return scan?.['Heap Fetches'];
}
