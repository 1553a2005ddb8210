import { generateKeyPairSync } from 'node:crypto';
import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import t, { type Test } from 'tap';
import { backOff } from '../../../src/nouns/webhooks/back-off.js';
import { makeCertificate } from '../../../src/nouns/webhooks/certificate.js';
import { post } from '../../../src/nouns/webhooks/post.js';

const body = Buffer.from('{}');
const anywhere = { allowPrivate: true };
const LIMITS = { milliseconds: 300, bytes: 64 * 1024 };

async function listen(t: Test, server: Server & { closeAllConnections(): void }): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function answering(t: Test, listener: RequestListener): Promise<URL> {
  return new URL(`http://127.0.0.1:${await listen(t, createPlainServer(listener))}/hook?x=1`);
}

t.test('an answer is its status, whatever comes with it', async (t) => {
  let seen = '';
  const url = await answering(t, (request, response) => {
    seen = `${request.method} ${request.url} ${request.headers['content-length']} ${request.headers['x-one']}`;
    response.writeHead(503, 'I am a secret', { 'Retry-After': '1' }).end('the inside of the target');
  });
  t.strictSame(await post(url, { 'X-One': '1' }, body, anywhere), {
    responseCode: 503,
    message: 'Service Unavailable',
  });
  t.equal(seen, 'POST /hook?x=1 2 1');
});

t.test('redirects are not followed', async (t) => {
  let followed = 0;
  const inside = await answering(t, (_request, response) => {
    followed += 1;
    response.end();
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const url = await answering(t, (_request, response) => response.writeHead(status, { location: inside.href }).end());
    t.match(await post(url, {}, body, anywhere), { responseCode: status });
  }
  t.equal(followed, 0);
});

t.test('a target that does not answer, or does not end its answer, is left after the limit', async (t) => {
  const silent = await answering(t, () => {});
  t.strictSame(await post(silent, {}, body, anywhere, LIMITS), { message: 'The target did not answer within 0.3 s.' });

  const endless = await answering(t, (_request, response) => {
    response.writeHead(200);
    response.write('x');
  });
  t.strictSame(await post(endless, {}, body, anywhere, LIMITS), { responseCode: 200, message: 'OK' });

  let written = 0;
  const huge = await answering(t, (_request, response) => {
    response.writeHead(500);
    const chunk = Buffer.alloc(16 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(chunk)) written += chunk.length;
    };
    response.on('drain', more);
    more();
  });
  // Without the limit in bytes this would not end: the one in time is an hour.
  const answer = await post(huge, {}, body, anywhere, { ...LIMITS, milliseconds: 3_600_000 });
  t.match(answer, { responseCode: 500 });
  t.ok(written < 50_000_000);

  const headers = await answering(t, (request) => {
    request.socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`);
  });
  t.match(await post(headers, {}, body, anywhere, LIMITS), { message: 'The connection failed: HPE_HEADER_OVERFLOW.' });
  const cut = await answering(t, (request) => request.socket.destroy());
  t.match(await post(cut, {}, body, anywhere, LIMITS), { message: 'The connection failed: ECONNRESET.' });
  const upgrade = await answering(t, (request) => {
    request.socket.end('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  });
  t.notOk((await post(upgrade, {}, body, anywhere, LIMITS)).responseCode, 'a change of protocol is no answer');
});

t.test('private addresses are not connected to, as they are written or as a name stands for them', async (t) => {
  let connections = 0;
  const server = createPlainServer((_request, response) => response.end());
  server.on('connection', () => {
    connections += 1;
  });
  const port = await listen(t, server);
  const refused = { message: 'The target is not on the public internet.' };
  const strict = { allowPrivate: false };
  for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433', 'localhost']) {
    t.strictSame(await post(new URL(`https://${host}:${port}/`), {}, body, strict), refused, host);
  }
  t.strictSame(await post(new URL(`http://93.184.216.34:${port}/`), {}, body, strict), refused, 'plain http');

  const answers = [
    [{ address: '127.0.0.1', family: 4 }],
    [
      { address: '93.184.216.34', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ],
    [{ address: '::ffff:127.0.0.1', family: 6 }],
    [],
  ];
  for (const addresses of answers) {
    const rebound = { allowPrivate: false, resolve: async () => addresses };
    t.strictSame(await post(new URL(`https://hook.example:${port}/`), {}, body, rebound), refused);
  }
  t.equal(connections, 0, 'nothing reached the socket');
});

t.test('a name is looked up once, and what was judged is what is connected to', async (t) => {
  let lookups = 0;
  let host: string | undefined;
  const url = await answering(t, (request, response) => {
    host = request.headers.host;
    response.end();
  });
  const rules = {
    allowPrivate: true,
    resolve: async () => {
      lookups += 1;
      return [{ address: '127.0.0.1', family: 4 }];
    },
  };
  const named = new URL(`http://hook.example:${url.port}/`);
  t.match(await post(named, {}, body, rules), { responseCode: 200 });
  t.equal(lookups, 1);
  t.equal(host, `hook.example:${url.port}`);
  const failing = { allowPrivate: false, resolve: async () => Promise.reject(new Error('no')) };
  t.match(await post(new URL('https://hook.example/'), {}, body, failing), {
    message: 'The connection failed: Error.',
  });
});

t.test('a certificate that nobody vouches for is refused', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const from = new Date(Date.now() - 1000);
  const until = new Date(Date.now() + 3_600_000);
  const keyId = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
  const cert = await makeCertificate({ partnerId: keyId, keyId, publicKey, privateKey, from, until });
  const server = createSecureServer({ key: privateKey, cert }, (_request, response) => response.end());
  const url = new URL(`https://127.0.0.1:${await listen(t, server)}/`);
  t.match(await post(url, {}, body, anywhere), { message: 'The connection failed: DEPTH_ZERO_SELF_SIGNED_CERT.' });
});

t.test('waits between attempts grow threefold to four hours, a fifth more or less', async (t) => {
  const seconds = [30, 90, 270, 810, 2430, 7290, 14_400, 14_400, 14_400];
  for (const [index, middle] of seconds.entries()) {
    t.equal(backOff(index + 1, 0.5) / 1000, middle);
    t.equal(Math.round(backOff(index + 1, 0)), Math.round(middle * 800));
    t.equal(Math.round(backOff(index + 1, 1)), Math.round(middle * 1200));
  }
});
