import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { startService } from '../helpers/service.js';

const service = await startService(t);
const { server } = service.app;
const { hostname, port } = new URL(service.url);
/** More than the sockets of both sides hold; public, so that anybody can ask. */
const REQUESTS = 60;
const ASKED = 'GET /docs/json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(REQUESTS - 1);
const LAST = 'GET /docs/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const SHORT_MS = 2000;

async function ask(): Promise<Socket> {
  const socket = connect(Number(port), hostname);
  socket.pause();
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(ASKED + LAST);
  return socket;
}

const connections = () =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });

t.test('who takes no byte of an answer is cut', async (t) => {
  t.ok(server.timeout > 0 && server.timeout <= 60_000, `${server.timeout} ms`);
  server.setTimeout(SHORT_MS);
  const socket = await ask();
  t.teardown(() => socket.destroy());
  for (const deadline = Date.now() + 20_000; (await connections()) > 0; await setTimeout(100)) {
    if (Date.now() > deadline) throw new Error('the connection is still there');
  }
});

t.test('who reads slowly gets everything', async (t) => {
  server.setTimeout(SHORT_MS);
  const socket = await ask();
  let read = 0;
  let text = '';
  for (;;) {
    const chunk: Buffer | null = socket.read();
    if (chunk) {
      read += chunk.length;
      text = (text + chunk.toString('latin1')).slice(-200_000);
    } else if (socket.readableEnded || socket.destroyed) break;
    // Longer in all than the limit, shorter each time.
    await setTimeout(chunk && read < 8_000_000 ? 30 : 1);
  }
  const { length } = await (await fetch(`${service.url}/docs/json`)).text();
  t.ok(read > REQUESTS * length, `${read} bytes`);
});
