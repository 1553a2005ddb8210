import type { FastifyBaseLogger } from 'fastify';
import type { DatabaseHandle } from './db/connect.js';
import { lockCustomer } from './db/customer-lock.js';
import { ApiError } from './errors/api-error.js';
import { classifyFailure } from './errors/from-postgres.js';
import type { Events } from './events.js';
import { uuidv4 } from './lib/uuid.js';
import { SYSTEM } from './nouns/activity-log/append.js';
import { listEndedPermissions } from './nouns/purchase-permissions/queries.js';
import { announceEligibility, type PermissionRules, reevaluate } from './nouns/purchase-permissions/service.js';
import { decideOrder } from './nouns/purchases/approvals.js';
import { deleteExpiredQuotes, listLapsedOrders } from './nouns/purchases/queries.js';
import { deleteExpiredRefundSessions } from './nouns/refunds/queries.js';
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

const FORGETS = [deleteExpiredLedgerRows, deleteExpiredQuotes, deleteExpiredRefundSessions, deleteOldEvents];

/**
 * Logs the lapse of permissions whose last role ended by its own date, cancels purchases whose approval has not come in
 * time, and forgets stored replies, quotes, refund sessions and events whose time is over, partner by partner. Reads do
 * not wait for it: they hold the dates against the clock themselves.
 */
export function startWatch(options: WatchOptions): { runOnce(): Promise<void>; stop(): Promise<void> } {
  const { db, rules, events, log, now } = options;
  async function lapse(partnerId: string, customerId: string): Promise<void> {
    const changes = await db.write(partnerId, async (tx, commitWith) => {
      const { customer, now: time } = await lockCustomer(tx, partnerId, customerId);
      if (!customer) return [];
      const act = { partnerId, actor: SYSTEM, requestId: uuidv4(), correlationId: uuidv4() };
      return reevaluate(tx, act, commitWith, rules, customer, time);
    });
    announceEligibility(events, partnerId, customerId, changes);
  }

  async function lapseOrder(partnerId: string, customerId: string, orderId: string): Promise<void> {
    const act = { partnerId, actor: SYSTEM, requestId: uuidv4(), correlationId: uuidv4() };
    await db
      .write(partnerId, (tx, commitWith) =>
        decideOrder(tx, act, commitWith, { rules, events }, { customerId, orderId, decision: 'lapse' }),
      )
      .catch((error) => {
        // Decided by somebody meanwhile.
        if (!(error instanceof ApiError && error.errorName === 'OrderNotWaiting')) throw error;
      });
  }

  let stopping = false;
  /** What fails is told, and tried again with the next pass: nobody else waits for it. */
  async function attempt(whose: { partnerId: string; customerId?: string }, work: () => Promise<void>): Promise<void> {
    if (stopping) return;
    await work().catch((error) => {
      // The others would fail as well.
      if (classifyFailure(error) === 'unavailable') throw error;
      log.warn({ err: error, event: 'watch_failed', ...whose }, 'watch failed');
    });
  }

  async function forget(partnerId: string, kinds: typeof FORGETS): Promise<void> {
    const forgetSome = () =>
      db.write(partnerId, async (tx) => {
        const more = await Promise.all(kinds.map((kind) => kind(tx, partnerId, now())));
        return more.includes(true);
      });
    while ((await forgetSome()) && !stopping);
  }

  async function watchPartner(partnerId: string): Promise<void> {
    const ended = await db.read(partnerId, (reading) => listEndedPermissions(reading, partnerId, now()));
    for (const customerId of ended) await attempt({ partnerId, customerId }, () => lapse(partnerId, customerId));
    const waited = await db.read(partnerId, (reading) => listLapsedOrders(reading, partnerId, now()));
    for (const { customer_id: customerId, order_id: orderId } of waited) {
      await attempt({ partnerId, customerId }, () => lapseOrder(partnerId, customerId, orderId));
    }
    // One after the other where one of them fails.
    await forget(partnerId, FORGETS).catch(async () => {
      for (const kind of FORGETS) await attempt({ partnerId }, () => forget(partnerId, [kind]));
    });
  }

  async function runOnce(): Promise<void> {
    for (const partnerId of await db.listPartnerIds()) await attempt({ partnerId }, () => watchPartner(partnerId));
  }

  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= runOnce()
      .catch((error) => log.warn({ err: error, event: 'watch_failed' }, 'watch failed'))
      .finally(() => {
        running = undefined;
      });
  }, options.everyMilliseconds);
  timer.unref();
  return {
    runOnce,
    async stop() {
      stopping = true;
      clearInterval(timer);
      await running;
    },
  };
}
