import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { LoadPlan, LoadResult, PlannedRequest } from './load.js';
import { quantile } from './slices.js';

const TICK_MS = 1;

function bytesOf({ method, path, body, headers }: PlannedRequest, host: string, fixed: LoadPlan['headers']): Buffer {
  const all = {
    host,
    ...fixed,
    ...headers,
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`);
}

/** The status of an answer that is there as a whole; answers have a length or no body. */
function statusOf(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
  return text.length < head + 4 + length ? undefined : Number(text.slice(9, 12));
}

/**
 * Asks at times that do not depend on the answers, so many a second in all, at random intervals. A request that finds
 * every connection taken waits, and its time counts from when it was due.
 */
export async function runPaced(plan: LoadPlan & { rate: number; until: { seconds: number } }): Promise<LoadResult> {
  const { hostname, port, host } = new URL(plan.url);
  const idle: ((due: number) => void)[] = [];
  const waiting: number[] = [];
  const times: number[] = [];
  const result = { answered: 0, refused: 0, failed: 0 };
  const sockets: Socket[] = [];
  for (let index = 0; index < plan.connections; index++) {
    const requests = (plan.sequences[index % plan.sequences.length] ?? []).map((one) =>
      bytesOf(one, host, plan.headers),
    );
    const socket = connect(Number(port), hostname).setNoDelay();
    await once(socket, 'connect');
    sockets.push(socket);
    let [next, due, text] = [0, 0, ''];
    const send = (since: number) => {
      due = since;
      text = '';
      socket.write(requests[next++ % requests.length] ?? '');
    };
    idle.push(send);
    socket.on('error', () => {});
    socket.on('close', () => {
      result.failed++;
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const status = statusOf(text);
      if (status === undefined) return;
      times.push(performance.now() - due);
      if (status < 300) result.answered++;
      else result.refused++;
      const first = waiting.shift();
      if (first === undefined) idle.push(send);
      else send(first);
    });
  }
  const begin = performance.now();
  const end = begin + plan.until.seconds * 1000;
  const gap = () => (-Math.log(1 - Math.random()) / plan.rate) * 1000;
  let arrival = begin;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      for (; arrival <= now; arrival += gap()) {
        const send = idle.shift();
        if (send) send(now);
        else waiting.push(arrival);
      }
      if (now < end) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  const seconds = (performance.now() - begin) / 1000;
  const { answered, refused, failed } = result;
  for (const socket of sockets) socket.destroy();
  return { answered, refused, failed, seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}
