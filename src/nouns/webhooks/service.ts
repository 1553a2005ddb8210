import { readClock } from '../../db/clock.js';
import type { CommitWith, Reading, Tx } from '../../db/connect.js';
import { ApiError } from '../../errors/api-error.js';
import { uuidv4, uuidv7 } from '../../lib/uuid.js';
import { type Act, nameOf } from '../../plugins/idempotency/plugin.js';
import { TEST_EVENT } from './event-names.js';
import { deleteWaitingEvents, findTestEvent, listTestEventTimes, NO_CUSTOMER } from './event-queries.js';
import { insertEvent } from './outbox-queries.js';
import {
  deleteRegistration,
  findRegistration,
  insertRegistration,
  lockRegistration,
  type RegistrationRow,
  updateRegistration,
} from './queries.js';
import type { WebhookRegistrationUpdate, WebhookValidationEvent } from './schemas.js';
import { toValidationEvent } from './view.js';

/** https://learn.microsoft.com/partner-center/developer/partner-center-webhooks: posting a validation event. */
const TEST_EVENTS_PER_MINUTE = 2;
const MINUTE = 60_000;

/** @throws ApiError WebhookRegistrationExists */
export async function createRegistration(
  tx: Tx,
  act: Act,
  wanted: WebhookRegistrationUpdate,
): Promise<RegistrationRow> {
  const now = await readClock(tx);
  const row: RegistrationRow = {
    partner_id: act.partnerId,
    subscriber_id: uuidv4(),
    webhook_url: wanted.WebhookUrl,
    webhook_events: wanted.WebhookEvents,
    signature_to_ms_signature_header: wanted.SignatureTokenToMsSignatureHeader ?? false,
    version: 1,
    changed_on: now,
    changed_by: nameOf(act.actor),
    registered_on: now,
  };
  if (!(await insertRegistration(tx, row))) throw new ApiError('WebhookRegistrationExists');
  return row;
}

/**
 * What waits goes to the new address; what is no longer registered for is forgotten.
 * @throws ApiError WebhookRegistrationNotFound
 */
export async function replaceRegistration(
  tx: Tx,
  act: Act,
  wanted: WebhookRegistrationUpdate,
): Promise<RegistrationRow> {
  const row = await updateRegistration(tx, act.partnerId, {
    webhook_url: wanted.WebhookUrl,
    webhook_events: wanted.WebhookEvents,
    signature_to_ms_signature_header: wanted.SignatureTokenToMsSignatureHeader ?? false,
    changed_on: await readClock(tx),
    changed_by: nameOf(act.actor),
  });
  if (!row) throw new ApiError('WebhookRegistrationNotFound');
  await deleteWaitingEvents(tx, act.partnerId, row.webhook_events);
  return row;
}

/** Opts out: nothing is sent any more, what waits is forgotten. @throws ApiError WebhookRegistrationNotFound */
export async function removeRegistration(tx: Tx, act: Act): Promise<void> {
  if (!(await deleteRegistration(tx, act.partnerId))) throw new ApiError('WebhookRegistrationNotFound');
  await deleteWaitingEvents(tx, act.partnerId);
}

/**
 * Puts a `test-created` event into the outbox, two a minute at the most.
 * @returns the correlation id that it is looked up by
 * @throws ApiError WebhookRegistrationNotFound, TestEventsNotRegistered, TooManyRequests
 */
export async function createValidationEvent(tx: Tx, act: Act, commitWith: CommitWith): Promise<string> {
  const registration = await lockRegistration(tx, act.partnerId);
  if (!registration) throw new ApiError('WebhookRegistrationNotFound');
  if (!registration.webhook_events.includes(TEST_EVENT)) throw new ApiError('TestEventsNotRegistered');
  const now = await readClock(tx);
  const times = await listTestEventTimes(tx, act.partnerId, new Date(now.getTime() - MINUTE));
  const [hindrance] = times.slice(-TEST_EVENTS_PER_MINUTE);
  if (hindrance && times.length >= TEST_EVENTS_PER_MINUTE) {
    const seconds = Math.max(1, Math.ceil((hindrance.getTime() + MINUTE - now.getTime()) / 1000));
    throw new ApiError('TooManyRequests', {
      description: `Rate limit is exceeded. Try again in ${seconds} seconds.`,
      headers: { 'Retry-After': String(seconds) },
    });
  }
  // Not that of the request: a client may send one for several.
  const correlationId = uuidv4();
  const payload = {
    EventName: TEST_EVENT,
    ResourceUri: `/webhooks/v1/registration/validationEvents/${correlationId}`,
    ResourceName: 'test',
    AuditUri: null,
    ResourceChangeUtcDate: now.toISOString(),
  };
  commitWith(
    insertEvent(tx, {
      partnerId: act.partnerId,
      customerId: NO_CUSTOMER,
      eventId: uuidv7(),
      name: TEST_EVENT,
      payload: JSON.stringify(payload),
      correlationId,
      now,
    }),
  );
  return correlationId;
}

/** @throws ApiError ValidationEventNotFound */
export async function getValidationEvent(
  db: Reading,
  partnerId: string,
  correlationId: string,
): Promise<WebhookValidationEvent> {
  const [registration, event] = await Promise.all([
    findRegistration(db, partnerId),
    findTestEvent(db, partnerId, correlationId),
  ]);
  if (!registration || !event) throw new ApiError('ValidationEventNotFound');
  return toValidationEvent(correlationId, registration, event);
}
