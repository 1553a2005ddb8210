import pg from 'pg';

/** What needs no lock that keeps a reader or a writer waiting, when it is done by itself. */
const CHANGE =
  /^(?:create index if not exists (?<made>\w+) on (?<table>\w+)\b[^;]*|drop index if exists (?<dropped>\w+)|alter table (?<altered>\w+) set \((?<option>fillfactor) = (?<value>\d+)\));/gm;

type Groups = Readonly<Record<string, string | undefined>>;

/**
 * Makes those changes of migrations to tables which are there already that need not keep their readers and writers waiting:
 * builds and drops indexes, and sets storage parameters. Inside a migration a build keeps all writers of its table waiting,
 * and each of the three asks for its lock behind others that the migration holds: with writers in between that is a deadlock
 * at once, and behind a vacuum it is never granted, since that gives way after a second and a migration waits for less.
 * @param client the session of the only migrator: what it has not done when it ends is not done
 * @param texts of the migrations to come
 * @returns the statements that are done
 */
export async function changeBeforehand(client: pg.ClientBase, texts: readonly string[]): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  const is = async (condition: string, ...values: readonly string[]) =>
    (await client.query(`select ${condition} as holds`, [...values])).rows[0].holds as boolean;
  const drop = (index: string) => client.query(`drop index concurrently if exists ${pg.escapeIdentifier(index)}`);
  const change = async (statement: string, { made, dropped, altered, option, value }: Groups) => {
    if (dropped !== undefined) await drop(dropped);
    else if (altered !== undefined) {
      const set = 'coalesce($2 = any (select unnest(reloptions) from pg_class where oid = to_regclass($1)), false)';
      if (!(await is(set, altered, `${option}=${value}`))) await client.query(statement);
    } else if (made !== undefined) {
      // What a migrator that was killed has left.
      if (await is('exists (select from pg_index where indexrelid = to_regclass($1) and not indisvalid)', made)) {
        await drop(made);
      }
      // Citus takes an index for invalid once it is asked again to make it concurrently.
      if (await is('to_regclass($1) is null', made)) {
        await client.query(statement.replace('create index', 'create index concurrently'));
      }
    }
  };
  for (const { 0: statement, groups = {} } of texts.flatMap((text) => [...text.matchAll(CHANGE)])) {
    const { table, dropped, altered } = groups;
    if (await is('to_regclass($1) is null', dropped ?? altered ?? table ?? '')) continue;
    await change(statement, groups);
    done.add(statement);
  }
  return done;
}
