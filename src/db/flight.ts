import type { Writable } from 'node:stream';
import type pg from 'pg';

const held = new WeakMap<Writable, (() => void)[]>();

/**
 * Holds back what is written to the connection until the end of this turn of the event loop, so that statements issued
 * together leave in one packet and one system call. Five single writes were a third of the processor time of a read.
 * @param beforeSending issues what is to leave last
 */
export function sendTogether(client: pg.ClientBase, beforeSending?: () => void): void {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  const waiting = held.get(stream);
  if (waiting) {
    if (beforeSending) waiting.push(beforeSending);
    return;
  }
  const last = beforeSending ? [beforeSending] : [];
  held.set(stream, last);
  stream.cork();
  setImmediate(() => {
    for (const issue of last) issue();
    held.delete(stream);
    stream.uncork();
  });
}
