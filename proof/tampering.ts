import { randomUUID } from 'node:crypto';
import { type ChainRow, entryHash, GENESIS } from '../src/nouns/activity-log/chain.js';
import { ENTRY_COLUMNS } from '../src/nouns/activity-log/queries.js';

/** The log of one customer, with what its row says of it. */
export interface CustomerLog {
  rows: ChainRow[];
  seq: number;
  head: Buffer;
}

export interface Tampered extends CustomerLog {
  /** What was done, for who reads that it was not found. */
  what: string;
  /** The entry that has to be named. */
  firstBad: number;
}

type Random = () => number;
const below = (random: Random, limit: number) => Math.floor(random() * limit);

/** Every column but those that say which entry it is. */
const COLUMNS = ENTRY_COLUMNS.filter(
  (column) => column !== 'partner_id' && column !== 'customer_id' && column !== 'seq',
);

/** Of columns whose values the schema limits, and that hold no text. */
const OTHER_VALUES: Partial<Record<keyof ChainRow, (value: never, random: Random) => unknown>> = {
  entry_id: () => randomUUID(),
  request_id: () => randomUUID(),
  correlation_id: () => randomUUID(),
  occurred_on: (value: Date, random) => new Date(value.getTime() + 1 + below(random, 10 ** 9)),
  operation_status: (value: string) => (value === 'failed' ? 'succeeded' : 'failed'),
  actor_type: (value: string) => (value === 'system' ? 'user' : 'system'),
  hash_version: (value: number) => value + 1,
  previous_hash: flipped,
  hash: flipped,
};

function flipped(bytes: Buffer, random: Random): Buffer {
  const other = Buffer.from(bytes);
  const at = below(random, other.length);
  other[at] = (other[at] ?? 0) ^ (1 << below(random, 8));
  return other;
}

/** One character more, less or another one; null becomes empty text, empty text null where the column allows it. */
function otherText(text: string | null, random: Random): string {
  if (text === null) return '';
  const at = below(random, text.length);
  const ways = [
    `${text} `,
    `${text.slice(0, at)}#${text.slice(at)}`,
    text.slice(0, -1),
    `${text.slice(0, at)}~${text.slice(at + 1)}`,
  ];
  return ways.filter((way) => way !== text)[below(random, 3)] ?? '-';
}

function edited(row: ChainRow, random: Random): { row: ChainRow; column: string } {
  const column = COLUMNS[below(random, COLUMNS.length)] ?? 'action';
  const change = OTHER_VALUES[column] as ((value: unknown, random: Random) => unknown) | undefined;
  const value = change ? change(row[column], random) : otherText(row[column] as string | null, random);
  return { row: { ...row, [column]: value }, column };
}

/** The chain made anew over whatever the rows are now, from their first to their last. */
export function rehashed(rows: readonly ChainRow[]): ChainRow[] {
  let previous = GENESIS;
  return rows.map((row, index) => {
    const chained = { ...row, seq: index + 1, hash_version: 1, previous_hash: previous };
    previous = entryHash(chained, previous);
    return { ...chained, hash: previous };
  });
}

/** The customer's row as the last of the rows has it. */
const headOf = (rows: readonly ChainRow[]) => ({ seq: rows.length, head: rows.at(-1)?.hash ?? GENESIS });

const renumbered = (rows: readonly ChainRow[]) => rows.map((row, index) => ({ ...row, seq: index + 1 }));

type Way = (log: CustomerLog, random: Random) => Tampered;

const edit: Way = ({ rows, seq, head }, random) => {
  const at = below(random, rows.length);
  const { row, column } = edited(rows[at] as ChainRow, random);
  return { rows: rows.with(at, row), seq, head, what: `${column} of entry ${at + 1} edited`, firstBad: at + 1 };
};

/** The edited row gets a hash that is right again: the next one, or the customer's row, does not follow from it. */
const editWithHash: Way = ({ rows, seq, head }, random) => {
  const at = below(random, rows.length);
  const row = { ...(rows[at] as ChainRow), new_value: `forged ${random()}` };
  const forged = { ...row, hash: entryHash(row, row.previous_hash) };
  const firstBad = Math.min(at + 2, rows.length);
  return { rows: rows.with(at, forged), seq, head, what: `entry ${at + 1} edited, with its hash`, firstBad };
};

const remove: Way = ({ rows, seq, head }, random) => {
  const at = below(random, rows.length);
  const left = rows.toSpliced(at, 1 + below(random, rows.length - at));
  const what = `${rows.length - left.length} entries deleted from ${at + 1} on`;
  const renumber = random() < 0.5;
  return { rows: renumber ? renumbered(left) : left, seq, head, what, firstBad: at + 1 };
};

/** A forged row that follows from the one before it; behind it the numbers move on, where there are any. */
const insert: Way = ({ rows, seq, head }, random) => {
  const at = below(random, rows.length + 1);
  const model = rows[Math.min(at, rows.length - 1)] as ChainRow;
  const previous = rows[at - 1]?.hash ?? GENESIS;
  const row = { ...model, seq: at + 1, entry_id: randomUUID(), previous_hash: previous };
  const forged = random() < 0.5 ? { ...row, hash: entryHash(row, previous) } : row;
  // What has no hash of its own is bad itself; else the one behind it, or that it is one too many.
  const bad = forged === row || at === rows.length ? at + 1 : at + 2;
  const what = `an entry inserted as ${at + 1}${forged === row ? '' : ', with its hash'}`;
  return { rows: renumbered(rows.toSpliced(at, 0, forged)), seq, head, what, firstBad: bad };
};

const swap: Way = ({ rows, seq, head }, random) => {
  const first = below(random, rows.length - 1);
  const second = first + 1 + below(random, rows.length - first - 1);
  const [a, b] = [rows[first] as ChainRow, rows[second] as ChainRow];
  const swapped = renumbered(rows.with(first, b).with(second, a));
  return { rows: swapped, seq, head, what: `entries ${first + 1} and ${second + 1} swapped`, firstBad: first + 1 };
};

const cut: Way = ({ rows }, random) => {
  const left = rows.slice(0, below(random, rows.length));
  return {
    rows: left,
    ...headOf(left),
    what: `cut after entry ${left.length}, with the head`,
    firstBad: left.length + 1,
  };
};

/** Whatever was recorded last is another entry now; where it began, nobody can tell. */
const remake: Way = (log, random) => {
  const { rows, what } = editWithHash(log, random);
  const made = rehashed(rows);
  return { rows: made, ...headOf(made), what: `${what}, and the chain behind it`, firstBad: made.length };
};

/** What the chain of the customer and its row show. */
const SEEN_IN_THE_CHAIN = [edit, edit, edit, editWithHash, remove, insert, swap] as const;
/** What nothing in the database shows: it agrees with itself. */
const SEEN_BY_CHECKPOINTS = [cut, remake] as const;

/** Something that the hash chain has to show. */
export function tamperWithChain(log: CustomerLog, random: Random): Tampered {
  return (SEEN_IN_THE_CHAIN[below(random, SEEN_IN_THE_CHAIN.length)] ?? edit)(log, random);
}

/** The same, by somebody who makes all hashes and the customer's row anew: as if there were none. */
export function tamperAndRehash(log: CustomerLog, random: Random): Tampered {
  const { rows, ...tampered } = tamperWithChain(log, random);
  const made = rehashed(rows);
  return { ...tampered, rows: made, ...headOf(made) };
}

/** Something that only a checkpoint can show. */
export function tamperConsistently(log: CustomerLog, random: Random): Tampered {
  return (SEEN_BY_CHECKPOINTS[below(random, SEEN_BY_CHECKPOINTS.length)] ?? cut)(log, random);
}
