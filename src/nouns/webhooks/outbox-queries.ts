import { sql } from 'kysely';
import { compileOnce } from '../../db/compile-once.js';
import type { Tx } from '../../db/connect.js';

export interface EventInsert {
  [name: string]: unknown;
  partnerId: string;
  customerId: string;
  eventId: string;
  name: string;
  /** JSON text. */
  payload: string;
  correlationId: string;
  now: Date;
}

const insert = compileOnce(
  (db, $: EventInsert) =>
    db
      .insertInto('webhook_events')
      .columns([
        'partner_id',
        'customer_id',
        'event_id',
        'event_name',
        'payload',
        'correlation_id',
        'status',
        'attempts',
        'next_attempt_on',
        'results',
        'occurred_on',
      ])
      .expression((eb) =>
        eb
          .selectFrom('webhook_registrations')
          .select([
            'partner_id',
            sql<string>`${$.customerId}::uuid`.as('customer_id'),
            sql<string>`${$.eventId}::uuid`.as('event_id'),
            sql<string>`${$.name}::text`.as('event_name'),
            sql<object>`${$.payload}::jsonb`.as('payload'),
            sql<string>`${$.correlationId}::uuid`.as('correlation_id'),
            sql<'waiting'>`'waiting'`.as('status'),
            sql<number>`0`.as('attempts'),
            sql<Date>`${$.now}::timestamptz`.as('next_attempt_on'),
            sql<object>`'[]'::jsonb`.as('results'),
            sql<Date>`${$.now}::timestamptz`.as('occurred_on'),
          ])
          .where('partner_id', '=', $.partnerId)
          .where(sql<boolean>`${$.name}::text = any(webhook_events)`),
      ),
  { customerId: 'uuid', eventId: 'uuid', name: 'text', payload: 'jsonb', correlationId: 'uuid', now: 'timestamptz' },
);

/** Inserts the event if the partner registered for it: one statement, so that a switch without a webhook reads nothing more. */
export async function insertEvent(tx: Tx, event: EventInsert): Promise<void> {
  await insert(tx, event);
}
