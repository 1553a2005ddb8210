import pg from 'pg';
import { classifyFailure, DatabaseUnavailable } from '../errors/from-postgres.js';
import { lookAt, openBreaker } from './breaker.js';
import { keepWarnings } from './commit-warning.js';
import { socketOf, watchSilence } from './silence.js';
import { openTurns } from './turns.js';

export interface ConnectionsOptions {
  url: string;
  /** Connections at the most. */
  poolMax: number;
  /** How long a request waits for one. */
  waitMilliseconds: number;
  /** After what time without a byte from the server a connection in use is given up. Absent: never. */
  silenceMilliseconds?: number | undefined;
  onIdleError: (error: Error) => void;
  /** With the SQLSTATE of a notice or warning. */
  onNotice: (code: string | undefined) => void;
}

export interface Connections {
  /** Every one has to be given back. @throws DatabaseUnavailable at once where waiting would not help */
  take(): Promise<pg.PoolClient>;
  give(client: pg.PoolClient, broken: Error | undefined): void;
  /** From now on new connections are used: those there are lead to a server that is not the primary any more. */
  renew(): void;
  /** @throws DatabaseUnavailable while commits are not answered */
  checkWrites(): void;
  close(): Promise<void>;
}

/** To open one: three round trips, which the wait for a free one does not hold. */
const OPEN_MS = 2500;
const WAITING_PER_CONNECTION = 100;
const TRIAL_EVERY_MS = 100;
const RENEW_EVERY_MS = 250;

/** A pool that does not wait for what does not come. Connects lazily: the first connection is opened at the first use. */
export function openConnections(options: ConnectionsOptions): Connections {
  const { poolMax, waitMilliseconds, silenceMilliseconds } = options;
  const openMilliseconds = Math.max(OPEN_MS, waitMilliseconds);
  const pool = new pg.Pool({
    connectionString: options.url,
    max: poolMax,
    connectionTimeoutMillis: openMilliseconds,
    keepAlive: true,
    pipeline: true,
  } as pg.PoolConfig);
  // Without a listener a connection that breaks while idle ends the process.
  pool.on('error', options.onIdleError);
  const turns = openTurns({ places: poolMax, waitMilliseconds, mostWaiting: poolMax * WAITING_PER_CONNECTION });
  const breaker = openBreaker(lookAt(options.url, OPEN_MS));

  let generation = 0;
  let renewedAt = Number.NEGATIVE_INFINITY;
  const generationOf = new WeakMap<pg.ClientBase, number>();
  pool.on('connect', (client) => {
    // Nor one that breaks while nobody listens yet: the server's greeting and its farewell can come in one packet.
    client.on('error', () => {});
    generationOf.set(client, generation);
    keepWarnings(client);
    client.on('notice', ({ code }) => options.onNotice(code));
  });
  const isOld = (client: pg.PoolClient) => generationOf.get(client) !== generation;

  function onSilent(): void {
    breaker.suspect();
    generation++;
  }
  const silence =
    silenceMilliseconds === undefined ? undefined : watchSilence({ limitMilliseconds: silenceMilliseconds, onSilent });

  /** Why no connection could be opened last time. While that is so one is tried now and then: a server without room gets no storm. */
  let refused: Error | undefined;
  let nextTrial = 0;
  let openedAt = Number.NEGATIVE_INFINITY;

  async function open(): Promise<pg.PoolClient> {
    const begun = performance.now();
    if (refused) {
      if (begun < nextTrial) throw new DatabaseUnavailable('no connection can be opened', { cause: refused });
      // Not when it ends: on a network that was slow it may hang for as long as opening may take.
      nextTrial = begun + TRIAL_EVERY_MS;
    }
    try {
      const client = await pool.connect();
      refused = undefined;
      openedAt = performance.now();
      return client;
    } catch (error) {
      // What was begun before another one was opened tells of a time that is over.
      if (error instanceof Error && begun > openedAt) {
        refused = error;
        nextTrial = performance.now() + TRIAL_EVERY_MS;
        if (/timeout/.test(error.message)) breaker.suspect();
      }
      if (classifyFailure(error) === 'unavailable') throw error;
      // Also a password that was changed meanwhile, or a certificate that is over: nothing was done.
      throw new DatabaseUnavailable('no connection can be opened', { cause: error });
    }
  }

  /** With a place: an open connection, or a new one. */
  async function claim(): Promise<pg.PoolClient> {
    for (;;) {
      const verdict = breaker.verdict();
      if (verdict) await verdict;
      breaker.check();
      const client = await (pool.idleCount > 0 ? pool.connect() : open());
      if (!isOld(client)) return client;
      client.release(true);
      socketOf(client).destroy();
    }
  }

  /** Also those that are being opened. */
  let inUse = 0;
  return {
    async take() {
      const latest = performance.now() + waitMilliseconds;
      for (;;) {
        breaker.check();
        const turn = turns.take();
        if (turn) await turn;
        inUse++;
        try {
          const client = await claim();
          silence?.begin(client);
          return client;
        } catch (error) {
          inUse--;
          const others = inUse + pool.idleCount;
          if (refused === undefined || others === 0 || performance.now() > latest) {
            turns.give();
            throw error;
          }
          // One of the others becomes free sooner: the place of the one that could not be opened is left out meanwhile.
          setTimeout(turns.give, TRIAL_EVERY_MS).unref();
        }
      }
    },
    give(client, broken) {
      inUse--;
      silence?.end(client);
      client.release(broken ?? isOld(client));
      turns.give();
    },
    renew() {
      if (performance.now() - renewedAt < RENEW_EVERY_MS) return;
      renewedAt = performance.now();
      generation++;
    },
    checkWrites: breaker.checkWrites,
    async close() {
      silence?.stop();
      breaker.stop();
      await pool.end();
    },
  };
}
