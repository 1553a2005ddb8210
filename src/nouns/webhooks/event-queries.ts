import { type Selectable, sql } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import { FORGOTTEN_AT_ONCE, moreWait } from '../../db/forget.js';
import type { DeliveryResult, WebhookEventsTable } from '../../db/purchase-tables.js';
import { TEST_EVENT } from './event-names.js';

export type EventRow = Selectable<WebhookEventsTable>;

/** What a test event belongs to in place of a customer. */
export const NO_CUSTOMER = '00000000-0000-0000-0000-000000000000';

/**
 * The partners that have events to be delivered, and when the oldest of each occurred. One statement for all of them, on
 * the rows that the policy `webhook_events_of_watch` shows: asked partner by partner, an idle service of 1000 partners
 * would ask 1000 times a second.
 */
export async function listWaitingPartners(db: Reading): Promise<{ partnerId: string; oldest: Date }[]> {
  return db
    .selectFrom('webhook_events')
    .select((eb) => ['partner_id as partnerId', eb.fn.min('occurred_on').$castTo<Date>().as('oldest')])
    .where('status', '=', 'waiting')
    .groupBy('partner_id')
    .orderBy('oldest')
    .execute();
}

export type ClaimedEvent = Pick<
  EventRow,
  'partner_id' | 'customer_id' | 'event_id' | 'event_name' | 'payload' | 'correlation_id' | 'attempts'
>;

/**
 * Takes what is due: of each customer the oldest event that waits, so that none overtakes another. Until `leaseEnds`
 * nobody else takes it, and nothing behind it is due: the HTTP call that follows holds no transaction. Two instances at
 * once: one locks the row, the other skips it, or finds after the lock that it is not due any more. When an instance
 * dies in the call the event comes up again at the end of the lease.
 */
export async function claimDueEvents(
  tx: Tx,
  partnerId: string,
  { now, leaseEnds, limit }: { now: Date; leaseEnds: Date; limit: number },
): Promise<ClaimedEvent[]> {
  return tx
    .with('due', (db) =>
      db
        .selectFrom('webhook_events as event')
        .select(['event.partner_id', 'event.customer_id', 'event.event_id'])
        .where('event.partner_id', '=', partnerId)
        .where('event.status', '=', 'waiting')
        .where('event.next_attempt_on', '<=', now)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('webhook_events as earlier')
                .select('earlier.event_id')
                .whereRef('earlier.partner_id', '=', 'event.partner_id')
                .whereRef('earlier.customer_id', '=', 'event.customer_id')
                .where('earlier.status', '=', 'waiting')
                .where(sql<boolean>`(earlier.occurred_on, earlier.event_id) < (event.occurred_on, event.event_id)`),
            ),
          ),
        )
        .orderBy('event.next_attempt_on')
        .limit(limit)
        .forUpdate('event')
        .skipLocked(),
    )
    .updateTable('webhook_events')
    .from('due')
    .set((eb) => ({ attempts: eb('webhook_events.attempts', '+', 1), next_attempt_on: leaseEnds }))
    .where('webhook_events.partner_id', '=', partnerId)
    .whereRef('webhook_events.partner_id', '=', 'due.partner_id')
    .whereRef('webhook_events.customer_id', '=', 'due.customer_id')
    .whereRef('webhook_events.event_id', '=', 'due.event_id')
    .returning([
      'webhook_events.partner_id',
      'webhook_events.customer_id',
      'webhook_events.event_id',
      'webhook_events.event_name',
      'webhook_events.payload',
      'webhook_events.correlation_id',
      'webhook_events.attempts',
    ])
    .execute();
}

/**
 * Writes down how an attempt ended.
 * @returns false when the event is no longer this attempt's: its lease ran out and another began, or the partner opted out
 */
export async function recordAttempt(
  tx: Tx,
  { partner_id, customer_id, event_id, attempts }: ClaimedEvent,
  change: Pick<EventRow, 'status' | 'next_attempt_on'> & { result: DeliveryResult },
): Promise<boolean> {
  const updated = await tx
    .updateTable('webhook_events')
    .set({
      status: change.status,
      next_attempt_on: change.next_attempt_on,
      results: sql`results || ${JSON.stringify([change.result])}::jsonb`,
    })
    .where('partner_id', '=', partner_id)
    .where('customer_id', '=', customer_id)
    .where('event_id', '=', event_id)
    .where('status', '=', 'waiting')
    .where('attempts', '=', attempts)
    .returning('event_id')
    .executeTakeFirst();
  return updated !== undefined;
}

/** Forgets what waits; `but` names the events that go on waiting. */
export async function deleteWaitingEvents(tx: Tx, partnerId: string, but: readonly string[] = []): Promise<void> {
  await tx
    .deleteFrom('webhook_events')
    .where('partner_id', '=', partnerId)
    .where('status', '=', 'waiting')
    .where(sql<boolean>`event_name <> all(${[...but]}::text[])`)
    .execute();
}

const DAY = 24 * 60 * 60 * 1000;

/**
 * Forgets delivered events and test events after 7 days, given up ones after 30; and what waits for a partner without a
 * registration: a switch that ran while it was deleted may have written its event after that.
 * @returns whether more may wait
 */
export async function deleteOldEvents(tx: Tx, partnerId: string, now: Date): Promise<boolean> {
  const before = (days: number) => new Date(now.getTime() - days * DAY);
  return moreWait(
    await tx
      .deleteFrom('webhook_events')
      .where('partner_id', '=', partnerId)
      .where(({ eb, refTuple, selectFrom, exists, not }) =>
        eb(
          refTuple('customer_id', 'event_id'),
          'in',
          selectFrom('webhook_events')
            .select(['customer_id', 'event_id'])
            .where('partner_id', '=', partnerId)
            .where(
              eb.or([
                eb('status', '=', 'delivered').and('occurred_on', '<', before(7)),
                eb('event_name', '=', TEST_EVENT).and('occurred_on', '<', before(7)),
                eb('status', '=', 'failed').and('occurred_on', '<', before(30)),
                eb('status', '=', 'waiting').and(
                  not(
                    exists(
                      selectFrom('webhook_registrations').select('partner_id').where('partner_id', '=', partnerId),
                    ),
                  ),
                ),
              ]),
            )
            .limit(FORGOTTEN_AT_ONCE)
            .$asTuple('customer_id', 'event_id'),
        ),
      )
      .executeTakeFirstOrThrow(),
  );
}

/** When the partner's test events since then occurred, oldest first. */
export async function listTestEventTimes(tx: Tx, partnerId: string, since: Date): Promise<Date[]> {
  const rows = await tx
    .selectFrom('webhook_events')
    .select('occurred_on')
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', NO_CUSTOMER)
    .where('event_name', '=', TEST_EVENT)
    .where('occurred_on', '>', since)
    .orderBy('occurred_on')
    .execute();
  return rows.map((row) => row.occurred_on);
}

export async function findTestEvent(
  db: Reading,
  partnerId: string,
  correlationId: string,
): Promise<Pick<EventRow, 'status' | 'results'> | undefined> {
  return db
    .selectFrom('webhook_events')
    .select(['status', 'results'])
    .where('partner_id', '=', partnerId)
    .where('correlation_id', '=', correlationId)
    .where('event_name', '=', TEST_EVENT)
    .executeTakeFirst();
}
