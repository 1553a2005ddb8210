import type { ListReading } from '../../db/replica.js';
import {
  ENTRY_COLUMNS,
  type EntryColumn,
  type EntryRow,
  findSliceEnd,
  type LogOrder,
  type LogPosition,
  type LogSelection,
  listEntries,
  type PlaceColumn,
  positionOf,
} from './queries.js';

/**
 * Entries looked at per statement where no index finds those wanted: 20 ms at the most. One statement over 5 million
 * would be ended by the statement timeout.
 */
const SLICE_ENTRIES = 20_000;
/** How long a page is looked for before what was found is answered. */
const PATIENCE_MILLISECONDS = 1000;

export interface LogPage<Row> {
  rows: Row[];
  /** Where the next page begins; undefined when this is the last one. A page that is not full can have one. */
  next?: LogPosition;
}

export interface PageWish {
  order: LogOrder;
  after?: LogPosition | undefined;
  /** Entries at the most. */
  size: number;
}

/** A page of the partner's log. Each statement runs in a transaction of its own. */
export async function readPage<Column extends EntryColumn>(
  list: ListReading,
  partnerId: string,
  selection: LogSelection,
  wish: PageWish,
  columns: readonly (Column | PlaceColumn)[],
): Promise<LogPage<Pick<EntryRow, Column | PlaceColumn>>> {
  const { order, size } = wish;
  const { action, actor, customerName, resourceType } = selection;
  const sliced = [action, actor, customerName, resourceType].some((condition) => condition !== undefined);
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  const rows: Pick<EntryRow, Column | PlaceColumn>[] = [];
  for (let after = wish.after; ; ) {
    const start = after;
    // What is not sliced is one statement, issued at once.
    const { through, found } = await list[sliced ? 'read' : 'lookUp'](partnerId, async (reading) => {
      const end = sliced
        ? await findSliceEnd(reading, partnerId, selection, { order, after: start, entries: SLICE_ENTRIES })
        : undefined;
      const span = { order, after: start, through: end, limit: size + 1 - rows.length };
      return { through: end, found: await listEntries(reading, partnerId, selection, span, columns) };
    });
    rows.push(...found);
    const last = rows[size - 1];
    if (rows.length > size && last) return { rows: rows.slice(0, size), next: positionOf(last) };
    if (!through) return { rows };
    if (performance.now() > deadline) return { rows, next: through };
    after = through;
  }
}

const EXPORT_PAGE_ENTRIES = 1000;

/** Every entry selected, oldest first, a page at a time. Between two pages no connection is held. */
export async function* readAll(
  list: ListReading,
  partnerId: string,
  selection: LogSelection,
): AsyncGenerator<EntryRow[], void> {
  let after: LogPosition | undefined;
  do {
    const wish: PageWish = { order: 'oldest first', after, size: EXPORT_PAGE_ENTRIES };
    const page = await readPage(list, partnerId, selection, wish, ENTRY_COLUMNS);
    yield page.rows;
    after = page.next;
  } while (after);
}
