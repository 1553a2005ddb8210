import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import Fastify from 'fastify';
import t from 'tap';
import { closing } from '../../src/plugins/closing.js';

/** Connects as often as it is told, and then asks once on each connection. Posts how each ended. */
const CLIENT = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, count, connected } } = require('node:worker_threads');
  const asked = (socket) => new Promise((resolve) => {
    socket.once('data', (answer) => resolve(answer.toString().split('\\r\\n')[0]));
    socket.once('error', ({ code }) => resolve(code));
    socket.once('close', () => resolve('closed'));
    socket.write('GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n');
  });
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1', () => {
    Atomics.add(connected, 0, 1);
    Atomics.notify(connected, 0);
  }));
  const outcomes = Promise.all(sockets.map(async (socket) => {
    await new Promise((resolve) => socket.once('connect', resolve));
    return asked(socket);
  }));
  outcomes.then((all) => parentPort.postMessage(all));
`;

t.test('who is connected when the service closes is served, and taken by it or not yet', async (t) => {
  const app = Fastify({ return503OnClosing: false });
  await app.register(closing, { lingerMilliseconds: 500 });
  app.get('/', async () => 'here');
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const count = 20;
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const client = new Worker(CLIENT, { eval: true, workerData: { port, count, connected } });
  const outcomes = once(client, 'message');
  // While this thread stands still the kernel takes the connections, and the service none of them.
  for (let now = 0; now < count; now = Atomics.load(connected, 0)) Atomics.wait(connected, 0, now, 10_000);
  await app.close();
  t.same(await outcomes, [Array.from({ length: count }, () => 'HTTP/1.1 200 OK')]);
});
