import type { EventEmitter } from 'node:events';
import type pg from 'pg';

const warnings = new WeakMap<pg.ClientBase, Error>();

/** To be called once for each connection. */
export function keepWarnings(client: pg.ClientBase): void {
  client.on('notice', ({ code, message }) => {
    if (code === '01000') warnings.set(client, new Error(message));
  });
  // Of other statements no warning counts, also of those that leave together with COMMIT.
  const { connection } = client as unknown as { connection: EventEmitter };
  connection.on('commandComplete', ({ text }: { text: string }) => {
    if (text !== 'COMMIT') warnings.delete(client);
  });
}

/**
 * What the server warned of at COMMIT. It does when the wait for the synchronous standby was cancelled: the change is
 * committed here, and may be lost with this server.
 */
export function warningOf(client: pg.ClientBase): Error | undefined {
  return warnings.get(client);
}
