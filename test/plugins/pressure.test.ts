import { setTimeout } from 'node:timers/promises';
import Fastify from 'fastify';
import fp from 'fastify-plugin';
import t from 'tap';
import { errors } from '../../src/plugins/errors.js';
import { pressure } from '../../src/plugins/pressure.js';

const authentication = fp(async () => {}, { name: 'authentication' });

/** Holds the event loop, with a breath in which it sees how late it is. */
async function blockFor(milliseconds: number): Promise<void> {
  for (const until = performance.now() + milliseconds; performance.now() < until; await setTimeout(1)) {
    for (const end = performance.now() + 1500; performance.now() < end; );
  }
}

t.test('while the event loop is late new work is 503 and health is answered, and after it both are', async (t) => {
  const app = Fastify();
  await app.register(errors);
  await app.register(authentication);
  await app.register(pressure);
  app.get('/v1/work', { config: { access: {} } }, async () => ({}));
  app.get('/livez', { config: { access: 'public' } }, async () => ({}));
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  const statusOf = async (url: string) => (await app.inject(url)).statusCode;
  await blockFor(1000);
  t.equal(await statusOf('/v1/work'), 200, 'not in the first seconds, which compile the routes');
  await blockFor(4500);
  const refused = await app.inject('/v1/work');
  t.match(refused, { statusCode: 503, headers: { 'retry-after': '5' } });
  t.equal(await statusOf('/livez'), 200);
  for (const deadline = Date.now() + 20_000; (await statusOf('/v1/work')) !== 200; await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error('it never takes work again');
  }
});
