import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort, spawnProgram, untilOk } from '../harness/processes.js';
import { findProgram } from '../harness/programs.js';
import { ambiguousRequests, smugglingRequests } from '../test/contract/framing.js';
import { exchange } from '../test/contract/wire.js';
import type { ServiceClient } from '../test/helpers/service-client.js';

/** What a proxy puts into every request that it knows of; what the service logs under another id was smuggled past it. */
const SEEN_BY_PROXY = '11111111-1111-4111-8111-111111111111';
const AT_ONCE = 16;
/** How long a connection without news is held for waiting. */
const QUIET_MS = 2000;
const LOG_PATIENCE_MS = 20_000;

/** What stands between the client and the service. */
export interface Front {
  url: string;
  stop(): Promise<void>;
}

const portOf = (url: string) => new URL(url).port;

export async function startNginx(workDir: string, upstream: string): Promise<Front> {
  const port = await freePort();
  const directory = join(workDir, 'nginx');
  const file = join(workDir, 'nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}-${name};`,
  );
  await writeFile(
    file,
    `daemon off; master_process off; pid ${directory}.pid; error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off; ${paths.join(' ')}
  upstream service { server 127.0.0.1:${portOf(upstream)}; keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://service; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Connection ""; proxy_set_header MS-CorrelationId ${SEEN_BY_PROXY};
    }
  }
}
`,
  );
  return front('nginx', ['-c', file, '-p', workDir, '-e', `${directory}.err`], workDir, port);
}

export async function startHaproxy(workDir: string, upstream: string): Promise<Front> {
  const port = await freePort();
  const file = join(workDir, 'haproxy.cfg');
  await writeFile(
    file,
    `defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  http-request set-header MS-CorrelationId ${SEEN_BY_PROXY}
  default_backend service
backend service
  server one 127.0.0.1:${portOf(upstream)}
`,
  );
  return front('haproxy', ['-db', '-f', file], workDir, port);
}

async function front(name: string, args: readonly string[], workDir: string, port: number): Promise<Front> {
  const program = findProgram(name);
  if (program === undefined) throw new Error(`${name} is not installed`);
  const logFile = join(workDir, `${name}.log`);
  const running = spawnProgram(program, { args, logFile });
  const url = `http://127.0.0.1:${port}`;
  await untilOk(`${url}/livez`, {}, running, logFile);
  return { url, stop: () => running.stop() };
}

const HEAD_END = '\r\n\r\n';

/** A proxy that knows of Content-Length alone and passes on what else there is. */
export async function startNaiveProxy(upstream: string): Promise<Front> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const service = connect(Number(portOf(upstream)), '127.0.0.1');
    let rest = '';
    client.setEncoding('latin1').on('data', (text: string) => {
      rest += text;
      for (let end = rest.indexOf(HEAD_END); end !== -1; end = rest.indexOf(HEAD_END)) {
        const head = rest.slice(0, end);
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        const next = end + HEAD_END.length + length;
        if (rest.length < next) return;
        const known = head.replace(/\r\nms-correlationid:[^\r]*/gi, '');
        const body = rest.slice(end + HEAD_END.length, next);
        service.write(`${known}\r\nMS-CorrelationId: ${SEEN_BY_PROXY}${HEAD_END}${body}`, 'latin1');
        rest = rest.slice(next);
      }
    });
    service.pipe(client);
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        service.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface Smuggled {
  sent: number;
  /** Requests that the service answered for themselves and that were hidden in others. */
  served: number;
  /** Requests sent behind an attack, on connections of their own, that got no answer or somebody else's. */
  mixedUp: number;
  /** Not one 400 and a closed connection; asked of the service itself. */
  notRefused: string[];
}

/**
 * Sends every ambiguous request with one hidden in it or behind it, and a plain one after each.
 * @param url of the service, or of what stands in front of it
 * @param logFile of the service
 */
export async function smuggle(
  client: ServiceClient,
  path: string,
  url: string,
  logFile: string,
  direct: boolean,
): Promise<Smuggled> {
  const authorization = `Authorization: Bearer ${client.tokens.admin}`;
  const hiddenIds: string[] = [];
  const hide = () => {
    const id = crypto.randomUUID();
    hiddenIds.push(id);
    return `GET /livez HTTP/1.1\r\nHost: x\r\nMS-CorrelationId: ${id}\r\n\r\n`;
  };
  const attacks = ambiguousRequests(authorization, path).map(({ bytes }) => bytes + hide());
  // Where the token is refused the body is not read, and what is wrong with it not noticed.
  for (const sent of [authorization, 'Authorization: Bearer x']) {
    const count = smugglingRequests(sent, path, '').length;
    for (let index = 0; index < count; index++) attacks.push(smugglingRequests(sent, path, hide())[index] ?? '');
  }
  const result: Smuggled = { sent: attacks.length, served: 0, mixedUp: 0, notRefused: [] };
  let next = 0;
  const work = async () => {
    for (let attack = attacks[next++]; attack !== undefined; attack = attacks[next++]) {
      // What cannot be read as answers is none of HTTP/1.1: nginx answers a request without a version so.
      const got = await exchange(url, attack, { quietMilliseconds: QUIET_MS }).catch(() => undefined);
      const refused = got?.answers.length === 1 && got.answers[0]?.status === 400 && got.closed;
      if (direct && !refused) result.notRefused.push(attack);
      if (!(await answersItself(url))) result.mixedUp += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const log = await readWholeLog(client.url, logFile);
  result.served = hiddenIds.filter((id) => log.includes(id)).length;
  return result;
}

/** The log, once a request that comes after all others is in it. */
async function readWholeLog(url: string, logFile: string): Promise<string> {
  const last = crypto.randomUUID();
  await (await fetch(`${url}/livez`, { headers: { 'ms-correlationid': last } })).arrayBuffer();
  for (const begin = performance.now(); performance.now() - begin < LOG_PATIENCE_MS; await setTimeout(50)) {
    const log = await readFile(logFile, 'utf8');
    if (log.includes(last)) return log;
  }
  throw new Error('the service does not write its log');
}

/** Whether a plain request gets the answer to itself. */
async function answersItself(url: string): Promise<boolean> {
  const id = crypto.randomUUID();
  const answer = await fetch(`${url}/livez`, {
    headers: { 'ms-requestid': id },
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.status === 200 && answer.headers.get('ms-requestid') === id;
}
