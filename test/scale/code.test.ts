import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import pg from 'pg';
import t, { type Test } from 'tap';
import { connect, type DatabaseHandle } from '../../src/db/connect.js';
import { makeWorld, type World } from '../contract/tenant-world.js';
import { doEverything } from '../helpers/do-everything.js';
import { CONTOSO, type Service, type StartOptions, startService } from '../helpers/service.js';

// Rules of scale that neither the schema nor a statement shows.

/** The names of what the first connection asks the server for when it begins. */
async function namesAsked(server: Server): Promise<string[]> {
  const [socket] = await once(server, 'connection');
  const [packet] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  // Length, protocol, then names and values in turn, each ended by a zero.
  return packet
    .subarray(8)
    .toString()
    .split('\0')
    .filter((_text, index) => index % 2 === 0)
    .filter((name) => name !== '');
}

t.test('S16: a connection asks for no setting, which a pooler refuses: time limits are of the login', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `postgresql://app:secret@127.0.0.1:${(server.address() as AddressInfo).port}/one`;
  const asked = namesAsked(server);
  const db = connect({ url, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  t.teardown(() => db.close());
  await t.rejects(db.query('select 1'));
  const allowed = ['user', 'database', 'client_encoding'];
  t.same(
    (await asked).filter((name) => !allowed.includes(name)),
    [],
  );

  const other = namesAsked(server);
  await t.rejects(new pg.Client({ connectionString: url, statement_timeout: 1000 }).connect());
  t.ok((await other).includes('statement_timeout'), 'one would be seen');
});

/** Runs the work of every write twice, the first time undone as after a lost serialization. */
function twiceOver(db: DatabaseHandle): DatabaseHandle {
  const again =
    (run: DatabaseHandle['write']): DatabaseHandle['write'] =>
    (partnerId, work) => {
      let isFirst = true;
      return run(partnerId, async (tx, commitWith) => {
        const result = await work(tx, commitWith);
        if (!isFirst) return result;
        isFirst = false;
        throw Object.assign(new pg.DatabaseError('could not serialize access', 0, 'error'), { code: '40001' });
      });
    };
  return { ...db, write: again(db.write), writeTogether: again(db.writeTogether) };
}

/** Of each table the rows, of each business event how often it was told. */
type Counts = ReadonlyMap<string, number>;

async function count({ sql, registry }: Service): Promise<Counts> {
  const tables = await sql<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`,
  );
  const counts = tables.map(({ name }) => `select '${name}' as name, count(*)::int as n from ${name}`);
  const rows = await sql<{ name: string; n: number }>(counts.join(' union all '));
  const events = (await registry.getMetricsAsJSON()).filter(({ name }) =>
    /^customer_permissions_\w+_total$/.test(name),
  );
  const told = events.flatMap(({ name, values }) =>
    values.map(({ labels, value }) => [`${name} ${JSON.stringify(labels)}`, value] as const),
  );
  return new Map([...rows.map(({ name, n }) => [name, n] as const), ...told]);
}

function firstDifference(one: ReadonlyMap<string, Counts>, other: ReadonlyMap<string, Counts>): string | undefined {
  for (const [done, counts] of one) {
    for (const [name, n] of counts) {
      const found = other.get(done)?.get(name);
      if (found !== n) return `${done}: ${found} ${name}, not ${n}`;
    }
  }
  return undefined;
}

interface Everything {
  service: Service;
  world: World;
  failed: string[];
  old: string[];
  /** What there was after each thing that was done. */
  after: ReadonlyMap<string, Counts>;
}

async function everything(t: Test, options: StartOptions): Promise<Everything> {
  const service = await startService(t, { sandbox: 'true', webhookAllowPrivateTargets: 'true' }, options);
  const world = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
  const after = new Map<string, Counts>();
  const { failed, old } = await doEverything(t, service, world, async (name) => {
    after.set(name, await count(service));
  });
  return { service, world, failed, old, after };
}

t.test('what the service does, as a whole', async (t) => {
  const whole = await everything(t, {
    lists: ({ read, lookUp }) => ({ begin: () => ({ read, lookUp, asOf: new Date(0) }) }),
  });
  t.same(whole.failed, []);
  t.ok(whole.after.size > 100);

  t.test('S21: lists of customers and the log may come from a replica, and nothing else', async (t) => {
    t.same(whole.old.sort(), ['listActivityLog', 'listAuditActivityRecords', 'listAuditRecords', 'listCustomers']);
  });

  t.test('S27: whatever writes can be run again as a whole: nothing is left of the time before', async (t) => {
    const twice = await everything(t, { wrap: twiceOver });
    t.same(twice.failed, []);
    t.equal(firstDifference(whole.after, twice.after), undefined);
    t.equal(firstDifference(twice.after, whole.after), undefined);
  });

  t.test('S24: a later version may add columns to every table while this one serves', async (t) => {
    const { service, world } = whole;
    const tables = await service.sql<{ name: string }>(
      `select oid::regclass::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
    );
    const additions = tables.map(({ name }) => `alter table ${name} add column of_a_later_version text`);
    await service.sql(`begin; ${additions.join('; ')}; commit`);
    t.same((await doEverything(t, service, world)).failed, []);
  });

  t.test('S20: ninety days are what audit records show, and not how long an entry is kept', async (t) => {
    const { service } = whole;
    const [day = ''] = new Date(Date.now() - 91 * 86_400_000).toISOString().split('T');
    await service.sql("update activity_log set occurred_on = occurred_on - interval '3650 days'");
    const [held] = await service.sql<{ n: number }>(
      'select count(*)::int as n from activity_log where partner_id = $1',
      [CONTOSO],
    );
    const token = service.tokens.admin;
    t.equal((await service.request('GET', `/v1/auditrecords?startDate=${day}`, { token })).status, 400);
    t.equal((await service.request('GET', '/v1/auditrecords', { token })).body.totalCount, 0);
    t.equal((await service.request('GET', '/v1/activitylog?size=500', { token })).body.totalCount, held?.n);
  });
});
