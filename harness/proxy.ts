import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** A proxy between the service and what it connects to, for faults of the network. Without TLS. */
export interface Proxy {
  port: number;
  /** The same URL through the proxy. */
  through(url: string): string;
  /**
   * The next COMMIT of a transaction that writes reaches PostgreSQL, and what comes back after it does not reach the
   * service: the connection breaks.
   */
  swallowNextCommit(): void;
  /** How many replies to COMMIT were swallowed so far. */
  swallowed(): number;
  /** Bytes are taken and not passed on, in both directions, sockets stay open: until `resume`. */
  stall(): void;
  resume(): void;
  /** What every chunk waits, one way. */
  delay(milliseconds: number): void;
  /** Breaks every open connection. */
  cut(): void;
  /** Sends new connections elsewhere. */
  pointTo(target: { host: string; port: number }): void;
  close(): Promise<void>;
}

/** Time for PostgreSQL to have committed, before the connection that asked for it breaks. */
const COMMIT_MS = 60;
/** As src/db/connect.ts sends them: simple queries (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const BEGIN_TO_WRITE = ['begin; ', 'begin\0'];
const BEGIN_TO_READ = 'begin read only';
const COMMIT = 'Q\0\0\0\x0bcommit\0';

export async function openProxy(first: { host: string; port: number }): Promise<Proxy> {
  let target = first;
  let toSwallow = 0;
  let swallowed = 0;
  let stalled: Promise<void> | undefined;
  let release = () => {};
  let delayMs = 0;
  const sockets = new Set<Socket>();

  function pump(from: Socket, to: Socket, pass: (bytes: Buffer) => boolean): void {
    let last: Promise<void> = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      if (!pass(bytes)) return;
      if (delayMs === 0 && !stalled) {
        // Behind what waits; at once when nothing does.
        last = last.then(() => void to.write(bytes));
        return;
      }
      const ready = Promise.all([stalled, setTimeout(delayMs)]);
      last = last.then(() => ready).then(() => void to.write(bytes));
    });
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }

  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    let cut = false;
    let writes = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket.setNoDelay());
      socket.on('close', () => sockets.delete(socket));
    }
    pump(client, upstream, (bytes) => {
      if (bytes.includes(BEGIN_TO_READ)) writes = false;
      else if (BEGIN_TO_WRITE.some((begin) => bytes.includes(begin))) writes = true;
      if (toSwallow > 0 && writes && !cut && bytes.includes(COMMIT)) {
        toSwallow--;
        swallowed++;
        cut = true;
        void setTimeout(COMMIT_MS).then(() => client.destroy());
      }
      return true;
    });
    pump(upstream, client, () => !cut);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    port,
    through: (url) => {
      const there = new URL(url);
      [there.hostname, there.port] = ['127.0.0.1', String(port)];
      return there.href;
    },
    swallowNextCommit: () => {
      toSwallow++;
    },
    swallowed: () => swallowed,
    stall: () => {
      stalled ??= new Promise((resolve) => {
        release = resolve;
      });
    },
    resume: () => {
      stalled = undefined;
      release();
    },
    delay: (milliseconds) => {
      delayMs = milliseconds;
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    pointTo: (other) => {
      target = other;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      release();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
