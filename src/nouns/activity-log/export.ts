import { Readable } from 'node:stream';
import type { EntryRow } from './queries.js';
import { toActivityLogEntry } from './view.js';

/** The media types of an export, and the name a browser saves it under. */
export const EXPORTS = {
  'text/csv': { contentType: 'text/csv; charset=utf-8; header=present', fileName: 'activity-log.csv' },
  'application/x-ndjson': { contentType: 'application/x-ndjson; charset=utf-8', fileName: 'activity-log.ndjson' },
} as const;
export type ExportType = keyof typeof EXPORTS;

const COLUMNS: readonly (readonly [name: string, value: (row: EntryRow) => string | number | null])[] = [
  ['id', (row) => row.entry_id],
  ['seq', (row) => row.seq],
  ['occurredOn', (row) => row.occurred_on.toISOString()],
  ['action', (row) => row.action],
  ['operationType', (row) => row.operation_type],
  ['operationStatus', (row) => row.operation_status],
  ['resourceType', (row) => row.resource_type],
  ['resourceId', (row) => row.resource_id],
  ['partnerId', (row) => row.partner_id],
  ['customerId', (row) => row.customer_id],
  ['customerName', (row) => row.customer_name],
  ['actorType', (row) => row.actor_type],
  ['actorId', (row) => row.actor_id],
  ['userPrincipalName', (row) => row.user_principal_name],
  ['applicationId', (row) => row.application_id],
  ['requestId', (row) => row.request_id],
  ['correlationId', (row) => row.correlation_id],
  ['oldValue', (row) => row.old_value],
  ['newValue', (row) => row.new_value],
  ['customizedData', (row) => row.customized_data],
  ['evidence', (row) => row.evidence],
  ['hash', (row) => row.hash.toString('hex')],
  ['previousHash', (row) => row.previous_hash.toString('hex')],
  ['hashVersion', (row) => row.hash_version],
];

/**
 * A field of RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe in front
 * (https://owasp.org/www-community/attacks/CSV_Injection); names come from customers.
 */
export function csvField(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvLine = (fields: readonly (string | number | null)[]) => `${fields.map(csvField).join(',')}\r\n`;

const writers: Readonly<Record<ExportType, { head: string; line: (row: EntryRow) => string }>> = {
  'text/csv': {
    head: csvLine(COLUMNS.map(([name]) => name)),
    line: (row) => csvLine(COLUMNS.map(([, value]) => value(row))),
  },
  'application/x-ndjson': { head: '', line: (row) => `${JSON.stringify(toActivityLogEntry(row))}\n` },
};

/**
 * The text of an export, a chunk per page. A page is read when the client has taken the one before; when the client goes
 * away no further one is. An error destroys the stream, and with it the connection: the client sees a cut answer, not a
 * short one.
 * @param first the first page, read already so that a failure up to here is answered as one
 */
export function exportStream(
  type: ExportType,
  first: readonly EntryRow[],
  rest: AsyncGenerator<readonly EntryRow[], void>,
): Readable {
  const { head, line } = writers[type];
  async function* chunks() {
    yield head + first.map(line).join('');
    for await (const rows of rest) yield rows.map(line).join('');
  }
  return Readable.from(chunks(), { objectMode: true, highWaterMark: 1 });
}
