import pg from 'pg';
import t from 'tap';
import {
  CONTOSO,
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
} from '../../harness/data.js';
import type { Reading } from '../../src/db/connect.js';
import { loadCustomers } from '../../src/nouns/customers/queries.js';
import { loadCustomerPermissions } from '../../src/nouns/purchase-permissions/queries.js';
import { loadSubscriptions } from '../../src/nouns/subscriptions/queries.js';
import { citusUrl } from '../helpers/citus.js';
import { createTestDatabase } from '../helpers/database.js';

const CUSTOMERS = 1000;
const skip = citusUrl !== undefined && 'plans are made on the workers';

t.test('who looks up a few customers of a thousand reads them by their keys, not the others', { skip }, async (t) => {
  const database = await createTestDatabase(t);
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 1 });
  t.teardown(() => superuser.end());
  const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await superuser.query<Row>(text, values)).rows;
  await insertPartner(sql);
  await insertCustomers({ sql }, 1, CUSTOMERS);
  await insertEligibility({ sql }, CUSTOMERS);
  await insertPermissions({ sql }, CUSTOMERS);
  await sql('analyze');

  const client = new pg.Client(database.appUrl);
  await client.connect();
  t.teardown(() => client.end());
  await client.query(`begin read only; set local app.partner_id = '${CONTOSO}'`);
  for (const load of [loadCustomers, loadCustomerPermissions, loadSubscriptions]) {
    let plan = '';
    const explaining = {
      executeQuery: async ({ sql: text }: { sql: string }) => {
        await client.query(`prepare ${load.name} as ${text}`);
        const { rows } = await client.query(
          `explain (costs off) execute ${load.name}('${CONTOSO}', '{${customerId(7)},${customerId(8)}}')`,
        );
        plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        return { rows: [] };
      },
    };
    await load(explaining as unknown as Reading, CONTOSO, []);
    t.match(plan, /Index Scan/, load.name);
    t.notMatch(plan, /Seq Scan|Hash/, load.name);
  }
});
