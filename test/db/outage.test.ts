import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { openProxy } from '../../harness/proxy.js';
import { batchByKey } from '../../src/db/batch-by-key.js';
import { CommitNotReplicated, type ConnectOptions, connect, type DatabaseHandle } from '../../src/db/connect.js';
import { classifyFailure, DatabaseUnavailable } from '../../src/errors/from-postgres.js';
import { citusUrl } from '../helpers/citus.js';
import { createTestDatabase } from '../helpers/database.js';
import { changeTriggers } from '../helpers/triggers.js';
import { onPurpose } from '../scale/statements.js';

const PARTNER = '634f6379-ad54-449b-9821-564f737158ab';
const database = await createTestDatabase(t);
const admin = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
admin.on('error', () => {});
t.before(() =>
  admin.query(
    `insert into partners (partner_id, company_name, domain, country, mpn_id, admin_agents_group_id, created_on)
     values ($1, 'Contoso', 'contosopartner.onmicrosoft.com', 'US', '1234567', $1, now())`,
    [PARTNER],
  ),
);
t.teardown(async () => {
  await admin.end();
  await database.drop();
});

const open = (options: Partial<ConnectOptions> = {}): DatabaseHandle =>
  connect({ url: database.appUrl, poolMax: 2, preparedStatements: true, onIdleError: () => {}, ...options });
const openDatabaseProxy = () => {
  const { hostname, port } = new URL(database.appUrl);
  return openProxy({ host: hostname, port: Number(port) });
};
const ask = (db: DatabaseHandle) => db.read(PARTNER, (reading) => sql`select 1`.execute(reading));

/** Takes a connection and does not give it back. */
async function hold(db: DatabaseHandle): Promise<{ release: () => void; holding: Promise<void> }> {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let holding: Promise<void> = released;
  await new Promise<void>((resolve) => {
    holding = db.read(PARTNER, async () => {
      resolve();
      await released;
    });
  });
  return { release, holding };
}

t.test('what a silent database holds is given up, and the next are refused at once until it answers', async (t) => {
  const proxy = await openDatabaseProxy();
  const db = open({ url: proxy.through(database.appUrl), silenceMilliseconds: 500 });
  await ask(db);
  proxy.stall();
  await t.rejects(ask(db), DatabaseUnavailable, 'the connection is given up');
  // Open as soon as the first look was not answered.
  let refused: unknown;
  do refused = await Promise.race([ask(db), sleep(100)]).catch((error) => error);
  while (!(refused instanceof Error && /does not answer/.test(refused.message)));
  await t.rejects(db.query('select 1'), DatabaseUnavailable);
  proxy.resume();
  while (
    !(await ask(db).then(
      () => true,
      () => false,
    ))
  )
    await sleep(20);
  t.pass('it answers again');
  await db.close();
  await proxy.close();
});

t.test('one silent connection is given up and nobody else refused', async (t) => {
  const db = open({ silenceMilliseconds: 500 });
  const stuck = db.read(PARTNER, async (reading) => {
    await sql`set local statement_timeout = 0`.execute(reading);
    await sql`select pg_sleep(3)`.execute(reading);
  });
  let others = 0;
  const asking = (async () => {
    for (; others < 40; others++) {
      await ask(db);
      await sleep(50);
    }
  })();
  await t.rejects(stuck, DatabaseUnavailable);
  await asking;
  t.equal(others, 40);
  await db.close();
});

t.test('a connection that does not become free is waited for once', async (t) => {
  const db = open({ poolMax: 1, waitMilliseconds: 100 });
  let attempts = 0;
  const { release, holding } = await hold(db);
  await t.rejects(
    db.read(PARTNER, async () => {
      attempts++;
    }),
    /no connection became free in 100 ms/,
  );
  const find = batchByKey(
    async (...args) => {
      attempts++;
      return db.lookUpAlone(...args);
    },
    async () => new Map<string, string>(),
  );
  await Promise.allSettled(['a', 'b', 'c'].map((key) => find(PARTNER, key)));
  t.equal(attempts, 1, 'the look-ups were not tried one by one');
  release();
  await holding;
  await db.close();
});

t.test('however many look up when no connection is free, nobody waits for two seconds', async (t) => {
  const db = open({ poolMax: 1 });
  const { release, holding } = await hold(db);
  const find = batchByKey(db.lookUpAlone, async () => new Map<string, string>());
  const begun = performance.now();
  const outcomes = await Promise.allSettled(Array.from({ length: 600 }, (_, key) => find(PARTNER, String(key))));
  const waited = performance.now() - begun;
  t.ok(outcomes.every((one) => one.status === 'rejected' && one.reason instanceof DatabaseUnavailable));
  t.ok(waited < 1700, `${Math.round(waited)} ms`);
  release();
  await holding;
  await db.close();
});

t.test('more than a hundred for each connection do not wait', async (t) => {
  const db = open({ poolMax: 1, waitMilliseconds: 20_000 });
  const { release, holding } = await hold(db);
  const waiting = Array.from({ length: 100 }, () => ask(db));
  await t.rejects(ask(db), /100 wait for a connection already/);
  release();
  await Promise.all([holding, ...waiting]);
  await db.close();
});

t.test('a server that takes no connection is tried now and then, however many ask', async (t) => {
  let attempts = 0;
  const server = createServer((socket) => {
    attempts++;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(database.appUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const db = open({ url: url.href, poolMax: 4 });
  for (let n = 0; n < 50; n++) {
    const failures = await Promise.all(Array.from({ length: 4 }, () => ask(db).catch((error) => error)));
    for (const failure of failures) t.equal(classifyFailure(failure), 'unavailable');
  }
  t.ok(attempts < 20, `${attempts} attempts for 200 requests`);
  await db.close();
  server.close();
});

t.test('an attempt that hangs from when the network was slow keeps no other from being made', async (t) => {
  const proxy = await openDatabaseProxy();
  const db = open({ url: proxy.through(database.appUrl), poolMax: 4 });
  const { hostname, port } = new URL(database.appUrl);
  proxy.pointTo({ host: hostname, port: 1 });
  await t.rejects(ask(db), 'nobody listens there');
  proxy.pointTo({ host: hostname, port: Number(port) });
  proxy.delay(1500);
  await pause(150);
  const hanging = ask(db).catch(() => {});
  await pause(150);
  proxy.delay(0);
  await t.resolves(Promise.all([ask(db), ask(db)]));
  await hanging;
  await db.close();
  await proxy.close();
});

t.test('without room for more connections those there are serve everybody', async (t) => {
  const role = `cp_narrow_${process.pid}`;
  await admin.query(`create role ${role} login password 'narrow' connection limit 1 in role customer_permissions_app`);
  const url = new URL(database.appUrl);
  [url.username, url.password] = [role, 'narrow'];
  const db = open({ url: url.href, poolMax: 4, waitMilliseconds: 20_000 });
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(db)));
  t.equal(answers.length, 40);
  await db.close();
  await admin.query(`drop role ${role}`);
});

t.test(
  'a server that refuses the login is unavailable, as nothing is done, and serves on when it takes it again',
  async (t) => {
    const role = `cp_refused_${process.pid}`;
    await admin.query(`create role ${role} login password 'before' in role customer_permissions_app`);
    const url = new URL(database.appUrl);
    [url.username, url.password] = [role, 'before'];
    const name = url.pathname.slice(1);
    const db = open({ url: url.href });
    await ask(db);
    for (const [change, back, code] of [
      [`alter role ${role} nologin`, `alter role ${role} login`, '28000'],
      [`revoke connect on database ${name} from public`, `grant connect on database ${name} to public`, '42501'],
    ] as const) {
      await admin.query(change);
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role]);
      // The connection that was ended may be the first to tell.
      await ask(db).catch(() => {});
      await sleep(150);
      const refused: unknown = await ask(db).catch((error) => error);
      t.type(refused, DatabaseUnavailable);
      t.match((refused as Error).cause, { code }, 'why is told to who looks after it');
      await admin.query(back);
      await sleep(150);
      await t.resolves(ask(db));
    }
    await db.close();
    await admin.query(`drop role ${role}`);
  },
);

t.test('a primary that became read-only is left for the server that took its address', async (t) => {
  const db = open({ poolMax: 1 });
  const write = () =>
    db.write(PARTNER, (tx) =>
      tx.selectFrom('partners').select('partner_id').where('partner_id', '=', PARTNER).forUpdate().execute(),
    );
  await write();
  // Of the one connection there is; a new one leads to a primary.
  await db.read(PARTNER, (reading) =>
    sql`set session characteristics as transaction read only ${onPurpose}`.execute(reading),
  );
  await write();
  t.pass('the write was made on a new connection');
  await db.close();
});

t.test('a statement that the server warns of is not its COMMIT, though both leave together', async (t) => {
  const db = open();
  await t.resolves(
    db.write(PARTNER, async (tx, commitWith) => {
      commitWith(sql`do $$ begin raise warning 'of no weight'; end $$ ${onPurpose}`.execute(tx));
    }),
  );
  await db.close();
});

// Citus keeps to itself what its workers warn of at COMMIT.
const unwarned = citusUrl !== undefined;
t.test('a commit that the server warns of is not taken for done', { skip: unwarned }, async (t) => {
  await changeTriggers(database.superuserUrl, [
    `create function warn() returns trigger language plpgsql as
      $$ begin raise warning 'canceling wait for synchronous replication due to user request'; return null; end $$`,
    `create constraint trigger warns after update on partners deferrable initially deferred
      for each row execute function warn()`,
  ]);
  const db = open();
  const rename = (name: string) =>
    db.write(PARTNER, (tx) =>
      tx.updateTable('partners').set({ company_name: name }).where('partner_id', '=', PARTNER).execute(),
    );
  await t.rejects(rename('not replicated'), CommitNotReplicated);
  await changeTriggers(database.superuserUrl, ['drop trigger warns on partners', 'drop function warn()']);
  await rename('replicated');
  t.pass('the warning is that of one commit');
  await db.close();
});

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
