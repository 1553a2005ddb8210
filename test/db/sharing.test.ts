import { sql } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { openProxy } from '../../harness/proxy.js';
import { compileOnce } from '../../src/db/compile-once.js';
import type { CommitWith, Reading, Tx } from '../../src/db/connect.js';
import { kyselyOver } from '../../src/db/connection-kysely.js';
import { lockCustomer } from '../../src/db/customer-lock.js';
import { shareLookUps } from '../../src/db/sharing/share-look-ups.js';
import { shareWrites } from '../../src/db/sharing/share-writes.js';
import { ApiError } from '../../src/errors/api-error.js';
import { DatabaseUnavailable } from '../../src/errors/from-postgres.js';
import { holdRow } from '../helpers/locks.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { onPurpose } from '../scale/statements.js';

const service = await startService(t);
const { db } = service;
const admin = new pg.Pool({ connectionString: service.urls.superuser, max: 4 });
t.teardown(() => admin.end());

const selectTransaction = compileOnce((db) => db.selectNoFrom(sql<string>`pg_current_xact_id()::text`.as('id')), {});
const rename = compileOnce(
  (db, $: { partnerId: string; customerId: string; name: string }) =>
    db
      .updateTable('customers')
      .set({ company_name: $.name })
      .where('partner_id', '=', $.partnerId)
      .where('customer_id', '=', $.customerId),
  { customerId: 'uuid', name: 'text' },
);

const newCustomers = async (count: number) =>
  (await Promise.all(Array.from({ length: count }, () => service.newCustomer()))).map(({ customerId }) => customerId);
const nameOf = async (customerId: string) =>
  (await service.sql('select company_name from customers where customer_id = $1', [customerId]))[0]?.company_name;

/** Locks, renames and tells in which transaction. */
const renaming =
  (customerId: string, name: string, partnerId = CONTOSO) =>
  async (tx: Tx, commitWith: CommitWith) => {
    const [{ customer }, [transaction]] = await Promise.all([
      lockCustomer(tx, partnerId, customerId),
      selectTransaction(tx, {}),
    ]);
    commitWith(rename(tx, { partnerId, customerId, name }));
    return { before: customer?.company_name, seen: customer?.customer_id, transaction: transaction?.id };
  };

t.test('writers of a partner that come together share a transaction, and each gets its own rows', async (t) => {
  const customers = await newCustomers(40);
  const results = await Promise.all(
    customers.map((customerId, index) => db.writeTogether(CONTOSO, renaming(customerId, `Together ${index}`))),
  );
  t.same(
    results.map(({ seen }) => seen),
    customers,
  );
  t.ok(new Set(results.map(({ transaction }) => transaction)).size < 5, 'few transactions');
  t.same(
    await Promise.all(customers.map(nameOf)),
    customers.map((_, index) => `Together ${index}`),
  );
});

t.test('partners never share one', async (t) => {
  const customers = await newCustomers(4);
  const made = await Promise.all(Array.from({ length: 4 }, () => service.newCustomer({ partnerId: FABRIKAM })));
  const theirs = made.map(({ customerId }) => customerId);
  const results = await Promise.all([
    ...customers.map((customerId) => db.writeTogether(CONTOSO, renaming(customerId, 'Ours'))),
    ...theirs.map((customerId) => db.writeTogether(FABRIKAM, renaming(customerId, 'Theirs', FABRIKAM))),
    db.writeTogether(FABRIKAM, renaming(customers[0] ?? '', 'Stolen', CONTOSO)),
  ]);
  const [ours, those] = [results.slice(0, 4), results.slice(4, 8)].map((part) => part.map((one) => one.transaction));
  t.notOk(ours?.some((transaction) => those?.includes(transaction)));
  t.equal(results[8]?.seen, undefined, "row-level security hides another partner's customer");
  t.equal(await nameOf(customers[0] ?? ''), 'Ours');
});

t.test('a caller that is refused, also after it has written, undoes its own work and no other', async (t) => {
  const customers = await newCustomers(12);
  const before = await Promise.all(customers.map(nameOf));
  const outcomes = await Promise.allSettled(
    customers.map((customerId, index) =>
      db.writeTogether(CONTOSO, async (tx, commitWith) => {
        const done = await renaming(customerId, 'Kept')(tx, commitWith);
        if (index === 3) throw new Error('refused at once');
        if (index === 5) {
          await rename(tx, { partnerId: CONTOSO, customerId, name: 'To be undone' });
          throw new Error('refused late');
        }
        return done;
      }),
    ),
  );
  t.same(
    outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : [])),
    [3, 5],
  );
  t.same(
    await Promise.all(customers.map(nameOf)),
    before.map((name, index) => ([3, 5].includes(index) ? name : 'Kept')),
  );
});

t.test("a statement that fails fails its caller's work and no other", async (t) => {
  const customers = await newCustomers(8);
  const outcomes = await Promise.allSettled(
    customers.map((customerId, index) =>
      db.writeTogether(CONTOSO, async (tx, commitWith) => {
        const done = await renaming(customerId, 'Unharmed')(tx, commitWith);
        if (index === 2) commitWith(sql`select 1 / 0`.execute(tx));
        return done;
      }),
    ),
  );
  t.match(outcomes[2], { status: 'rejected', reason: { code: '22012' } });
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 7);
  t.not(await nameOf(customers[2] ?? ''), 'Unharmed');
  t.equal(await nameOf(customers[7] ?? ''), 'Unharmed');
});

t.test('writers of one customer follow each other: each sees what the one before has written', async (t) => {
  const customers = await newCustomers(3);
  const results = await Promise.all(
    Array.from({ length: 60 }, (_, index) => {
      const customerId = customers[index % 3] ?? '';
      return db
        .writeTogether(CONTOSO, renaming(customerId, `Name ${index}`))
        .then(({ before }) => ({ customerId, before }));
    }),
  );
  for (const customerId of customers) {
    const seen = results.filter((result) => result.customerId === customerId).map(({ before }) => before);
    t.equal(new Set(seen).size, 20, 'no two saw the same name');
  }
});

t.test('writers of one customer that come together share a transaction, eight of them at the most', async (t) => {
  const [hot = '', ...others] = await newCustomers(4);
  const writers = Array.from({ length: 20 }, (_, index) => db.writeTogether(CONTOSO, renaming(hot, `Turn ${index}`)));
  const beside = others.map((customerId) => db.writeTogether(CONTOSO, renaming(customerId, 'Beside')));
  const results = await Promise.all(writers);
  t.same(
    results.slice(1).map(({ before }) => before),
    Array.from({ length: 19 }, (_, index) => `Turn ${index}`),
    'in the order in which they came',
  );
  const transactions = results.map(({ transaction }) => transaction);
  const first = transactions[0];
  t.same(
    [...new Set(transactions)].map((id) => transactions.filter((other) => other === id).length),
    [8, 8, 4],
  );
  for (const { transaction } of await Promise.all(beside)) t.equal(transaction, first);
});

t.test('who fails among the writers of one customer is passed over, and what he wrote is seen by none', async (t) => {
  const [hot = '', other = ''] = await newCustomers(2);
  const original = await nameOf(hot);
  for (const late of [false, true]) {
    const seen: unknown[] = [];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) =>
        db.writeTogether(CONTOSO, async (tx, commitWith) => {
          if (index !== 2) {
            const done = await renaming(index === 5 ? other : hot, `${late} ${index}`)(tx, commitWith);
            seen[index] = done.before;
            return done;
          }
          await lockCustomer(tx, CONTOSO, hot);
          if (late) await rename(tx, { partnerId: CONTOSO, customerId: hot, name: 'To be undone' });
          throw new Error('refused');
        }),
      ),
    );
    t.same(
      outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : [])),
      [2],
    );
    const names = [0, 1, 3, 4].map((index) => `${late} ${index}`);
    const last = await nameOf(hot);
    t.same(
      new Set([...[0, 1, 3, 4].map((index) => seen[index]), last]),
      new Set([late ? 'false 4' : original, ...names]),
    );
    t.equal(await nameOf(other), `${late} 5`);
  }
});

t.test('two that each want the customer of the other do not wait for each other in one transaction', async (t) => {
  const [one = '', other = ''] = await newCustomers(2);
  const lockBoth = (first: string, second: string) =>
    db.writeTogether(CONTOSO, async (tx) => {
      await lockCustomer(tx, CONTOSO, first);
      await lockCustomer(tx, CONTOSO, second);
    });
  const both = Promise.allSettled([lockBoth(one, other), lockBoth(other, one)]);
  const late = new Promise<[]>((resolve) => setTimeout(resolve, 8000, []).unref());
  const outcomes = await Promise.race([late, both]);
  t.equal(outcomes.length, 2, 'both have ended');
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.match(outcome.reason, { code: '55P03' }, 'as if each had come alone');
  }
});

t.test('a customer that is locked elsewhere keeps its own writer waiting and no other', async (t) => {
  const customers = await newCustomers(10);
  const client = await admin.connect();
  t.teardown(() => client.release());
  await client.query('begin');
  await holdRow(client, customers[4] ?? '');
  let waits = true;
  const runs = customers.map(() => 0);
  const works = customers.map((customerId, index) =>
    db.writeTogether(CONTOSO, (tx, commitWith) => {
      runs[index] = (runs[index] ?? 0) + 1;
      return renaming(customerId, 'Through')(tx, commitWith);
    }),
  );
  const late = works[4]?.then(() => t.notOk(waits, 'it came after the lock was given up'));
  await Promise.all(works.toSpliced(4, 1));
  t.same(runs.toSpliced(4, 1), Array(9).fill(1), 'the transaction that they share did not fail at the lock');
  t.equal(await nameOf(customers[9] ?? ''), 'Through');
  waits = false;
  await client.query('commit');
  await late;
  t.equal(await nameOf(customers[4] ?? ''), 'Through');
});

t.test('a lock that cannot be merged is taken in a transaction of its own', async (t) => {
  const customers = await newCustomers(6);
  const lock = (tx: Tx, customerId: string) =>
    tx
      .selectFrom('customers')
      .select([sql<string>`pg_current_xact_id()::text`.as('transaction')])
      .where('partner_id', '=', CONTOSO)
      .where('customer_id', '=', customerId)
      .forUpdate()
      .modifyEnd(onPurpose)
      .executeTakeFirst();
  const results = await Promise.all(
    customers.map((customerId) => db.writeTogether(CONTOSO, (tx) => lock(tx, customerId))),
  );
  t.equal(new Set(results.map((result) => result?.transaction)).size, 6);
});

t.test('a lost reply to the COMMIT of many loses nobody an answer, and each switch is logged once', async (t) => {
  const { hostname, port } = new URL(service.urls.app);
  const proxy = await openProxy({ host: hostname, port: Number(port) });
  t.teardown(proxy.close);
  const lossy = await startService(t, {}, { through: proxy.through });
  const customers = await Promise.all(Array.from({ length: 24 }, () => lossy.newCustomer()));
  const path = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  await lossy.request('GET', path(customers[0]?.customerId ?? ''));
  for (let count = 0; count < 3; count++) proxy.swallowNextCommit();
  const answers = await Promise.all(
    customers.map(({ customerId }) => lossy.request('PUT', path(customerId), { body: { state: 'on' } })),
  );
  t.equal(proxy.swallowed(), 3);
  for (const answer of answers) t.match(answer, { status: 201, body: { state: 'on', version: 1 } });
  const rows = await lossy.sql<{ count: number; different: number }>(
    `select count(*)::int as count, count(distinct request_id)::int as different from activity_log
      where operation_type = 'create_self_serve_policy'`,
  );
  t.match(rows, [{ count: 24, different: 24 }]);
});

t.test('transactions that hang keep nobody waiting, and a server that does not merge is not asked twice', async (t) => {
  const asked: string[] = [];
  const never = new Promise<never>(() => {});
  const unsupported = new Error('not on this server');
  const share = shareWrites({
    alone: async (_partnerId, work) => {
      asked.push('alone');
      return work(undefined as never, () => {});
    },
    together: async () => {
      asked.push('together');
      throw unsupported;
    },
    mayRepeat: () => true,
    isUnsupported: (error) => error === unsupported,
  });
  const hang = () => {
    void share(CONTOSO, () => never);
    return new Promise((resolve) => setImmediate(resolve));
  };
  await hang();
  await hang();
  t.equal(await share(CONTOSO, async () => 'served'), 'served');
  t.same(asked.splice(0), ['alone', 'alone', 'alone']);
  const both = () => Promise.all(['one', 'other'].map((name) => share(FABRIKAM, async () => name)));
  t.same(await both(), ['one', 'other']);
  t.same(asked.splice(0), ['together', 'alone', 'alone']);
  t.same(await both(), ['one', 'other']);
  t.same(asked, ['alone', 'alone']);
});

t.test(
  'more writes than the database can do are refused when they have waited for a second, with nothing done',
  async (t) => {
    const works: number[] = [];
    const share = shareWrites({
      alone: async (_partnerId, work) => work(undefined as never, () => {}),
      together: () => new Promise(() => {}),
      mayRepeat: () => true,
      isUnsupported: () => false,
    });
    const begin = performance.now();
    const answers = Array.from({ length: 600 }, (_, n) => share(CONTOSO, async () => works.push(n)));
    const refused = await Promise.race(answers.map((answer) => answer.catch((error: unknown) => error)));
    t.ok(refused instanceof DatabaseUnavailable, String(refused));
    t.ok(performance.now() - begin > 900, 'not before');
    t.same(works, []);
  },
);

const seenBy = (partnerId: string) => async (reading: Reading) => {
  const { rows } = await sql<{ begun: string; customers: number }>`
    select now()::text || pg_backend_pid() as begun, (select count(*)::int from customers where partner_id = ${partnerId}) as customers
  `.execute(reading);
  return rows[0];
};

t.test('look-ups of a partner that come together share flights, and partners never do', async (t) => {
  await service.newCustomer();
  await service.newCustomer({ partnerId: FABRIKAM });
  const partners = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? CONTOSO : FABRIKAM));
  const seen = await Promise.all(partners.map((partnerId) => db.lookUp(partnerId, seenBy(partnerId))));
  const begunBy = (partnerId: string) =>
    new Set(seen.filter((_, index) => partners[index] === partnerId).map((row) => row?.begun));
  for (const partnerId of [CONTOSO, FABRIKAM]) t.ok(begunBy(partnerId).size <= 4, `${begunBy(partnerId).size} flights`);
  t.same(
    [...begunBy(CONTOSO)].filter((begun) => begunBy(FABRIKAM).has(begun)),
    [],
  );
  t.ok(
    seen.every((row) => (row?.customers ?? 0) > 0),
    'each sees the rows of its partner',
  );
});

t.test('a look-up that fails in company fails alone, and who refuses is asked once', async (t) => {
  let refused = 0;
  let divided = 0;
  const divide = (by: number) => async (reading: Reading) => {
    divided++;
    return (await sql<{ result: number }>`select 10 / ${by}::int as result`.execute(reading)).rows[0]?.result;
  };
  const outcomes = await Promise.allSettled([
    db.lookUp(CONTOSO, divide(5)),
    db.lookUp(CONTOSO, divide(0)),
    db.lookUp(CONTOSO, async (reading) => {
      refused++;
      await divide(1)(reading).catch(() => {});
      throw new ApiError('CustomerNotFound');
    }),
    db.lookUp(CONTOSO, divide(2)),
  ]);
  t.match(outcomes, [
    { status: 'fulfilled', value: 2 },
    { status: 'rejected', reason: { code: '22012' } },
    { status: 'rejected', reason: { errorName: 'CustomerNotFound' } },
    { status: 'fulfilled', value: 5 },
  ]);
  t.equal(refused, 1);
  t.equal(divided, 5, 'the last alone again, the failing one not');
});

const divideTen = compileOnce(
  (db, $: { by: number }) =>
    db.selectNoFrom([
      sql<number>`10 / ${$.by}::int`.as('result'),
      sql<string>`statement_timestamp()::text || pg_backend_pid()`.as('statement'),
    ]),
  { by: 'int' },
);

t.test('what look-ups in company ask alike is one statement, and each gets its own rows', async (t) => {
  const divisors = Array.from({ length: 40 }, (_, index) => (index % 10) + 1);
  const ask = (partnerId: string) =>
    Promise.all(
      divisors.map((by) =>
        db.lookUp(partnerId, (reading) => Promise.all([divideTen(reading, { by }), seenBy(partnerId)(reading)])),
      ),
    );
  for (const partnerId of [CONTOSO, FABRIKAM]) {
    const found = await ask(partnerId);
    t.same(
      found.map(([[row]]) => row?.result),
      divisors.map((by) => Math.floor(10 / by)),
    );
    const statements = new Set(found.map(([[row]]) => row?.statement)).size;
    t.ok(statements <= 4, `${statements} statements`);
    t.ok(
      found.every(([, row]) => (row?.customers ?? 0) > 0),
      'beside what each asks for itself',
    );
  }
});

t.test('a statement that is one for several and fails, fails who is to blame and nobody else', async (t) => {
  const divisors = [5, 0, 2, 1, 0, 10];
  const outcomes = await Promise.allSettled([
    ...divisors.map((by) => db.lookUp(CONTOSO, async (reading) => (await divideTen(reading, { by }))[0]?.result)),
    db.lookUp(CONTOSO, seenBy(CONTOSO)),
  ]);
  t.match(
    outcomes,
    [...divisors, 1].map((by) => ({ status: by === 0 ? 'rejected' : 'fulfilled' })),
  );
  t.match(outcomes, [
    { value: 2 },
    { reason: { code: '22012' } },
    { value: 5 },
    { value: 10 },
    { reason: { code: '22012' } },
    { value: 1 },
    { value: { customers: Number } },
  ]);
});

t.test('a server that cannot do a statement of several is not asked for one twice', async (t) => {
  const asked: string[] = [];
  const share = shareLookUps((_partnerId, work) =>
    work(
      kyselyOver(async ({ sql: text, parameters }) => {
        const merged = text.includes('unnest');
        asked.push(merged ? 'merged' : 'alone');
        if (merged) throw Object.assign(new pg.DatabaseError('not on this server', 0, 'error'), { code: '0A000' });
        return { rows: [{ result: parameters[0] }] };
      }) as Reading,
    ),
  );
  const both = () =>
    Promise.all([1, 2].map((by) => share(CONTOSO, async (db) => (await divideTen(db, { by }))[0]?.result)));
  t.same(await both(), [1, 2]);
  t.same(asked.splice(0), ['merged', 'alone', 'alone']);
  t.same(await both(), [1, 2]);
  t.same(asked, ['alone', 'alone']);
});

t.test('look-ups in company are done again when their connection breaks', async (t) => {
  let broken = 0;
  const outcomes = await Promise.all(
    Array.from({ length: 3 }, (_, index) =>
      db.lookUp(CONTOSO, async (reading) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid, pg_sleep(0.1)`.execute(reading);
        if (index === 0 && broken++ === 0) await admin.query('select pg_terminate_backend($1::int)', [rows[0]?.pid]);
        return rows[0]?.pid;
      }),
    ),
  );
  t.ok(outcomes.every((pid) => pid !== undefined));
  t.equal(new Set(outcomes).size, 1, 'in company');
  t.equal(broken, 2, 'it broke, and was done again');
});

t.test('a table that is changed under the service fails nobody, and sharing goes on', async (t) => {
  const customers = await newCustomers(40);
  const all = (name: string) =>
    Promise.all(customers.map((customerId) => db.writeTogether(CONTOSO, renaming(customerId, name))));
  for (const change of ['add column of_a_later_version text', 'alter column company_name type varchar(500)']) {
    await all('Before');
    await service.sql(`alter table customers ${change}`);
    await all('After');
    t.same(await Promise.all(customers.map(nameOf)), Array(40).fill('After'), change);
    t.ok(new Set((await all('Later')).map(({ transaction }) => transaction)).size < 5, 'few transactions');
  }
});
