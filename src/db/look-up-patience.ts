import { DatabaseUnavailable } from '../errors/from-postgres.js';
import type { Gathering } from './gather.js';

/** After it a request may wait for a connection, for a second. */
const BEGUN_WITHIN_MS = 500;

/** A look-up that waits for its turn. */
export interface WaitingLookUp {
  /** When it came, as `runningTime()` tells. */
  since: number;
  reject: (reason: unknown) => void;
}

/** Who is not begun by then would be answered too late: it is refused. */
export const lookUpPatience: NonNullable<Gathering<WaitingLookUp>['patience']> = {
  milliseconds: BEGUN_WITHIN_MS,
  since: ({ since }) => since,
  refuse: ({ reject }) => reject(new DatabaseUnavailable(`not begun in ${BEGUN_WITHIN_MS} ms: too many read`)),
};
