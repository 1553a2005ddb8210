import type { CompiledQuery, QueryResult } from 'kysely';
import pg from 'pg';
import { kyselyOver } from '../connection-kysely.js';
import type { Reading } from '../transaction.js';
import { isSameCall, mergeOf, type Rows, type StatementCall } from './merge.js';

export type Work<T = unknown> = (db: Reading) => Promise<T>;

/** A statement that was made of several callers' failed: whose it is to blame for is not known. */
export class MergedStatementFailed extends Error {}

interface Issued {
  query: CompiledQuery | StatementCall;
  resolve: (result: QueryResult<unknown>) => void;
  reject: (reason: unknown) => void;
}

/**
 * Runs the works of several callers in one look-up: equal statements become one, and each caller gets its own rows. What a
 * caller issues comes after all that those before it issue, or with it.
 */
export function lookUpTogether(db: Reading, works: readonly Work[]): Promise<PromiseSettledResult<unknown>[]> {
  let issued: Issued[] | undefined = [];
  const collecting = kyselyOver((query) => {
    if (!issued) return db.executeQuery(query);
    const waiting = issued;
    return new Promise((resolve, reject) => waiting.push({ query, resolve, reject }));
  }) as Reading;
  const outcomes = works.map(async (work) => work(collecting));
  const groups: Issued[][] = [];
  for (const one of issued) {
    const group = groups.find(([first]) => first && isSameCall(first.query, one.query));
    if (group) group.push(one);
    else groups.push([one]);
  }
  issued = undefined;
  for (const group of groups) send(db, group);
  return Promise.allSettled(outcomes);
}

function send(db: Reading, group: readonly Issued[]): void {
  const [first] = group as [Issued];
  const { query, resolve, reject } = first;
  if (group.length === 1) {
    db.executeQuery(query).then(resolve, reject);
    return;
  }
  for (const { merged, callers } of mergeOf((query as StatementCall).statement, group)) {
    db.executeQuery(merged.compiled).then(
      ({ rows }) => {
        const dealt = merged.deal(rows as Rows);
        for (const [index, caller] of callers.entries()) caller.resolve({ rows: [...(dealt[index] ?? [])] });
      },
      (error: unknown) => {
        const reason = error instanceof pg.DatabaseError ? new MergedStatementFailed('', { cause: error }) : error;
        for (const caller of callers) caller.reject(reason);
      },
    );
  }
}
