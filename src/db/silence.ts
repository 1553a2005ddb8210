import type { Socket } from 'node:net';
import type pg from 'pg';
import { DatabaseUnavailable } from '../errors/from-postgres.js';

export const socketOf = (client: pg.ClientBase): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

/**
 * Ends connections in use from which nothing has come for too long. When the network drops what is sent, nobody says so,
 * and the time limits of the server do not help: without this a request would wait for ever, and its connection with it.
 *
 * Time is counted in looks, not by the clock: after this process itself has stood still, answers lie in the socket and
 * are read before the next look.
 */
export function watchSilence(options: { limitMilliseconds: number; onSilent: () => void }): {
  begin(client: pg.ClientBase): void;
  end(client: pg.ClientBase): void;
  stop(): void;
} {
  const looks = Math.ceil(options.limitMilliseconds / LOOK_MS);
  const inUse = new Map<pg.ClientBase, { heard: number; silentLooks: number }>();
  const timer = setInterval(() => {
    for (const [client, state] of inUse) {
      const socket = socketOf(client);
      if (socket.bytesRead !== state.heard) {
        state.heard = socket.bytesRead;
        state.silentLooks = 0;
      } else if (++state.silentLooks >= looks) {
        inUse.delete(client);
        options.onSilent();
        socket.destroy(new DatabaseUnavailable(`the database has not answered for ${options.limitMilliseconds} ms`));
      }
    }
  }, LOOK_MS);
  timer.unref();
  return {
    begin: (client) => inUse.set(client, { heard: socketOf(client).bytesRead, silentLooks: 0 }),
    end: (client) => inUse.delete(client),
    stop: () => clearInterval(timer),
  };
}

const LOOK_MS = 250;
