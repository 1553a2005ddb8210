import { CONTOSO, customerIdSql } from '../harness/data.js';
import type { HarnessDatabase } from '../harness/database.js';

const BY_TYPE: Readonly<Record<string, string>> = {
  uuid: 'gen_random_uuid()',
  text: "'t' || n",
  bigint: '1',
  smallint: '1',
  numeric: '1',
  boolean: 'false',
  jsonb: "'{}'",
  bytea: "''",
  'timestamp with time zone': "now() + interval '1 day'",
  ARRAY: "'{}'",
};

/** By table; columns whose values are held to something. */
const TABLES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  partners: { partner_id: 'gen_random_uuid()' },
  customer_agreements: {},
  quotes: {},
  carts: { status: "'Active'" },
  price_books: { partner_id: 'gen_random_uuid()' },
  orders: { kind: "'reservation'", origin: "'partner'", status: "'completed'" },
  reservation_orders: { origin: "'partner'", billing_plan: "'Upfront'" },
  reservations: { applied_scope_type: "'Shared'", instance_flexibility: "'On'" },
  retail_prices: {
    currency_code: "'USD'",
    product_id: "'p' || n % 10",
    reserved_resource_type: "'t'",
    term: "'P1Y'",
    effective_on: "now() - interval '1 year'",
  },
  refunds: { kind: "'return'" },
  refund_sessions: { kind: "'refund'" },
  purchase_guards: { resource: "'AzureReservedInstances'" },
  change_requests: { kind: "'cancel'", status: "'approved'" },
  groups: {},
  group_members: {},
  deny_assignments: {},
  request_ledger: {},
  webhook_registrations: { partner_id: 'gen_random_uuid()' },
  webhook_keys: { partner_id: 'gen_random_uuid()' },
  webhook_events: { status: "'delivered'" },
};

/**
 * Rows of customers that are not asked for, so many in each of the tables that would be empty: of a table of one page the
 * best plan is to read it all. Foreign keys are not looked up.
 */
export async function fillTables({ sql }: Pick<HarnessDatabase, 'sql'>, rows: number): Promise<void> {
  await sql('set session_replication_role = replica');
  for (const [table, fixed] of Object.entries(TABLES)) {
    const columns = await sql<{ name: string; type: string }>(
      `select column_name as name, data_type as type from information_schema.columns
       where table_schema = 'public' and table_name = $1 and is_nullable = 'NO'`,
      [table],
    );
    const own: Readonly<Record<string, string>> = { partner_id: '$1::uuid', customer_id: customerIdSql('n'), ...fixed };
    const values = columns.map(({ name, type }) => {
      const value = own[name] ?? BY_TYPE[type];
      if (value === undefined) throw new Error(`no value is known for ${table}.${name}, a ${type}`);
      return value;
    });
    await sql(
      `insert into ${table} (${columns.map(({ name }) => name).join(', ')})
       select ${values.join(', ')} from generate_series(5000001, 5000000 + $2::int) n where $1::uuid is not null`,
      [CONTOSO, rows],
    );
  }
  await sql('reset session_replication_role');
}
