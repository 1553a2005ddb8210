import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import t, { type Test } from 'tap';
import { startKillableServer } from '../../harness/killable-server.js';
import { openProxy } from '../../harness/proxy.js';
import { startStandby } from '../../harness/standby.js';
import { loadConfig } from '../../src/config.js';
import { connect, type DatabaseHandle } from '../../src/db/connect.js';
import { openReplica, type Replica, type ReplicaOptions, type ReplicaUse } from '../../src/db/replica.js';
import { UnfitDatabase } from '../../src/db/start-check.js';
import { createLog } from '../../src/log.js';
import { start } from '../../src/server.js';
import { createTestDatabase } from '../helpers/database.js';
import { CONTOSO, startService } from '../helpers/service.js';

const MAX_LAG_SECONDS = 10;
// Not of the test: that is removed before the servers are stopped.
const directory = await mkdtemp(join(tmpdir(), 'customer-permissions-replica-'));
await chmod(directory, 0o711);
const primary = await startKillableServer(directory, 'cp_replica_test');
/** Between the standby and what it streams. */
const stream = await openProxy({ host: '127.0.0.1', port: primary.port });
const standby = await startStandby(primary, directory, 'standby', stream);
process.env.TEST_DATABASE_URL = primary.superuserUrl;
const database = await createTestDatabase(t);
const replicaUrl = new URL(database.appUrl);
replicaUrl.port = String(standby.port);
await standby.caughtUp();
const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 1 });
superuser.on('error', () => {});
t.teardown(async () => {
  await superuser.end();
  await database.drop();
  await standby.close();
  await stream.close();
  await primary.close();
  await rm(directory, { recursive: true, force: true });
});

/** By how much the clock was moved on. */
let ahead = 0;
const now = () => ({ at: new Date(Date.now() + ahead), milliseconds: performance.now() + ahead });

interface Opened {
  replica: Replica;
  uses: ReplicaUse[];
  ages: number[];
  /** Who answers a list now, and what it says of its age. */
  ask(): Promise<{ by: string; asOf: Date | undefined }>;
  /** Until the last that was told is this. */
  told(used: boolean, reason?: RegExp): Promise<void>;
}

const connectTo = (url: string) =>
  connect({ url, poolMax: 2, preparedStatements: true, silenceMilliseconds: 2500, onIdleError: () => {} });

function watchReplica(db: DatabaseHandle, options: Partial<ReplicaOptions> = {}): Opened {
  const uses: ReplicaUse[] = [];
  const ages: number[] = [];
  const replica = openReplica({
    url: replicaUrl.href,
    poolMax: 2,
    preparedStatements: true,
    onIdleError: () => {},
    primary: db,
    maxLagSeconds: MAX_LAG_SECONDS,
    onUse: (use) => uses.push(use),
    onAge: (seconds) => ages.push(seconds),
    now,
    everyMilliseconds: 20,
    ...options,
  });
  const isLast = (used: boolean, reason = /^/) => {
    const last = uses.at(-1);
    return last?.used === used && (last.used || reason.test(last.reason));
  };
  return {
    replica,
    uses,
    ages,
    async ask() {
      const list = replica.begin();
      const { rows } = await list.read(CONTOSO, (reading) =>
        sql<{ by: string }>`select case when pg_is_in_recovery() then 'standby' else 'primary' end as by`.execute(
          reading,
        ),
      );
      return { by: rows[0]?.by ?? '', asOf: list.asOf };
    },
    async told(used, reason) {
      for (const deadline = Date.now() + 10_000; !isLast(used, reason); await setTimeout(5)) {
        if (Date.now() > deadline) throw new Error(`told ${JSON.stringify(uses)}`);
      }
    },
  };
}

/** With connections of its own, started; closed with the test. */
async function open(t: Test, options: Partial<ReplicaOptions> = {}, primaryUrl = database.appUrl): Promise<Opened> {
  const db = connectTo(primaryUrl);
  const opened = watchReplica(db, options);
  t.teardown(async () => {
    ahead = 0;
    await opened.replica.close();
    await db.close();
  });
  await opened.replica.start();
  return opened;
}

t.test('lists and the log are old and say since when; what decides is neither', async (t) => {
  let opened: Opened | undefined;
  const service = await startService(
    t,
    {},
    {
      database: { ...database, drop: async () => {} },
      lists: (db) => {
        opened = watchReplica(db);
        return opened.replica;
      },
    },
  );
  t.teardown(() => opened?.replica.close());
  await opened?.replica.start();
  const { request } = service;
  const first = await service.newCustomer({ name: 'First' });
  await standby.caughtUp();
  await setTimeout(50);
  await standby.pause();
  const paused = Date.now();
  const permission = `/v1/customers/${first.customerId}/purchasepermissions/AzureReservedInstances`;
  t.equal((await request('PUT', permission, { body: { state: 'on' } })).status, 201);
  await service.newCustomer({ name: 'Second' });
  const acknowledged = Date.now();

  const lists = {
    '/v1/customers': {},
    '/v1/auditrecords': {},
    '/auditactivity/v1/auditrecords': {},
    '/v1/activitylog': {},
    '/v1/activitylog?action=Create%20Customer%20Purchase%20Permissions': {},
    '/v1/activitylog?actor=nobody': { accept: 'text/csv' },
    '/v1/activitylog?customerId=0431a72c-7d8a-4393-b25e-ef63f5efb415': { accept: 'application/x-ndjson' },
  };
  for (const [path, headers] of Object.entries(lists)) {
    const { status, headers: answered, text } = await request('GET', path, { headers });
    t.equal(status, 200, path);
    t.notMatch(text, /Second|create_self_serve_policy/, `${path} is old`);
    const asOf = answered.get('ms-asof') ?? '';
    t.match(asOf, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    t.ok(Date.parse(asOf) <= acknowledged && Date.parse(asOf) > paused - 2000, `${path} says since when: ${asOf}`);
  }
  for (const path of [
    permission,
    `${permission}/eligibility`,
    `/v1/customers/${first.customerId}`,
    '/v1/purchasepermissions',
  ]) {
    t.equal((await request('GET', path)).headers.get('ms-asof'), null, path);
  }
  t.match((await request('GET', permission)).body, { state: 'on', effective: true });
  t.equal((await request('HEAD', '/v1/activitylog', { headers: { accept: 'text/csv' } })).headers.get('ms-asof'), null);
  t.equal((await request('GET', '/v1/customers?size=x')).headers.get('ms-asof'), null, 'nothing was read');

  ahead = (MAX_LAG_SECONDS + 1) * 1000;
  for (const [path, headers] of Object.entries(lists)) {
    const { headers: answered } = await request('GET', path, { headers });
    t.equal(answered.get('ms-asof'), null, `${path}, too old, comes from the primary`);
  }
  t.match((await request('GET', '/v1/customers')).text, 'Second');
  ahead = 0;
  await standby.resume();
  await standby.caughtUp();
  await setTimeout(100);
  const list = await request('GET', '/v1/customers');
  t.match(list.text, 'Second');
  t.ok(Date.parse(list.headers.get('ms-asof') ?? '') > acknowledged);
});

t.test('an idle primary makes no replica old', async (t) => {
  const { ask, ages } = await open(t);
  for (const moved of [0, 60_000, 120_000]) {
    ahead = moved;
    await setTimeout(100);
    const { by, asOf } = await ask();
    t.equal(by, 'standby');
    t.ok(Date.now() + ahead - (asOf?.getTime() ?? 0) < 1000);
  }
  t.ok((ages.at(-1) ?? 1) < 1);
});

t.test('a standby that receives nothing is as old as what it received last', async (t) => {
  const { ask, told, ages, uses } = await open(t);
  stream.stall();
  await primary.cluster.createDatabase('written');
  ahead = (MAX_LAG_SECONDS + 1) * 1000;
  await told(false, /too old/);
  t.match(await ask(), { by: 'primary', asOf: undefined });
  t.ok((ages.at(-1) ?? 0) > MAX_LAG_SECONDS);
  stream.resume();
  await standby.caughtUp();
  await told(true);
  t.equal((await ask()).by, 'standby');
  t.equal(uses.length, 3, 'told once for each change');
});

t.test('what fails on the replica is read from the primary', async (t) => {
  const { replica } = await open(t);
  const list = replica.begin();
  const { rows } = await list.read(CONTOSO, (reading) =>
    sql<{ by: string }>`select case when pg_is_in_recovery() then pg_terminate_backend(pg_backend_pid())::text
      else 'primary' end as by`.execute(reading),
  );
  t.same(rows, [{ by: 'primary' }]);
  t.equal(list.asOf, undefined);
});

t.test('a replica that says nothing is waited for a second, and then not at all until it speaks', async (t) => {
  const address = await openProxy({ host: '127.0.0.1', port: standby.port });
  t.teardown(() => address.close());
  const { ask, told } = await open(t, { url: address.through(database.appUrl) });
  t.equal((await ask()).by, 'standby');
  address.stall();
  const begin = performance.now();
  t.match(await ask(), { by: 'primary', asOf: undefined });
  t.ok(performance.now() - begin < 2500, 'the limit of a request is 3.5 s');
  await told(false, /cannot be read/);
  const again = performance.now();
  t.match(await ask(), { by: 'primary', asOf: undefined });
  t.ok(performance.now() - again < 500);
  address.resume();
  await told(true);
});

t.test('what one request reads is not older than it says, whoever stands at the address', async (t) => {
  const address = await openProxy({ host: '127.0.0.1', port: standby.port });
  t.teardown(() => address.close());
  const { ask, replica } = await open(t, { url: address.through(database.appUrl), everyMilliseconds: 3_600_000 });
  t.equal((await ask()).by, 'standby');
  const list = replica.begin();
  const where = () =>
    list.read(CONTOSO, (reading) => sql<{ by: boolean }>`select pg_is_in_recovery() as by`.execute(reading));
  t.match(await where(), { rows: [{ by: true }] });
  const { asOf } = list;
  ahead = (MAX_LAG_SECONDS + 1) * 1000;
  t.match(await where(), { rows: [{ by: true }] }, 'as young as it says: that is told');
  t.match(await ask(), { by: 'primary' }, 'what begins now is not told so');
  ahead = 0;
  address.pointTo({ host: '127.0.0.1', port: primary.port });
  address.cut();
  t.match(await ask(), { by: 'primary', asOf: undefined }, 'who replays nothing has no age');
  await where();
  t.equal(list.asOf, asOf);
});

t.test('the replica may be away and come back, lists are answered', async (t) => {
  const { ask, told, uses } = await open(t);
  const stopped = standby.stop();
  for (let n = 0; n < 20; n++) {
    await ask();
    await setTimeout(10);
  }
  await stopped;
  await told(false, /cannot be read/);
  t.match(await ask(), { by: 'primary', asOf: undefined });
  await standby.start();
  await told(true);
  t.equal((await ask()).by, 'standby');
  t.equal(uses.filter(({ used }) => !used).length, 1);
});

t.test('one that lacks migrations is not read', async (t) => {
  const { rows } = await superuser.query(
    'delete from kysely_migration where name = (select max(name) from kysely_migration) returning *',
  );
  await standby.caughtUp();
  const { ask, told } = await open(t);
  await told(false, /lacks migrations/);
  t.equal((await ask()).by, 'primary');
  await superuser.query('insert into kysely_migration values ($1, $2)', [rows[0].name, rows[0].timestamp]);
  await told(true);
});

t.test('a login that is not bound to a partner is refused, at the start', async (t) => {
  const url = new URL(database.superuserUrl);
  url.port = String(standby.port);
  await t.rejects(open(t, { url: url.href }), {
    constructor: UnfitDatabase,
    message: /^The login postgres of READ_REPLICA_URL is not bound by row-level security/,
  });
});

t.test('a service reads lists where READ_REPLICA_URL says, and starts and is ready without it', async (t) => {
  const lines: string[] = [];
  const begin = (url: string) =>
    start(
      loadConfig({
        DATABASE_URL: database.appUrl,
        READ_REPLICA_URL: url,
        DATA_DIR: t.testdir(),
        PORT: '0',
        METRICS_PORT: '0',
      }),
      createLog('info', { write: (line) => void lines.push(line) }),
    );
  const server = await begin(replicaUrl.href);
  const metrics = await (await fetch(server.metricsUrl)).text();
  t.match(metrics, /^customer_permissions_replica_age_seconds 0\.\d+$/m);
  t.match(lines.join(''), '"event":"replica_used"');
  await server.close();

  const wrong = new URL(replicaUrl);
  wrong.password = 'hunter2';
  const nowhere = new URL(wrong);
  nowhere.port = '1';
  for (const [url, code] of [
    [wrong, '28P01'],
    [nowhere, 'ECONNREFUSED'],
    [new URL(database.appUrl), undefined],
  ] as const) {
    lines.length = 0;
    const without = await begin(url.href);
    t.equal((await fetch(`${without.url}/readyz`)).status, 200);
    t.match(await (await fetch(without.metricsUrl)).text(), /^customer_permissions_replica_age_seconds \+Inf$/m);
    await without.close();
    const told = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'replica_not_used');
    t.match(told, [{ reason: code ? 'it cannot be read' : 'it is no standby', ...(code && { err: { code } }) }]);
    t.notMatch(lines.join(''), 'hunter2');
  }
});

t.test(
  'a standby that was promoted is read no more, and one that stayed when it is known to have followed',
  async (t) => {
    const follower = await startStandby(primary, directory, 'follower', stream);
    t.teardown(() => follower.close());
    const address = await openProxy({ host: '127.0.0.1', port: primary.port });
    t.teardown(() => address.close());
    await follower.caughtUp();
    await standby.caughtUp();
    const followerUrl = new URL(replicaUrl);
    followerUrl.port = String(follower.port);
    const promoted = await open(t);
    const stayed = await open(t, { url: followerUrl.href }, address.through(database.appUrl));
    t.equal((await promoted.ask()).by, 'standby');
    t.equal((await stayed.ask()).by, 'standby');

    await primary.end('SIGQUIT');
    await standby.promote();
    for (const proxy of [stream, address]) {
      proxy.pointTo({ host: '127.0.0.1', port: standby.port });
      proxy.cut();
    }
    await promoted.told(false, /no standby/);
    await stayed.told(false, /not known/);
    t.match(await stayed.ask(), { by: 'primary', asOf: undefined });
    await standby.sql('checkpoint');
    await follower.caughtUp(standby);
    await follower.sql('checkpoint');
    await stayed.told(true);
    t.equal((await stayed.ask()).by, 'standby');
    await primary.start();
  },
);
