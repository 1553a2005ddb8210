import closeWithGrace from 'close-with-grace';
import { bufferedOutput, createLog } from '../log.js';
import { mintToken } from '../nouns/identity/mint.js';
import { type RunningServer, start } from '../server.js';
import { type Command, EXIT, type Output } from './command.js';

/** A demo customer that is eligible: an Azure plan with an active Azure subscription, and an Owner of its own. */
const DEMO_CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const DRAIN_LIMIT_SECONDS = 15;

export const serveCommand: Command = {
  summary: 'Serves the API; without DATABASE_URL on the embedded PostgreSQL with the demo tenant.',
  usage: '[flags]',
  flags: {},
  positionals: [0, 0],
  async run({ config, stdout, onStop }) {
    const output = bufferedOutput();
    const log = createLog(config.logLevel, output);
    const starting = start(config, log);
    let listening = false;
    const closed = new Promise<void>((resolve, reject) => {
      const delay = (config.drainSeconds + DRAIN_LIMIT_SECONDS) * 1000;
      // A second one of these would end the process with requests in it.
      const skip: ('SIGTERM' | 'SIGINT')[] = ['SIGTERM', 'SIGINT'];
      const grace = closeWithGrace({ delay, logger: false, skip }, async ({ err }) => {
        if (err) {
          log.fatal({ err, event: 'crashed' }, 'crashed');
          output.flushSync();
        }
        // Nobody counts on what has not listened yet.
        const drain = listening;
        const server = await starting;
        await server.close({ drain }).then(resolve, reject);
        output.flushSync();
      });
      let stopped = false;
      // From the first moment on: as process 1 of a container a signal that nobody listens to is lost.
      onStop(() => {
        if (!stopped) void grace.close();
        stopped = true;
      });
      starting.catch(() => {
        grace.uninstall();
        output.flushSync();
      });
    });
    const server = await starting;
    listening = true;
    await announce(server, config.demo, stdout);
    await closed;
    return EXIT.done;
  },
};

async function announce(server: RunningServer, demo: boolean, stdout: Output): Promise<void> {
  const lines = [
    '',
    `Listening on         ${server.url}`,
    `Interactive API page ${server.url}/docs`,
    `Metrics              ${server.metricsUrl}`,
    `Database             ${server.database}`,
  ];
  if (server.database.startsWith('embedded')) {
    lines.push('', 'The embedded PostgreSQL is for trying out. For production set DATABASE_URL (docs/operations.md).');
  }
  if (demo && server.identity) {
    const token = await mintToken(server.identity, { partner: 'contoso', role: 'AdminAgent' });
    lines.push(
      '',
      'Turn a permission on:',
      '',
      `curl -X PUT ${server.url}/v1/customers/${DEMO_CUSTOMER}/purchasepermissions/AzureReservedInstances \\`,
      `  -H 'Content-Type: application/json' -d '{"state":"on"}' \\`,
      `  -H 'Authorization: Bearer ${token}'`,
    );
  }
  stdout.write(`${lines.join('\n')}\n\n`);
}
