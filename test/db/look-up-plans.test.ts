import type { CompiledQuery } from 'kysely';
import pg from 'pg';
import t from 'tap';
import {
  azureSubscriptionId,
  CONTOSO,
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
} from '../../harness/data.js';
import type { Reading, Tx } from '../../src/db/connect.js';
import { kyselyOver } from '../../src/db/connection-kysely.js';
import { lookUpTogether } from '../../src/db/sharing/shared-look-up.js';
import { loadCustomers } from '../../src/nouns/customers/queries.js';
import { listEndedPermissions, loadCustomerPermissions } from '../../src/nouns/purchase-permissions/queries.js';
import { deleteExpiredQuotes, listLapsedOrders } from '../../src/nouns/purchases/queries.js';
import { findAzureSubscription, listDenials, listHeldRoles } from '../../src/nouns/role-assignments/access/queries.js';
import { listRoleAssignmentRows } from '../../src/nouns/role-assignments/queries.js';
import { loadSubscriptions } from '../../src/nouns/subscriptions/queries.js';
import { deleteExpiredLedgerRows } from '../../src/plugins/idempotency/queries.js';
import { citusUrl } from '../helpers/citus.js';
import { createTestDatabase } from '../helpers/database.js';

const CUSTOMERS = 1000;
const skip = citusUrl !== undefined && 'plans are made on the workers';

async function openDatabase(t: Parameters<typeof createTestDatabase>[0]) {
  const database = await createTestDatabase(t);
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 1 });
  t.teardown(() => superuser.end());
  const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await superuser.query<Row>(text, values)).rows;
  await insertPartner(sql);
  await insertCustomers({ sql }, 1, CUSTOMERS);
  const client = new pg.Client(database.appUrl);
  await client.connect();
  t.teardown(() => client.end());
  await client.query(`begin; set local app.partner_id = '${CONTOSO}'`);
  const plans: string[] = [];
  const explain = async ({ sql: text, parameters }: CompiledQuery) => {
    await client.query(`prepare asked as ${text}`);
    const textOf = (value: unknown) => (value instanceof Date ? value.toISOString() : String(value));
    const values = parameters.map((value) =>
      pg.escapeLiteral(
        Array.isArray(value) ? `{${value.map((one) => JSON.stringify(textOf(one))).join()}}` : textOf(value),
      ),
    );
    const { rows } = await client.query(`explain (costs off) execute asked(${values.join()})`);
    await client.query('deallocate asked');
    plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    return { rows: [] };
  };
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (query: CompiledQuery) => {
    const explained = last.then(() => explain(query));
    last = explained;
    return explained;
  };
  return { sql, db: kyselyOver(inTurn) as Reading & Tx, plans };
}

t.test('who looks up a few customers of a thousand reads them by their keys, not the others', { skip }, async (t) => {
  const { sql, db, plans } = await openDatabase(t);
  await insertEligibility({ sql }, CUSTOMERS);
  await insertPermissions({ sql }, CUSTOMERS);
  await sql('analyze');
  for (const load of [loadCustomers, loadCustomerPermissions, loadSubscriptions]) {
    await load(db, CONTOSO, [customerId(7), customerId(8)]);
    const plan = plans.pop() ?? '';
    t.match(plan, /Index Scan/, load.name);
    t.notMatch(plan, /Seq Scan|Hash/, load.name);
  }
});

t.test('of what several ask for at once, each finds its own by an index', { skip }, async (t) => {
  const { sql, db, plans } = await openDatabase(t);
  await insertEligibility({ sql }, CUSTOMERS);
  await sql(
    `insert into deny_assignments (partner_id, customer_id, deny_assignment_id, display_name, scope, scope_key, actions, not_actions, principal_ids, everyone)
     select partner_id, customer_id, gen_random_uuid(), 'Lock', '/', '/', '{*}', '{}', '{}', true from customers`,
  );
  const customers = [customerId(7), customerId(8), customerId(9)];
  const group = [azureSubscriptionId(1)];
  const coverage = { keys: ['/', '/subscriptions/"a"'], azureSubscriptionIds: group };
  const asked: Readonly<Record<string, (db: Reading, customerId: string) => Promise<unknown>>> = {
    subscription: (db, _customerId) => findAzureSubscription(db, CONTOSO, group[0] ?? ''),
    roles: (db, id) => listHeldRoles(db, CONTOSO, id, group, 'foreign'),
    denials: (db, id) => listDenials(db, CONTOSO, id),
    assignments: (db, id) => listRoleAssignmentRows(db, CONTOSO, id, { coverage, inForceAt: new Date(), limit: 201 }),
  };
  for (const statistics of ['without statistics', 'with them']) {
    if (statistics === 'with them') await sql('analyze');
    for (const [name, ask] of Object.entries(asked)) {
      await lookUpTogether(
        db,
        customers.map((id) => (reading: Reading) => ask(reading, id)),
      );
      t.ok(plans.length > 0 && plans.every((plan) => plan.includes('Function Scan on')), `${name} is asked together`);
      for (const plan of plans.splice(0)) {
        t.match(plan, /Index (Only )?Scan/, `${name} ${statistics}`);
        t.notMatch(plan, /Seq Scan|Hash/, `${name} ${statistics}`);
      }
    }
  }
});

t.test('the watch, which asks twice a minute, reads what is due and not all there ever was', { skip }, async (t) => {
  const { sql, db, plans } = await openDatabase(t);
  await insertPermissions({ sql }, CUSTOMERS);
  await sql(
    `insert into orders (partner_id, customer_id, order_id, kind, origin, status, billing_cycle, currency_code, total_minor,
       lines, bought_by, created_on, version)
     select partner_id, customer_id, gen_random_uuid(), 'reservation', 'customer', 'completed', 'OneTime', 'USD', 0, '[]', '', now(), 1
     from customers`,
  );
  for (const [table, columns, values] of [
    [
      'quotes',
      'quote_id, customer_id, request, price, created_on',
      "gen_random_uuid(), customer_id, '{}', '{}', now()",
    ],
    ['request_ledger', 'request_id, fingerprint, status, reply', "gen_random_uuid(), '', 200, ''"],
  ]) {
    await sql(
      `insert into ${table} (partner_id, ${columns}, expires_on)
       select partner_id, ${values}, now() + row_number() over () * interval '1 minute' from customers`,
    );
  }
  await sql('analyze');
  const now = new Date();
  for (const due of [listLapsedOrders, listEndedPermissions, deleteExpiredQuotes, deleteExpiredLedgerRows]) {
    await due(db, CONTOSO, now);
    const plan = plans.pop() ?? '';
    t.match(plan, /Index Cond: .*(expires_on|effective_until) </, due.name);
    t.notMatch(plan, /Seq Scan/, due.name);
  }
});
