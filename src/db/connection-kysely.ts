import { createHash } from 'node:crypto';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely';
import pg from 'pg';
import { sendTogether } from './flight.js';
import type { Database } from './tables.js';

/** How many statement texts are prepared per connection; further ones go unnamed, so that memory is bounded. */
const MAX_NAMED_STATEMENTS = 500;
const names = new Map<string, string>();

function statementName(text: string): string | undefined {
  let name = names.get(text);
  if (name === undefined && names.size < MAX_NAMED_STATEMENTS) {
    name = createHash('sha256').update(text).digest('base64url').slice(0, 22);
    names.set(text, name);
  }
  return name;
}

/** The statement that failed first in the running transaction of a connection. */
const firstFailures = new WeakMap<pg.ClientBase, unknown>();

/** Connections whose transaction has been ended while its work may still run. */
const ended = new WeakSet<pg.ClientBase>();

/** To be called when a transaction begins. */
export function beginStatements(client: pg.ClientBase): void {
  firstFailures.delete(client);
  ended.delete(client);
}

/** From here on a statement on the connection would run outside the transaction, bound to no partner: it is refused. */
export function endStatements(client: pg.ClientBase): void {
  ended.add(client);
}

/**
 * The error that explains: behind a failed statement of a flight the server refuses the others with 25P02, and which of
 * the promises is looked at first is chance.
 */
function explain(client: pg.ClientBase, error: unknown): unknown {
  const first = firstFailures.get(client);
  if (first === undefined) firstFailures.set(client, error);
  return first !== undefined && error instanceof pg.DatabaseError && error.code === '25P02' ? first : error;
}

class PipelinedConnection implements DatabaseConnection {
  constructor(
    private readonly client: pg.ClientBase,
    private readonly prepare: boolean,
  ) {}

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (ended.has(this.client)) throw new Error('a look-up has to issue its statements in one turn of the event loop');
    const name = this.prepare ? statementName(query.sql) : undefined;
    sendTogether(this.client);
    const values = query.parameters as unknown[];
    const result = await this.client
      .query({ text: query.sql, values, ...(name !== undefined && { name }) })
      .catch((error) => {
        throw explain(this.client, error);
      });
    return { rows: result.rows as R[], numAffectedRows: BigInt(result.rowCount ?? 0) };
  }

  // biome-ignore lint/correctness/useYield: pipelined connections refuse cursors; long reads page by key instead.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('a pipelined connection cannot stream; page by key');
  }
}

class OneConnectionDriver implements Driver {
  constructor(private readonly connection: DatabaseConnection) {}
  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.connection;
  }
  async releaseConnection(): Promise<void> {}
  async beginTransaction(): Promise<void> {
    throw new Error('transactions are begun by src/db/connect.ts, which binds the partner');
  }
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async destroy(): Promise<void> {}
}

const byClient = new WeakMap<pg.ClientBase, Kysely<Database>>();

/**
 * The Kysely of one pooled connection. Kysely's own transactions let one statement run at a time; this one sends
 * statements as they are issued, so that those issued together travel in one flight.
 */
export function kyselyOn(client: pg.ClientBase, prepare: boolean): Kysely<Database> {
  let db = byClient.get(client);
  if (!db) {
    db = new Kysely<Database>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new OneConnectionDriver(new PipelinedConnection(client, prepare)),
        createIntrospector: (kysely) => new PostgresIntrospector(kysely),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
    byClient.set(client, db);
  }
  return db;
}
