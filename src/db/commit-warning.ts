import type pg from 'pg';

const warnings = new WeakMap<pg.ClientBase, Error>();

/** To be called once for each connection. */
export function keepWarnings(client: pg.ClientBase): void {
  client.on('notice', ({ code, message }) => {
    if (code === '01000') warnings.set(client, new Error(message));
  });
}

/** To be called when COMMIT is sent: of earlier statements no warning counts. */
export function forgetWarnings(client: pg.ClientBase): void {
  warnings.delete(client);
}

/**
 * What the server warned of at COMMIT. It does when the wait for the synchronous standby was cancelled: the change is
 * committed here, and may be lost with this server.
 */
export function warningOf(client: pg.ClientBase): Error | undefined {
  return warnings.get(client);
}
