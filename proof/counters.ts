import type { HarnessDatabase } from '../harness/database.js';

/** What the server did for the service: the same on every machine, busy or not. */
export interface Counted {
  /** BEGIN, SET and COMMIT too. */
  statements: number;
  /** Pages of tables and indexes that were looked at, in memory or not. */
  buffers: number;
  walBytes: number;
  /** Answered or written. */
  rows: number;
}

/** Settings of a server that counts. Nothing runs by itself: no vacuum, no checkpoint. */
export const COUNTING = {
  shared_preload_libraries: 'pg_stat_statements,auto_explain',
  'pg_stat_statements.max': '5000',
  autovacuum: 'off',
  checkpoint_timeout: '1h',
  max_wal_size: '8GB',
} as const;

export async function prepareCounting({ sql }: HarnessDatabase): Promise<void> {
  await sql('create schema counters');
  await sql('create extension pg_stat_statements schema counters');
}

/**
 * Counts what the application's login runs on the database while `work` runs.
 * @param like only statements whose text is like it
 */
export async function count<T>(
  { sql, appUrl }: HarnessDatabase,
  work: () => Promise<T>,
  like = '%',
): Promise<Counted & { result: T }> {
  const position = async () => (await sql<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn'))[0]?.lsn;
  await sql('select counters.pg_stat_statements_reset()');
  const begin = await position();
  const result = await work();
  const end = await position();
  const [row] = await sql<{ statements: number; buffers: number; rows: number; wal: number; all_wal: number }>(
    `select coalesce(sum(calls), 0)::int as statements,
       coalesce(sum(shared_blks_hit + shared_blks_read), 0)::int as buffers,
       coalesce(sum(rows), 0)::int as rows,
       coalesce(sum(wal_bytes), 0)::float8 as wal, pg_wal_lsn_diff($4, $3)::float8 as all_wal
     from counters.pg_stat_statements s join pg_roles r on r.oid = s.userid
     where r.rolname = $1 and s.dbid = (select oid from pg_database where datname = current_database()) and query like $2`,
    [new URL(appUrl).username, like, begin, end],
  );
  if (!row) throw new Error('nothing was counted');
  // What a transaction writes at its end belongs to no statement.
  const { statements, buffers, rows } = row;
  return { statements, buffers, rows, walBytes: like === '%' ? row.all_wal : row.wal, result };
}
