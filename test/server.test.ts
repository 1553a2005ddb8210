import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import t from 'tap';
import { findProgram } from '../harness/programs.js';
import { startRedis } from '../harness/redis.js';
import { ConfigError, loadConfig } from '../src/config.js';
import { createLog } from '../src/log.js';
import { mintToken } from '../src/nouns/identity/mint.js';
import { start } from '../src/server.js';
import { createTestDatabase } from './helpers/database.js';
import { startReceiver } from './helpers/receiver.js';
import { CONTOSO } from './helpers/service.js';

const skip = findProgram('redis-server') === undefined && 'redis-server is not installed';

/** A partner with a webhook, and an event that waits for it. */
async function insertWaitingEvent(client: pg.Client, target: string): Promise<void> {
  await client.query(
    `with made as (
       insert into partners values (gen_random_uuid(), 'One', 'one.onmicrosoft.com', 'US', '1', gen_random_uuid(), now())
       returning partner_id
     ), registered as (
       insert into webhook_registrations
       select partner_id, gen_random_uuid(), $1, '{test-created}', false, 1, now(), 'x' from made
     )
     insert into webhook_events
     select partner_id, gen_random_uuid(), gen_random_uuid(), 'test-created', $2, gen_random_uuid(), 'waiting', 0, now(),
       '[]', now() from made`,
    [target, { EventName: 'test-created', ResourceUri: '/test', ResourceName: 'test', AuditUri: null }],
  );
}

t.test('a running service delivers what is in the outbox', async (t) => {
  const database = await createTestDatabase(t);
  const receiver = await startReceiver(t);
  const arrived = new Promise<void>((resolve) => {
    receiver.answer = (_delivery, response) => response.end(() => resolve());
  });
  const client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await insertWaitingEvent(client, receiver.url);
  const config = loadConfig({
    DATABASE_URL: database.appUrl,
    DATA_DIR: t.testdir(),
    PORT: '0',
    METRICS_PORT: '0',
    WEBHOOK_ALLOW_PRIVATE_TARGETS: 'true',
  });
  const server = await start(config, createLog('silent'));
  await arrived;
  t.match(receiver.received[0]?.event, { EventName: 'test-created', ResourceUri: `${server.url}/test` });
  t.match(await (await fetch(server.metricsUrl)).text(), 'customer_permissions_webhook_deliveries_total');
  await server.close();
  t.match((await client.query('select status from webhook_events')).rows, [{ status: 'delivered' }]);
  await client.end();
});

t.test('at its start a service says how many like it fit on the server', async (t) => {
  const database = await createTestDatabase(t);
  const name = new URL(database.appUrl).pathname.slice(1);
  const lines: Record<string, unknown>[] = [];
  const log = createLog('info', { write: (line) => lines.push(JSON.parse(line)) });
  const told = async (connections: number) => {
    const client = new pg.Client({ connectionString: database.superuserUrl });
    await client.connect();
    await client.query(`alter database ${name} connection limit ${connections}`);
    await client.end();
    const environment = { DATABASE_URL: database.appUrl, DATA_DIR: t.testdir(), POOL_MAX: '4' };
    const server = await start(loadConfig({ ...environment, PORT: '0', METRICS_PORT: '0' }), log);
    await server.close();
    return lines.splice(0).filter(({ event }) => event === 'connections');
  };
  t.match(await told(11), [{ level: 30, poolMax: 4, connections: 11, instances: 2, msg: /room for 2 of 4 without/ }]);
  t.match(await told(3), [
    { level: 40, poolMax: 4, connections: 3, instances: 0, msg: /^POOL_MAX=4 is more than the 3 .* lower it/ },
  ]);
});

t.test('a delivery under way does not keep the sockets from closing', async (t) => {
  const database = await createTestDatabase(t);
  const receiver = await startReceiver(t);
  const asked = new Promise<ServerResponse>((resolve) => {
    receiver.answer = (_delivery, response) => resolve(response);
  });
  const client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await insertWaitingEvent(client, receiver.url);
  await client.end();
  const config = loadConfig({
    DATABASE_URL: database.appUrl,
    DATA_DIR: t.testdir(),
    PORT: '0',
    METRICS_PORT: '0',
    WEBHOOK_ALLOW_PRIVATE_TARGETS: 'true',
  });
  const server = await start(config, createLog('silent'));
  const response = await asked;
  const closed = server.close();
  const answers = () =>
    fetch(`${server.url}/livez`, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    );
  while (await answers()) await setTimeout(20);
  t.equal(response.socket?.destroyed, false, 'the delivery still waits for its answer');
  response.end();
  await closed;
});

t.test('a service that ends leaves a checkpoint of each partner, where it is told to', async (t) => {
  const database = await createTestDatabase(t);
  const client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  const { rows } = await client.query<{ partner_id: string }>(
    `insert into partners values (gen_random_uuid(), 'One', 'one.onmicrosoft.com', 'US', '1', gen_random_uuid(), now())
     returning partner_id`,
  );
  await client.end();
  const dataDir = t.testdir();
  const directory = join(dataDir, 'checkpoints');
  const config = loadConfig({
    DATABASE_URL: database.appUrl,
    DATA_DIR: dataDir,
    PORT: '0',
    METRICS_PORT: '0',
    CHECKPOINT_DIR: directory,
  });
  const server = await start(config, createLog('silent'));
  t.same(await readdir(directory), ['keys']);
  await server.close();
  const files = await readdir(join(directory, rows[0]?.partner_id ?? ''));
  t.match(files.sort(), ['000000001.checkpoint', /^[0-9a-f]{64}\.leaves\.gz$/]);
});

t.test(
  'a start with RATE_LIMIT_STORE counts there, and a store that refuses ends it with a sentence',
  { skip },
  async (t) => {
    const [database, dataDir] = [await createTestDatabase(t), t.testdir()];
    const redis = await startRedis(dataDir, ['--requirepass', 'store-secret']);
    t.teardown(redis.stop);
    const store = (password: string) => redis.url.replace('//', `//:${password}@`);
    const settings = {
      DATABASE_URL: database.appUrl,
      DATA_DIR: dataDir,
      PORT: '0',
      METRICS_PORT: '0',
      REQUESTS_PER_MINUTE: '3',
    };
    const begin = (password: string) =>
      start(loadConfig({ ...settings, RATE_LIMIT_STORE: store(password) }), createLog('silent'));
    await t.rejects(begin('wrong'), {
      constructor: ConfigError,
      message: 'RATE_LIMIT_STORE cannot be used: the password is wrong or the user does not exist.',
    });
    const instances = [await begin('store-secret'), await begin('store-secret')];
    const client = new pg.Client({ connectionString: database.superuserUrl });
    await client.connect();
    await client.query(
      `insert into partners values ($1, 'Contoso', 'c.example', 'US', '1', gen_random_uuid(), now())`,
      [CONTOSO],
    );
    await client.end();
    const statuses: number[] = [];
    for (const { url, identity } of [...instances, ...instances]) {
      const token = identity ? await mintToken(identity, { partner: 'contoso' }) : '';
      const answer = await fetch(`${url}/v1/purchasepermissions`, { headers: { authorization: `Bearer ${token}` } });
      statuses.push(answer.status);
    }
    for (const { close } of instances) await close();
    t.strictSame(statuses, [200, 200, 200, 429]);
  },
);
