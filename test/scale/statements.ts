import { sql } from 'kysely';
import pg from 'pg';

/** What the transaction of a statement was bound to. */
export type Binding = 'partner' | 'tenant' | 'watch' | 'none';

export interface Statement {
  text: string;
  binding: Binding;
}

const ON_PURPOSE = '/* breaks a rule on purpose */';
/** Ends a statement of a test that is there to break a rule: `.modifyEnd(onPurpose)`. */
export const onPurpose = sql.raw(ON_PURPOSE);

/** Ends what was prepared anew because a table was changed. */
const PREPARED_ANEW = / \/\* \d+ \*\/$/;

const BEGIN = /^begin(?: read only)?; set local app\.(partner|tenant|watch)(?:_id)? = '/;

type Told = (error: unknown, result: unknown) => void;

const recorded = new Map<string, Map<string, Statement>>();
const bindings = new WeakMap<pg.Client, Binding>();
let recording = false;

/** @returns what keeps the text, once it has been run: what is refused needs no rule */
function note(client: pg.Client, text: string): () => void {
  const began = BEGIN.exec(text);
  const binding = bindings.get(client) ?? 'none';
  if (began) bindings.set(client, began[1] as Binding);
  else if (text === 'commit' || text === 'rollback') bindings.delete(client);
  // Its id would make every BEGIN a text of its own.
  const shown = began ? text.replace(/'[^']+'$/, "''") : text.replace(PREPARED_ANEW, '');
  const statements = recorded.get(client.database ?? '');
  return () => {
    if (!shown.endsWith(ON_PURPOSE)) statements?.set(`${binding} ${shown}`, { text: shown, binding });
  };
}

/**
 * From here on keeps every text that the service's own connections run on the database: those are the pipelined ones,
 * which only src/db/connect.ts opens.
 */
export function recordStatements(database: string): void {
  recorded.set(database, new Map());
  if (recording) return;
  recording = true;
  const send = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: pg.Client & { pipeline?: boolean }, ...args: unknown[]) {
    const [query] = args;
    if (!this.pipeline) return send.apply(this, args);
    const keep = note(this, typeof query === 'string' ? query : (query as { text: string }).text);
    if (query instanceof pg.Query) {
      const { callback } = query as unknown as { callback: Told };
      const kept: Told = (error, result) => {
        if (!error) keep();
        callback(error, result);
      };
      return send.call(this, Object.assign(query, { callback: kept }));
    }
    const done = args.at(-1);
    if (typeof done === 'function') {
      return send.apply(this, [
        ...args.slice(0, -1),
        (error: unknown, result: unknown) => {
          if (!error) keep();
          done(error, result);
        },
      ]);
    }
    const result = send.apply(this, args) as Promise<unknown>;
    result.then(keep, () => {});
    return result;
  } as typeof pg.Client.prototype.query;
}

/** What was run on the database since `recordStatements`, each text once for each binding. */
export function recordedStatements(database: string): Statement[] {
  return [...(recorded.get(database)?.values() ?? [])];
}
