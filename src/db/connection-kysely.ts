import { createHash } from 'node:crypto';
import {
  type CompiledQuery,
  type ConnectionProvider,
  DefaultQueryExecutor,
  type Dialect,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely';
import pg from 'pg';
import { isOutdated } from '../errors/from-postgres.js';
import { sendTogether } from './flight.js';
import type { Admit } from './lock-places.js';
import type { StatementCall } from './sharing/merge.js';
import type { Database } from './tables.js';

/** How many statement texts are prepared per connection; further ones go unnamed, so that memory is bounded. */
const MAX_NAMED_STATEMENTS = 500;
/** By text. */
const prepared = new Map<string, Prepared>();
/** How often statements had to be prepared anew. */
let generation = 0;

interface Prepared {
  name: string;
  text: string;
}

function prepare(sql: string): Prepared | undefined {
  let statement = prepared.get(sql);
  if (statement === undefined && prepared.size < MAX_NAMED_STATEMENTS) {
    // Not the name alone: PgBouncer shares what is prepared among its clients, by text.
    const text = generation === 0 ? sql : `${sql} /* ${generation} */`;
    statement = { name: createHash('sha256').update(text).digest('base64url').slice(0, 22), text };
    prepared.set(sql, statement);
  }
  return statement;
}

/** From here on every statement is prepared anew. */
function prepareAnew(sql: string, refused: Prepared | undefined): void {
  if (refused === undefined || prepared.get(sql) !== refused) return;
  generation++;
  prepared.clear();
}

/** The statement that failed first in the running transaction of a connection. */
const firstFailures = new WeakMap<pg.ClientBase, unknown>();

/** Connections whose transaction has been ended while its work may still run. */
const ended = new WeakSet<pg.ClientBase>();

/** Who is asked before the running transaction of a connection locks. */
const admits = new WeakMap<pg.ClientBase, Admit>();

/** To be called when a transaction begins. */
export function beginStatements(client: pg.ClientBase, admit?: Admit): void {
  firstFailures.delete(client);
  ended.delete(client);
  if (admit) admits.set(client, admit);
  else admits.delete(client);
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

type Issue = (query: CompiledQuery) => Promise<QueryResult<unknown>>;

/** What the driver makes of a text and its parameters, and whom it tells. */
type Asked = pg.Query & { name: string | undefined; callback: (error: Error | null, result: pg.QueryResult) => void };

/**
 * The driver's `query`, without the copy that it makes of its parameter, property by property with their attributes: a
 * twentieth of the time of a lone switch.
 */
function ask(client: pg.ClientBase, { name, text }: Partial<Prepared>, values: unknown[]): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const query = new pg.Query(text, values) as Asked;
    query.name = name;
    query.callback = (error, result) => (error ? reject(error) : resolve(result));
    client.query(query);
  });
}

const issueOn =
  (client: pg.ClientBase, prepares: boolean): Issue =>
  async (query) => {
    if (ended.has(client))
      throw new Error(
        'the transaction has ended: a look-up issues all its statements in one turn, a write before it returns',
      );
    if ('statement' in query && (query as StatementCall).statement.locks) {
      admits.get(client)?.(JSON.stringify(query.parameters));
    }
    const statement = prepares ? prepare(query.sql) : undefined;
    sendTogether(client);
    const values = query.parameters as unknown[];
    const result = await ask(client, statement ?? { text: query.sql }, values).catch((error) => {
      // Else the stack leads to the socket.
      Error.captureStackTrace(error);
      if (isOutdated(error)) prepareAnew(query.sql, statement);
      throw explain(client, error);
    });
    return { rows: result.rows, numAffectedRows: BigInt(result.rowCount ?? 0) };
  };

const compiler = new PostgresQueryCompiler();
const adapter = new PostgresAdapter();
const driver = new DummyDriver();
const dialect: Dialect = {
  createAdapter: () => adapter,
  createDriver: () => driver,
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => compiler,
};
const noConnection: ConnectionProvider = {
  provideConnection: async () => {
    throw new Error('transactions are begun, and statements sent, by src/db/connect.ts; long reads page by key');
  },
};

class IssuingExecutor extends DefaultQueryExecutor {
  constructor(private readonly issue: Issue) {
    super(compiler, adapter, noConnection);
  }

  override executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.issue(query) as Promise<QueryResult<R>>;
  }
}

/**
 * A Kysely that issues each statement in the call that executes it. Kysely's own executor lets one statement of a
 * transaction run at a time, and takes six promises to hand it on; here those issued together travel in one flight, in the
 * order of the calls.
 */
export function kyselyOver(issue: Issue): Kysely<Database> {
  return new Kysely<Database>({ config: { dialect }, dialect, driver, executor: new IssuingExecutor(issue) });
}

const byClient = new WeakMap<pg.ClientBase, Kysely<Database>>();
const clientOf = new WeakMap<Kysely<Database>, pg.ClientBase>();

/** The Kysely of one pooled connection. */
export function kyselyOn(client: pg.ClientBase, prepares: boolean): Kysely<Database> {
  let db = byClient.get(client);
  if (!db) {
    db = kyselyOver(issueOn(client, prepares));
    byClient.set(client, db);
    clientOf.set(db, client);
  }
  return db;
}

/** Calls `issue` at the end of this turn of the event loop, just before what was issued in it is sent. */
export function beforeSending(db: Kysely<Database>, issue: () => void): void {
  const client = clientOf.get(db);
  if (!client) throw new Error('not the Kysely of a connection');
  sendTogether(client, issue);
}
