import { readFile } from 'node:fs/promises';
import type { HarnessDatabase } from '../harness/database.js';

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
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
/** The watch walks all partners, one by one. */
const MEANT = 'select "partner_id" from "partners" order by "partner_id"';

/**
 * The plans by which the server answered while `work` ran, with what they really did: those the service gets, generic
 * ones by the settings of its login. Each text once.
 * @param logFile of the server
 */
export async function recordPlans(
  { sql }: HarnessDatabase,
  logFile: string,
  work: () => Promise<void>,
): Promise<RecordedPlan[]> {
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
  });
  try {
    await work();
  } finally {
    await set({ 'auto_explain.log_min_duration': '-1' });
  }
  const plans = new Map<string, RecordedPlan>();
  const log = (await readFile(logFile)).subarray(before).toString();
  for (const [, json = ''] of log.matchAll(/ plan:\n((?:\t.*\n)+)/g)) {
    const { 'Query Text': text, Plan: root } = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
    if (/counters\.|pg_reload_conf|pg_sleep/.test(text)) continue;
    plans.set(text, { text, root });
  }
  return [...plans.values()];
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

const rowsInto = ({ Plans = [] }: PlanNode) => Plans.reduce((sum, child) => sum + Number(child['Actual Rows']), 0);

/** What makes a plan slower as tables grow; empty for a good one. */
export function faultsOf({ text, root }: RecordedPlan): string[] {
  if (text === MEANT) return [];
  return [...nodesOf(root)].flatMap((node) => {
    const { 'Node Type': type, 'Relation Name': table = '' } = node;
    if (type === 'Seq Scan') return [`reads all of ${table}`];
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
