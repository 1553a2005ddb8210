import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { sql } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { openProxy } from '../../harness/proxy.js';
import { batchByKey } from '../../src/db/batch-by-key.js';
import { CommitOutcomeUnknown, connect, type Reading, type Tx } from '../../src/db/connect.js';
import { lockCustomer } from '../../src/db/customer-lock.js';
import { classifyFailure, violatedConstraint } from '../../src/errors/from-postgres.js';
import { citusUrl } from '../helpers/citus.js';
import { holdRow } from '../helpers/locks.js';
import { CONTOSO, FABRIKAM, startService } from '../helpers/service.js';
import { onPurpose } from '../scale/statements.js';

const service = await startService(t);
const { db } = service;
const admin = new pg.Pool({ connectionString: service.urls.superuser, max: 4 });
t.teardown(() => admin.end());

function openDatabaseProxy() {
  const { hostname, port } = new URL(service.urls.app);
  return openProxy({ host: hostname, port: Number(port) });
}

const open = (url = service.urls.app, poolMax = 4, preparedStatements = true) =>
  connect({ url, poolMax, preparedStatements, onIdleError: () => {} });

const rename = (tx: Tx, customerId: string, name: string) =>
  tx
    .updateTable('customers')
    .set({ company_name: name })
    .where('partner_id', '=', CONTOSO)
    .where('customer_id', '=', customerId)
    .execute();
const nameOf = async (customerId: string) =>
  (await service.sql('select company_name from customers where customer_id = $1', [customerId]))[0]?.company_name;

t.test('a transaction sees and changes the rows of its partner alone, also without a condition', async (t) => {
  const mine = await service.newCustomer();
  const theirs = await service.newCustomer({ partnerId: FABRIKAM });
  const ids = await db.read(CONTOSO, async (reading) =>
    (await reading.selectFrom('customers').select('customer_id').modifyEnd(onPurpose).execute()).map(
      (row) => row.customer_id,
    ),
  );
  t.ok(ids.includes(mine.customerId));
  t.notOk(ids.includes(theirs.customerId));
  await db.write(CONTOSO, (tx) =>
    tx.updateTable('customers').set({ company_name: 'renamed' }).modifyEnd(onPurpose).execute(),
  );
  t.not(await nameOf(theirs.customerId), 'renamed');
  await t.rejects(
    db.write(CONTOSO, (tx) =>
      tx
        .insertInto('groups')
        .values({ partner_id: FABRIKAM, customer_id: theirs.customerId, group_id: randomUUID(), display_name: 'x' })
        .execute(),
    ),
    { code: '42501' },
  );
  await t.rejects(
    db.read("x'; select 1; --", async () => undefined),
    /UUID/,
  );
});

t.test('a transaction begins without a warning, but for the first on a cluster', async (t) => {
  const codes: unknown[] = [];
  const { connect: start } = pg.Client.prototype;
  t.teardown(() => {
    pg.Client.prototype.connect = start;
  });
  pg.Client.prototype.connect = function (this: pg.Client, ...given: unknown[]) {
    this.on('notice', ({ code }) => codes.push(code));
    return Reflect.apply(start, this, given);
  } as typeof start;
  const own = open(service.urls.app, 1);
  const { customerId } = await service.newCustomer();
  const everyKind = async () => {
    const read = (reading: Reading) =>
      reading.selectFrom('customers').select('version').where('partner_id', '=', CONTOSO).execute();
    await own.read(CONTOSO, read);
    await own.lookUp(CONTOSO, read);
    await own.write(CONTOSO, (tx) => lockCustomer(tx, CONTOSO, customerId));
    await own.readTenant(customerId, (reading) =>
      reading.selectFrom('customers').select('partner_id').where('customer_id', '=', customerId).execute(),
    );
    await own.listPartnerIds();
  };
  await everyKind();
  const first = codes.splice(0);
  t.same(first, citusUrl === undefined ? [] : ['25001']);
  await everyKind();
  t.same(codes, []);
  await own.close();
});

t.test('every table is under forced row-level security with a policy for reading and writing', async (t) => {
  const rows = await service.sql(
    `select c.relname, c.relrowsecurity, c.relforcerowsecurity,
            (select count(*)::int from pg_policy p where p.polrelid = c.oid and p.polcmd = '*'
               and p.polqual is not null and p.polwithcheck is not null) as policies
       from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
      where c.relkind = 'r' and c.relname not like 'kysely%'`,
  );
  t.ok(rows.length >= 12);
  for (const row of rows) {
    t.match(row, { relrowsecurity: true, relforcerowsecurity: true, policies: 1 }, row.relname);
  }
});

t.test(
  'a write whose COMMIT was answered by nothing is reported as unknown, and its request id tells the outcome',
  async (t) => {
    const proxy = await openDatabaseProxy();
    const through = open(proxy.through(service.urls.app), 1);
    const { customerId } = await service.newCustomer();
    await through.read(CONTOSO, async () => undefined);
    proxy.swallowNextCommit();
    await t.rejects(
      through.write(CONTOSO, (tx) => rename(tx, customerId, 'kept')),
      CommitOutcomeUnknown,
    );
    t.equal(await nameOf(customerId), 'kept', 'the commit had happened');
    await through.close();
    await proxy.close();
  },
);

t.test('a server that greets a connection and ends it in one packet is unavailable, and ends no process', async (t) => {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.from(`${type}0000`);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const fields = 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0';
  const greetingAndEnd = Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('Z', Buffer.from('I')),
    message('E', Buffer.from(fields)),
  ]);
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(greetingAndEnd)).on('error', () => {});
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ending = open(`postgresql://nobody:nothing@127.0.0.1:${port}/none`);
  const failure = await ending.read(CONTOSO, async () => undefined).catch((error: unknown) => error);
  t.equal(classifyFailure(failure), 'unavailable', String(failure));
  await ending.close();
});

t.test('a reply to COMMIT that is lost does not lose the answer of the request', async (t) => {
  const proxy = await openDatabaseProxy();
  const lossy = await startService(t, {}, { through: proxy.through });
  t.teardown(proxy.close);
  const { customerId } = await lossy.newCustomer();
  const path = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  await lossy.request('GET', path);
  proxy.swallowNextCommit();
  const answer = await lossy.request('PUT', path, { body: { state: 'on' } });
  t.match(answer, { status: 201, body: { state: 'on', version: 1 } });
  const log = await lossy.sql('select seq from activity_log where customer_id = $1', [customerId]);
  t.equal(log.length, 1);
  t.equal(proxy.swallowed(), 1);
});

t.test('a statement that fails after COMMIT was sent undoes everything and is the error thrown', async (t) => {
  const { customerId } = await service.newCustomer();
  await t.rejects(
    db.write(CONTOSO, async (tx, commitWith) => {
      commitWith(rename(tx, customerId, 'undone'));
      commitWith(sql`select 1 / 0`.execute(tx));
    }),
    { code: '22012' },
  );
  t.not(await nameOf(customerId), 'undone');
});

t.test('the statement that failed first is the error, whichever of its flight is looked at first', async (t) => {
  await t.rejects(
    db.write(CONTOSO, async (tx) => {
      const failing = sql`select 1 / 0`.execute(tx);
      const behind = sql`select 1`.execute(tx);
      failing.catch(() => {});
      await behind;
    }),
    { code: '22012' },
  );
});

t.test('a deadlock is run again, and both writers succeed', async (t) => {
  const [a, b] = await Promise.all([service.newCustomer(), service.newCustomer()]);
  let attempts = 0;
  let bothHoldOne = () => {};
  const crossed = new Promise<void>((resolve) => {
    bothHoldOne = resolve;
  });
  const both = (first: string, second: string) =>
    db.write(CONTOSO, async (tx) => {
      await sql`set local lock_timeout = '10s'`.execute(tx);
      await sql`set local statement_timeout = '10s'`.execute(tx);
      await lockCustomer(tx, CONTOSO, first);
      if (++attempts === 2) bothHoldOne();
      await crossed;
      await lockCustomer(tx, CONTOSO, second);
    });
  await Promise.all([both(a.customerId, b.customerId), both(b.customerId, a.customerId)]);
  t.equal(attempts, 3);
});

t.test('who wants a customer that somebody holds leaves half of the connections to the others', async (t) => {
  const few = open(service.urls.app, 4);
  const [{ customerId: held }, { customerId: free }] = [await service.newCustomer(), await service.newCustomer()];
  const session = await admin.connect();
  await session.query('begin');
  await holdRow(session, held);
  const rename = (customerId: string) =>
    few.write(CONTOSO, async (tx) => (await lockCustomer(tx, CONTOSO, customerId)).customer?.customer_id);
  const wanting = Array.from({ length: 8 }, () => rename(held));
  const outcomes = Promise.allSettled(wanting);
  const begin = performance.now();
  for (let n = 0; n < 5; n++) t.equal(await rename(free), free);
  t.ok(performance.now() - begin < 900, 'before the first of them gives up');
  const reasons = (await outcomes).map((outcome) =>
    outcome.status === 'rejected' ? classifyFailure(outcome.reason) : outcome.value,
  );
  t.same(reasons, Array(8).fill('busy'));
  await session.query('rollback');
  session.release();
  t.same(await Promise.all([rename(held), rename(held), rename(held)]), [held, held, held], 'and all are served later');
  await few.close();
});

t.test('a backend killed before COMMIT is one retry, and the pool serves on', async (t) => {
  const own = open(service.urls.app, 2);
  const { customerId } = await service.newCustomer();
  let attempts = 0;
  await own.write(CONTOSO, async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    if (++attempts === 1) await admin.query('select pg_terminate_backend($1::int)', [rows[0]?.pid]);
    await rename(tx, customerId, 'after all');
  });
  t.equal(attempts, 2);
  t.equal(await nameOf(customerId), 'after all');
  await own.close();
});

t.test('a session that the server has ended for being idle is one retry', async (t) => {
  const url = new URL(service.urls.app);
  url.searchParams.set('options', '-c idle_session_timeout=10ms');
  const own = open(url.href, 1);
  const { customerId } = await service.newCustomer();
  const works: readonly (() => Promise<unknown>)[] = [
    () => own.read(CONTOSO, (reading) => sql`select 1`.execute(reading)),
    () => own.lookUp(CONTOSO, (reading) => sql`select 1`.execute(reading)),
    () => own.write(CONTOSO, (tx) => rename(tx, customerId, 'not idle')),
  ];
  for (const work of works) {
    await own.query('select 1');
    // What the server says meanwhile is read only after the next statement was sent.
    for (const begun = performance.now(); performance.now() - begun < 50; );
    await t.resolves(work());
  }
  t.equal(await nameOf(customerId), 'not idle');
  await own.close();
});

t.test('look-ups of one turn are one statement per partner, and each gets what is its own', async (t) => {
  const made = await Promise.all([1, 2, 3].map(() => service.newCustomer()));
  const asked: [string, readonly string[]][] = [];
  const find = batchByKey(db.lookUpAlone, async (reading, partnerId, keys) => {
    asked.push([partnerId, keys]);
    const rows = await reading
      .selectFrom('customers')
      .select('customer_id')
      .where('partner_id', '=', partnerId)
      .where('customer_id', 'in', keys)
      .execute();
    return new Map(rows.map((row) => [row.customer_id, partnerId]));
  });
  const [a = '', b = '', c = ''] = made.map((one) => one.customerId);
  const found = await Promise.all([find(CONTOSO, a), find(CONTOSO, b), find(CONTOSO, a), find(FABRIKAM, c)]);
  t.same(found, [CONTOSO, CONTOSO, CONTOSO, undefined], "another partner's customer is not found");
  t.same(asked, [
    [CONTOSO, [a, b]],
    [FABRIKAM, [c]],
  ]);
});

t.test('a look-up that fails in company is done again alone', async (t) => {
  const find = batchByKey(db.lookUpAlone, async (reading, _partnerId, keys) => {
    const { rows } = await sql<{ key: string }>`select 10 / k::int || k as key from unnest(${keys}::text[]) k`.execute(
      reading,
    );
    return new Map(keys.map((key, i) => [key, rows[i]?.key]));
  });
  const outcomes = await Promise.allSettled([find(CONTOSO, '5'), find(CONTOSO, '0'), find(CONTOSO, '2')]);
  t.match(outcomes, [
    { status: 'fulfilled', value: '25' },
    { status: 'rejected', reason: { code: '22012' } },
    { status: 'fulfilled', value: '52' },
  ]);
});

t.test('a look-up that issues a statement after its turn is refused, not run without a partner', async (t) => {
  await t.rejects(
    db.lookUp(CONTOSO, async (reading) => {
      await sql`select 1`.execute(reading);
      return sql`select 2`.execute(reading);
    }),
    /in one turn/,
  );
});

t.test('the name of a violated constraint is found in the field, and with a shard number in the text', async (t) => {
  const plain = Object.assign(new pg.DatabaseError('duplicate key', 1, 'error'), {
    code: '23505',
    constraint: 'customers_by_domain',
  });
  const citus = Object.assign(
    new pg.DatabaseError('duplicate key value violates unique constraint "customers_by_domain_102199"', 1, 'error'),
    { code: '23505' },
  );
  t.equal(violatedConstraint(plain), 'customers_by_domain');
  t.equal(violatedConstraint(citus), 'customers_by_domain');
  t.equal(violatedConstraint(new Error('other')), undefined);
});

t.test('without prepared statements, as behind an older pooler, the same statements run', async (t) => {
  const unnamed = open(service.urls.app, 1, false);
  const { customerId } = await service.newCustomer();
  await unnamed.write(CONTOSO, (tx) => lockCustomer(tx, CONTOSO, customerId));
  const names = await unnamed.read(CONTOSO, (reading) => sql`select name from pg_prepared_statements`.execute(reading));
  t.strictSame(names.rows, []);
  await unnamed.close();
});
