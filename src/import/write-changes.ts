import type { Tx } from '../db/connect.js';
import type { LockedCustomer } from '../db/customer-lock.js';
import { chainEntries, type NewEntry } from '../nouns/activity-log/append.js';
import type { LogRow } from '../nouns/activity-log/queries.js';
import type { Act } from '../plugins/idempotency/plugin.js';
import { IMPORT_TABLES } from './columns.js';
import type { Change } from './kind.js';
import { deleteRows, insertLogRows, updateLogHeads, upsertRows } from './queries.js';

/** Customers that the changes make: their rows are locked by being new, and carry the head of their chain themselves. */
function newCustomers(changes: readonly Change[], locked: readonly LockedCustomer[]): LockedCustomer[] {
  const known = new Set(locked.map((customer) => customer.customer_id));
  return changes
    .flatMap((change) => change.upserts)
    .filter(({ table, row }) => table === 'customers' && !known.has(String(row.customer_id)))
    .map(({ row }) => row as unknown as LockedCustomer);
}

/** The log rows of the changes; moves the heads of the customers' chains on. */
function logRowsOf(act: Act, changes: readonly Change[], customers: readonly LockedCustomer[], now: Date): LogRow[] {
  const byId = new Map(customers.map((customer) => [customer.customer_id, customer]));
  const entriesOf = new Map<string, NewEntry[]>();
  for (const { customerId, entry } of changes.flatMap((change) => change.entries)) {
    const entries = entriesOf.get(customerId);
    if (entries) entries.push(entry);
    else entriesOf.set(customerId, [entry]);
  }
  return [...entriesOf].flatMap(([customerId, entries]) => {
    const customer = byId.get(customerId);
    if (!customer) throw new Error(`customer ${customerId} is changed and not locked`);
    return chainEntries(act, customer, now, entries);
  });
}

/** Writes the changes and their log, in one flight. */
export async function writeChanges(
  tx: Tx,
  act: Act,
  changes: readonly Change[],
  locked: readonly LockedCustomer[],
  now: Date,
): Promise<void> {
  const log = logRowsOf(act, changes, [...locked, ...newCustomers(changes, locked)], now);
  const upserts = changes.flatMap((change) => change.upserts);
  const deletes = changes.flatMap((change) => change.deletes);
  // Performed in this order: what goes away makes room first, then the tables as they refer to each other.
  const statements: Promise<unknown>[] = [];
  for (const table of IMPORT_TABLES) {
    const rows = deletes.filter((write) => write.table === table).map(({ row }) => row);
    if (rows.length > 0) statements.push(deleteRows(tx, table, act.partnerId, rows));
  }
  for (const table of IMPORT_TABLES) {
    const rows = upserts.filter((write) => write.table === table).map(({ row }) => row);
    if (rows.length > 0) statements.push(upsertRows(tx, table, rows));
  }
  if (log.length > 0) statements.push(insertLogRows(tx, log));
  if (log.length > 0 && locked.length > 0) statements.push(updateLogHeads(tx, act.partnerId, locked));
  await Promise.all(statements);
}
