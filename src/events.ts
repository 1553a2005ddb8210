import type { FastifyBaseLogger } from 'fastify';
import { Counter, type Registry } from 'prom-client';

export interface Events {
  /** A permission was switched on or off. */
  permissionSwitched(fields: { partnerId: string; customerId: string; direction: 'on' | 'off' }): void;
  /** An enabled permission stopped or began again to have effect. */
  eligibilityChanged(fields: { partnerId: string; customerId: string; resource: string; effective: boolean }): void;
  /** A reservation was bought, or waits for the partner's approval. */
  purchaseMade(fields: PurchaseFields & { orderId: string; outcome: 'completed' | 'pending' }): void;
  /** A purchase was refused: the security log's line of the attempt. */
  purchaseRefused(fields: PurchaseFields & { requestId: string; reasons: readonly string[] }): void;
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
  };
}
