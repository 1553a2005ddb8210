import { sql } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { findProgram } from '../../harness/programs.js';
import { connect } from '../../src/db/connect.js';
import { startPgBouncer } from '../helpers/pgbouncer.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { onPurpose } from '../scale/statements.js';

/** About 1 s; 10 000 before a release: `PGBOUNCER_TRANSACTIONS=10000 node dist/test/db/pgbouncer.test.js`. */
const TRANSACTIONS = Number(process.env.PGBOUNCER_TRANSACTIONS ?? 500);
const SERVER_CONNECTIONS = 2;
const CLIENTS = 16;
const PARTNERS = [CONTOSO, FABRIKAM];
const program = findProgram('pgbouncer');
const skip = program === undefined ? 'pgbouncer is not installed' : false;

t.test('behind PgBouncer in transaction mode', { skip, timeout: TRANSACTIONS * 20 + 30_000 }, async (t) => {
  const service = await startService(t);
  const tenants = new Map<string, string>();
  for (const partnerId of PARTNERS) {
    for (let i = 0; i < 5; i++) {
      const { customerId } = await service.newCustomer({ partnerId, name: `${partnerId} 0`, eligible: false });
      tenants.set(customerId, partnerId);
    }
  }
  const url = await startPgBouncer(t, String(program), service.urls.app, SERVER_CONNECTIONS);

  t.test(`${TRANSACTIONS} interleaved transactions of two partners see and change no foreign row`, async (t) => {
    const db = connect({
      url,
      poolMax: CLIENTS,
      waitMilliseconds: 20_000,
      preparedStatements: false,
      onIdleError: () => {},
    });
    t.teardown(() => db.close());
    const backends = new Set<number>();
    const faults: string[] = [];
    let rows = 0;

    // None has a condition on the partner: what it is bound to is all that keeps them apart.
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
            await tx.selectFrom('customers').select('partner_id').forUpdate().modifyEnd(onPurpose).execute();
            throw new Error('on purpose');
          })
          .catch((error: Error) => {
            if (error.message !== 'on purpose') throw error;
            return [];
          }),
    ];
    let serial = 0;
    async function client(): Promise<void> {
      for (let mine = ++serial; mine <= TRANSACTIONS; mine = ++serial) {
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
    t.same(faults, []);
    t.ok(rows > TRANSACTIONS, `${rows} rows were seen`);
    t.ok(backends.size > 0 && backends.size <= SERVER_CONNECTIONS, `on ${backends.size} server connections`);

    const named = await service.sql<{ partner_id: string; company_name: string }>(
      'select partner_id, company_name from customers',
    );
    t.equal(named.length, tenants.size);
    t.same(
      named.filter((row) => !row.company_name.startsWith(`${row.partner_id} `)),
      [],
      'nobody changed a foreign row',
    );
    const unbound = await db.query('select partner_id from customers /* breaks a rule on purpose */');
    t.same(unbound, [], 'nothing stays bound behind a transaction');
  });

  t.test('bound with SET instead of SET LOCAL foreign rows are seen: the test can fail', async (t) => {
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = new pg.Client(url);
        await client.connect();
        t.teardown(() => client.end());
        return client;
      }),
    );
    let foreign = 0;
    await Promise.all(
      clients.map(async (client, index) => {
        const partnerId = PARTNERS[index % PARTNERS.length] ?? '';
        for (let i = 0; i < 50; i++) {
          await client.query(`set app.partner_id = '${partnerId}'`);
          const { rows } = await client.query('select partner_id from customers /* breaks a rule on purpose */');
          foreign += rows.filter((row) => row.partner_id !== partnerId).length;
        }
      }),
    );
    t.ok(foreign > 0, `${foreign} foreign rows`);
  });
});
