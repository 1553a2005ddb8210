import pg from 'pg';
import { DatabaseUnavailable } from '../errors/from-postgres.js';
import { socketOf } from './silence.js';

export interface Breaker {
  /** @throws DatabaseUnavailable while the database does not answer */
  check(): void;
  /** @throws DatabaseUnavailable also while the database answers but its commits wait for a standby that does not */
  checkWrites(): void;
  /** To be called when the database did not answer in time. */
  suspect(): void;
  stop(): void;
}

/** What a look at the database found; rejects when it did not answer. */
export type Look = () => Promise<{ commitsWait: boolean }>;

/** Also the time in which a look may tell that one connection was to blame, not the database: nobody is refused then. */
const LOOK_EVERY_MS = 500;

/**
 * Refuses at once what would only wait, from the time at which the database was found silent until it answers again.
 * Meanwhile it is looked at on connections of its own, several at a time: one that was opened into the silence may never
 * come back.
 */
export function openBreaker(look: Look): Breaker {
  let timer: NodeJS.Timeout | undefined;
  let silent = false;
  let commitsWait = false;
  /** Looks are numbered: a late failure says nothing when a later look was answered. */
  let begun = 0;
  let answered = 0;
  let suspectedAt = 0;

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function lookOnce(): void {
    if (begun > suspectedAt && answered <= suspectedAt) silent = true;
    const turn = ++begun;
    look().then(
      (found) => {
        answered = Math.max(answered, turn);
        silent = false;
        commitsWait = found.commitsWait;
        if (!commitsWait) stop();
      },
      () => {
        if (timer && turn > answered) silent = true;
      },
    );
  }

  function check(): void {
    if (silent) throw new DatabaseUnavailable('the database does not answer');
  }

  return {
    check,
    checkWrites() {
      check();
      if (commitsWait) throw new DatabaseUnavailable('commits wait for a standby that does not answer');
    },
    suspect() {
      if (timer) return;
      suspectedAt = begun;
      timer = setInterval(lookOnce, LOOK_EVERY_MS);
      timer.unref();
      lookOnce();
    },
    stop,
  };
}

/**
 * A commit that waits for its standby is subject to no time limit of the server, and no longer to that of its client: the
 * sessions of this login show whether some still do.
 */
const COMMITS_WAIT = `
  select exists (select from pg_stat_activity
    where wait_event = 'SyncRep' and state_change < now() - interval '1 second') as waits`;

/** Looks on a connection of its own. */
export function lookAt(url: string, limitMilliseconds: number): Look {
  return async () => {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: limitMilliseconds,
      query_timeout: limitMilliseconds,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rows } = await client.query<{ waits: boolean }>(COMMITS_WAIT);
      return { commitsWait: rows[0]?.waits === true };
    } finally {
      socketOf(client).destroy();
    }
  };
}
