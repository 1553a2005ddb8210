import { sql } from 'kysely';
import { reasonOf } from '../errors/from-postgres.js';
import { compileOnce } from './compile-once.js';
import { type ConnectOptions, connect, type DatabaseHandle, type Reading } from './connect.js';
import { type Moment, openReplayNotes } from './replay-notes.js';
import { checkReplica, UnfitDatabase } from './start-check.js';

/** What one request reads of lists and of the log. */
export interface ListReading {
  /** Like `DatabaseHandle.read`. */
  read: DatabaseHandle['read'];
  /** Like `DatabaseHandle.lookUp`. */
  lookUp: DatabaseHandle['lookUp'];
  /** Up to when what was read is complete; undefined: the primary alone was asked. */
  readonly asOf: Date | undefined;
}

/** Where lists and the log are read: nothing that decides may be. */
export interface Lists {
  begin(): ListReading;
}

/** Lists of an installation without a replica. */
export const listsOf = (primary: DatabaseHandle): Lists => ({
  begin: () => ({ read: primary.read, lookUp: primary.lookUp, asOf: undefined }),
});

/** That lists come from the replica, or why they do not. */
export type ReplicaUse = { used: true } | { used: false; reason: string; error?: unknown };

export interface ReplicaOptions extends Omit<ConnectOptions, 'silenceMilliseconds'> {
  primary: DatabaseHandle;
  maxLagSeconds: number;
  /** Told once for each change, and at the first sample. */
  onUse: (use: ReplicaUse) => void;
  /** Told with every sample; Infinity: not known. */
  onAge: (seconds: number) => void;
  now?: () => Moment;
  everyMilliseconds?: number;
}

export interface Replica extends Lists {
  /** Looks at the replica once, and goes on by itself. @throws UnfitDatabase when the login is not bound to a partner */
  start(): Promise<void>;
  close(): Promise<void>;
}

const EVERY_MS = 1000;
/** Leaves time for the primary within the limit of a request. */
const SILENCE_MS = 1000;

interface Sampled {
  history: string;
  place: string | null;
}

// `write`, not `insert`: on an idle server the latter can stand behind the header of a page that nothing is in yet.
const WHERE_PRIMARY_IS = `select
  system_identifier || '/' || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as history,
  (pg_current_wal_lsn() - '0/0')::text as place from pg_control_system()`;
const WHERE_STANDBY_IS = `select system_identifier || '/' || timeline_id as history,
  case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::text end as place
  from pg_control_system(), pg_control_checkpoint()`;
const selectReplayed = compileOnce((db) =>
  db.selectNoFrom(sql<string | null>`(pg_last_wal_replay_lsn() - '0/0')::text`.as('place')),
);

const clock = (): Moment => ({ at: new Date(), milliseconds: performance.now() });

/**
 * Reads lists from a standby as long as it is known to be young enough, else from the primary.
 * How old it is follows from where both are in the write-ahead log, see docs/decisions/0010-read-replica.md.
 */
export function openReplica(options: ReplicaOptions): Replica {
  const { primary, maxLagSeconds, onUse, onAge, now = clock, everyMilliseconds = EVERY_MS, ...connection } = options;
  const standby = connect({ ...connection, silenceMilliseconds: SILENCE_MS });
  const notes = openReplayNotes();
  /** Of the last sample. */
  let history = '';
  let covered: Moment | undefined;
  let fault: { reason: string; error?: unknown } | undefined = { reason: 'it was not looked at yet' };
  let checked = false;
  let told: string | undefined;

  const ageOf = ({ milliseconds }: Moment) => now().milliseconds - milliseconds;
  const isYoung = (moment: Moment | undefined): moment is Moment =>
    moment !== undefined && ageOf(moment) <= maxLagSeconds * 1000;

  async function askPrimary(): Promise<void> {
    const moment = now();
    const [row] = await primary.query<Sampled>(WHERE_PRIMARY_IS);
    if (row?.place) notes.note(moment, { history: row.history, place: BigInt(row.place) });
  }

  async function askStandby(): Promise<typeof fault> {
    checked ||= await checkReplica(standby);
    if (!checked) return { reason: 'it lacks migrations' };
    const [row] = await standby.query<Sampled>(WHERE_STANDBY_IS);
    if (!row?.place) return { reason: 'it is no standby' };
    history = row.history;
    const position = { history, place: BigInt(row.place) };
    notes.reached(position);
    covered = notes.findCovered(position);
    return covered ? undefined : { reason: 'how old it is is not known' };
  }

  function tell(): void {
    const use: ReplicaUse = fault
      ? { used: false, ...fault }
      : isYoung(covered)
        ? { used: true }
        : { used: false, reason: 'it is too old' };
    onAge(fault || !covered ? Number.POSITIVE_INFINITY : ageOf(covered) / 1000);
    const text = use.used ? '' : use.reason;
    if (text !== told) onUse(use);
    told = text;
  }

  async function sample(): Promise<void> {
    // What was not noted makes the replica look older than it is.
    await askPrimary().catch(() => {});
    fault = await askStandby().catch((error: unknown) => ({
      reason: error instanceof UnfitDatabase ? error.message : 'it cannot be read',
      error: reasonOf(error),
    }));
    tell();
  }

  let sampling: Promise<void> | undefined;
  const sampleAlone = (): Promise<void> => {
    sampling ??= sample().finally(() => {
      sampling = undefined;
    });
    return sampling;
  };
  let timer: NodeJS.Timeout | undefined;

  /** @returns what was read, and up to when it is complete */
  async function readStandby<T>(how: 'read' | 'lookUp', partnerId: string, work: (db: Reading) => Promise<T>) {
    // The place of the sample would not do: a standby that was restarted comes back older than it was. It is asked for
    // first, so that what is read is not older than it says.
    const [[row], result] = await standby[how](partnerId, (reading) =>
      Promise.all([selectReplayed(reading, {}), work(reading)]),
    );
    return { result, moment: row?.place ? notes.findCovered({ history, place: BigInt(row.place) }) : undefined };
  }

  return {
    begin() {
      let first: Moment | undefined;
      let onPrimary = fault !== undefined || !isYoung(covered);
      async function readBy<T>(
        how: 'read' | 'lookUp',
        partnerId: string,
        work: (db: Reading) => Promise<T>,
      ): Promise<T> {
        if (!onPrimary) {
          // Whatever it fails with: the primary is the one to be believed.
          const found = await readStandby(how, partnerId, work).catch(() => undefined);
          if (found?.moment && (first ? found.moment.milliseconds >= first.milliseconds : isYoung(found.moment))) {
            first ??= found.moment;
            return found.result;
          }
          onPrimary = true;
        }
        return primary[how](partnerId, work);
      }
      return {
        get asOf() {
          return first?.at;
        },
        read: (partnerId, work) => readBy('read', partnerId, work),
        lookUp: (partnerId, work) => readBy('lookUp', partnerId, work),
      };
    },
    async start() {
      await sampleAlone();
      if (fault?.error instanceof UnfitDatabase) throw fault.error;
      timer = setInterval(sampleAlone, everyMilliseconds).unref();
    },
    async close() {
      clearInterval(timer);
      await sampling;
      await standby.close();
    },
  };
}
