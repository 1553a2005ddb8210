import pg from 'pg';
import { classifyFailure, isUnsupported } from '../../errors/from-postgres.js';
import { runningTime } from '../../lib/running-time.js';
import { gather } from '../gather.js';
import { lookUpPatience, type WaitingLookUp } from '../look-up-patience.js';
import { lookUpTogether, MergedStatementFailed, type Work } from './shared-look-up.js';

/** Look-ups of one flight at the most: all are answered when the last of them is. */
const MOST = 16;
/** The server works on so many flights of a partner at a time. */
const LANES = 4;

type LookUp = <T>(partnerId: string, work: Work<T>) => Promise<T>;

interface Caller extends WaitingLookUp {
  work: Work;
  resolve: (value: unknown) => void;
}

/**
 * Sends the look-ups of a partner's callers that are gathered (see gather.ts) in shared flights: one packet, one BEGIN and one
 * COMMIT for all of them, and one statement for what they ask alike. A page of 20 customers then takes two thirds of the
 * processor time, the role assignments of a subscription a quarter of it. When a statement fails, those behind it look up
 * again, each alone: one caller's failure is not another's.
 * @param lookUp in a flight of its own
 */
export function shareLookUps(lookUp: LookUp): LookUp {
  /** Until the server cannot do a statement that was merged. */
  let merges = true;
  const alone = (partnerId: string, { work, resolve, reject }: Caller) => lookUp(partnerId, work).then(resolve, reject);

  async function together(partnerId: string, callers: readonly Caller[]): Promise<void> {
    const works = callers.map(({ work }) => work);
    const outcomes = await lookUp(partnerId, (db) =>
      merges ? lookUpTogether(db, works) : Promise.allSettled(works.map(async (work) => work(db))),
    );
    let failed = false;
    const again = callers.filter((caller, index) => {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') {
        caller.resolve(outcome.value);
        return false;
      }
      const reason: unknown = outcome?.reason;
      const merged = reason instanceof MergedStatementFailed;
      if (merged && isUnsupported(reason.cause)) merges = false;
      const byDatabase = merged || reason instanceof pg.DatabaseError;
      // The statements behind one that failed are not run.
      const repeat = byDatabase && (failed || merged || classifyFailure(reason) === 'retry');
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
      add(partnerId, { work, since: runningTime(), resolve: resolve as Caller['resolve'], reject });
    });
}
