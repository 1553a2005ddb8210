import { classifyFailure } from '../errors/from-postgres.js';
import { runningTime } from '../lib/running-time.js';
import type { DatabaseHandle, Reading } from './connect.js';
import { gather } from './gather.js';
import { lookUpPatience, type WaitingLookUp } from './look-up-patience.js';

/** Keys per statement. */
const MOST = 128;
/** So many keys are looked up in two statements at a time; 8 connections then get 1.3 times as many answers. */
const FEW = 16;

interface Waiting<Value> extends WaitingLookUp {
  key: string;
  resolve: (value: Value | undefined) => void;
}

/**
 * Makes one look-up of those for single keys that are gathered, see gather.ts. At 64 connections one statement then serves
 * some dozens of requests, and costs little more than it does for one. When the statement fails, every key is looked up
 * alone, so that one cannot fail the others.
 * @param load what is found, by key; one statement, issued at once
 */
export function batchByKey<Value>(
  lookUp: DatabaseHandle['lookUpAlone'],
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
    lanes: (keys) => (keys <= FEW ? 2 : 1),
    mostLarge: 2,
    patience: lookUpPatience,
    run,
  });
  return (partnerId, key) =>
    new Promise((resolve, reject) => add(partnerId, { key, since: runningTime(), resolve, reject }));
}
