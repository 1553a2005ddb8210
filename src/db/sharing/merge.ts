import type { CompiledQuery } from 'kysely';

/** What stands for a parameter in a statement that is compiled once. */
export class Placeholder {
  constructor(readonly name: string) {}
}

export type Parameters = Readonly<Record<string, unknown>>;
export type Rows = readonly Readonly<Record<string, unknown>>[];

/** The parameters that differ between calls of a statement, with their types, e.g. `{ customerId: 'uuid' }`. */
export type Varying = Readonly<Record<string, string>>;

/** A statement that is compiled once and called with parameters. */
export interface Statement {
  /** Its parameters are placeholders, or constants. */
  compiled: CompiledQuery;
  /** Absent: calls of it cannot be made one statement. An insertion of one row needs no types. */
  merges: { as: 'rows' } | { as: 'lateral'; varying: Varying } | undefined;
  /** Whether it locks rows, and so waits for other transactions. */
  locks: boolean;
}

/** A call of a statement that was compiled once, as it is handed to a transaction. */
export interface StatementCall<Row = unknown> extends CompiledQuery<Row> {
  statement: Statement;
  given: Parameters;
}

/** One statement in place of several calls. */
export interface Merged {
  compiled: CompiledQuery;
  /** The rows of each of the calls, in their order. */
  deal(rows: Rows): Rows[];
}

/** Rows of an insertion are powers of two, so that few texts are prepared. */
const MOST_ROWS = 32;

/** The values of a call in the order of the statement's parameters. */
export function valuesOf(statement: Statement, parameters: Parameters): unknown[] {
  return statement.compiled.parameters.map((value) => (value instanceof Placeholder ? parameters[value.name] : value));
}

/** Whether a statement locks rows. */
export const locksRows = (sql: string): boolean => / for (no key )?update\b| for (key )?share\b/.test(sql);

/** Whether calls of the statement with these parameters can be one. */
function canMerge(statement: Statement, one: Parameters, other: Parameters): boolean {
  const { merges } = statement;
  if (merges?.as !== 'lateral') return merges !== undefined;
  return statement.compiled.parameters.every(
    (value) =>
      !(value instanceof Placeholder) || value.name in merges.varying || isSame(one[value.name], other[value.name]),
  );
}

/** Whether both are calls of one statement that can be one. */
export function isSameCall(one: CompiledQuery | StatementCall, other: CompiledQuery | StatementCall): boolean {
  if (!('statement' in one) || !('statement' in other) || one.statement !== other.statement) return false;
  return canMerge(one.statement, one.given, other.given);
}

const isSame = (one: unknown, other: unknown): boolean =>
  one === other || (Array.isArray(one) && Array.isArray(other) && JSON.stringify(one) === JSON.stringify(other));

/**
 * What `calls`, at least two that {@link canMerge}, are instead: rows of one INSERT, or one statement over the array of
 * their parameters. A row that another transaction has locked is passed over: who waits for one lock would make all wait.
 */
export function merge(statement: Statement, calls: readonly Parameters[]): { merged: Merged; calls: number }[] {
  const { merges } = statement;
  if (merges?.as === 'lateral') return [{ merged: overArrays(statement, merges.varying, calls), calls: calls.length }];
  const parts: { merged: Merged; calls: number }[] = [];
  for (let first = 0; first < calls.length; ) {
    const size = Math.min(MOST_ROWS, 2 ** Math.floor(Math.log2(calls.length - first)));
    parts.push({ merged: asRows(statement, calls.slice(first, first + size)), calls: size });
    first += size;
  }
  return parts;
}

/** {@link merge} of the calls of a group, each statement with those whose calls it is. */
export function mergeOf<Caller extends { query: CompiledQuery | StatementCall }>(
  statement: Statement,
  group: readonly Caller[],
): { merged: Merged; callers: readonly Caller[] }[] {
  const calls = group.map(({ query }) => (query as StatementCall).given);
  let next = 0;
  return merge(statement, calls).map(({ merged, calls: count }) => {
    const first = next;
    next += count;
    return { merged, callers: group.slice(first, next) };
  });
}

const texts = new WeakMap<Statement, Map<number, string>>();

function textFor(statement: Statement, size: number, make: () => string): string {
  const made = texts.get(statement) ?? new Map<number, string>();
  texts.set(statement, made);
  const text = made.get(size) ?? make();
  made.set(size, text);
  return text;
}

function asRows(statement: Statement, calls: readonly Parameters[]): Merged {
  const { sql, parameters } = statement.compiled;
  const text = textFor(statement, calls.length, () => {
    const row = /(?<= values )\([^)]*\)/.exec(sql);
    if (!row) throw new Error(`not an insertion of one row: ${sql}`);
    const rows = calls.map(
      (_, call) => `(${parameters.map((_, index) => `$${call * parameters.length + index + 1}`).join(', ')})`,
    );
    return sql.replace(row[0], rows.join(', '));
  });
  const values = calls.flatMap((call) => valuesOf(statement, call));
  return { compiled: { ...statement.compiled, sql: text, parameters: values }, deal: () => calls.map(() => []) };
}

/** `b` has a row for each call: its parameters, and its number. */
function overArrays(statement: Statement, varying: Varying, calls: readonly Parameters[]): Merged {
  const { parameters } = statement.compiled;
  const names = Object.keys(varying);
  const fixed = parameters.flatMap((value) => (value instanceof Placeholder && value.name in varying ? [] : [value]));
  const text = textFor(statement, 0, () => overArraysText(statement, varying));
  const [first = {}] = calls;
  const values = [
    ...names.map((name) => calls.map((call) => call[name])),
    ...fixed.map((value) => (value instanceof Placeholder ? first[value.name] : value)),
  ];
  const compiled = { ...statement.compiled, sql: text, parameters: values };
  // Without a parameter that differs they are one call.
  if (names.length === 0) return { compiled, deal: (rows) => calls.map(() => rows.map((row) => ({ ...row }))) };
  return {
    compiled,
    deal: (rows) => {
      const dealt: Readonly<Record<string, unknown>>[][] = calls.map(() => []);
      for (const { of_call: call, ...row } of rows) dealt[Number(call) - 1]?.push(row);
      return dealt;
    },
  };
}

function overArraysText({ compiled: { sql, parameters }, locks }: Statement, varying: Varying): string {
  if (locks && !sql.endsWith(' for update')) throw new Error(`cannot pass locked rows over: ${sql}`);
  const names = Object.keys(varying);
  if (names.length === 0) return sql;
  let fixed = names.length;
  const text = sql.replace(/\$(\d+)/g, (_, number: string) => {
    const value = parameters[Number(number) - 1];
    return value instanceof Placeholder && value.name in varying ? `b."${value.name}"` : `$${++fixed}`;
  });
  const arrays = names.map((name, index) => `$${index + 1}::${varying[name]}[]`).join(', ');
  const batch = `unnest(${arrays}) with ordinality as b(${names.map((name) => `"${name}"`).join(', ')}, "of_call")`;
  if (text.startsWith('update ')) return text.replace(' where ', ` from ${batch} where `);
  const perCall = (selection: string) => `${batch} cross join lateral (${selection}) as q`;
  if (!text.startsWith('insert ')) {
    // As one-by-one.ts does it: each call by an index, as it would be alone.
    const selection = locks ? text.replace(/ for update$/, ' for update skip locked') : `${text} offset 0`;
    return `select b."of_call", q.* from ${perCall(selection)}`;
  }
  const selection = text.indexOf(' select ');
  return `${text.slice(0, selection)} select q.* from ${perCall(text.slice(selection + 1))} returning 1`;
}
