import Fastify from 'fastify';
import t from 'tap';
import { deadline } from '../../src/plugins/deadline.js';
import { errors } from '../../src/plugins/errors.js';
import { requestIds } from '../../src/plugins/request-ids.js';

t.test('a request whose work takes too long is answered, a write as unknown', async (t) => {
  const app = Fastify();
  await app.register(errors);
  await app.register(requestIds);
  await app.register(deadline, { milliseconds: 300 });
  let late = 0;
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    late++;
    return { late };
  };
  app.get('/v1/slow', slow);
  app.put('/v1/slow', slow);
  app.get('/v1/fast', async () => ({ ok: true }));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  const [read, write, fast] = await Promise.all([
    fetch(`${url}/v1/slow`),
    fetch(`${url}/v1/slow`, { method: 'PUT' }),
    fetch(`${url}/v1/fast`),
  ]);
  t.equal(late, 0, 'the work goes on');
  t.equal(read.status, 503);
  t.match(await read.json(), { code: '990026' });
  t.equal(write.status, 503);
  t.match(await write.json(), { code: '990028' });
  for (const answer of [read, write]) t.match(answer.headers.get('retry-after'), /^\d+$/);
  t.equal(fast.status, 200);
});

t.test('a body that comes slowly, and an answer that is being sent, are left alone', async (t) => {
  const app = Fastify();
  await app.register(errors);
  await app.register(requestIds);
  await app.register(deadline, { milliseconds: 300 });
  app.get('/v1/export', (_request, reply) => {
    reply.hijack();
    reply.raw.write('begun, ');
    setTimeout(() => reply.raw.end('ended'), 800);
  });
  app.put('/v1/upload', async (request) => ({ got: request.body }));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  t.equal(await (await fetch(`${url}/v1/export`)).text(), 'begun, ended');
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(Buffer.from('"sl'));
      await new Promise((resolve) => setTimeout(resolve, 800));
      controller.enqueue(Buffer.from('ow"'));
      controller.close();
    },
  });
  const upload = await fetch(`${url}/v1/upload`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit);
  t.equal(upload.status, 200);
});
