import type { CommitWith, Tx } from '../connect.js';
import type { Locks, Outcome, Work } from './shared-transaction.js';

/** Works of one transaction at the most. */
const MOST = 64;
/** Shared transactions of one partner at a time: while one waits for the database, the next is prepared. */
const LANES = 2;
/** Who has waited this long for a lock of a caller in this process waits in the database, as a caller elsewhere does. */
const PATIENCE_MS = 500;
/** A transaction that takes longer, as behind a lock, does not keep the others waiting. */
const SLOW_MS = 30;

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

interface Partner {
  waiting: Caller[];
  running: number;
  scheduled: boolean;
  held: Set<string>;
}

/**
 * Runs the writes of a partner's callers that come while others are under way in shared transactions: one COMMIT and one of
 * each statement for all of them. A caller that finds nobody has a transaction of its own, and nothing is ever waited for.
 * When a shared transaction fails, each of its works runs alone: one caller's failure is not another's. Partners never
 * share: a transaction is bound to one.
 */
export function shareWrites(sharing: Sharing) {
  const partners = new Map<string, Partner>();
  let supported = true;

  function partnerOf(partnerId: string): Partner {
    let partner = partners.get(partnerId);
    if (!partner) {
      partner = { waiting: [], running: 0, scheduled: false, held: new Set() };
      partners.set(partnerId, partner);
    }
    return partner;
  }

  function runAlone(partnerId: string, { work, resolve, reject }: Caller, attempts = 0): Promise<void> {
    return sharing.alone(partnerId, work, attempts).then(resolve, reject);
  }

  /** Those whose turn it is, one for each lock that is free. */
  function pick({ waiting, held }: Partner): Caller[] {
    const locks = new Set<string>();
    const picked: Caller[] = [];
    const left: Caller[] = [];
    for (const caller of waiting) {
      const { lock } = caller;
      const free = lock === undefined || (!held.has(lock) && !locks.has(lock));
      if (!free || picked.length === MOST) left.push(caller);
      else {
        if (lock !== undefined) locks.add(lock);
        picked.push(caller);
      }
    }
    waiting.splice(0, waiting.length, ...left);
    return picked;
  }

  async function runShared(partnerId: string, partner: Partner, callers: readonly Caller[]): Promise<void> {
    const own = new Set<string>();
    const take = (lock: string) => {
      if (partner.held.has(lock)) return false;
      partner.held.add(lock);
      own.add(lock);
      return true;
    };
    try {
      const works = callers.map(({ work }) => work);
      const outcomes = await sharing.together(partnerId, works, { take });
      const again = callers.filter((caller, index) => !settle(partnerId, caller, outcomes[index] as Outcome));
      partner.waiting.unshift(...again);
    } catch (error) {
      if (sharing.isUnsupported(error)) supported = false;
      for (const caller of callers) {
        if (sharing.mayRepeat(error)) void runAlone(partnerId, caller, 1);
        else caller.reject(error);
      }
    } finally {
      for (const lock of own) partner.held.delete(lock);
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
        if (caller.lock !== undefined && performance.now() - caller.since < PATIENCE_MS) return false;
        void runAlone(partnerId, caller);
        return true;
    }
  }

  async function runNext(partnerId: string, partner: Partner): Promise<void> {
    const callers = pick(partner);
    if (callers.length > 0) {
      partner.running++;
      const [only] = callers;
      const run = callers.length === 1 && only ? runAlone(partnerId, only) : runShared(partnerId, partner, callers);
      let counts = true;
      const ended = () => {
        if (counts) partner.running--;
        counts = false;
        schedule(partnerId, partner);
      };
      const slow = setTimeout(ended, SLOW_MS);
      await run;
      clearTimeout(slow);
      ended();
    }
    if (partner.running === 0 && partner.waiting.length === 0) partners.delete(partnerId);
  }

  function schedule(partnerId: string, partner: Partner): void {
    if (partner.scheduled || partner.running >= LANES || partner.waiting.length === 0) return;
    partner.scheduled = true;
    // The other callers of this turn come along.
    setImmediate(() => {
      partner.scheduled = false;
      void runNext(partnerId, partner);
    });
  }

  return <T>(partnerId: string, work: (tx: Tx, commitWith: CommitWith) => Promise<T>): Promise<T> => {
    if (!supported) return sharing.alone(partnerId, work, 0) as Promise<T>;
    return new Promise<T>((resolve, reject) => {
      const partner = partnerOf(partnerId);
      const since = performance.now();
      partner.waiting.push({ work, since, lock: undefined, resolve: resolve as (value: unknown) => void, reject });
      schedule(partnerId, partner);
    });
  };
}
