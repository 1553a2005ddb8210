import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export type Parameter = string | Buffer | null;

export interface SentStatement {
  text: string;
  values: readonly Parameter[];
}

/** Statements that were sent without waiting for an answer in between. */
export type Flight = readonly SentStatement[];

export interface WireCapture {
  /** The database's URL through this capture. */
  url: string;
  /** The flights since the last call that belong to transactions that write, by transaction. */
  takeWrites(): Flight[][];
  close(): void;
}

// Statements of one flight reach this process within a millisecond of each other; the next flight waits for answers.
const QUIET_MS = 20;

/** Reads the frontend's messages (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
function createReader(sent: (statement: SentStatement) => void): (chunk: Buffer) => void {
  const prepared = new Map<string, string>();
  let started = false;
  let rest = Buffer.alloc(0);

  function bind(body: Buffer): void {
    let at = body.indexOf(0) + 1;
    const nameEnd = body.indexOf(0, at);
    const text = prepared.get(body.toString('utf8', at, nameEnd)) ?? '';
    at = nameEnd + 1;
    const formats = Array.from({ length: body.readInt16BE(at) }, (_, index) => body.readInt16BE(at + 2 + 2 * index));
    at += 2 + 2 * formats.length;
    const count = body.readInt16BE(at);
    at += 2;
    const values: Parameter[] = [];
    for (let index = 0; index < count; index++) {
      const length = body.readInt32BE(at);
      at += 4;
      if (length < 0) {
        values.push(null);
        continue;
      }
      const value = body.subarray(at, at + length);
      const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1;
      values.push(binary ? Buffer.from(value) : value.toString());
      at += length;
    }
    sent({ text, values });
  }

  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      // The startup message has no type byte.
      const header = started ? 1 : 0;
      if (rest.length < header + 4) return;
      const end = header + rest.readInt32BE(header);
      if (rest.length < end) return;
      const type = started ? String.fromCharCode(rest[0] ?? 0) : '';
      const body = rest.subarray(header + 4, end);
      rest = rest.subarray(end);
      started = true;
      if (type === 'P') {
        const nameEnd = body.indexOf(0);
        prepared.set(
          body.toString('utf8', 0, nameEnd),
          body.toString('utf8', nameEnd + 1, body.indexOf(0, nameEnd + 1)),
        );
      } else if (type === 'B') bind(body);
      else if (type === 'Q') {
        const texts = body.toString('utf8', 0, body.length - 1).split(';');
        for (const text of texts.map((one) => one.trim())) if (text !== '') sent({ text, values: [] });
      }
    }
  };
}

const isEnd = ({ text }: SentStatement) => text === 'commit' || text === 'rollback';

/**
 * Stands between the service and its database and notes the writes it sends, in which flights. What it looks up beside
 * them, also at its own time, is left out. Without TLS.
 */
export async function captureWire(databaseUrl: string): Promise<WireCapture> {
  const target = new URL(databaseUrl);
  const writes: Flight[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay().on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    let statements: SentStatement[] = [];
    let write: Flight[] | undefined;
    const read = createReader((statement) => statements.push(statement));
    let waiting: Buffer[] = [];
    client.on('data', async (chunk) => {
      read(chunk);
      waiting.push(chunk);
      const { length } = waiting;
      await setTimeout(QUIET_MS);
      if (waiting.length !== length || waiting[0] === undefined) return;
      upstream.write(Buffer.concat(waiting));
      waiting = [];
      const flight = statements;
      statements = [];
      if (flight.some(({ text }) => text === 'begin')) {
        write = [];
        writes.push(write);
      }
      write?.push(flight);
      if (flight.some(isEnd)) write = undefined;
    });
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    takeWrites: () => writes.splice(0),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
