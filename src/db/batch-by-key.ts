import { classifyFailure, DatabaseUnavailable } from '../errors/from-postgres.js';
import type { DatabaseHandle, Reading } from './connect.js';
import { gather } from './gather.js';

/** Keys per statement. */
const MOST = 128;
/** After it a request may wait for a connection, for a second. */
const BEGUN_WITHIN_MS = 500;

interface Waiting<Value> {
  key: string;
  since: number;
  resolve: (value: Value | undefined) => void;
  reject: (reason: unknown) => void;
}

/**
 * Makes one look-up of those for single keys that are gathered, see gather.ts. At 64 connections one statement then serves
 * some dozens of requests, and costs little more than it does for one. When the statement fails, every key is looked up
 * alone, so that one cannot fail the others.
 * @param load what is found, by key; one statement, issued at once
 */
export function batchByKey<Value>(
  lookUp: DatabaseHandle['lookUp'],
  load: (db: Reading, partnerId: string, keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
): (partnerId: string, key: string) => Promise<Value | undefined> {
  async function run(partnerId: string, batch: readonly Waiting<Value>[]): Promise<[]> {
    const keys = [...new Set(batch.map(({ key }) => key))];
    try {
      const found = await lookUp(partnerId, (db) => load(db, partnerId, keys));
      for (const { key, resolve } of batch) resolve(found.get(key));
    } catch (error) {
      if (batch.length > 1 && classifyFailure(error) !== 'unavailable') {
        await Promise.all(batch.map((one) => run(partnerId, [one])));
      } else for (const one of batch) one.reject(error);
    }
    return [];
  }

  const add = gather<Waiting<Value>>({
    most: MOST,
    lanes: 1,
    enough: 1,
    patience: {
      milliseconds: BEGUN_WITHIN_MS,
      since: ({ since }) => since,
      refuse: ({ reject }) => reject(new DatabaseUnavailable(`not begun in ${BEGUN_WITHIN_MS} ms: too many read`)),
    },
    run,
  });
  return (partnerId, key) =>
    new Promise((resolve, reject) => add(partnerId, { key, since: performance.now(), resolve, reject }));
}
