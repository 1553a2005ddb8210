import type { FastifyBaseLogger } from 'fastify';
import type { DatabaseHandle } from './db/connect.js';
import { lockCustomer } from './db/customer-lock.js';
import type { Events } from './events.js';
import { uuidv4 } from './lib/uuid.js';
import { SYSTEM } from './nouns/activity-log/append.js';
import { listEndedPermissions } from './nouns/purchase-permissions/queries.js';
import { announceEligibility, type PermissionRules, reevaluate } from './nouns/purchase-permissions/service.js';
import { deleteOldEvents } from './nouns/webhooks/event-queries.js';
import { deleteExpiredLedgerRows } from './plugins/idempotency/queries.js';

export interface WatchOptions {
  db: DatabaseHandle;
  rules: PermissionRules;
  events: Events;
  log: FastifyBaseLogger;
  now: () => Date;
  everyMilliseconds: number;
}

/**
 * Logs the lapse of permissions whose last role ended by its own date, partner by partner, and forgets stored replies
 * and events whose time is over. Reads do not wait for it: they hold `effective_until` against the clock themselves.
 */
export function startWatch(options: WatchOptions): { runOnce(): Promise<void>; stop(): Promise<void> } {
  const { db, rules, events, log, now } = options;
  let running: Promise<void> = Promise.resolve();

  async function lapse(partnerId: string, customerId: string): Promise<void> {
    const changes = await db.write(partnerId, async (tx, commitWith) => {
      const { customer, now: time } = await lockCustomer(tx, partnerId, customerId);
      if (!customer) return [];
      const act = { partnerId, actor: SYSTEM, requestId: uuidv4(), correlationId: uuidv4() };
      return reevaluate(tx, act, commitWith, rules, customer, time);
    });
    announceEligibility(events, partnerId, customerId, changes);
  }

  async function runOnce(): Promise<void> {
    for (const partnerId of await db.listPartnerIds()) {
      const ended = await db.read(partnerId, (reading) => listEndedPermissions(reading, partnerId, now()));
      for (const { customer_id: customerId } of ended) await lapse(partnerId, customerId);
      await db.write(partnerId, async (tx) => {
        await Promise.all([deleteExpiredLedgerRows(tx, partnerId, now()), deleteOldEvents(tx, partnerId, now())]);
      });
    }
  }

  const timer = setInterval(() => {
    running = running.then(runOnce).catch((error) => log.warn({ err: error, event: 'watch_failed' }, 'watch failed'));
  }, options.everyMilliseconds);
  timer.unref();
  return {
    runOnce,
    stop: () => {
      clearInterval(timer);
      return running;
    },
  };
}
