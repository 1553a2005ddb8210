import type { FastifyBaseLogger } from 'fastify';
import { type DeliveryOptions, deliverDueEvents } from './nouns/webhooks/deliver.js';
import { listWaitingPartners } from './nouns/webhooks/event-queries.js';

export interface DeliveriesOptions extends DeliveryOptions {
  log: FastifyBaseLogger;
  everyMilliseconds: number;
}

/** Partners served at once. One whose target is slow takes one place, for as long as its attempts last. */
const PARTNERS_AT_ONCE = 16;
/** A walk over thousands of customers of whom none had anything due is followed by a rest so many times as long. */
const REST = 9;

/**
 * Sends what the outbox holds, partner by partner. It polls: a notification could be lost, a row cannot. Any number of
 * instances may run; of a customer one event is under way at a time.
 */
export function startDeliveries(options: DeliveriesOptions): {
  /** Looks once for what is due, and delivers until nothing is. */
  runOnce(): Promise<void>;
  /** Waits for attempts under way, which end within their time limit; begins no more. */
  stop(): Promise<void>;
} {
  const { db, events, log, now } = options;
  const busy = new Map<string, Promise<void>>();
  /** Partners of so many customers that to look at them is work; as `performance.now()` tells. */
  const restsUntil = new Map<string, number>();
  let looking: Promise<void> = Promise.resolve();
  let stopped = false;

  /** @returns whether a customer of the partner had an event due */
  async function walk(partnerId: string): Promise<boolean> {
    const begun = performance.now();
    let found = false;
    let looks = 0;
    for (let after: string | undefined; looks === 0 || after !== undefined; looks++) {
      if (stopped) return false;
      const look = await deliverDueEvents(options, partnerId, after);
      found ||= look.found;
      after = look.next;
    }
    restsUntil.delete(partnerId);
    if (!found && looks > 1) restsUntil.set(partnerId, performance.now() + REST * (performance.now() - begun));
    return found;
  }

  async function serve(partnerId: string): Promise<void> {
    try {
      while (!stopped && (await walk(partnerId)));
    } catch (error) {
      // What was claimed comes up again at the end of its lease.
      log.warn({ err: error, event: 'delivery_failed', partnerId }, 'delivery failed');
    } finally {
      busy.delete(partnerId);
    }
  }

  async function look(): Promise<void> {
    const waiting = await db.watch(listWaitingPartners);
    for (const { partnerId } of waiting) {
      if (stopped) return;
      if (performance.now() < (restsUntil.get(partnerId) ?? 0)) continue;
      if (busy.size >= PARTNERS_AT_ONCE) await Promise.race(busy.values());
      if (!busy.has(partnerId)) busy.set(partnerId, serve(partnerId));
    }
    const [first] = waiting;
    events.webhooksWaiting({
      oldestSeconds: first ? Math.max(0, (now().getTime() - first.oldest.getTime()) / 1000) : 0,
    });
  }

  let pending = false;
  const timer = setInterval(() => {
    if (pending) return;
    pending = true;
    looking = look()
      .catch((error) => log.warn({ err: error, event: 'outbox_unread' }, 'the outbox could not be read'))
      .finally(() => {
        pending = false;
      });
  }, options.everyMilliseconds);
  timer.unref();

  return {
    async runOnce() {
      await look();
      await Promise.all(busy.values());
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      await looking;
      await Promise.all(busy.values());
    },
  };
}
