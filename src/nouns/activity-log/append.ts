import type { CommitWith, Tx } from '../../db/connect.js';
import type { LockedCustomer } from '../../db/customer-lock.js';
import { toPascalCaseJson } from '../../http/casing.js';
import { uuidv7 } from '../../lib/uuid.js';
import type { Act, Actor } from '../../plugins/idempotency/plugin.js';
import { OPERATIONS, type OperationType, type ResourceType } from './actions.js';
import { entryHash, HASH_VERSION } from './chain.js';
import { insertLogEntries, type LogRow, updateLogHead } from './queries.js';

/** The actor of what nobody asked for: an eligibility that ended or came back. */
export const SYSTEM: Actor = {
  type: 'system',
  id: null,
  userPrincipalName: null,
  applicationId: 'customer-permissions',
};

export interface NewEntry {
  operationType: OperationType;
  resourceType: ResourceType;
  resourceId: string;
  /** Default: the label of the operation type. */
  action?: string;
  /** Default: the actor of the request. */
  actor?: Actor;
  oldValue?: unknown;
  newValue?: unknown;
  customizedData?: readonly { key: string; value: string | null }[];
  /** The eligibility checks at the moment of decision. */
  evidence?: unknown;
}

/** Makes the rows of entries in order and moves the chain's head on the locked customer. */
export function chainEntries(act: Act, customer: LockedCustomer, now: Date, entries: readonly NewEntry[]): LogRow[] {
  return entries.map((entry) => {
    const actor = entry.actor ?? act.actor;
    const row = {
      partner_id: act.partnerId,
      customer_id: customer.customer_id,
      seq: customer.log_seq + 1,
      entry_id: uuidv7(),
      occurred_on: now,
      action: entry.action ?? OPERATIONS[entry.operationType],
      operation_type: entry.operationType,
      operation_status: 'succeeded' as const,
      resource_type: entry.resourceType,
      resource_id: entry.resourceId,
      customer_name: customer.company_name,
      actor_type: actor.type,
      actor_id: actor.id,
      user_principal_name: actor.userPrincipalName,
      application_id: actor.applicationId,
      request_id: act.requestId,
      correlation_id: act.correlationId,
      old_value: entry.oldValue === undefined ? null : toPascalCaseJson(entry.oldValue),
      new_value: entry.newValue === undefined ? null : toPascalCaseJson(entry.newValue),
      customized_data: JSON.stringify(entry.customizedData ?? []),
      evidence: entry.evidence === undefined ? null : JSON.stringify(entry.evidence),
      hash_version: HASH_VERSION,
      previous_hash: customer.log_head,
    };
    const hash = entryHash(row, customer.log_head);
    customer.log_seq = row.seq;
    customer.log_head = hash;
    return { ...row, hash };
  });
}

/**
 * Appends entries to the log of the locked customer, in the transaction of the change they tell of: an entry is there if
 * and only if its change is.
 */
export function appendEntries(
  tx: Tx,
  act: Act,
  customer: LockedCustomer,
  now: Date,
  entries: readonly NewEntry[],
  commitWith: CommitWith,
): LogRow[] {
  if (entries.length === 0) return [];
  const rows = chainEntries(act, customer, now, entries);
  commitWith(insertLogEntries(tx, rows));
  commitWith(updateLogHead(tx, act.partnerId, customer));
  return rows;
}
