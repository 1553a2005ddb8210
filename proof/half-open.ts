import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** A client that begins a request and does not finish it. */
interface Kind {
  name: string;
  /** Sent at once. */
  begin: string;
  /** Sent after it one byte at a time, for ever. */
  drip?: string;
  /** What the service gives it: headersTimeout 3 s, requestTimeout 5 s. */
  limitMs: number;
}

export interface HalfOpenAttack {
  /** Connections that are half open within their time: the mean since the number was reached. */
  held(): number;
  /** Ended by the service, in time and late. */
  ended: { inTime: number; late: number };
  /** Of those that were opened, how many are still open. */
  left(): number;
  /** Opens no more and waits until the last one's time is over. @returns how many are still open */
  wait(): Promise<number>;
  /** Closes what is left. */
  close(): void;
}

const HEADERS_MS = 3000;
const REQUEST_MS = 5000;
/** The service looks every half second; the rest is for a busy machine. */
const LATE_AFTER_MS = 1000;
const DRIP_MS = 500;
const TICK_MS = 20;
/** So that the queue of the listening socket does not overflow. */
const MOST_PER_TICK = 20;

const kindsOf = (path: string, token: string): readonly Kind[] => {
  const put = `PUT ${path} HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
  return [
    { name: 'silent after accept', begin: '', limitMs: HEADERS_MS },
    { name: 'half a header', begin: 'GET / HTTP/1.1\r\nHost: service\r\nX-Half: ', limitMs: HEADERS_MS },
    { name: 'a header byte by byte', begin: 'GET / HTTP/1.1\r\nX-Slow: ', drip: 'a', limitMs: HEADERS_MS },
    { name: 'a body that is short', begin: `${put}Content-Length: 100\r\n\r\n{"state"`, limitMs: REQUEST_MS },
    { name: 'a body byte by byte', begin: `${put}Content-Length: 9000\r\n\r\n{`, drip: ' ', limitMs: REQUEST_MS },
    { name: 'a chunk that is short', begin: `${put}Transfer-Encoding: chunked\r\n\r\n20\r\n{`, limitMs: REQUEST_MS },
  ];
};

/**
 * Holds so many connections half open, of all kinds in turn: whatever the service ends, or has not ended in its time,
 * is replaced by a new one, and nothing is ever closed from this side.
 */
export function startHalfOpen(
  target: { port: number; path: string; token: string },
  connections: number,
): HalfOpenAttack {
  const kinds = kindsOf(target.path, target.token);
  const fresh = new Set<Socket>();
  const sockets = new Set<Socket>();
  const dripping = new Map<Socket, string>();
  const ended = { inTime: 0, late: 0 };
  let opened = 0;
  const held: number[] = [];

  function openOne({ begin, drip, limitMs }: Kind): void {
    const socket = connect(target.port, '127.0.0.1');
    sockets.add(socket);
    fresh.add(socket);
    let since = performance.now();
    let overdue: NodeJS.Timeout | undefined;
    socket.once('connect', () => {
      since = performance.now();
      overdue = globalThis.setTimeout(() => fresh.delete(socket), limitMs + LATE_AFTER_MS);
      socket.write(begin);
      if (drip !== undefined) dripping.set(socket, drip);
    });
    socket.on('error', () => {});
    socket.resume();
    socket.once('close', () => {
      clearTimeout(overdue);
      sockets.delete(socket);
      fresh.delete(socket);
      dripping.delete(socket);
      if (performance.now() - since <= limitMs + LATE_AFTER_MS) ended.inTime += 1;
      else ended.late += 1;
    });
  }

  const refill = setInterval(() => {
    if (held.length > 0 || fresh.size >= connections) held.push(fresh.size);
    for (let n = 0; n < MOST_PER_TICK && fresh.size < connections; n++) {
      const kind = kinds[opened++ % kinds.length];
      if (kind) openOne(kind);
    }
  }, TICK_MS);
  const drips = setInterval(() => {
    for (const [socket, byte] of dripping) socket.write(byte);
  }, DRIP_MS);
  return {
    held: () => Math.round(held.reduce((sum, one) => sum + one, 0) / Math.max(1, held.length)),
    ended,
    left: () => sockets.size,
    wait: async () => {
      clearInterval(refill);
      await setTimeout(REQUEST_MS + LATE_AFTER_MS);
      return sockets.size;
    },
    close: () => {
      clearInterval(refill);
      clearInterval(drips);
      for (const socket of sockets) socket.destroy();
    },
  };
}
