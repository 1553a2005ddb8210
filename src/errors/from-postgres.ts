import pg from 'pg';

/** Nothing was done, because the database does not answer or has no room: trying again at once would not help. */
export class DatabaseUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DatabaseUnavailable';
  }
}

/** What made the database unavailable, for who looks after it; another error is its own reason. */
export const reasonOf = (error: unknown): unknown =>
  error instanceof DatabaseUnavailable && error.cause instanceof Error ? error.cause : error;

/** Nothing was done: others hold the row, and as many wait for it already as may. */
export class RowLocked extends Error {
  constructor(options?: ErrorOptions) {
    super('too many wait for a row that is locked', options);
    this.name = 'RowLocked';
  }
}

/** What an error of the driver or the server means for whoever asked. */
export type Failure =
  /** Nothing happened and the same transaction may succeed when run again at once. */
  | 'retry'
  /** The connection or the server is gone; nothing happened (when it failed before COMMIT). */
  | 'unavailable'
  /** A lock or statement timeout, or {@link RowLocked}: somebody else holds the row. */
  | 'busy'
  /** A unique key is taken. */
  | 'conflict'
  /** A bug or a wrong schema. */
  | 'unexpected';

const RETRY = new Set(['40001', '40P01']);
const BUSY = new Set(['55P03', '57014']);
const NOT_SUPPORTED = '0A000';
const UNAVAILABLE = new Set(['53300', '53100', '53200', '25006', '25P03', '25P04']);
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH']);
const LOST =
  /Connection terminated|not queryable|Client was closed|timeout exceeded when trying to connect|connection timeout|Cannot use a pool after calling end/i;

/**
 * Whether a prepared statement was refused because a table was changed since: its `*` would be other columns now. The
 * SQLSTATE, 0A000, has other meanings, and the message a language.
 */
export function isOutdated(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === NOT_SUPPORTED && error.routine === 'RevalidateCachedQuery';
}

/** Whether the server cannot do what the statement asks: Citus answers so to what it cannot route to one shard. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === NOT_SUPPORTED && !isOutdated(error);
}

/**
 * By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html). 08006 comes from Citus on a healthy
 * connection when a worker is gone.
 */
export function classifyFailure(error: unknown): Failure {
  if (error instanceof pg.DatabaseError) {
    const code = error.code ?? '';
    if (RETRY.has(code) || isOutdated(error)) return 'retry';
    if (BUSY.has(code)) return 'busy';
    if (code === '23505') return 'conflict';
    // 57P: the server ends the session, whatever for: it stops, or somebody ended it, or it was idle for too long.
    if (UNAVAILABLE.has(code) || /^(?:08|57P)/.test(code)) return 'unavailable';
    return 'unexpected';
  }
  if (error instanceof DatabaseUnavailable) return 'unavailable';
  if (error instanceof RowLocked) return 'busy';
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    if ((code && NETWORK.has(code)) || LOST.test(error.message)) return 'unavailable';
    if (error instanceof AggregateError) return classifyFailure(error.errors[0]);
  }
  return 'unexpected';
}

/**
 * The name of the violated constraint. Citus leaves the field empty and puts the name, with the number of a shard behind
 * it, into the text.
 */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  return error.constraint ?? /(?:constraint|index) "([^"]+?)(?:_\d{5,})?"/.exec(error.message)?.[1];
}
