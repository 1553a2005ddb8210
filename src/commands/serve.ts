import { setFlagsFromString } from 'node:v8';
import closeWithGrace from 'close-with-grace';
import { bufferedOutput, createLog } from '../log.js';
import { mintToken } from '../nouns/identity/mint.js';
import { type RunningServer, start } from '../server.js';
import { type Command, EXIT, type Output } from './command.js';

/** A demo customer that is eligible: an Azure plan with an active Azure subscription, and an Owner of its own. */
const DEMO_CUSTOMER = '0431a72c-7d8a-4393-b25e-ef63f5efb415';
const DRAIN_LIMIT_SECONDS = 15;
/**
 * The heap is collected when it has grown to one and a half of what was alive, not to up to four times. Resident memory
 * then stays where it is (bench/README.md); unlike a limit of the heap it lets a large request have what it needs.
 */
const HEAP_GROWTH = '--heap-growing-percent=50';
/**
 * V8 puts what is made in one place of the code into the old generation when most of it lived for long. Of requests that
 * wait for the database it decides so by chance, and what they refer to then lives until the old generation is collected:
 * twice the processor time of a read (bench/README.md).
 */
const NO_PRETENURING = '--no-allocation-site-pretenuring';

export const serveCommand: Command = {
  summary: 'Serves the API; without DATABASE_URL on the embedded PostgreSQL with the demo tenant.',
  usage: '[flags]',
  flags: {},
  positionals: [0, 0],
  async run({ config, stdout, onStop }) {
    setFlagsFromString(HEAP_GROWTH);
    setFlagsFromString(NO_PRETENURING);
    const output = bufferedOutput();
    const log = createLog(config.logLevel, output);
    const starting = start(config, log, output);
    let listening = false;
    const closed = new Promise<void>((resolve, reject) => {
      const delay = (config.drainSeconds + DRAIN_LIMIT_SECONDS) * 1000;
      // A second one of these would end the process with requests in it.
      const skip: ('SIGTERM' | 'SIGINT')[] = ['SIGTERM', 'SIGINT'];
      const grace = closeWithGrace({ delay, logger: false, skip }, async ({ err }) => {
        if (err) {
          log.fatal({ err, event: 'crashed' }, 'crashed');
          output.flush();
        }
        // Nobody counts on what has not listened yet.
        const drain = listening;
        const server = await starting;
        await server.close({ drain }).then(resolve, reject);
        await output.end();
      });
      let stopped = false;
      // From the first moment on: as process 1 of a container a signal that nobody listens to is lost.
      onStop(() => {
        if (!stopped) void grace.close();
        stopped = true;
      });
      starting.catch(() => {
        grace.uninstall();
        output.flush();
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
