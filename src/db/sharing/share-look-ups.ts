import pg from 'pg';
import { classifyFailure } from '../../errors/from-postgres.js';
import { gather } from '../gather.js';
import { lookUpPatience, type WaitingLookUp } from '../look-up-patience.js';
import type { Reading } from '../transaction.js';

/** Look-ups of one flight at the most: all are answered when the last of them is. */
const MOST = 8;
/** The server works on so many flights of a partner at a time. */
const LANES = 4;

type Work<T = unknown> = (db: Reading) => Promise<T>;
type LookUp = <T>(partnerId: string, work: Work<T>) => Promise<T>;

interface Caller extends WaitingLookUp {
  work: Work;
  resolve: (value: unknown) => void;
}

/**
 * Sends the look-ups of a partner's callers that are gathered (see gather.ts) in shared flights: one packet, one BEGIN and one
 * COMMIT for all of them. A page of 20 customers then takes two thirds of the processor time, the role assignments of a
 * subscription half of it. When a statement fails, those behind it look up again, each alone: one caller's failure is not
 * another's.
 * @param lookUp in a flight of its own
 */
export function shareLookUps(lookUp: LookUp): LookUp {
  const alone = (partnerId: string, { work, resolve, reject }: Caller) => lookUp(partnerId, work).then(resolve, reject);

  async function together(partnerId: string, callers: readonly Caller[]): Promise<void> {
    const outcomes = await lookUp(partnerId, (db) => Promise.allSettled(callers.map(async ({ work }) => work(db))));
    let failed = false;
    const again = callers.filter((caller, index) => {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') {
        caller.resolve(outcome.value);
        return false;
      }
      const reason: unknown = outcome?.reason;
      const byDatabase = reason instanceof pg.DatabaseError;
      // The statements behind one that failed are not run.
      const repeat = byDatabase && (failed || classifyFailure(reason) === 'retry');
      failed ||= byDatabase;
      if (!repeat) caller.reject(reason);
      return repeat;
    });
    await Promise.all(again.map((caller) => alone(partnerId, caller)));
  }

  async function run(partnerId: string, callers: readonly Caller[]): Promise<[]> {
    const [first] = callers;
    if (first && callers.length === 1) await alone(partnerId, first);
    else {
      await together(partnerId, callers).catch(async (error: unknown) => {
        if (classifyFailure(error) === 'unavailable') for (const { reject } of callers) reject(error);
        else await Promise.all(callers.map((caller) => alone(partnerId, caller)));
      });
    }
    return [];
  }

  const add = gather<Caller>({
    most: MOST,
    lanes: () => LANES,
    mostLarge: 2 * LANES,
    patience: lookUpPatience,
    run,
  });
  return <T>(partnerId: string, work: Work<T>) =>
    new Promise<T>((resolve, reject) => {
      add(partnerId, { work, since: performance.now(), resolve: resolve as Caller['resolve'], reject });
    });
}
