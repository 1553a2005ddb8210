import pg from 'pg';
import { withMigrationLock } from './migration-lock.js';

/** Whether the database is part of a Citus cluster. */
export async function hasCitus(pool: pg.Pool): Promise<boolean> {
  const { rowCount } = await pool.query("select from pg_extension where extname = 'citus'");
  return rowCount === 1;
}

interface Node {
  nodename: string;
  nodeport: number;
}

interface Table {
  name: string;
  parents: string[];
}

/**
 * Distributes by partner_id every table that is not yet distributed, all in one co-location group. To be called on Citus,
 * after every migration: a table that is forgotten would stay on the coordinator, without an error. Tables may hold rows.
 * @param pool of the owner of the tables
 * @returns the names of the tables distributed by this call
 */
export async function distributeTables(pool: pg.Pool): Promise<string[]> {
  return withMigrationLock(pool, async (client) => {
    // Sequential: a foreign key is made together with the shards of both its tables.
    await client.query("set local lock_timeout = '3s'; set local citus.multi_shard_modify_mode = 'sequential'");
    const { rows } = await client.query<Table>(
      `select c.relname as name, array(select distinct k.confrelid::regclass::text from pg_constraint k
         where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as parents
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'partner_id'
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
         and not exists (select from pg_dist_partition d where d.logicalrelid = c.oid)
       order by c.relname`,
    );
    const ordered = parentsFirst(rows);
    for (const name of ordered) {
      const table = client.escapeIdentifier(name);
      const group = name === 'partners' ? 'none' : 'partners';
      // Rows move by COPY, which forced row-level security refuses to the owner.
      await client.query(`alter table ${table} no force row level security`);
      await client.query('select create_distributed_table($1::regclass, $2, colocate_with => $3)', [
        table,
        'partner_id',
        group,
      ]);
      await client.query(`alter table ${table} force row level security`);
    }
    return ordered;
  });
}

/**
 * Runs statements about roles on every worker. Citus hands them on by itself only for a role that was made after the extension.
 * @throws what the first worker answered that did not run them
 */
export async function changeRolesOnWorkers(client: pg.ClientBase, statements: readonly string[]): Promise<void> {
  const body = `begin ${['set local citus.enable_ddl_propagation = off', ...statements].join('; ')}; end`;
  const { rows } = await client.query<Node & { result: string }>(
    'select nodename, nodeport, result from run_command_on_workers($1) where not success',
    [`do ${pg.escapeLiteral(body)}`],
  );
  for (const { nodename, nodeport, result } of rows) {
    throw new Error(`The worker ${nodename}:${nodeport} does not provision the login: ${result}`);
  }
}

/** `partners` is the first of its group; every other table comes after those it refers to. */
function parentsFirst(tables: readonly Table[]): string[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const ordered = new Set<string>();
  const place = (name: string) => {
    const table = byName.get(name);
    if (!table || ordered.has(name)) return;
    for (const parent of table.parents) place(parent);
    ordered.add(name);
  };
  for (const name of ['partners', ...byName.keys()]) place(name);
  return [...ordered];
}
