import type { FastifyBaseLogger } from 'fastify';
import { Counter, Gauge, type Registry } from 'prom-client';

export interface Events {
  /** A permission was switched on or off. */
  permissionSwitched(fields: { partnerId: string; customerId: string; direction: 'on' | 'off' }): void;
  /** An enabled permission stopped or began again to have effect. */
  eligibilityChanged(fields: { partnerId: string; customerId: string; resource: string; effective: boolean }): void;
  /** A reservation was bought, or waits for the partner's approval. */
  purchaseMade(fields: PurchaseFields & { orderId: string; outcome: 'completed' | 'pending' }): void;
  /** A purchase was refused: the security log's line of the attempt. */
  purchaseRefused(fields: PurchaseFields & { requestId: string; reasons: readonly string[] }): void;
  /**
   * A partner's webhook was registered, changed or given up: the security log's line, since events tell of customers and
   * money. The host alone: addresses of webhooks hold secrets.
   */
  webhookRegistered(fields: WebhookFields): void;
  /** An attempt to deliver an event has ended: delivered, to be tried again, or given up after the last attempt. */
  webhookAttempted(fields: AttemptFields): void;
  /** How long the oldest event waits, over all partners. */
  webhooksWaiting(fields: { oldestSeconds: number }): void;
  /** Lists and the log come from the replica from now on, or no longer do. */
  replicaUsed(fields: { used: true } | { used: false; reason: string; error?: unknown }): void;
  /** How old what the replica shows may be; Infinity: not known. */
  replicaSampled(fields: { ageSeconds: number }): void;
}

interface WebhookFields {
  partnerId: string;
  change: 'created' | 'updated' | 'deleted';
  host?: string;
  by: string;
  requestId: string;
}

interface AttemptFields {
  partnerId: string;
  customerId: string;
  eventId: string;
  name: string;
  attempts: number;
  outcome: 'delivered' | 'waiting' | 'failed';
  message: string;
}

interface PurchaseFields {
  partnerId: string;
  customerId: string;
  origin: 'partner' | 'customer';
  buyerId: string | null;
  reservationOrderId: string;
}

/** One function per business event: a counter with labels of few values, and a log line with the ids. */
export function createEvents(registry: Registry, log: FastifyBaseLogger): Events {
  const switched = new Counter({
    name: 'customer_permissions_switched_total',
    help: 'Purchase permissions switched on or off.',
    labelNames: ['direction'],
    registers: [registry],
  });
  const changed = new Counter({
    name: 'customer_permissions_eligibility_changed_total',
    help: 'Enabled permissions that lapsed or took effect again.',
    labelNames: ['effective'],
    registers: [registry],
  });
  const purchased = new Counter({
    name: 'customer_permissions_purchases_total',
    help: 'Purchases of reservations by what became of them.',
    labelNames: ['origin', 'outcome'],
    registers: [registry],
  });
  const registered = new Counter({
    name: 'customer_permissions_webhook_registrations_total',
    help: 'Webhook registrations created, updated and deleted.',
    labelNames: ['change'],
    registers: [registry],
  });
  const attempted = new Counter({
    name: 'customer_permissions_webhook_deliveries_total',
    help: 'Attempts to deliver an event, by what became of the event.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const waiting = new Gauge({
    name: 'customer_permissions_webhook_oldest_waiting_seconds',
    help: 'Age of the oldest event that waits for its delivery; 0: none waits.',
    registers: [registry],
  });
  const age = new Gauge({
    name: 'customer_permissions_replica_age_seconds',
    help: 'How old what the read replica shows may be; +Inf: not known; 0 without a replica.',
    registers: [registry],
  });
  return {
    permissionSwitched({ direction, ...ids }) {
      switched.inc({ direction });
      log.info({ event: 'permission_switched', direction, ...ids }, 'permission switched');
    },
    eligibilityChanged({ effective, ...ids }) {
      changed.inc({ effective: String(effective) });
      log.info({ event: 'eligibility_changed', effective, ...ids }, 'eligibility changed');
    },
    purchaseMade({ origin, outcome, ...ids }) {
      purchased.inc({ origin, outcome });
      log.info({ event: 'purchase_made', origin, outcome, ...ids }, 'purchase made');
    },
    purchaseRefused({ origin, ...fields }) {
      purchased.inc({ origin, outcome: 'refused' });
      log.warn({ event: 'purchase_refused', origin, ...fields }, 'purchase refused');
    },
    webhookRegistered({ change, ...fields }) {
      registered.inc({ change });
      log.info({ event: 'webhook_registered', change, ...fields }, 'webhook registered');
    },
    webhookAttempted({ outcome, message, ...fields }) {
      attempted.inc({ outcome });
      const line = { event: 'webhook_attempted', outcome, answer: message, ...fields };
      if (outcome === 'delivered') log.info(line, 'event delivered');
      else if (outcome === 'waiting') log.warn(line, 'event not delivered, to be tried again');
      else log.error(line, 'event given up');
    },
    webhooksWaiting({ oldestSeconds }) {
      waiting.set(oldestSeconds);
    },
    replicaUsed(use) {
      if (use.used) return log.info({ event: 'replica_used' }, 'lists and the log are read from the replica');
      const { reason, error } = use;
      const line = { event: 'replica_not_used', reason, ...(error !== undefined && { err: error }) };
      log.warn(line, 'lists and the log are read from the primary');
    },
    replicaSampled({ ageSeconds }) {
      age.set(ageSeconds);
    },
  };
}
