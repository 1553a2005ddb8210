import type { CommitWith, Tx } from '../../db/connect.js';
import { uuidv7 } from '../../lib/uuid.js';
import type { Act } from '../../plugins/idempotency/plugin.js';
import type { LogRow } from '../activity-log/queries.js';
import { auditRecordId } from '../activity-log/view.js';
import type { EventName } from './event-names.js';
import { insertEvent } from './outbox-queries.js';

export interface NewEvent {
  name: EventName;
  /** Relative, with /v1: made absolute when it is delivered. */
  resourceUri: string;
  resourceName: string;
  /** The entry of the activity log that tells of the same change. */
  entry?: LogRow;
  /** Beyond the payload of Partner Center: who, what, how much. */
  details?: Readonly<Record<string, unknown>>;
}

/**
 * Puts events into the outbox, in the transaction of the change they tell of and under the lock of the customer: they
 * are delivered if and only if the change is committed, in the order of the changes. Nothing is written for a partner
 * that did not ask for the event.
 */
export function enqueueEvents(
  tx: Tx,
  act: Act,
  customerId: string,
  now: Date,
  events: readonly NewEvent[],
  commitWith: CommitWith,
): void {
  for (const { name, resourceUri, resourceName, entry, details } of events) {
    const payload = {
      EventName: name,
      ResourceUri: resourceUri,
      ResourceName: resourceName,
      AuditUri: entry ? `/auditactivity/v1/auditrecords/${auditRecordId(entry)}` : null,
      ResourceChangeUtcDate: now.toISOString(),
      ...(details && { Details: details }),
    };
    commitWith(
      insertEvent(tx, {
        partnerId: act.partnerId,
        customerId,
        eventId: uuidv7(),
        name,
        payload: JSON.stringify(payload),
        correlationId: act.correlationId,
        now,
      }),
    );
  }
}
