import { formatAuditDate } from '../../http/dates.js';
import type { EntryColumn, EntryRow } from './queries.js';
import type { ActivityLogEntry, AuditRecord } from './schemas.js';

/** JSON as it was written. Other text was not written by this service: it is shown as it stands, for `verify-log` to judge. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function keyValues(text: string): { key: string; value: string | null }[] {
  const list = parsed(text);
  return Array.isArray(list) ? list : [];
}

/** What audit records are made of. Evidence and hashes, the larger part of an entry, are not in them. */
export const AUDIT_COLUMNS = [
  'partner_id',
  'customer_id',
  'seq',
  'entry_id',
  'occurred_on',
  'operation_type',
  'operation_status',
  'resource_type',
  'resource_id',
  'customer_name',
  'user_principal_name',
  'application_id',
  'correlation_id',
  'old_value',
  'new_value',
  'customized_data',
] as const satisfies readonly EntryColumn[];
type AuditRow = Pick<EntryRow, (typeof AUDIT_COLUMNS)[number]>;

/** .NET counts from the year 1 in steps of 100 ns. */
const MILLISECONDS_BEFORE_1970 = 62_135_596_800_000;
const TICKS_PER_MILLISECOND = 10_000;

/**
 * `{partner}_{customer}_{resource}_{operation type without underscores}_{.NET ticks}`. Entries are timed in
 * milliseconds; the four digits below hold the end of seq, so that two entries in one millisecond have two ids.
 */
export function auditRecordId(
  row: Pick<EntryRow, 'occurred_on' | 'seq' | 'operation_type' | 'partner_id' | 'customer_id' | 'resource_id'>,
): string {
  // Ticks are more than a number holds exactly.
  const milliseconds = MILLISECONDS_BEFORE_1970 + row.occurred_on.getTime();
  const ticks = `${milliseconds}${String(row.seq % TICKS_PER_MILLISECOND).padStart(4, '0')}`;
  const operation = row.operation_type.replaceAll('_', '');
  return `${row.partner_id}_${row.customer_id}_${row.resource_id}_${operation}_${ticks}`;
}

/** The customer and the millisecond of an audit record id; undefined when it is none of this partner. */
export function readAuditRecordId(id: string, partnerId: string): { customerId: string; occurredOn: Date } | undefined {
  const match = /^([-0-9a-f]{36})_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_.*_(\d{18})$/i.exec(id);
  const [, partner = '', customer = '', ticks = ''] = match ?? [];
  if (partner.toLowerCase() !== partnerId) return undefined;
  const milliseconds = Number(ticks.slice(0, -4)) - MILLISECONDS_BEFORE_1970;
  return { customerId: customer.toLowerCase(), occurredOn: new Date(milliseconds) };
}

export function toAuditRecord(row: AuditRow): AuditRecord {
  return {
    id: auditRecordId(row),
    partnerId: row.partner_id,
    participants: [row.partner_id],
    customerId: row.customer_id,
    customerName: row.customer_name,
    ...(row.user_principal_name !== null && { userPrincipalName: row.user_principal_name }),
    ...(row.application_id !== null && { applicationId: row.application_id }),
    resourceType: row.resource_type,
    ...(row.old_value !== null && { resourceOldValue: row.old_value }),
    ...(row.new_value !== null && { resourceNewValue: row.new_value }),
    operationType: row.operation_type,
    originalCorrelationId: row.correlation_id,
    operationDate: formatAuditDate(row.occurred_on),
    operationStatus: row.operation_status,
    customizedData: keyValues(row.customized_data),
    attributes: { objectType: 'AuditRecord' },
  };
}

/** Values are parsed; serialised again without blanks they are the text that was hashed. */
export function toActivityLogEntry(row: EntryRow): ActivityLogEntry {
  return {
    id: row.entry_id,
    seq: row.seq,
    occurredOn: row.occurred_on.toISOString(),
    action: row.action,
    operationType: row.operation_type,
    operationStatus: row.operation_status,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    partnerId: row.partner_id,
    customerId: row.customer_id,
    customerName: row.customer_name,
    actor: {
      type: row.actor_type,
      ...(row.actor_id !== null && { id: row.actor_id }),
      ...(row.user_principal_name !== null && { userPrincipalName: row.user_principal_name }),
      ...(row.application_id !== null && { applicationId: row.application_id }),
    },
    requestId: row.request_id,
    correlationId: row.correlation_id,
    ...(row.old_value !== null && { oldValue: parsed(row.old_value) }),
    ...(row.new_value !== null && { newValue: parsed(row.new_value) }),
    customizedData: keyValues(row.customized_data),
    ...(row.evidence !== null && { evidence: parsed(row.evidence) }),
    hash: row.hash.toString('hex'),
    previousHash: row.previous_hash.toString('hex'),
    hashVersion: row.hash_version,
    attributes: { objectType: 'ActivityLogEntry' },
  };
}
