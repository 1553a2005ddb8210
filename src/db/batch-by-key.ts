import { classifyFailure } from '../errors/from-postgres.js';
import type { DatabaseHandle, Reading } from './connect.js';

/** Keys per statement: as many requests as share a turn of the event loop under load. */
const MOST = 64;

interface Waiting<Value> {
  key: string;
  resolve: (value: Value | undefined) => void;
  reject: (reason: unknown) => void;
}

/**
 * Makes one look-up of those for single keys that begin in the same turn of the event loop, partner by partner: a
 * transaction binds one partner. At 64 connections one statement then serves some dozens of requests, and costs little
 * more than it does for one. When the statement fails, every key is looked up alone, so that one cannot fail the others.
 * @param load what is found, by key; one statement, issued at once
 */
export function batchByKey<Value>(
  lookUp: DatabaseHandle['lookUp'],
  load: (db: Reading, partnerId: string, keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
): (partnerId: string, key: string) => Promise<Value | undefined> {
  const waiting = new Map<string, Waiting<Value>[]>();

  async function flush(partnerId: string, batch: readonly Waiting<Value>[]): Promise<void> {
    const keys = [...new Set(batch.map(({ key }) => key))];
    try {
      const found = await lookUp(partnerId, (db) => load(db, partnerId, keys));
      for (const { key, resolve } of batch) resolve(found.get(key));
    } catch (error) {
      const alone = batch.length > 1 && classifyFailure(error) !== 'unavailable';
      for (const one of batch) {
        if (alone) void flush(partnerId, [one]);
        else one.reject(error);
      }
    }
  }

  return (partnerId, key) =>
    new Promise((resolve, reject) => {
      const batch = waiting.get(partnerId);
      if (batch && batch.length < MOST) {
        batch.push({ key, resolve, reject });
        return;
      }
      const fresh = [{ key, resolve, reject }];
      waiting.set(partnerId, fresh);
      setImmediate(() => {
        if (waiting.get(partnerId) === fresh) waiting.delete(partnerId);
        void flush(partnerId, fresh);
      });
    });
}
