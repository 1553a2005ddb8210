import { once } from 'node:events';
import { Server } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import fp from 'fastify-plugin';

export interface ClosingOptions {
  /** How long a connection that is idle may still be used when no new one is taken any more. */
  lingerMilliseconds: number;
}

/** How long a request may take, or its answer be read, before its connection is cut. */
const CUT_MILLISECONDS = 10_000;
const LOOK_MILLISECONDS = 50;
/**
 * A turn of the event loop in which next to nothing was done. With 1000 clients that connect each second, 600 closings reset
 * 1 to 3 that had asked; where the turn may take 0.5 ms 48, and after whatever turn 93.
 */
const QUIET_MILLISECONDS = 0.1;
/** Where connections never cease to come, or the turns to be long. */
const TAKE_MILLISECONDS = 1000;

/** Timers run before the sockets are read: what has arrived is taken first. */
const settled = () => setImmediate();

/**
 * Takes the connections that the kernel has taken already: closing the listening socket resets them. Node takes one of
 * them in each turn (https://github.com/libuv/libuv/pull/3696), so none are left after a turn that took none. It has to
 * be a short one, too: who connects in the rest of the last turn is reset.
 */
async function takeWaiting(server: Server): Promise<void> {
  let taken = false;
  const take = () => {
    taken = true;
  };
  server.on('connection', take);
  const end = performance.now() + TAKE_MILLISECONDS;
  // The first turn may have begun with its sockets read already.
  await settled();
  for (let begin = performance.now(); begin < end; begin = performance.now()) {
    taken = false;
    await settled();
    if (!taken && performance.now() - begin < QUIET_MILLISECONDS) break;
  }
  server.off('connection', take);
}

/**
 * How the sockets close. Who is connected is taken, nobody after that; each connection may be used once more, and the
 * answer closes it. `close` of Node's HTTP server would destroy idle ones at once, together with a request that is on its
 * way to them, and would then wait without limit for one on which nothing is ever asked, or not again.
 */
export const closing = fp<ClosingOptions>(
  async (app, { lingerMilliseconds }) => {
    // Runs when answers have `Connection: close` already.
    app.addHook('preClose', async () => {
      const { server } = app;
      if (!server.listening) return;
      const closed = once(server, 'close');
      await takeWaiting(server);
      // Unlike that of the HTTP server it leaves the time limits of unfinished requests in force, too.
      Server.prototype.close.call(server);
      const closeIdle = async () => {
        await settled();
        server.closeIdleConnections();
      };
      let look: NodeJS.Timeout | undefined;
      const linger = setTimeout(() => {
        void closeIdle();
        look = setInterval(closeIdle, LOOK_MILLISECONDS);
      }, lingerMilliseconds);
      const cut = setTimeout(() => server.closeAllConnections(), CUT_MILLISECONDS);
      await closed;
      clearTimeout(linger);
      clearInterval(look);
      clearTimeout(cut);
    });
  },
  { name: 'closing' },
);
