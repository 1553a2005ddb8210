import { DatabaseUnavailable } from '../../errors/from-postgres.js';
import { runningTime } from '../../lib/running-time.js';
import { gather } from '../gather.js';
import type { CommitWith, Tx } from '../transaction.js';
import { type Locks, MOST_BEHIND_A_LOCK, type Outcome, type Work } from './shared-transaction.js';

/** Works of one transaction at the most. */
const MOST = 64;
/** So many callers get four transactions at a time, more of them two. */
const FEW = 16;
const MOST_LARGE = 4;
/** Who has waited this long for a lock of a caller in this process waits in the database, as a caller elsewhere does. */
const PATIENCE_MS = 500;
/** As long as a request waits for a connection. */
const BEGUN_WITHIN_MS = 1000;

export interface Sharing {
  /** One work in a transaction of its own, which was tried so many times before. */
  alone(partnerId: string, work: Work, attempts: number): Promise<unknown>;
  /** @throws when nothing was committed, or it is not known */
  together(partnerId: string, works: readonly Work[], locks: Locks): Promise<Outcome[]>;
  /** Whether the works of a transaction that failed so may be done again, each alone. */
  mayRepeat(error: unknown): boolean;
  /** Whether the server will never do a shared transaction: then it is not tried again. */
  isUnsupported(error: unknown): boolean;
}

interface Caller {
  work: Work;
  since: number;
  /** What it will lock, when that is known from an attempt. */
  lock: string | undefined;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

/**
 * Runs the writes of a partner's callers that are gathered (see gather.ts) in shared transactions: one COMMIT and one of
 * each statement for all of them. Who is alone has a transaction of its own. When a shared transaction fails, each of its
 * works runs alone: one caller's failure is not another's.
 */
export function shareWrites(sharing: Sharing) {
  /** With their partner. */
  const held = new Set<string>();
  let supported = true;

  async function runAlone(partnerId: string, { work, resolve, reject }: Caller, attempts = 0): Promise<[]> {
    await sharing.alone(partnerId, work, attempts).then(resolve, reject);
    return [];
  }

  /** @returns those that have to wait for a lock of another caller in this process */
  async function runShared(partnerId: string, callers: readonly Caller[]): Promise<readonly Caller[]> {
    const own = new Set<string>();
    const take = (lock: string) => {
      const name = `${partnerId} ${lock}`;
      if (held.has(name)) return false;
      held.add(name);
      own.add(name);
      return true;
    };
    try {
      const works = callers.map(({ work }) => work);
      const outcomes = await sharing.together(partnerId, works, { take });
      return callers.filter((caller, index) => !settle(partnerId, caller, outcomes[index] as Outcome));
    } catch (error) {
      if (sharing.isUnsupported(error)) supported = false;
      for (const caller of callers) {
        if (sharing.mayRepeat(error)) void runAlone(partnerId, caller, 1);
        else caller.reject(error);
      }
      return [];
    } finally {
      for (const lock of own) held.delete(lock);
    }
  }

  /** @returns false when the caller has to wait for a lock of another one in this process */
  function settle(partnerId: string, caller: Caller, outcome: Outcome): boolean {
    switch (outcome.status) {
      case 'done':
        Promise.all(outcome.deferred).then(() => caller.resolve(outcome.value), caller.reject);
        return true;
      case 'refused':
        caller.reject(outcome.reason);
        return true;
      case 'parted':
        caller.lock = outcome.lock;
        if (caller.lock !== undefined && runningTime() - caller.since < PATIENCE_MS) return false;
        void runAlone(partnerId, caller);
        return true;
    }
  }

  const add = gather<Caller>({
    most: MOST,
    lanes: (callers) => (callers <= FEW ? 4 : 2),
    mostLarge: MOST_LARGE,
    admits: (partnerId, { lock }, batch) =>
      lock === undefined ||
      (!held.has(`${partnerId} ${lock}`) && batch.filter((other) => other.lock === lock).length < MOST_BEHIND_A_LOCK),
    patience: {
      milliseconds: BEGUN_WITHIN_MS,
      // Who waits for a caller that has his lock is next when that one is done.
      since: ({ since, lock }) => (lock === undefined ? since : runningTime()),
      refuse: ({ reject }) => reject(new DatabaseUnavailable(`not begun in ${BEGUN_WITHIN_MS} ms: too many write`)),
    },
    run: (partnerId, callers) => {
      const [only] = callers;
      return callers.length === 1 && only ? runAlone(partnerId, only) : runShared(partnerId, callers);
    },
  });

  return <T>(partnerId: string, work: (tx: Tx, commitWith: CommitWith) => Promise<T>): Promise<T> => {
    if (!supported) return sharing.alone(partnerId, work, 0) as Promise<T>;
    return new Promise<T>((resolve, reject) => {
      const since = runningTime();
      add(partnerId, { work, since, lock: undefined, resolve: resolve as (value: unknown) => void, reject });
    });
  };
}
