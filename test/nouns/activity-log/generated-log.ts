import type pg from 'pg';

export interface GeneratedLog {
  partnerId: string;
  customers: readonly string[];
  entries: number;
  /** The entries are spread evenly over the days before now. */
  days: number;
}

/**
 * Writes a log of many entries, round robin over the customers, without their chain. One in a hundred is a switch by
 * `rare@contoso.example`.
 */
export async function generateLog(
  sql: (text: string, values?: unknown[]) => Promise<pg.QueryResultRow[]>,
  { partnerId, customers, entries, days }: GeneratedLog,
): Promise<void> {
  await sql(
    `insert into activity_log
     select $1::uuid, ($2::uuid[])[n % $3 + 1], 1000000 + n, gen_random_uuid(),
       date_trunc('milliseconds', now() - ($4 - n)::float8 / $4 * $5 * interval '24 hours'),
       case when n % 100 = 0 then 'Create Customer Purchase Permissions' else 'Update Subscription' end,
       case when n % 100 = 0 then 'create_self_serve_policy' else 'update_subscription' end, 'succeeded',
       case when n % 100 = 0 then 'self_serve_policy' else 'subscription' end, 'r' || n,
       'Customer ' || n % $3, 'user', gen_random_uuid()::text,
       case when n % 100 = 0 then 'rare@contoso.example' else 'admin@contoso.example' end, gen_random_uuid()::text,
       gen_random_uuid(), gen_random_uuid(), null, '{"Status":"active"}', '[{"key":"n","value":null}]', null, 1,
       decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
     from generate_series(1, $4::int) as n`,
    [partnerId, customers, customers.length, entries, days],
  );
}
