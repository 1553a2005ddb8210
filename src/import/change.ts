import { isDeepStrictEqual } from 'node:util';
import type { OperationType, ResourceType } from '../nouns/activity-log/actions.js';
import type { ImportTable } from './columns.js';
import type { Change, Row } from './kind.js';

/** Not worth a line in the log: they follow from the others, or are told by the entry itself. */
const NOT_LOGGED = new Set([
  'partner_id',
  'version',
  'log_seq',
  'log_head',
  'company_name_key',
  'upn_key',
  'scope_key',
]);

function logged(row: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names
      .filter((name) => !NOT_LOGGED.has(name) && row[name] !== null)
      .map((name) => [name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase()), row[name]]),
  );
}

interface RowChange<T extends ImportTable> {
  table: T;
  before: Row<T> | undefined;
  /** The whole row; its version is counted here. */
  after: Row<T>;
  customerId: string;
  touches?: readonly string[];
  entry: { operationType: OperationType; resourceType: ResourceType; resourceId: string };
}

/** What it takes to make one row look like `after`; undefined: it does already. */
export function rowChange<T extends ImportTable>(change: RowChange<T>): Change | undefined {
  const { table, before, customerId, touches = [customerId] } = change;
  const row: Record<string, unknown> = { ...change.after };
  const old: Readonly<Record<string, unknown>> | undefined = before;
  const changed = Object.keys(row).filter((name) => name !== 'version' && !isDeepStrictEqual(row[name], old?.[name]));
  if (old !== undefined && changed.length === 0) return undefined;
  if ('version' in row) row.version = typeof old?.version === 'number' ? old.version + 1 : 1;
  return {
    created: old === undefined,
    touches,
    upserts: [{ table, row }],
    deletes: [],
    entries: [
      {
        customerId,
        entry: { ...change.entry, ...(old && { oldValue: logged(old, changed) }), newValue: logged(row, changed) },
      },
    ],
  };
}

/** Changes of one resource as one. */
export function joinChanges(changes: readonly (Change | undefined)[]): Change | undefined {
  const found = changes.filter((change) => change !== undefined);
  const first = found[0];
  if (first === undefined) return undefined;
  return {
    created: first.created,
    touches: found.flatMap((change) => change.touches),
    upserts: found.flatMap((change) => change.upserts),
    deletes: found.flatMap((change) => change.deletes),
    entries: found.flatMap((change) => change.entries),
  };
}

/** Rows by the values of some columns. */
export function indexRows<R extends object>(rows: readonly R[], ...columns: (keyof R & string)[]): Map<string, R> {
  return new Map(rows.map((row) => [columns.map((column) => String(row[column])).join(' '), row]));
}
