import pg from 'pg';
import { classifyFailure, DatabaseUnavailable, isUnsupported } from '../errors/from-postgres.js';
import { isUuid } from '../lib/uuid.js';
import { warningOf } from './commit-warning.js';
import { beginStatements, endStatements, kyselyOn } from './connection-kysely.js';
import { openConnections } from './connections.js';
import { sendTogether } from './flight.js';
import { type Admit, openLockPlaces } from './lock-places.js';
import { shareLookUps } from './sharing/share-look-ups.js';
import { shareWrites } from './sharing/share-writes.js';
import { runTogether } from './sharing/shared-transaction.js';
import type { CommitWith, Reading, Tx } from './transaction.js';

export type { CommitWith, Reading, Tx } from './transaction.js';

/** COMMIT was sent and its outcome did not come back. */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown, message = 'the outcome of COMMIT is not known') {
    super(message, { cause });
    this.name = 'CommitOutcomeUnknown';
  }
}

/** Committed where it is visible, and not on the standby that was to have it too: asking this server tells nothing more. */
export class CommitNotReplicated extends CommitOutcomeUnknown {
  constructor(warning: Error) {
    super(warning, 'the change is committed and may not have reached the standby');
    this.name = 'CommitNotReplicated';
  }
}

export interface ConnectOptions {
  url: string;
  /** Connections at the most. */
  poolMax: number;
  /** How long a request waits for one. Default: 1000. */
  waitMilliseconds?: number;
  /** After what time without a byte from the server a connection in use is given up. Default: never. */
  silenceMilliseconds?: number;
  /** False behind a transaction pooler without support for prepared statements (PgBouncer before 1.21). */
  preparedStatements: boolean;
  onIdleError: (error: Error) => void;
}

export interface DatabaseHandle {
  /** Runs `work` in a read-only transaction of the partner. Repeated once when the connection breaks. */
  read<T>(partnerId: string, work: (db: Reading) => Promise<T>): Promise<T>;
  /**
   * Like `read`, in one flight: COMMIT leaves with the statements, so `work` has to issue them all at once. Those of a
   * partner that come together share flights, see sharing/share-look-ups.ts.
   */
  lookUp<T>(partnerId: string, work: (db: Reading) => Promise<T>): Promise<T>;
  /** Like `lookUp`, in a flight of its own: for who serves many callers with it, or works for none that waits. */
  lookUpAlone<T>(partnerId: string, work: (db: Reading) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in a transaction of the partner and commits. It may run more than once (serialization failure, deadlock,
   * broken connection before COMMIT), so it must have no effect outside the database.
   * @throws CommitOutcomeUnknown when COMMIT was sent and not answered
   */
  write<T>(partnerId: string, work: (tx: Tx, commitWith: CommitWith) => Promise<T>): Promise<T>;
  /**
   * Like `write`, for the short work of one caller among many: those of a partner that come together share a transaction,
   * see sharing/. Each is committed or undone as if it were alone.
   */
  writeTogether<T>(partnerId: string, work: (tx: Tx, commitWith: CommitWith) => Promise<T>): Promise<T>;
  /** Like `lookUpAlone`, of what is visible to a tenant before its partners are known: its own customer rows. */
  readTenant<T>(tenantId: string, work: (db: Reading) => Promise<T>): Promise<T>;
  /** Which partners there are, for work that walks them one by one. */
  listPartnerIds(): Promise<string[]>;
  /** Reads what is visible to work that is for no partner: the partners' ids, and events that wait to be delivered. */
  watch<T>(work: (db: Reading) => Promise<T>): Promise<T>;
  /** Runs one statement outside every partner; for health and start checks. */
  query<R extends pg.QueryResultRow>(text: string): Promise<R[]>;
  close(): Promise<void>;
}

/** @param last names what is to be issued just before COMMIT, at the end of the turn; when it throws nothing is committed */
type TransactionWork<T> = (tx: Tx, commitWith: CommitWith, last: (issue: () => void) => void) => Promise<T>;

type Mode = 'begin' | 'begin read only';

const MAX_ATTEMPTS = 3;
/** A server that was the primary and is none any more. */
const READ_ONLY = '25006';
/** BEGIN in a transaction, of which the server warns. */
const ALREADY_BEGUN = '25001';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Connects lazily: the pool opens its first connection at the first transaction. */
export function connect(options: ConnectOptions): DatabaseHandle {
  /** Citus hands the whole text that SET LOCAL stands in on to its workers, and they would begin twice. */
  let bindsApart = false;
  const connections = openConnections({
    ...options,
    waitMilliseconds: options.waitMilliseconds ?? 1000,
    onNotice: (code) => {
      bindsApart ||= code === ALREADY_BEGUN;
    },
  });
  // Whoever holds a customer leaves half of the connections to the others.
  const lockPlaces = openLockPlaces(Math.max(1, Math.floor(options.poolMax / 2)));

  async function withClient<T>(
    use: (client: pg.PoolClient, onBroken: (cause: Error) => void) => Promise<T>,
  ): Promise<T> {
    const client = await connections.take();
    let broken: Error | undefined;
    const onBroken = (error: Error) => {
      broken ??= error;
    };
    client.on('error', onBroken);
    try {
      return await use(client, onBroken);
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === READ_ONLY) {
        connections.renew();
        onBroken(error);
      }
      throw error;
    } finally {
      client.off('error', onBroken);
      connections.give(client, broken);
    }
  }

  function begin(client: pg.PoolClient, mode: Mode, binding: string): Promise<unknown> {
    const texts = bindsApart ? [mode, binding] : [`${mode}; ${binding}`];
    const began = Promise.all(texts.map((text) => client.query(text)));
    began.catch(() => {});
    return began;
  }

  const attempt = <T>(mode: Mode, binding: string, work: TransactionWork<T>, admit?: Admit): Promise<T> =>
    withClient(async (client, onBroken) => {
      beginStatements(client, admit);
      sendTogether(client);
      const began = begin(client, mode, binding);
      const deferred: Promise<unknown>[] = [];
      const last: (() => void)[] = [];
      let result: T;
      let committed: readonly [Promise<pg.QueryResult>];
      try {
        result = await work(
          kyselyOn(client, options.preparedStatements) as Tx,
          (statement) => {
            statement.catch(() => {});
            deferred.push(statement);
          },
          (issue) => last.push(issue),
        );
        await began;
        // At the end of the turn, when whatever `work` has begun to build was issued.
        committed = await new Promise((resolve, reject) => {
          sendTogether(client, () => {
            try {
              for (const issue of last) issue();
              endStatements(client);
              const commit = client.query('commit');
              commit.catch(() => {});
              resolve([commit]);
            } catch (error) {
              reject(error);
            }
          });
        });
      } catch (error) {
        await Promise.allSettled([began, ...deferred]);
        await client.query('rollback').catch(onBroken);
        // A failed BEGIN explains the failures behind it better than they do themselves.
        await began;
        throw error;
      }
      const outcomes = await Promise.allSettled(deferred);
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      const { command } = await committed[0].catch((cause) => {
        onBroken(cause);
        throw new CommitOutcomeUnknown(cause);
      });
      if (command !== 'COMMIT') throw failed?.reason ?? new Error('the transaction had failed before COMMIT');
      if (failed) throw failed.reason;
      const warning = warningOf(client);
      if (warning) throw new CommitNotReplicated(warning);
      return result;
    });

  /** Reads in one flight: COMMIT leaves with the statements, so `work` has to issue them all in this turn. */
  const attemptLookUp = <T>(binding: string, work: (db: Reading) => Promise<T>): Promise<T> =>
    withClient(async (client, onBroken) => {
      beginStatements(client);
      sendTogether(client);
      const began = begin(client, 'begin read only', binding);
      const ended = new Promise<void>((resolve, reject) => {
        sendTogether(client, () => {
          endStatements(client);
          client.query('commit').then(() => resolve(), reject);
        });
      });
      ended.catch(onBroken);
      const [outcome] = await Promise.allSettled([
        work(kyselyOn(client, options.preparedStatements) as Reading),
        ended,
      ]);
      await began;
      await ended;
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });

  async function withRetry<T>(run: () => Promise<T>, first = 1): Promise<T> {
    for (let attempts = first; ; attempts++) {
      try {
        return await run();
      } catch (error) {
        const settled = error instanceof CommitOutcomeUnknown || error instanceof DatabaseUnavailable;
        const failure = settled ? 'unexpected' : classifyFailure(error);
        const again = failure === 'retry' ? attempts < MAX_ATTEMPTS : failure === 'unavailable' && attempts < 2;
        if (!again) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * attempts));
      }
    }
  }

  // The value is checked and inlined: SET takes no parameters, and only the command SET LOCAL (not set_config) reaches
  // the workers on Citus.
  const setLocal = (setting: string, id: string) => {
    if (!isUuid(id)) throw new Error(`${setting} has to be a UUID`);
    return `set local ${setting} = '${id}'`;
  };

  const read: DatabaseHandle['read'] = (partnerId, work) =>
    withRetry(() => attempt('begin read only', setLocal('app.partner_id', partnerId), work));

  function attemptWrite<T>(partnerId: string, work: TransactionWork<T>, admit?: Admit): Promise<T> {
    connections.checkWrites();
    return attempt('begin', setLocal('app.partner_id', partnerId), work, admit);
  }

  const write = <T>(partnerId: string, work: (tx: Tx, commitWith: CommitWith) => Promise<T>, first?: number) =>
    lockPlaces.run((admit) => withRetry(() => attemptWrite(partnerId, work, admit), first));

  const watch: DatabaseHandle['watch'] = (work) =>
    withRetry(() => attempt('begin read only', "set local app.watch = 'on'", work));

  const lookUpAlone: DatabaseHandle['lookUpAlone'] = (partnerId, work) =>
    withRetry(() => attemptLookUp(setLocal('app.partner_id', partnerId), work));

  return {
    read,
    lookUp: shareLookUps(lookUpAlone),
    lookUpAlone,
    write: (partnerId, work) => write(partnerId, work),
    writeTogether: shareWrites({
      alone: (partnerId, work, attempts) => write(partnerId, work, attempts + 1),
      together: async (partnerId, works, locks) =>
        attemptWrite(partnerId, (tx, commitWith, last) => runTogether(tx, works, { commitWith, last }, locks)),
      mayRepeat: (error) => !(error instanceof CommitOutcomeUnknown || error instanceof DatabaseUnavailable),
      isUnsupported,
    }),
    readTenant: (tenantId, work) => withRetry(() => attemptLookUp(setLocal('app.tenant_id', tenantId), work)),
    listPartnerIds: () =>
      watch(async (db) => {
        const rows = await db.selectFrom('partners').select('partner_id').orderBy('partner_id').execute();
        return rows.map((row) => row.partner_id);
      }),
    watch,
    query: <R extends pg.QueryResultRow>(text: string) =>
      withClient(async (client) => (await client.query<R>(text)).rows),
    close: connections.close,
  };
}
