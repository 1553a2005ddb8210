import pg from 'pg';
import t from 'tap';
import { connect } from '../../src/db/connect.js';
import { createTestDatabase } from '../helpers/database.js';
import { CONTOSO } from '../helpers/service.js';
import { findUnrun } from './find-unrun-queries.js';
import { findBreaches } from './statement-rules.js';
import { type Binding, recordedStatements } from './statements.js';

const database = await createTestDatabase(t);
const client = new pg.Client(database.superuserUrl);
await client.connect();
t.teardown(() => client.end());

async function idsOf(text: string, binding: Binding = 'partner', settings = ''): Promise<string[]> {
  await client.query(`begin; set local plan_cache_mode = force_generic_plan; ${settings}`);
  const breaches = await findBreaches(client, { text, binding });
  await client.query('rollback');
  return [...new Set(breaches.map((breach) => breach.slice(0, breach.indexOf(':'))))];
}

/** By rule, as Kysely and people write them. */
const BROKEN: Readonly<Record<string, readonly string[]>> = {
  'S4-partner': [
    'select "company_name" from "customers" where "customer_id" = $1',
    'select company_name from customers where partner_id = $1 or customer_id = $2',
    'select company_name from customers where partner_id = any($1::uuid[])',
    'select company_name from customers where partner_id <> $1',
    'select company_name from customers where partner_id::text = $1',
    'select "c"."company_name" from "customers" as "c" inner join "users" as "u" on "u"."customer_id" = "c"."customer_id" where "c"."partner_id" = $1',
    'select company_name from customers c where partner_id = $1 and not exists (select from users u where u.customer_id = c.customer_id)',
    'select (select count(*) from users) from customers where partner_id = $1',
    'with found as (select customer_id from users) select c.company_name from customers c join found f on f.customer_id = c.customer_id where c.partner_id = $1',
    'select company_name from customers where partner_id = $1 union all select display_name from users',
    'update "customers" set "company_name" = $1 where "customer_id" = $2',
    'delete from "users" where "user_id" = $1',
    'delete from users as u using customers as c where c.partner_id = $1 and u.customer_id = c.customer_id',
    'select 1 from customers where customer_id = $1 for update',
    'insert into group_members (partner_id, customer_id, group_id, member_id) select $1::uuid, customer_id, user_id, user_id from users on conflict do nothing',
  ],
  'S5-transaction': ['begin', "begin; set local work_mem = '1MB'", "begin; set app.partner_id = ''"],
  'S6-lock': [
    'select * from subscriptions where partner_id = $1 and subscription_id = $2 for update',
    'select "state" from "purchase_permissions" where "partner_id" = $1 for no key update',
    'select c.company_name, p.state from customers c join (select * from purchase_permissions where partner_id = $1 for share) p on p.customer_id = c.customer_id where c.partner_id = $1',
  ],
  'S7-merge': [
    'merge into customers c using users u on c.partner_id = u.partner_id and c.partner_id = $1 when matched then do nothing',
  ],
  'S7-cte': [
    'with one as (insert into groups values ($1, $2, $3, $4) returning group_id) select group_id from one',
    'with one as (select $1::uuid as id) insert into groups select id, $2, $3, $4 from one on conflict do nothing',
  ],
  'S7-values': [
    'insert into "groups" ("partner_id", "customer_id", "group_id", "display_name") values ($1, $2, $3, (select "company_name" from "customers" where "partner_id" = $1))',
  ],
  'citus-copy': [
    'insert into groups select $1::uuid, $2::uuid, v.id, $3 from (values ($4::uuid), ($5::uuid)) as v(id)',
    'insert into groups (partner_id, customer_id, group_id, display_name) select $1::uuid, $2::uuid, id, $3 from unnest($4::uuid[]) as id',
    'insert into groups (partner_id, customer_id, group_id, display_name) select r.partner_id, r.customer_id, r.group_id, $2 from jsonb_to_recordset($1::jsonb) as r(partner_id uuid, customer_id uuid, group_id uuid)',
  ],
  'citus-alias': [
    'insert into groups select partner_id, customer_id, user_id, display_name from users where partner_id = $1 returning group_id',
  ],
  'citus-lateral': [
    'select c.company_name from customers c left join lateral (select count(*) from users u where u.partner_id = c.partner_id) n on true where c.partner_id = $1',
  ],
  'S8-immutable': [
    'update customers set company_profile = jsonb_build_object($2::text, company_name) where partner_id = $1',
    "update customers set deleted_on = created_on + interval '1 day' where partner_id = $1",
    "update customers set company_name = to_char(created_on, 'YYYY') where partner_id = $1",
    'update customers set deleted_on = clock_timestamp() where partner_id = $1',
    'update users set display_name = case when user_id = gen_random_uuid() then $2 else $3 end where partner_id = $1',
    'insert into partners values ($1, $2, $3, $4, $5, $6, $7) on conflict (partner_id) do update set company_name = excluded.company_name || random()',
  ],
  'S14-set': [
    "select set_config('app.partner_id', $1, true)",
    "set app.partner_id = ''",
    "set session lock_timeout = '1s'",
    'reset all',
  ],
  'S15-session': [
    'listen changes',
    'unlisten *',
    "notify changes, 'x'",
    "select pg_notify('changes', $1)",
    'select pg_advisory_xact_lock($1)',
    'lock table customers',
    'create temp table passing (n int)',
    'declare rows cursor with hold for select 1',
    'prepare one as select 1',
  ],
  'S10-case': [
    'select customer_id from customers where partner_id = $1 and lower(domain) = $2',
    'select customer_id from customers where partner_id = $1 and domain = lower($2::text)',
    'select customer_id from customers where partner_id = $1 and lower(domain collate "C") = $2',
    'select customer_id from customers where partner_id = $1 and lower((domain) collate "und-x-icu") = upper(coalesce($2, $3))',
    'select customer_id from customers where partner_id = $1 and domain ilike $2',
  ],
  'S26-offset': ['select company_name from customers where partner_id = $1 order by customer_id limit $2 offset $3'],
};

t.test('a statement that would not run on a cluster is caught, by the rule that it breaks', async (t) => {
  for (const [id, statements] of Object.entries(BROKEN)) {
    for (const text of statements) t.same(await idsOf(text), [id], text);
  }
});

t.test('an INSERT of many rows is judged as one of a single row is', async (t) => {
  const groups = Array.from({ length: 32 }, (_, row) => `(${[1, 2, 3, 4].map((column) => `$${4 * row + column}`)})`);
  const upsert = `insert into groups values ${groups.join()} on conflict on constraint groups_pk do update set display_name =`;
  t.same(await idsOf(`${upsert} excluded.display_name`), []);
  t.same(await idsOf(`${upsert} excluded.display_name || random()`), ['S8-immutable']);
});

t.test('a statement that keeps the rules is let through', async (t) => {
  for (const text of [
    'select "company_name" from "customers" where "partner_id" = $1 and ("customer_id" = $2 or "domain" = $3)',
    'select c.company_name, u.display_name from customers c left join users u on u.partner_id = c.partner_id and u.customer_id = c.customer_id where c.partner_id = $1',
    'select c.company_name from customers c where c.partner_id = $1 and not exists (select from users u where u.partner_id = c.partner_id and u.customer_id = c.customer_id)',
    'select c.company_name from customers c cross join lateral (select count(*) as n from users u where u.partner_id = c.partner_id and u.customer_id = c.customer_id) as n where c.partner_id = $1',
    'select * from customers where partner_id = $1 and customer_id = any($2::uuid[]) order by customer_id for update skip locked',
    'update customers as t set log_seq = r.log_seq from jsonb_to_recordset($2::jsonb) as r(customer_id uuid, log_seq bigint) where t.partner_id = $1 and t.customer_id = r.customer_id',
    'update customers set company_profile = company_profile || $2::jsonb, version = version + 1 where partner_id = $1 returning version',
    "insert into groups (partner_id, customer_id, group_id, display_name) values ($1, $2, $3, 'merge into (select')",
    'insert into groups values ($1, $2, gen_random_uuid(), $3)',
    'insert into groups select partner_id, customer_id, user_id, display_name from users where partner_id = $1',
    'insert into groups as t select partner_id, customer_id, user_id, display_name from users where partner_id = $1 returning t.group_id',
    'select customer_id from customers where partner_id = $1 and lower((domain) collate "und-x-icu") = lower($2 collate "und-x-icu")',
    'select clock_timestamp() as now',
    "begin read only; set local app.partner_id = '12345678-1234-4234-8234-123456789012'",
    "set local lock_timeout = '10s'",
    'select 1 from customers where partner_id = $1 offset 0',
    'commit',
  ]) {
    t.same(await idsOf(text), [], text);
  }
});

t.test('an OR reaches the rows of one partner alone when each of its arms does, whatever the plan', async (t) => {
  const eachArm =
    'select company_name from customers where (partner_id = $1 and customer_id = $2) or (partner_id = $3 and customer_id = $4)';
  const oneArm =
    'select company_name from customers where (partner_id = $1 and customer_id = $2) or (customer_id = $3 and partner_id <> $4)';
  for (const [node, settings] of [
    ['BitmapOr', 'set local enable_seqscan = off; set local enable_indexscan = off'],
    ['Seq Scan', 'set local enable_bitmapscan = off; set local enable_indexscan = off'],
  ] as const) {
    for (const text of [eachArm, oneArm]) {
      await client.query(`begin; set local plan_cache_mode = force_generic_plan; ${settings}; prepare one as ${text}`);
      const { rows } = await client.query('explain (format json) execute one(null, null, null, null)');
      await client.query('rollback; deallocate one');
      t.match(JSON.stringify(rows), node, text);
    }
    t.same(await idsOf(eachArm, 'partner', settings), [], node);
    t.same(await idsOf(oneArm, 'partner', settings), ['S4-partner'], node);
  }
});

t.test('outside the binding to a partner there is next to nothing to read', async (t) => {
  const ofTenant = 'select partner_id from customers where customer_id = $1';
  const ofPartners = 'select partner_id from partners order by partner_id';
  const ofOwn = 'select company_name from partners where partner_id = $1';
  for (const [text, allowed] of [
    [ofTenant, 'tenant'],
    [ofPartners, 'watch'],
    [ofOwn, 'partner, watch'],
    ['select name from kysely_migration', 'partner, tenant, watch, none'],
  ] as const) {
    const held: Binding[] = [];
    for (const binding of ['partner', 'tenant', 'watch', 'none'] as const) {
      if ((await idsOf(text, binding)).length === 0) held.push(binding);
    }
    t.equal(held.join(', '), allowed, text);
  }
  t.same(await idsOf('select user_id from users where customer_id = $1', 'tenant'), ['S4-partner']);
});

t.test('what the service runs is what is checked: a rogue statement fails the test that ran it', async (t) => {
  const rogue = await createTestDatabase({ teardown: () => {} });
  const db = connect({ url: rogue.appUrl, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  await db.read(CONTOSO, (reading) =>
    reading.selectFrom('users').select('user_id').where('partner_id', '=', CONTOSO).execute(),
  );
  await db.read(CONTOSO, (reading) => reading.selectFrom('users').select('user_id').execute());
  await db.listPartnerIds();
  await t.rejects(db.query('select 1 / 0'));
  await db.close();
  t.same(
    recordedStatements(new URL(rogue.appUrl).pathname.slice(1))
      .map(({ text, binding }) => `${binding}: ${text}`)
      .sort(),
    [
      "none: begin read only; set local app.partner_id = ''",
      'partner: select "user_id" from "users" where "partner_id" = $1',
      'partner: commit',
      'partner: select "user_id" from "users"',
      "none: begin read only; set local app.watch = ''",
      'watch: select "partner_id" from "partners" order by "partner_id"',
      'watch: commit',
    ].sort(),
  );
  await t.rejects(rogue.drop(), {
    message:
      'S4-partner: users is read without partner_id = in a transaction bound to partner\n  select "user_id" from "users"',
  });
});

t.test('a query that no test runs is found in what the processes covered', (t) => {
  const process = (...functions: [string, number][]) => ({
    result: [
      {
        url: 'file:///x/dist/src/nouns/orders/queries.js',
        functions: functions.map(([functionName, count]) => ({ functionName, ranges: [{ startOffset: 0, count }] })),
      },
      {
        url: 'file:///x/dist/src/nouns/orders/service.js',
        functions: [{ functionName: 'idle', ranges: [{ startOffset: 0, count: 0 }] }],
      },
    ],
  });
  t.same(findUnrun([process(['listOrders', 0], ['findOrder', 1]), process(['listOrders', 2])]), []);
  t.same(findUnrun([process(['', 0], ['listOrders', 0]), process(['listOrders', 0])]), [
    'nouns/orders/queries: listOrders',
  ]);
  t.throws(() => findUnrun([]), /npm test/);
  t.end();
});
