import type pg from 'pg';
import type { Binding, Statement } from './statements.js';

const LOCKED = new Set(['customers', 'partners', 'webhook_registrations', 'webhook_events', 'kysely_migration_lock']);

/** Rules that a statement's text is enough for. Literals and quoted names have been taken out of it. */
const TEXT_RULES: readonly { id: string; says: string; broken: (text: string) => boolean }[] = [
  {
    id: 'S5-transaction',
    says: 'a transaction begins with the partner, the tenant or the watch that it is bound to',
    broken: (text) =>
      /^(begin|start transaction)\b/.test(text) && !/^begin( read only)?; set local app\.\w+ = ''$/.test(text),
  },
  {
    id: 'S6-lock',
    says: 'rows are locked of the customer, whose lock is that of all it has, of the partner, its webhook or its events alone: no two in another order',
    broken: (text) => {
      const [before, lock] = text.split(/\bfor ((?:no key )?update|(?:key )?share)\b/);
      return lock !== undefined && !LOCKED.has([...(before ?? '').matchAll(/ from (\w+)/g)].at(-1)?.[1] ?? '');
    },
  },
  {
    id: 'S7-merge',
    says: 'no MERGE: a policy makes every one non-immutable',
    broken: (text) => /\bmerge into\b/.test(text),
  },
  {
    id: 'S7-cte',
    says: 'no CTE around or with an INSERT: it runs by way of the coordinator',
    broken: (text) => /^with\b/.test(text) && /\binsert into\b/.test(text),
  },
  {
    id: 'S7-values',
    says: 'no subquery among the values of an INSERT',
    broken: (text) => /\bvalues \(.*\bselect\b/.test(text.replace(/\b(on conflict|returning)\b.*/, '')),
  },
  {
    id: 'citus-copy',
    says: 'INSERT … SELECT takes partner_id from a table, or has ON CONFLICT or RETURNING: else it becomes a COPY, which row-level security refuses',
    broken: (text) =>
      isInsertSelect(text) &&
      !/\b(on conflict|returning)\b/.test(text) &&
      !/\bselect (\w+\.)?partner_id\b.* from \w+( |$)/.test(text),
  },
  {
    id: 'citus-alias',
    says: 'INSERT … SELECT that returns columns gives its target an alias',
    broken: (text) => isInsertSelect(text) && /\breturning (?!1$)/.test(text) && !/^insert into \S+ as\b/.test(text),
  },
  {
    id: 'citus-lateral',
    says: 'no LEFT JOIN LATERAL: refused under row-level security before PostgreSQL 17',
    broken: (text) => /\bleft (outer )?join lateral\b/.test(text),
  },
  {
    id: 'S14-set',
    says: 'settings are made by SET LOCAL alone, the only form that reaches the workers',
    broken: (text) => /\bset_config\b|^(re)?set (?!local )/.test(text),
  },
  {
    id: 'S15-session',
    says: 'nothing that belongs to a session or locks beyond rows',
    broken: (text) =>
      /\b(un)?listen\b|\bpg_notify\b|^notify\b|advisory|^(prepare|deallocate|discard|declare|lock)\b|\bcreate\b/.test(
        text,
      ),
  },
  {
    id: 'S10-case',
    says: 'letters are folded by ICU: by the collation of a Turkish database I does not become i',
    broken: (text) =>
      /\bilike\b/.test(text) ||
      argumentsOf(text, /\b(?:lower|upper|initcap)\(/g).some((argument) => !/ collate und-x-icu$/.test(argument)),
  },
  {
    id: 'S26-offset',
    says: 'pages by key, not by OFFSET; OFFSET 0 only keeps the planner from flattening',
    // $skip is how Azure pages its catalogue; the price list of one partner in one currency does not grow with customers.
    broken: (text) => /\boffset (?!0\b)/.test(text) && !/ from retail_prices\b/.test(text),
  },
];

/** What stands between the brackets of each call. @param call ends with the opening one */
function argumentsOf(text: string, call: RegExp): string[] {
  return [...text.matchAll(call)].map(({ 0: head, index }) => {
    const begin = index + head.length;
    let end = begin;
    for (let depth = 1; end < text.length; end++) {
      if (text[end] === '(') depth++;
      else if (text[end] === ')' && --depth === 0) break;
    }
    return text.slice(begin, end);
  });
}

const isInsertSelect = (text: string) => /^insert into \S+( as \w+)?( \([^)]*\))? \(?(select|with)\b/.test(text);

/** Lower case, one space between words, `''` for a literal, names without quotes. */
function plain(text: string): string {
  return text
    .replace(/'(?:[^']|'')*'/g, "''")
    .replaceAll('"', '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}

interface Plan {
  'Relation Name'?: string;
  Schema?: string;
  Plans?: Plan[];
  [name: string]: unknown;
}

/** Every condition that a row has to meet for the scan to give it, of the parts of an AND alone. */
function conjunctsOf(scan: Plan): string[] {
  return ['Index Cond', 'Recheck Cond', 'Filter'].flatMap((name) => {
    const condition = scan[name];
    return typeof condition === 'string' ? split(condition, ' AND ') : [];
  });
}

/** The parts of an AND or OR in its outer brackets, each without brackets around it; the condition itself where it is none. */
function split(condition: string, by: ' AND ' | ' OR '): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  for (let at = 0; at < condition.length; at++) {
    if (condition[at] === '(') depth++;
    else if (condition[at] === ')') depth--;
    else if (depth === 1 && condition.startsWith(by, at)) {
      parts.push(condition.slice(start, at));
      start = at + by.length;
    }
  }
  return parts.length === 0 ? [condition] : [...parts, condition.slice(start, -1)];
}

const bare = (condition: string) => condition.replace(/^\(+|\)+$/g, '');

/** Whether the condition holds rows to the column: it says so, or each part of an OR does. */
function holds(condition: string, said: RegExp): boolean {
  if (said.test(bare(condition))) return true;
  const arms = split(condition, ' OR ');
  return arms.length > 1 && arms.every((arm) => split(arm, ' AND ').some((part) => holds(part, said)));
}

const binds = (column: string) => {
  const value = `\\$\\d+|(\\w+\\.)?${column}|'[^']*'::uuid`;
  return new RegExp(`^(\\w+\\.)?${column} = (${value})$|^(${value}) = (\\w+\\.)?${column}$`);
};
const BY_PARTNER = binds('partner_id');
const BY_CUSTOMER = binds('customer_id');

const mayScan: Readonly<Record<Binding, (table: string, conditions: readonly string[]) => boolean>> = {
  partner: (_table, conditions) => conditions.some((condition) => holds(condition, BY_PARTNER)),
  tenant: (table, conditions) => table === 'customers' && conditions.some((condition) => holds(condition, BY_CUSTOMER)),
  // Over all shards on a cluster, so these two alone: which partners there are, and which have something to be sent.
  watch: (table) => table === 'partners' || table === 'webhook_events',
  none: () => false,
};

function findUnboundScans(plan: Plan, binding: Binding): string[] {
  const { 'Relation Name': table, Schema: schema, Plans: below = [] } = plan;
  const isScan = table !== undefined && schema === 'public' && plan['Node Type'] !== 'ModifyTable';
  const unbound = isScan && !table.startsWith('kysely_') && !mayScan[binding](table, conjunctsOf(plan));
  return [...(unbound ? [table] : []), ...below.flatMap((part) => findUnboundScans(part, binding))];
}

/** The calls of functions and operators in a stored statement, and whether a column is among what each is given. */
function* callsIn(tree: string): Generator<{ id: string; overColumn: boolean }> {
  for (const { 1: id = '', index } of tree.matchAll(/\{\w+ (?::\w+ [^\s{}]+ )*?:(?:op)?funcid (\d+)/g)) {
    let end = index;
    for (let depth = 0; end < tree.length; end++) {
      if (tree[end] === '{') depth++;
      else if (tree[end] === '}' && --depth === 0) break;
    }
    yield { id, overColumn: tree.slice(index, end).includes('{VAR ') };
  }
}

/** An INSERT with the first of its rows alone: those of many callers have more parameters than a function may have. */
const withOneRow = (text: string) => text.replace(/(\bvalues \([^()]*\))(?:,\s*\([^()]*\))+/i, '$1');

const countParameters = (text: string) => Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)));

/**
 * Which rules of scale a statement breaks. Beside the text it asks PostgreSQL: the plan shows whether the condition on
 * the partner reaches every table (so equality on one and a join on partner_id do), and the stored form of an UPDATE
 * which functions and operators it calls. Row-level security is left out of it: `client` is a superuser's, in a
 * transaction, on a database with the schema.
 */
export async function findBreaches(client: pg.ClientBase, { text, binding }: Statement): Promise<string[]> {
  const words = plain(text);
  const breaches = TEXT_RULES.filter(({ broken }) => broken(words)).map(({ id, says }) => `${id}: ${says}`);
  if (!/^(select|insert|update|delete|with)\b/.test(words)) return breaches;
  await client.query(`prepare checked as ${text}`);
  const { rows } = await client.query<{ types: string[] }>(
    "select parameter_types::text[] as types from pg_prepared_statements where name = 'checked'",
  );
  const types = rows[0]?.types ?? [];
  const nulls = types.length === 0 ? '' : `(${types.map(() => 'null').join()})`;
  const explained = await client.query(`explain (verbose, format json) execute checked${nulls}`);
  await client.query('deallocate checked');
  for (const table of findUnboundScans(explained.rows[0]['QUERY PLAN'][0].Plan, binding)) {
    const missing = binding === 'tenant' ? 'customer_id' : 'partner_id';
    breaches.push(`S4-partner: ${table} is read without ${missing} = in a transaction bound to ${binding}`);
  }
  if (/\bupdate \S+( as \w+)? set\b|\bdo update set\b/.test(words)) {
    const row = withOneRow(text);
    const given = types.slice(0, countParameters(row)).join();
    await client.query(`create or replace function pg_temp.checked(${given}) returns void begin atomic ${row}; end`);
    const stored = await client.query<{ tree: string; unstable: Record<string, [name: string, volatile: boolean]> }>(
      `select p.prosqlbody::text as tree, (select jsonb_object_agg(f.oid, jsonb_build_array(f.proname, f.provolatile = 'v'))
         from pg_proc f where f.provolatile <> 'i' and f.pronamespace = 'pg_catalog'::regnamespace) as unstable
       from pg_proc p where p.proname = 'checked' and p.pronamespace = pg_my_temp_schema()`,
    );
    const { tree, unstable } = stored.rows[0] ?? { tree: '', unstable: {} };
    for (const { id, overColumn } of callsIn(tree)) {
      const [name, volatile] = unstable[id] ?? [];
      if (name !== undefined && (volatile || overColumn)) {
        breaches.push(`S8-immutable: ${name} is ${volatile ? 'volatile' : 'stable, and given a column,'} in an UPDATE`);
      }
    }
  }
  return breaches;
}
