import { classifyFailure } from '../errors/from-postgres.js';
import type { DatabaseHandle, Reading } from './connect.js';

/** Keys per statement: as many requests as share a turn of the event loop under load. */
const MOST = 64;
/** Statements of a partner under way while further keys gather, unless a whole statement of them has. */
const LANES = 2;

interface Waiting<Value> {
  key: string;
  resolve: (value: Value | undefined) => void;
  reject: (reason: unknown) => void;
}

/** The look-ups of one partner. */
interface Queue<Value> {
  waiting: Waiting<Value>[];
  underWay: number;
  /** Whether it is looked at when this turn ends. */
  due: boolean;
}

/**
 * Makes one look-up of those for single keys that begin in the same turn of the event loop, or while two others are under
 * way, partner by partner: a transaction binds one partner. At 64 connections one statement then serves some dozens of
 * requests, and costs little more than it does for one. When the statement fails, every key is looked up alone, so that one
 * cannot fail the others.
 * @param load what is found, by key; one statement, issued at once
 */
export function batchByKey<Value>(
  lookUp: DatabaseHandle['lookUp'],
  load: (db: Reading, partnerId: string, keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
): (partnerId: string, key: string) => Promise<Value | undefined> {
  const queues = new Map<string, Queue<Value>>();

  async function flush(partnerId: string, batch: readonly Waiting<Value>[]): Promise<void> {
    const keys = [...new Set(batch.map(({ key }) => key))];
    try {
      const found = await lookUp(partnerId, (db) => load(db, partnerId, keys));
      for (const { key, resolve } of batch) resolve(found.get(key));
    } catch (error) {
      if (batch.length > 1 && classifyFailure(error) !== 'unavailable') {
        await Promise.all(batch.map((one) => flush(partnerId, [one])));
      } else for (const one of batch) one.reject(error);
    }
  }

  function send(partnerId: string, queue: Queue<Value>): void {
    queue.due = false;
    while (queue.waiting.length >= MOST || (queue.waiting.length > 0 && queue.underWay < LANES)) {
      queue.underWay++;
      void flush(partnerId, queue.waiting.splice(0, MOST)).then(() => {
        queue.underWay--;
        if (queue.waiting.length > 0) sendSoon(partnerId, queue);
        else if (queue.underWay === 0 && !queue.due) queues.delete(partnerId);
      });
    }
  }

  function sendSoon(partnerId: string, queue: Queue<Value>): void {
    if (queue.due) return;
    queue.due = true;
    setImmediate(send, partnerId, queue);
  }

  return (partnerId, key) =>
    new Promise((resolve, reject) => {
      let queue = queues.get(partnerId);
      if (!queue) {
        queue = { waiting: [], underWay: 0, due: false };
        queues.set(partnerId, queue);
      }
      queue.waiting.push({ key, resolve, reject });
      if (queue.underWay < LANES || queue.waiting.length >= MOST) sendSoon(partnerId, queue);
    });
}
