import pg from 'pg';
import type { TestScope } from './database.js';

export interface KeptRows {
  /**
   * Puts every table with a `partner_id` back to what it was. Stored answers stay.
   * @returns what was different, as `{partner_id} {table}`
   */
  restore(): Promise<string[]>;
  /** The values in the rows that a condition on the table `r` picks. */
  values(condition: string): Promise<unknown[]>;
}

/**
 * Remembers what is in the database, to tell what requests have changed and to take it back.
 * @param except tables that somebody else changes meanwhile: no difference, but put back with the others
 */
export async function keepRows(
  t: TestScope,
  { urls }: { urls: { superuser: string } },
  except: readonly string[] = [],
): Promise<KeptRows> {
  const client = new pg.Client(urls.superuser);
  await client.connect();
  t.teardown(() => client.end());
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'partner_id'
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`,
  );
  const tables = rows.map(({ name }) => name);
  const kept = tables.filter((name) => name !== 'request_ledger');
  await client.query(
    [
      'drop schema if exists kept cascade',
      'create schema kept',
      ...kept.map((name) => `create table kept.${name} as table ${name}`),
    ].join(';'),
  );
  // So that SET LOCAL reaches the workers of a cluster; nobody else knows the setting.
  await client.query("set citus.propagate_set_commands = 'local'");
  const text = kept
    .filter((name) => !except.includes(name))
    .map((name) => `select partner_id || ' ${name}', sum(hashtextextended(r::text, 0))::text from ${name} r group by 1`)
    .join(' union all ');
  const digests = async () =>
    new Map<string, string>((await client.query<[string, string]>({ name: 'digests', text, rowMode: 'array' })).rows);
  const original = await digests();
  return {
    async restore() {
      const now = await digests();
      const changed = [...new Set([...now.keys(), ...original.keys()])].filter(
        (key) => now.get(key) !== original.get(key),
      );
      if (changed.length === 0) return [];
      const names = new Set([...changed.map((key) => key.split(' ')[1]), ...except]);
      const steps = [...names].map((name) => `delete from ${name}; insert into ${name} select * from kept.${name}`);
      await client.query('begin');
      // Without it every foreign key would be looked at for every row.
      await client.query('set local session_replication_role = replica');
      await client.query(`${steps.join(';')}; commit`);
      return changed;
    },
    async values(condition) {
      const found = [];
      for (const table of tables) {
        const { rows } = await client.query(`select to_jsonb(r) as row from ${table} r where ${condition}`);
        found.push(...rows.map(({ row }) => row));
      }
      return found;
    },
  };
}
