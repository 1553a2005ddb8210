import { DatabaseUnavailable } from '../errors/from-postgres.js';
import { runningTime } from '../lib/running-time.js';

export interface Turns {
  /** @returns whether there was a place, which is then taken */
  tryTake(): boolean;
  /** @throws DatabaseUnavailable when too many wait already, or the wait was too long */
  take(): Promise<void> | undefined;
  give(): void;
}

/**
 * Lets `places` callers in at once. The others wait in order, for a limited time and in limited number: a queue that
 * grows without end takes memory and answers nobody in time.
 */
export function openTurns(options: { places: number; waitMilliseconds: number; mostWaiting: number }): Turns {
  const { places, waitMilliseconds, mostWaiting } = options;
  let free = places;
  const waiting = new Set<() => void>();
  function tryTake(): boolean {
    if (free === 0) return false;
    free--;
    return true;
  }

  return {
    tryTake,
    take() {
      if (tryTake()) return undefined;
      if (waiting.size >= mostWaiting) throw new DatabaseUnavailable(`${mostWaiting} wait for a connection already`);
      return new Promise((resolve, reject) => {
        const enter = () => {
          clearTimeout(late);
          waiting.delete(enter);
          resolve();
        };
        const latest = runningTime() + waitMilliseconds;
        const look = () => {
          const left = latest - runningTime();
          if (left > 0) {
            late = setTimeout(look, left);
            return;
          }
          waiting.delete(enter);
          reject(new DatabaseUnavailable(`no connection became free in ${waitMilliseconds} ms`));
        };
        let late = setTimeout(look, waitMilliseconds);
        waiting.add(enter);
      });
    },
    give() {
      const [next] = waiting;
      if (next) next();
      else free++;
    },
  };
}
