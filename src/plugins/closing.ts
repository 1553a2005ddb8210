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

/** Timers run before the sockets are read: what has arrived is taken first. */
const settled = () => setImmediate();

/**
 * How the sockets close. No new connection is taken; those there are may be used once more, and the answer closes them.
 * `close` of Node's HTTP server would destroy idle ones at once, together with a request that is on its way to them, and
 * would then wait without limit for one on which nothing is ever asked, or not again.
 */
export const closing = fp<ClosingOptions>(
  async (app, { lingerMilliseconds }) => {
    // Runs when answers have `Connection: close` already.
    app.addHook('preClose', async () => {
      const { server } = app;
      if (!server.listening) return;
      const closed = once(server, 'close');
      await settled();
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
