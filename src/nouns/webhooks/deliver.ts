import { type KeyObject, sign } from 'node:crypto';
import { readClock } from '../../db/clock.js';
import type { DatabaseHandle, Tx } from '../../db/connect.js';
import type { Events } from '../../events.js';
import { backOff, MAX_ATTEMPTS } from './back-off.js';
import {
  type ClaimedEvent,
  claimEvents,
  type DueEvent,
  deleteEvents,
  deleteWaitingEvents,
  listDueEvents,
  recordAttempt,
} from './event-queries.js';
import { POST_LIMITS, type PostLimits, post } from './post.js';
import { findRegistration, type RegistrationRow } from './queries.js';
import { ensureSigningKey, type SigningKey } from './signing-keys.js';
import type { TargetRules } from './target.js';

export interface DeliveryOptions {
  db: DatabaseHandle;
  events: Events;
  /** Seals the keys that sign deliveries. 32 bytes. */
  sealKey: Buffer;
  /** Where the API is reached, without a slash at the end: what addresses in events start with. */
  origin: string;
  targets: TargetRules;
  now: () => Date;
  /** Of one POST. Default: 10 seconds, 64 KiB of answer. */
  limits?: PostLimits;
}

/** What is claimed is nobody else's for so long: a POST, waits for connections, the record of the outcome. */
const LEASE_MILLISECONDS = 60_000;
/** Customers of one partner at once. */
const AT_ONCE = 8;
/** Of one partner that are looked at in one statement. */
const CUSTOMERS_AT_ONCE = 1000;
/** The members of https://learn.microsoft.com/partner-center/developer/partner-center-webhooks#event-model, then ours. */
interface Payload {
  EventName: string;
  ResourceUri: string;
  ResourceName: string;
  AuditUri: string | null;
  ResourceChangeUtcDate: string;
  Details?: Readonly<Record<string, unknown>>;
}

/** The bytes that are sent and signed, the same at every attempt. `EventId` tells repetitions. */
export function bodyOf(event: Pick<ClaimedEvent, 'event_id' | 'payload'>, origin: string): Buffer {
  const payload = event.payload as Payload;
  const body: Payload = {
    EventName: payload.EventName,
    ResourceUri: `${origin}${payload.ResourceUri}`,
    ResourceName: payload.ResourceName,
    AuditUri: payload.AuditUri === null ? null : `${origin}${payload.AuditUri}`,
    ResourceChangeUtcDate: payload.ResourceChangeUtcDate,
    Details: { EventId: event.event_id, ...payload.Details },
  };
  return Buffer.from(JSON.stringify(body));
}

/** RSASSA-PKCS1-v1_5 over SHA-256, base64. */
export function signatureOf(body: Buffer, privateKey: KeyObject): string {
  return sign('sha256', body, privateKey).toString('base64');
}

function headersOf(event: ClaimedEvent, body: Buffer, registration: RegistrationRow, key: SigningKey, origin: string) {
  const signature = signatureOf(body, key.privateKey);
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'customer-permissions',
    ...(registration.signature_to_ms_signature_header
      ? { 'x-ms-signature': signature }
      : { Authorization: `Signature ${signature}` }),
    'X-MS-Certificate-Url': `${origin}/webhooks/v1/certificates/${event.partner_id}/${key.keyId}`,
    'X-MS-Signature-Algorithm': 'rsa-sha256',
    'MS-RequestId': event.event_id,
    'MS-CorrelationId': event.correlation_id,
  };
}

async function deliver(
  options: DeliveryOptions,
  event: ClaimedEvent,
  registration: RegistrationRow,
  key: SigningKey,
): Promise<void> {
  const { db, events, origin, targets, limits = POST_LIMITS } = options;
  const { partner_id: partnerId, attempts } = event;
  const body = bodyOf(event, origin);
  const headers = headersOf(event, body, registration, key, origin);
  const { responseCode, message } = await post(new URL(registration.webhook_url), headers, body, targets, limits);
  const delivered = responseCode !== undefined && responseCode >= 200 && responseCode < 300;
  const outcome = delivered ? 'delivered' : attempts >= MAX_ATTEMPTS ? 'failed' : 'waiting';
  const wait = backOff(attempts, Math.random());
  const recorded = await db.write(partnerId, async (tx) => {
    const now = await readClock(tx);
    const result = {
      attemptedOn: now.toISOString(),
      ...(responseCode !== undefined && { responseCode }),
      message,
    };
    return recordAttempt(tx, event, { status: outcome, next_attempt_on: new Date(now.getTime() + wait), result });
  });
  if (!recorded) return;
  events.webhookAttempted({
    partnerId,
    customerId: event.customer_id,
    eventId: event.event_id,
    name: event.event_name,
    attempts,
    outcome,
    message: responseCode === undefined ? message : String(responseCode),
  });
}

const isWanted = (registration: RegistrationRow, event: DueEvent): boolean =>
  registration.webhook_events.includes(event.event_name) &&
  (registration.registered_on === null || event.occurred_on >= registration.registered_on);

interface Claim {
  claimed: readonly ClaimedEvent[];
  registration: RegistrationRow | undefined;
  /** Whether anything was due. */
  found: boolean;
  next: string | undefined;
}

/**
 * Takes what is due of the next customers. Until its lease ends nobody else takes it, so the HTTP call that follows holds no
 * transaction, and when an instance dies in the call the event comes up again. What the partner is not registered for is
 * forgotten.
 */
async function claimDueEvents(tx: Tx, partnerId: string, after: string | undefined): Promise<Claim> {
  const [registration, now] = await Promise.all([findRegistration(tx, partnerId), readClock(tx)]);
  if (!registration) {
    const more = await deleteWaitingEvents(tx, partnerId);
    return { claimed: [], registration, found: more, next: undefined };
  }
  const most = { events: AT_ONCE, customers: CUSTOMERS_AT_ONCE };
  const { due, next } = await listDueEvents(tx, partnerId, { now, after, most });
  const wanted = due.filter((event) => isWanted(registration, event));
  const others = due.filter((event) => !isWanted(registration, event));
  await deleteEvents(tx, partnerId, others);
  const leaseEnds = new Date(now.getTime() + LEASE_MILLISECONDS);
  const claimed = wanted.length > 0 ? await claimEvents(tx, partnerId, wanted, { now, leaseEnds }) : [];
  return { claimed, registration, found: due.length > 0, next };
}

/**
 * Makes one attempt for each of the next customers of the partner that has an event due, 8 at once.
 * @param after the customer behind which to go on; undefined: from the first on
 * @returns whether anything was due, and behind which customer to go on; undefined: there are no more
 */
export async function deliverDueEvents(
  options: DeliveryOptions,
  partnerId: string,
  after: string | undefined,
): Promise<Pick<Claim, 'found' | 'next'>> {
  const { db, sealKey, now } = options;
  // Before the claim: a key that cannot be had costs no attempt.
  const key = await ensureSigningKey(db, sealKey, partnerId, now());
  const claim = await db.write(partnerId, (tx) => claimDueEvents(tx, partnerId, after));
  const { claimed, registration } = claim;
  if (!registration) return claim;
  const attempts = await Promise.allSettled(claimed.map((event) => deliver(options, event, registration, key)));
  const failed = attempts.find((attempt) => attempt.status === 'rejected');
  if (failed) throw failed.reason;
  return claim;
}
