import pg from 'pg';
import t from 'tap';
import { makeWorld } from '../contract/tenant-world.js';
import { doEverything } from '../helpers/do-everything.js';
import { type Recorded, recordStatements } from '../helpers/recorded-statements.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';

t.setTimeout(120_000);
const APP = 'cp_app_test';
const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' });

const heron = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
const canary = await makeWorld(service, { partnerId: FABRIKAM, word: 'canary', price: '731' });

const recorded = recordStatements(t, APP, 2);
const { failed: refused } = await doEverything(t, service, heron);

const PARTNER = /(?:"?\w+"?\.)?"?partner_id"? = (?:(\$\d+)|(?:"?\w+"?\.)?"?partner_id"?)/g;
const TENANT = /"customer_id" = (\$\d+)/g;

/** The statement without its conditions on what it is bound to; parameters keep their type. */
const without = (text: string, condition: RegExp) =>
  text.replace(condition, (_all, parameter?: string) => (parameter ? `(${parameter}::uuid is not null)` : 'true'));

/** With what the other partner has in place of what this one has. */
function foreign(value: unknown): unknown {
  if (typeof value === 'string') {
    let text = value.replaceAll(heron.word, canary.word);
    for (const [name, id] of Object.entries(heron.ids)) text = text.replaceAll(id, canary.ids[name as 'order']);
    return text;
  }
  return Array.isArray(value) ? value.map(foreign) : value;
}

interface Again {
  text: string;
  bound: string;
  values: readonly unknown[];
  inserts: boolean;
}

const ofContoso = recorded.filter(({ bound = '' }) => bound.includes(CONTOSO));
const bindings = recorded.filter(({ bound = '' }) => /app\.tenant_id/.test(bound));
const inserts = ({ text }: { text: string }) => text.startsWith('insert');
const again: Again[] = [
  ...ofContoso.map((one) => ({ one, condition: PARTNER })),
  ...bindings.filter(({ bound = '' }) => bound.includes(heron.ids.customer)).map((one) => ({ one, condition: TENANT })),
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

interface Outcome {
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

/** Runs the statement as the service's login and takes it back. */
async function run({ text, bound, values, inserts }: Again): Promise<Outcome> {
  await superuser.query(`savepoint one; set local role ${APP}; set local ${bound}`);
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

/** Which statements found, changed or wrote something of the other partner. */
const reached = (statements: readonly Again[], outcomes: readonly Outcome[]) =>
  statements.filter((one, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) return true;
    if (outcome.digest !== '' && outcome.digest !== untouched?.digest) return true;
    return !one.inserts && outcome.shown !== alone[again.indexOf(one)]?.shown;
  });

t.test('every statement says its partner, but for those that have a reason', async (t) => {
  t.same(refused, [], 'every operation was done');
  const textsOf = (some: readonly Recorded[]) => [...new Set(some.map(({ text }) => text))].sort();
  const silent = ofContoso.filter((one) => without(one.text, PARTNER) === one.text && !inserts(one));
  t.strictSame(
    textsOf(silent).filter((text) => !/^set local (?!app)/.test(text)),
    ['select clock_timestamp() as now', "select current_setting('server_version_num')::int as version"],
    "the clock and the version are nobody's",
  );
  const outside = recorded.filter(({ bound = '' }) => !/app\.(partner|tenant)_id/.test(bound));
  t.strictSame(
    textsOf(outside).filter((text) => !/kysely_migration|pg_/.test(text)),
    [
      'select "partner_id" as "partnerId", min("occurred_on") as "oldest" from "webhook_events" where "status" = $1 group by "partner_id" order by "oldest"',
      'select "partner_id" from "partners" order by "partner_id"',
    ],
    'what walks the partners sees their ids, and how long their events wait',
  );
  t.comment(`${new Set(again.map(({ text }) => text)).size} statements`);
  t.ok(again.length > 150);
});

t.test('without its condition no statement reaches another partner', async (t) => {
  const failed = again.flatMap(({ text, inserts }, index) => {
    const { shown = '' } = alone[index] ?? {};
    return !inserts && /^[0-9A-Z]{5}$/.test(shown) ? [`${shown} ${text}`] : [];
  });
  t.same(failed, [], 'a statement that fails would prove nothing');
  const outcomes = await inTransaction(() => runAll(again));
  t.same(
    reached(again, outcomes).map(({ text, values }) => ({ text, values })),
    [],
  );
  const written = again.flatMap((one, index) => (one.inserts ? [[one.text.slice(0, 40), outcomes[index]?.shown]] : []));
  t.same(
    written.filter(([, shown]) => shown !== '42501' && shown !== '0 rows'),
    [],
    'rows of another partner are refused',
  );
});

t.test('with row-level security off on a table, its rows are reached: the test can fail', async (t) => {
  for (const table of tables) {
    const theirs = again.filter(({ text }) => new RegExp(`\\b${table}\\b`).test(text));
    const outcomes = await inTransaction(async () => {
      await superuser.query(`alter table ${table} disable row level security`);
      return runAll(theirs);
    });
    t.ok(reached(theirs, outcomes).length > 0, table);
  }
});
