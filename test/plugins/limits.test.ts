import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import Fastify, { type LightMyRequestResponse } from 'fastify';
import fp from 'fastify-plugin';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { freePort } from '../../harness/processes.js';
import { findProgram } from '../../harness/programs.js';
import { openProxy } from '../../harness/proxy.js';
import { type RunningRedis, startRedis } from '../../harness/redis.js';
import { createLog } from '../../src/log.js';
import type { Caller } from '../../src/plugins/authentication.js';
import { openRedisCounts, RedisRefuses } from '../../src/plugins/counts/redis-counts.js';
import { errors } from '../../src/plugins/errors.js';
import { limits } from '../../src/plugins/limits.js';
import { makeCertificate } from '../helpers/certificate.js';
import { CONTOSO, FABRIKAM } from '../helpers/service.js';

const REDIS_COUNTS = new URL('../../src/plugins/counts/redis-counts.js', import.meta.url).href;
const KEY = Buffer.alloc(32, 7);
const skip = findProgram('redis-server') === undefined && 'redis-server is not installed';

interface Instance {
  events: string[];
  list(tenantId?: string): Promise<LightMyRequestResponse>;
  switchOn(tenantId?: string): Promise<LightMyRequestResponse>;
}

async function redisFor(t: Test, settings: readonly string[] = []): Promise<RunningRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'customer-permissions-redis-'));
  const redis = await startRedis(directory, settings);
  t.teardown(async () => {
    await redis.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return redis;
}

/** Whoever the header names has been verified. */
const authentication = fp(
  async (app) => {
    app.addHook('onRequest', async (request) => {
      request.caller = { tenantId: request.headers['x-tenant'] } as unknown as Caller;
    });
  },
  { name: 'authentication' },
);

/** An instance that has nothing but limits, with its counts in a Redis. */
async function instanceOn(t: Test, url: string, most: { requests?: number; switches?: number }): Promise<Instance> {
  const events: string[] = [];
  const log = createLog('info', { write: (line) => void events.push(JSON.parse(line).event) });
  const counts = await openRedisCounts(url, log);
  const app = Fastify();
  await app.register(errors);
  await app.register(authentication);
  await app.register(limits, {
    requestsPerMinute: most.requests ?? 0,
    switchesPerMinute: most.switches ?? 0,
    shared: { counts, key: KEY },
  });
  app.get('/v1/list', { config: { access: {} } }, async () => ({}));
  app.put('/v1/switch', { config: { access: {} } }, async (request) => {
    await app.limitSwitches(request);
    return {};
  });
  t.teardown(async () => {
    await app.close();
    await counts.close();
  });
  const send = (method: 'GET' | 'PUT', url: string, tenantId: string) =>
    app.inject({ method, url, headers: { 'x-tenant': tenantId } });
  return {
    events,
    list: (tenantId = CONTOSO) => send('GET', '/v1/list', tenantId),
    switchOn: (tenantId = CONTOSO) => send('PUT', '/v1/switch', tenantId),
  };
}

async function statusesOf(count: number, ...instances: readonly Instance[]): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n++) {
    for (const instance of instances) statuses.push((await instance.list()).statusCode);
  }
  return statuses;
}

async function untilLogged({ events, list }: Instance, event: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !events.includes(event); await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error(`${event} was not logged`);
    await list(FABRIKAM);
  }
}

t.test('two instances with one store let a partner through as often as one does', { skip }, async (t) => {
  const redis = await redisFor(t);
  const most = { requests: 5 };
  const [one, other] = await Promise.all([instanceOn(t, redis.url, most), instanceOn(t, redis.url, most)]);
  t.strictSame(await statusesOf(4, one, other), [200, 200, 200, 200, 200, 429, 429, 429]);
  const refused = await other.list();
  t.match(refused.headers['retry-after'], /^([1-9]|[1-5]\d|60)$/);
  t.match(refused.json(), { statusCode: 429, message: /Try again in \d+ seconds/ });
  t.equal((await other.list(FABRIKAM)).statusCode, 200, 'another partner');
});

t.test('switches on count together too, apart from requests', { skip }, async (t) => {
  const redis = await redisFor(t);
  const most = { requests: 100, switches: 3 };
  const [one, other] = await Promise.all([instanceOn(t, redis.url, most), instanceOn(t, redis.url, most)]);
  const statuses: number[] = [];
  for (const instance of [one, other, one, other]) statuses.push((await instance.switchOn()).statusCode);
  t.strictSame(statuses, [200, 200, 200, 429]);
});

t.test('what is in the store ends within the minute and names no tenant', { skip }, async (t) => {
  const redis = await redisFor(t);
  const instance = await instanceOn(t, redis.url, { requests: 2 });
  await statusesOf(6, instance);
  const client = new Redis(redis.port);
  t.teardown(() => client.disconnect());
  const keys = (await client.keys('*')).filter((key) => !key.endsWith(':start'));
  t.equal(keys.length, 1);
  const [key = ''] = keys;
  t.match(key, /^customer-permissions:limit:[\w-]{22}$/);
  t.notMatch(key, new RegExp(`${CONTOSO}|${CONTOSO.replaceAll('-', '')}`));
  const left = await client.pttl(key);
  t.ok(left > 0 && left <= 60_000, `${left} ms`);
  t.equal(await client.get(key), '3', 'who is above the limit is not counted again and again');
  await client.persist(key);
  await client.set(key, 1);
  const next = await instanceOn(t, redis.url, { requests: 2 });
  t.strictSame(await statusesOf(2, next), [200, 429]);
  t.ok((await client.pttl(key)) > 0, 'a key that had no end gets one');
});

t.test('a store that is killed and comes back costs no request its answer', { skip }, async (t) => {
  const redis = await redisFor(t);
  const most = { requests: 5 };
  const [one, other] = await Promise.all([instanceOn(t, redis.url, most), instanceOn(t, redis.url, most)]);
  t.strictSame(await statusesOf(2, one, other), [200, 200, 200, 200]);
  await redis.kill();
  t.strictSame(await statusesOf(4, one), [200, 200, 200, 429], 'each goes on with what it has counted itself');
  t.strictSame(await statusesOf(4, other), [200, 200, 200, 429]);
  t.strictSame([one.events, other.events], [['rate_limit_store_lost'], ['rate_limit_store_lost']]);
  await redis.start();
  await Promise.all([one, other].map((instance) => untilLogged(instance, 'rate_limit_store_found')));
  const client = new Redis(redis.port);
  t.teardown(() => client.disconnect());
  await client.flushall();
  t.strictSame(await statusesOf(3, one, other), [200, 200, 200, 200, 200, 429]);
});

t.test('a store that does not answer any more holds up one request a second, briefly', { skip }, async (t) => {
  const redis = await redisFor(t);
  const proxy = await openProxy({ host: '127.0.0.1', port: redis.port });
  t.teardown(() => proxy.close());
  const instance = await instanceOn(t, `redis://127.0.0.1:${proxy.port}`, { requests: 1000 });
  t.strictSame(await statusesOf(1, instance), [200]);
  proxy.stall();
  const begin = performance.now();
  const waited: number[] = [];
  while (performance.now() - begin < 4500) {
    const sent = performance.now();
    t.strictSame(await statusesOf(1, instance), [200]);
    waited.push(performance.now() - sent);
    await setTimeout(20);
  }
  const late = waited.filter((milliseconds) => milliseconds > 150);
  t.ok(late.length <= 6, `${late.length} of ${waited.length} waited`);
  t.strictSame(instance.events, ['rate_limit_store_lost']);
  proxy.resume();
  await untilLogged(instance, 'rate_limit_store_found');
});

/** What a process that trusts one more certificate says of what it has counted. */
async function countElsewhere(address: string, trusted: string): Promise<string> {
  const program = `
    import { openRedisCounts } from ${JSON.stringify(REDIS_COUNTS)};
    const counts = await openRedisCounts(process.argv[1], { warn: console.error, info: console.error });
    console.log(JSON.stringify(await counts.add('anybody', 1000)));
    await counts.close();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, address], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: trusted },
  });
  return stdout;
}

t.test(
  'a store that is reached by TLS counts, and is refused where its certificate is not trusted',
  { skip },
  async (t) => {
    const { privateKey, certificate } = makeCertificate('127.0.0.1');
    const directory = t.testdir({ 'key.pem': privateKey, 'certificate.pem': certificate });
    const [key, trusted] = ['key.pem', 'certificate.pem'].map((name) => join(directory, name)) as [string, string];
    const port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-key-file', key, '--tls-cert-file', trusted];
    await redisFor(t, [...tls, '--tls-ca-cert-file', trusted, '--tls-auth-clients', 'no']);
    const address = `rediss://127.0.0.1:${port}`;
    t.match(JSON.parse(await countElsewhere(address, trusted)), { current: 1, ttl: 1000 });
    await t.rejects(openRedisCounts(address, createLog('silent')), {
      constructor: RedisRefuses,
      message: /^its certificate is not trusted/,
    });
  },
);

t.test('an instance starts without its store, and not with one that refuses it', { skip }, async (t) => {
  const redis = await redisFor(t, ['--requirepass', 'store-secret']);
  const lines: string[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(line) });
  const address = (login: string) => redis.url.replace('//', `//${login}`);
  await t.rejects(openRedisCounts(redis.url, log), { constructor: RedisRefuses, message: 'it asks for a password' });
  await t.rejects(openRedisCounts(address(':wrong-secret@'), log), {
    constructor: RedisRefuses,
    message: /password is wrong/,
  });
  const counts = await openRedisCounts(address(':store-secret@'), log);
  t.match(await counts.add('anybody', 1000), { current: 1, ttl: 1000 });
  await counts.close();
  await redis.kill();
  const alone = await openRedisCounts(address(':store-secret@'), log);
  t.equal(await alone.add('anybody', 1000), undefined);
  await redis.start();
  for (const deadline = Date.now() + 20_000; !(await alone.add('anybody', 1000)); await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error('the store is not found');
  }
  await alone.close();
  t.match(lines.join(''), /rate_limit_store_lost/);
  t.notMatch(lines.join(''), /store-secret|wrong-secret/);
});
