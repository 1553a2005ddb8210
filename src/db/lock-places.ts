import { DatabaseUnavailable, RowLocked } from '../errors/from-postgres.js';
import { openTurns, type Turns } from './turns.js';

/** To be asked before a transaction locks. @throws when it has to be undone first, to come again with a place */
export type Admit = (lock: string) => void;

export interface LockPlaces {
  /**
   * Runs a transaction with a place at each lock that it asks for.
   * @throws RowLocked when no place became free
   */
  run<T>(attempt: (admit: Admit) => Promise<T>): Promise<T>;
}

/** With the wait in the database, which may take a second, it stays below what clients wait for an answer. */
const WAIT_MS = 500;
/** A hundred writers at one customer are all served, as its lock lets them one after the other. */
const MOST_WAITING = 200;

/** The transaction wants a lock at which all places are taken. */
class Crowded extends Error {
  constructor(readonly lock: string) {
    super('too many wait for a lock already');
  }
}

/**
 * Lets so many transactions wait for one lock at a time, each with its connection; the others wait without. When somebody
 * holds a customer for long, all who want it would otherwise take all connections, and nobody else would get one.
 */
export function openLockPlaces(places: number): LockPlaces {
  const gates = new Map<string, { turns: Turns; users: number }>();

  function enter(lock: string) {
    let gate = gates.get(lock);
    if (!gate) {
      gate = { turns: openTurns({ places, waitMilliseconds: WAIT_MS, mostWaiting: MOST_WAITING }), users: 0 };
      gates.set(lock, gate);
    }
    gate.users++;
    return gate;
  }

  function leave(lock: string): void {
    const gate = gates.get(lock);
    if (gate && --gate.users === 0) gates.delete(lock);
  }

  return {
    async run(attempt) {
      const held = new Set<string>();
      const hold = (lock: string) => held.add(lock);
      const admit: Admit = (lock) => {
        if (held.has(lock)) return;
        const { turns } = enter(lock);
        if (turns.tryTake()) hold(lock);
        else {
          leave(lock);
          throw new Crowded(lock);
        }
      };
      const waitFor = async (lock: string) => {
        const { turns } = enter(lock);
        try {
          await turns.take();
          hold(lock);
        } catch (error) {
          leave(lock);
          throw error instanceof DatabaseUnavailable ? new RowLocked({ cause: error }) : error;
        }
      };
      try {
        for (;;) {
          try {
            return await attempt(admit);
          } catch (error) {
            if (!(error instanceof Crowded)) throw error;
            await waitFor(error.lock);
          }
        }
      } finally {
        for (const lock of held) {
          gates.get(lock)?.turns.give();
          leave(lock);
        }
      }
    },
  };
}
