import type { Writable } from 'node:stream';
import type pg from 'pg';

const held = new WeakSet<Writable>();

/**
 * Holds back what is written to the connection until the end of this turn of the event loop, so that statements issued
 * together leave in one packet and one system call. Five single writes were a third of the processor time of a read.
 */
export function sendTogether(client: pg.ClientBase): void {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  if (held.has(stream)) return;
  held.add(stream);
  stream.cork();
  setImmediate(() => {
    held.delete(stream);
    stream.uncork();
  });
}
