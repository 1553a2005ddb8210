import { sql } from 'kysely';
import pg from 'pg';
import type { connect } from '../../src/db/connect.js';
import { CONTOSO, FABRIKAM, type Service } from '../helpers/service.js';
import { onPurpose } from '../scale/statements.js';

const CLIENTS = 16;
const PARTNERS = [CONTOSO, FABRIKAM];

export interface Interleaved {
  /** What went wrong: a foreign row seen, a transaction that failed. */
  faults: string[];
  /** Rows seen. */
  rows: number;
  /** Server connections that were seen. */
  backends: number;
  /** Customers whose row a transaction of the other partner changed. */
  changed: string[];
  /** Rows that are seen by who is bound to no partner. */
  unbound: number;
}

/** Five customers of each partner. */
export async function makeCustomers({ newCustomer }: Pick<Service, 'newCustomer'>): Promise<void> {
  for (const partnerId of PARTNERS) {
    for (let i = 0; i < 5; i++) await newCustomer({ partnerId, name: `${partnerId} 0`, eligible: false });
  }
}

/**
 * Transactions of two partners in turn, as the service makes them, from more clients than there are server connections.
 * None that is looked at has a condition on the partner: what it is bound to is all that keeps them apart.
 * @param connect the service's own
 * @param url the database through the pooler
 */
export async function interleave(
  { sql: asSuperuser }: Pick<Service, 'sql'>,
  { connect: open, url, transactions }: { connect: typeof connect; url: string; transactions: number },
): Promise<Interleaved> {
  const db = open({
    url,
    poolMax: CLIENTS,
    waitMilliseconds: 20_000,
    preparedStatements: false,
    onIdleError: () => {},
  });
  const backends = new Set<number>();
  const faults: string[] = [];
  let rows = 0;
  const kinds: ((partnerId: string, serial: number) => Promise<{ partner_id: string }[]>)[] = [
    (partnerId) =>
      db.read(partnerId, async (reading) => {
        const [found, backend] = await Promise.all([
          reading.selectFrom('customers').select(['partner_id', 'company_name']).modifyEnd(onPurpose).execute(),
          sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(reading),
        ]);
        backends.add(backend.rows[0]?.pid ?? 0);
        return found;
      }),
    (partnerId) =>
      db.lookUp(partnerId, (reading) =>
        reading.selectFrom('partners').select('partner_id').modifyEnd(onPurpose).execute(),
      ),
    (partnerId, serial) =>
      db.write(partnerId, (tx) =>
        tx
          .updateTable('customers')
          .set({ company_name: `${partnerId} ${serial}` })
          .returning('partner_id')
          .modifyEnd(onPurpose)
          .execute(),
      ),
    // Ends in the middle, with the partner still bound.
    (partnerId) =>
      db
        .write(partnerId, async (tx) => {
          const own = tx.selectFrom('customers').select('partner_id').where('partner_id', '=', partnerId);
          await own.forUpdate().modifyEnd(onPurpose).execute();
          throw new Error('on purpose');
        })
        .catch((error: Error) => {
          if (error.message !== 'on purpose') throw error;
          return [];
        }),
  ];
  let serial = 0;
  async function client(): Promise<void> {
    for (let mine = ++serial; mine <= transactions; mine = ++serial) {
      const partnerId = PARTNERS[mine % PARTNERS.length] ?? '';
      const kind = kinds[Math.floor(mine / PARTNERS.length) % kinds.length];
      try {
        const found = (await kind?.(partnerId, mine)) ?? [];
        rows += found.length;
        if (found.some((row) => row.partner_id !== partnerId)) faults.push(`${mine} saw another partner`);
      } catch (error) {
        faults.push(`${mine} failed: ${error}`);
      }
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const named = await asSuperuser<{ partner_id: string; company_name: string }>(
    'select partner_id, company_name from customers',
  );
  const unbound = await db.query('select partner_id from customers /* breaks a rule on purpose */');
  await db.close();
  const changed = named.filter((row) => !row.company_name.startsWith(`${row.partner_id} `));
  return {
    faults,
    rows,
    backends: backends.size,
    changed: changed.map((row) => row.company_name),
    unbound: unbound.length,
  };
}

/** Foreign rows that are seen when the partner is bound with SET instead of SET LOCAL. */
export async function interleaveWithSet(url: string, rounds: number): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = new pg.Client(url);
      await client.connect();
      return client;
    }),
  );
  let foreign = 0;
  await Promise.all(
    clients.map(async (client, index) => {
      const partnerId = PARTNERS[index % PARTNERS.length] ?? '';
      for (let i = 0; i < rounds; i++) {
        await client.query(`set app.partner_id = '${partnerId}'`);
        const { rows } = await client.query('select partner_id from customers /* breaks a rule on purpose */');
        foreign += rows.filter((row) => row.partner_id !== partnerId).length;
      }
    }),
  );
  await Promise.all(clients.map((client) => client.end()));
  return foreign;
}
