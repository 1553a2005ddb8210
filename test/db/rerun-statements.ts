import pg from 'pg';
import { makeWorld, type World } from '../contract/tenant-world.js';
import type { TestScope } from '../helpers/database.js';
import { doEverything } from '../helpers/do-everything.js';
import { type Recorded, recordStatements } from '../helpers/recorded-statements.js';
import { CONTOSO, FABRIKAM, type Service } from '../helpers/service.js';

export const PARTNER = /(?:"?\w+"?\.)?"?partner_id"? = (?:(\$\d+)|(?:"?\w+"?\.)?"?partner_id"?)/g;
const TENANT = /"customer_id" = (\$\d+)/g;

/** The statement without its conditions on what it is bound to; parameters keep their type. */
export const without = (text: string, condition: RegExp) =>
  text.replace(condition, (_all, parameter?: string) => (parameter ? `(${parameter}::uuid is not null)` : 'true'));

export const inserts = ({ text }: { text: string }) => text.startsWith('insert');

/** A statement of the service that is run again without its condition. */
export interface Again {
  text: string;
  bound: string;
  values: readonly unknown[];
  inserts: boolean;
}

export interface Outcome {
  /** The rows, in any order, or the SQLSTATE. */
  shown: string;
  /** Of the other partner's rows after it. */
  digest: string;
}

/** What is aggregated has no order of its own, and the clock is another one each time. */
function inAnyOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => JSON.stringify(inAnyOrder(one))).sort();
  if (value === null || typeof value !== 'object' || value instanceof Date || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, name === 'now' ? null : inAnyOrder(one)]),
  );
}

/** Runs everything that the service does in the database once. @returns what it sent, and the two partners' things */
async function recordAll(t: TestScope, service: Service, app: string) {
  const heron = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
  const canary = await makeWorld(service, { partnerId: FABRIKAM, word: 'canary', price: '731' });
  const recorded = recordStatements(t, app, 2);
  const { failed } = await doEverything(t, service, heron);
  if (failed.length > 0) throw new Error(`Not every operation was done: ${failed.join(', ')}`);
  return { heron, canary, recorded };
}

/** With what one partner has in place of what the other has. */
function inPlaceOf(value: unknown, heron: World, canary: World): unknown {
  if (typeof value === 'string') {
    let text = value.replaceAll(heron.word, canary.word);
    for (const [name, id] of Object.entries(heron.ids)) text = text.replaceAll(id, canary.ids[name as 'order']);
    return text;
  }
  return Array.isArray(value) ? value.map((one) => inPlaceOf(one, heron, canary)) : value;
}

export interface Rerun {
  recorded: readonly Recorded[];
  /** Those of contoso. */
  ofContoso: readonly Recorded[];
  /** Without their conditions. */
  again: readonly Again[];
  /** Tables under row-level security. */
  tables: readonly string[];
  /** What each of `again` answers where there is no other partner. */
  alone: readonly Outcome[];
  /** Runs statements, with row-level security off on some tables, and takes everything back. */
  run(statements: readonly Again[], without?: readonly string[]): Promise<Outcome[]>;
  /** Which of them found, changed or wrote something of the other partner. */
  reached(statements: readonly Again[], outcomes: readonly Outcome[]): Again[];
}

/**
 * Prepares to run every statement of the service again without its condition on the partner.
 * @param app the service's login
 */
export async function prepareRerun(t: TestScope, service: Service, app: string): Promise<Rerun> {
  const { heron, canary, recorded } = await recordAll(t, service, app);
  const foreign = (value: unknown) => inPlaceOf(value, heron, canary);
  const ofContoso = recorded.filter(({ bound = '' }) => bound.includes(CONTOSO));
  const bindings = recorded.filter(({ bound = '' }) => /app\.tenant_id/.test(bound));
  const again: Again[] = [
    ...ofContoso.map((one) => ({ one, condition: PARTNER })),
    ...bindings
      .filter(({ bound = '' }) => bound.includes(heron.ids.customer))
      .map((one) => ({ one, condition: TENANT })),
  ].flatMap(({ one, condition }) => {
    const text = without(one.text, condition);
    if (text === one.text && !inserts(one)) return [];
    const shared = { text, bound: one.bound ?? '', inserts: inserts(one) };
    const theirs = { ...shared, values: one.values.map(foreign) };
    return inserts(one) ? [theirs] : [{ ...shared, values: one.values }, theirs];
  });

  const superuser = new pg.Client(service.urls.superuser);
  await superuser.connect();
  t.teardown(() => superuser.end());
  const tables = (
    await superuser.query<{ name: string }>(
      "select relname as name from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace order by 1",
    )
  ).rows.map(({ name }) => name);
  const digest = tables
    .map(
      (name) =>
        `(select coalesce(md5(string_agg(r::text, '' order by r::text)), '') from ${name} r where partner_id = '${FABRIKAM}')`,
    )
    .join(" || ' ' || ");

  /** Runs the statement as the service's login and takes it back. */
  async function run({ text, bound, values, inserts }: Again): Promise<Outcome> {
    await superuser.query(`savepoint one; set local role ${app}; set local ${bound}`);
    let shown: string;
    try {
      const { rows, rowCount } = await superuser.query(text, [...values]);
      shown = inserts ? `${rowCount} rows` : `${rowCount} ${JSON.stringify(inAnyOrder(rows))}`;
    } catch (error) {
      shown = (error as { code?: string }).code ?? String(error);
      await superuser.query('rollback to savepoint one');
    }
    await superuser.query('reset role');
    const writes = /^(insert|update|delete|with)/.test(text);
    const after = writes ? String((await superuser.query({ text: `select ${digest} as digest` })).rows[0].digest) : '';
    await superuser.query('rollback to savepoint one; release savepoint one');
    return { shown, digest: after };
  }

  async function inTransaction<T>(work: () => Promise<T>): Promise<T> {
    await superuser.query('begin; set local session_replication_role = replica');
    try {
      return await work();
    } finally {
      await superuser.query('rollback');
    }
  }

  async function runAll(statements: readonly Again[]): Promise<Outcome[]> {
    const outcomes = [];
    for (const one of statements) outcomes.push(await run(one));
    return outcomes;
  }

  /** What each answers where there is no other partner. */
  const alone = await inTransaction(async () => {
    for (const name of tables) await superuser.query(`delete from ${name} where partner_id = $1`, [FABRIKAM]);
    return runAll(again);
  });
  const [untouched] = (await superuser.query<{ digest: string }>(`select ${digest} as digest`)).rows;

  return {
    recorded,
    ofContoso,
    again,
    tables,
    alone,
    run: (statements, without = []) =>
      inTransaction(async () => {
        for (const table of without) await superuser.query(`alter table ${table} disable row level security`);
        return runAll(statements);
      }),
    reached: (statements, outcomes) =>
      statements.filter((one, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined) return true;
        if (outcome.digest !== '' && outcome.digest !== untouched?.digest) return true;
        return !one.inserts && outcome.shown !== alone[again.indexOf(one)]?.shown;
      }),
  };
}
