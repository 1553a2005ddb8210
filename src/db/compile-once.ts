import {
  type Compilable,
  DummyDriver,
  type Insertable,
  type InsertQueryBuilder,
  type InsertResult,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';
import { locksRows, Placeholder, type Statement, type StatementCall, type Varying, valuesOf } from './sharing/merge.js';
import type { Database } from './tables.js';
import type { Reading, Tx } from './transaction.js';

const builder = new Kysely<Database>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/**
 * A statement that is built and compiled at its first use and afterwards only given its parameters: building it anew
 * costs more processor time than sending it (47 against 23 microseconds for a lookup by key).
 * @param build gets one placeholder per parameter, to be used as a value and nothing else: the text must not depend on it
 * @param varying of a statement that several callers of a shared transaction or look-up issue: what differs between them,
 *   with its type; see sharing/merge.ts
 */
export function compileOnce<Parameters extends Readonly<Record<string, unknown>>, Row>(
  build: (db: Kysely<Database>, parameters: Parameters) => Compilable<Row>,
  varying?: Varying,
): (db: Reading, parameters: Parameters) => Promise<Row[]> {
  return callable(build, varying && { as: 'lateral', varying });
}

function callable<Parameters extends Readonly<Record<string, unknown>>, Row>(
  build: (db: Kysely<Database>, parameters: Parameters) => Compilable<Row>,
  merges: Statement['merges'],
): (db: Reading, parameters: Parameters) => Promise<Row[]> {
  let statement: Statement | undefined;
  const placeholders = new Proxy({}, { get: (_target, name) => new Placeholder(String(name)) }) as Parameters;
  return async (db, given) => {
    if (!statement) {
      const compiled = build(builder, placeholders).compile();
      statement = { compiled, merges, locks: locksRows(compiled.sql) };
    }
    const call = { ...statement.compiled, parameters: valuesOf(statement, given), statement, given };
    const { rows } = await db.executeQuery<Row>(call as StatementCall<Row>);
    return rows;
  };
}

/**
 * {@link compileOnce} for a statement whose text depends on what is asked for: compiled at the first use of each shape.
 * @param build its text may depend on the shape, of which there are few
 * @param varying as of {@link compileOnce}
 */
export function compileEach<
  Shape extends Readonly<Record<string, string | boolean | undefined>>,
  Parameters extends Readonly<Record<string, unknown>>,
  Row,
>(
  build: (db: Kysely<Database>, parameters: Parameters, shape: Shape) => Compilable<Row>,
  varying?: Varying,
): (db: Reading, shape: Shape, parameters: Parameters) => Promise<Row[]> {
  const statements = new Map<string, (db: Reading, parameters: Parameters) => Promise<Row[]>>();
  return (db, shape, parameters) => {
    const key = JSON.stringify(shape);
    let statement = statements.get(key);
    if (!statement) {
      statement = callable((builder, $: Parameters) => build(builder, $, shape), varying && { as: 'lateral', varying });
      statements.set(key, statement);
    }
    return statement(db, parameters);
  };
}

/**
 * {@link compileOnce} for the insertion of one row.
 * @param complete adds what the statement ends with, e.g. `on conflict`; without parameters
 */
export function insertOnce<Table extends keyof Database & string>(
  table: Table,
  columns: readonly (keyof Insertable<Database[Table]> & string)[],
  complete: (insert: InsertQueryBuilder<Database, Table, InsertResult>) => Compilable<InsertResult> = (insert) =>
    insert,
): (tx: Tx, row: Insertable<Database[Table]>) => Promise<void> {
  const insert = callable<Record<string, unknown>, InsertResult>(
    (db, $) => {
      const row = Object.fromEntries(columns.map((column) => [column, $[column]]));
      return complete(db.insertInto(table).values(row as Insertable<Database[Table]>));
    },
    { as: 'rows' },
  );
  return async (tx, row) => {
    await insert(tx, row as Record<string, unknown>);
  };
}
