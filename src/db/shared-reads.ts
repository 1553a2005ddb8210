import { ApiError } from '../errors/api-error.js';
import type { DatabaseHandle, Reading } from './connect.js';

/** Look-ups per transaction: enough to spread BEGIN and COMMIT thin, few enough to leave together. */
const MOST = 64;

interface Waiting {
  work: (db: Reading) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/**
 * Gathers the look-ups of a partner that begin in one turn of the event loop into one transaction. A statement that
 * fails takes the transaction with it, so every look-up that failed other than by its own refusal is done again alone.
 * Transactions never span partners: each binds one.
 */
export function shareReads(read: DatabaseHandle['lookUp']): DatabaseHandle['lookUp'] {
  const waiting = new Map<string, Waiting[]>();

  async function flush(partnerId: string, batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (batch.length === 1 && first) {
      read(partnerId, first.work).then(first.resolve, first.reject);
      return;
    }
    const outcomes = await read(partnerId, (db) => Promise.allSettled(batch.map(({ work }) => work(db)))).catch(
      (reason) => batch.map(() => ({ status: 'rejected' as const, reason })),
    );
    batch.forEach(({ work, resolve, reject }, i) => {
      const outcome = outcomes[i];
      if (outcome?.status === 'fulfilled') resolve(outcome.value);
      else if (outcome?.reason instanceof ApiError) reject(outcome.reason);
      else read(partnerId, work).then(resolve, reject);
    });
  }

  return <T>(partnerId: string, work: (db: Reading) => Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      const mine = { work, resolve: resolve as Waiting['resolve'], reject };
      const batch = waiting.get(partnerId);
      if (batch && batch.length < MOST) {
        batch.push(mine);
        return;
      }
      const fresh = [mine];
      waiting.set(partnerId, fresh);
      setImmediate(() => {
        if (waiting.get(partnerId) === fresh) waiting.delete(partnerId);
        void flush(partnerId, fresh);
      });
    });
}
