import type { CompiledQuery, QueryResult } from 'kysely';
import { beforeSending, kyselyOver } from '../connection-kysely.js';
import type { CommitWith, Tx } from '../transaction.js';
import { isSameCall, locksRows, mergeOf, type Rows, type Statement, type StatementCall } from './merge.js';

export type Work = (tx: Tx, commitWith: CommitWith) => Promise<unknown>;

/** What became of a caller's work, once the transaction is committed. */
export type Outcome =
  /** `deferred`: what it committed with. */
  | { status: 'done'; value: unknown; deferred: readonly Promise<unknown>[] }
  /** It threw, and had written nothing. */
  | { status: 'refused'; reason: unknown }
  /** Nothing was done: the row that it wants to lock is another one's. `lock`: of a caller in this process. */
  | { status: 'parted'; lock: string | undefined };

/** The locks of shared transactions in this process. */
export interface Locks {
  /** @returns false when another one has it */
  take(lock: string): boolean;
}

/** Callers of one transaction that have the same lock, one after the other, at the most: the others wait for their end. */
export const MOST_BEHIND_A_LOCK = 8;

class Parted extends Error {
  constructor(readonly lock: string | undefined) {
    super('the caller was parted from a shared transaction');
  }
}

interface Pending {
  member: Member;
  query: CompiledQuery | StatementCall;
  /** The name of what it locks. */
  lock: string | undefined;
  resolve: (result: QueryResult<unknown>) => void;
  reject: (reason: unknown) => void;
}

/** Who has a lock of the transaction, and how many had it or wait for it. */
interface Held {
  by: Member;
  callers: number;
}

interface Member {
  waiting: Pending[];
  holds: boolean;
  /** It has come to a lock that another one of the transaction has. */
  queues: boolean;
  done: boolean;
  /** A statement that writes was sent for it: its effects end with the whole transaction alone. */
  wrote: boolean;
  parted: Parted | undefined;
  /** Why nothing more is issued for it. */
  ended: Error | undefined;
}

const statementOf = (query: CompiledQuery | StatementCall): Statement | undefined =>
  'statement' in query ? query.statement : undefined;

const lockOf = (query: CompiledQuery | StatementCall): string | undefined =>
  (statementOf(query)?.locks ?? locksRows(query.sql)) ? JSON.stringify(query.parameters) : undefined;

const reads = ({ query, sql }: CompiledQuery): boolean =>
  query.kind === 'SelectQueryNode' || (query.kind === 'RawNode' && sql.startsWith('select '));

/**
 * Runs the works of several callers in one transaction, round by round: what they issue is collected until the answers of
 * the round before are there, equal statements become one, and each caller gets its own rows. To each it is as if it were
 * alone but for locks, which keep transactions apart and not the callers of one: who wants a lock that another one of this
 * transaction has goes on when that one is done, in the same transaction; who wants one of another transaction leaves,
 * before it has written.
 * @throws what failed when nothing may be committed: a statement, or a work that had written
 */
export async function runTogether(
  tx: Tx,
  works: readonly Work[],
  { commitWith, last }: { commitWith: CommitWith; last: (issue: () => void) => void },
  locks: Locks,
): Promise<Outcome[]> {
  const members: Member[] = [];
  const held = new Map<string, Held>();
  const sent: Promise<unknown>[] = [];
  let underWay = 0;
  let scheduled = false;
  let failure: { reason: unknown } | undefined;

  function part(member: Member, lock: string | undefined): Parted {
    member.parted ??= new Parted(lock);
    for (const { reject } of member.waiting.splice(0)) reject(member.parted);
    return member.parted;
  }

  function fail(reason: unknown, group: readonly Pending[]): void {
    failure ??= { reason };
    for (const { reject } of group) reject(reason);
    for (const { waiting } of members) for (const { reject } of waiting.splice(0)) reject(reason);
  }

  function send(query: CompiledQuery, group: readonly Pending[], take: (result: QueryResult<unknown>) => void): void {
    underWay++;
    const answered = tx.executeQuery(query).then(take);
    sent.push(answered);
    answered
      .catch((reason) => fail(reason, group))
      .finally(() => {
        underWay--;
        schedule();
      });
  }

  function sendMerged(statement: Statement, group: readonly Pending[]): void {
    for (const { merged, callers } of mergeOf(statement, group)) {
      send(merged.compiled, callers, ({ rows }) => {
        const dealt = merged.deal(rows as Rows);
        callers.forEach(({ member, resolve, reject }, index) => {
          const own = dealt[index] ?? [];
          if (statement.locks && own.length === 0) reject(part(member, undefined));
          else resolve({ rows: own as unknown[] });
        });
      });
    }
  }

  /** Whether the caller may go on with the statement: what it locks is nobody's in this process, or its last one's is done. */
  function admits({ member, query, lock }: Pending): boolean {
    if (lock === undefined) return true;
    if (!statementOf(query)?.merges) {
      part(member, undefined);
      return false;
    }
    const before = held.get(lock);
    if (before?.by === member) return true;
    if (!before) {
      if (locks.take(lock)) {
        held.set(lock, { by: member, callers: 1 });
        member.holds = true;
        return true;
      }
      part(member, lock);
      return false;
    }
    if (!member.queues) {
      // With two locks each could wait for the other.
      if (member.holds || before.callers === MOST_BEHIND_A_LOCK) {
        part(member, lock);
        return false;
      }
      before.callers++;
      member.queues = true;
    }
    if (!before.by.done || before.by.waiting.length > 0) return false;
    before.by = member;
    member.queues = false;
    member.holds = true;
    return true;
  }

  /** The next statement of the first caller that has one, with those of the others that can be one with it. */
  function nextGroup(): Pending[] {
    const group: Pending[] = [];
    for (const { waiting } of members) {
      const [pending] = waiting;
      const [first] = group;
      if (!pending || (first && !isSameCall(first.query, pending.query)) || !admits(pending)) continue;
      waiting.shift();
      group.push(pending);
    }
    return group;
  }

  function flush(): void {
    for (let group = nextGroup(); group.length > 0; group = nextGroup()) {
      const [first] = group as [Pending];
      for (const { member, query } of group) member.wrote ||= !reads(query);
      const statement = statementOf(first.query);
      try {
        if (statement && (group.length > 1 || statement.locks)) sendMerged(statement, group);
        else send(first.query, group, first.resolve);
      } catch (error) {
        fail(error, group);
      }
    }
  }

  function schedule(): void {
    if (scheduled || underWay > 0) return;
    scheduled = true;
    beforeSending(tx, () => {
      scheduled = false;
      if (underWay === 0) flush();
    });
  }

  async function run(work: Work): Promise<Outcome> {
    const member: Member = {
      waiting: [],
      holds: false,
      queues: false,
      done: false,
      wrote: false,
      parted: undefined,
      ended: undefined,
    };
    members.push(member);
    const issue = (query: CompiledQuery) =>
      new Promise<QueryResult<unknown>>((resolve, reject) => {
        if (member.parted ?? member.ended) return reject(member.parted ?? member.ended);
        if (failure) return reject(failure.reason);
        member.waiting.push({ member, query, lock: lockOf(query), resolve, reject });
        schedule();
      });
    const deferred: Promise<unknown>[] = [];
    const defer: CommitWith = (statement) => {
      statement.catch(() => {});
      deferred.push(statement);
    };
    const outcome = await work(kyselyOver(issue) as Tx, defer).then(
      (value): Outcome => ({ status: 'done', value, deferred }),
      (reason): Outcome => ({ status: 'refused', reason }),
    );
    member.done = true;
    // Who waits for its lock may have nothing else to come after.
    schedule();
    if (outcome.status === 'done' && !member.parted) return outcome;
    member.waiting = [];
    member.ended = new Error('the work has ended');
    if (member.wrote) failure ??= { reason: outcome.status === 'refused' ? outcome.reason : member.parted };
    return member.parted ? { status: 'parted', lock: member.parted.lock } : outcome;
  }

  const outcomes = await Promise.all(works.map(run));
  last(() => {
    if (!failure) flush();
    if (failure) throw failure.reason;
    for (const answered of sent) commitWith(answered);
    for (const member of members) member.ended = new Error('the transaction has ended');
  });
  return outcomes;
}
