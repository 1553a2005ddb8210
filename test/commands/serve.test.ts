import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { findProgram } from '../../harness/programs.js';
import { startRedis } from '../../harness/redis.js';
import { createTestDatabase } from '../helpers/database.js';
import { settledStatusOf, spawnService, startProcess, statusOf } from '../helpers/process.js';

const SECRET_KEY = Buffer.alloc(32, 1).toString('base64');
const NAMESPACE = ['unshare', '-fp', '--mount-proc', '--kill-child'];
const redisMissing = findProgram('redis-server') === undefined && 'redis-server is not installed';
const pidNamespaces = spawnSync('unshare', ['-fp', '--mount-proc', 'true']).status === 0;

/** The one child of `unshare`: process 1 of its namespace. */
async function childOf({ pid }: ChildProcess): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
}

async function openConnection(t: Test, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** What comes back when one more request is sent on a connection; empty when the connection is gone. */
async function askOn(socket: Socket, path: string): Promise<string> {
  let text = '';
  socket.on('data', (part) => {
    text += part;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  while (!text.includes('\r\n\r\n') && !socket.destroyed) await setTimeout(5);
  socket.removeAllListeners('data');
  return text;
}

async function untilRefused(t: Test, url: string): Promise<void> {
  for (;;) {
    const { hostname, port } = new URL(url);
    const probe = connect(Number(port), hostname);
    t.teardown(() => probe.destroy());
    try {
      await once(probe, 'connect');
    } catch {
      return;
    }
    probe.destroy();
    await setTimeout(5);
  }
}

t.test('SIGTERM: not ready at once, requests are taken while it drains, then exit 0', async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, DRAIN_SECONDS: '2' };
  const { child, url, exited, output } = await startProcess(t, settings);
  t.match(output(), /Database +PostgreSQL 1\d\.\d+ at 127\.0\.0\.1/);
  t.equal(await settledStatusOf(`${url}/readyz`), 200);
  child.kill('SIGTERM');
  const signalled = Date.now();
  for (;;) {
    if ((await statusOf(`${url}/readyz`)) === 503) break;
    t.ok(Date.now() - signalled < 1000, 'readiness goes off within a second');
    await setTimeout(20);
  }
  t.equal(await statusOf(`${url}/livez`), 200);
  t.equal(await statusOf(`${url}/v1/purchasepermissions`), 401, 'still answers');
  t.same(await exited, [0, null]);
  t.ok(Date.now() - signalled > 1900, 'after the drain');
  t.ok(Date.now() - signalled < 10_000);
  await t.rejects(fetch(`${url}/livez`));
});

t.test('SIGTERM as process 1 of a container ends it with 0', { skip: !pidNamespaces }, async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY };
  const { child, exited } = await startProcess(t, settings, NAMESPACE);
  const node = await childOf(child);
  t.match(await readFile(`/proc/${node}/status`, 'utf8'), /NSpid:.*\t1\n/, 'it is process 1');
  process.kill(node, 'SIGTERM');
  t.same(await exited, [0, null]);
});

t.test('a request on a connection that was idle at the end of the drain is answered, the last on it', async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, DRAIN_SECONDS: '1' };
  const { child, url, exited } = await startProcess(t, settings);
  const socket = await openConnection(t, url);
  t.match(await askOn(socket, '/livez'), /^HTTP\/1.1 200 .*Connection: keep-alive/is);
  child.kill('SIGTERM');
  await untilRefused(t, url);
  t.match(await askOn(socket, '/livez'), /^HTTP\/1.1 200 .*Connection: close/is);
  t.same(await exited, [0, null]);
});

t.test('connections on which nothing more is asked do not keep it from ending with 0', async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, DRAIN_SECONDS: '1' };
  const { child, url, metricsUrl, exited } = await startProcess(t, settings);
  for (const address of [url, metricsUrl]) {
    await openConnection(t, address);
    (await openConnection(t, address)).write('GET /livez HTTP/1.1\r\nHost: a\r\n');
    t.match(await askOn(await openConnection(t, address), '/nothing'), /^HTTP\/1.1 404 /);
  }
  child.kill('SIGTERM');
  t.same(await exited, [0, null]);
});

t.test('further signals to stop change nothing', async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, DRAIN_SECONDS: '1' };
  const { child, url, exited } = await startProcess(t, settings);
  child.kill('SIGTERM');
  while ((await statusOf(`${url}/readyz`)) !== 503) await setTimeout(5);
  child.kill('SIGTERM');
  child.kill('SIGINT');
  await setTimeout(100);
  t.equal(await statusOf(`${url}/livez`), 200, 'it still drains');
  t.same(await exited, [0, null]);
});

t.test('a log that nobody reads keeps no request waiting, nor the process from ending with 0', async (t) => {
  const database = await createTestDatabase(t);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, DRAIN_SECONDS: '1' };
  const { child, url, metricsUrl, exited } = await startProcess(t, settings);
  child.stdout?.removeAllListeners('data').pause();
  // Their lines are more than a pipe holds.
  const ask = async () => {
    for (let n = 0; n < 100; n++) await statusOf(`${url}/nothing`);
  };
  await Promise.all(Array.from({ length: 16 }, ask));
  const metrics = await (await fetch(metricsUrl)).text();
  t.match(metrics, /^customer_permissions_log_lines_lost_total 0$/m, 'less than the limit waits');
  child.kill('SIGTERM');
  const signalled = Date.now();
  t.same(await exited, [0, null]);
  t.ok(Date.now() - signalled < 8000);
});

/** A way to the database that passes nothing on before `open` is called. */
async function closedDoor(t: Test, databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl);
  const waiting: Socket[] = [];
  const door = createServer((client) => waiting.push(client.on('error', () => {})));
  t.teardown(() => door.close());
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(door.address() as AddressInfo).port}`;
  const pass = (client: Socket) => {
    const upstream = connect(Number(port), hostname).on('error', () => {});
    client.pipe(upstream).pipe(client);
  };
  return {
    url: url.href,
    knocked: once(door, 'connection'),
    open: () => {
      for (const client of waiting) pass(client);
      door.removeAllListeners('connection').on('connection', pass);
    },
  };
}

for (const [who, namespace] of [
  ['a process', []],
  ['process 1', NAMESPACE],
] as const) {
  t.test(
    `SIGTERM ends ${who} that still starts with 0`,
    { skip: namespace.length > 0 && !pidNamespaces },
    async (t) => {
      const database = await createTestDatabase(t);
      const door = await closedDoor(t, database.appUrl);
      const child = spawnService(t, { DATABASE_URL: door.url, SECRET_KEY, DRAIN_SECONDS: '60' }, namespace);
      const exited = once(child, 'exit');
      await door.knocked;
      process.kill(namespace.length > 0 ? await childOf(child) : (child.pid ?? 0), 'SIGTERM');
      await setTimeout(100);
      door.open();
      t.same(await exited, [0, null]);
    },
  );
}

t.test('the program that is shipped finds the client of its RATE_LIMIT_STORE', { skip: redisMissing }, async (t) => {
  const database = await createTestDatabase(t);
  const redis = await startRedis(t.testdir());
  t.teardown(redis.stop);
  const settings = { DATABASE_URL: database.appUrl, SECRET_KEY, RATE_LIMIT_STORE: redis.url };
  const { url } = await startProcess(t, settings);
  t.equal(await settledStatusOf(`${url}/readyz`), 200);
});
