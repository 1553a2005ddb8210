import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import { CUSTOMERS, endUnderLoad } from '../sigterm.js';
import type { Figure, Suite } from '../suite.js';
import { buildVariant } from '../variant.js';

const UNGUARDED = { rounds: 1, drainSeconds: 1, endWithinSeconds: 3 };
const SHORT = { rounds: 1, drainSeconds: 2, endWithinSeconds: 15 };
const LONG = { rounds: 10, drainSeconds: 5, endWithinSeconds: 15 };

export const restarts: Suite = {
  id: 'restarts',
  promises: [
    {
      id: 'restarts-sigterm',
      says: 'SIGTERM, sent three times, at 300 requests a second: requests that were taken and not answered, or answered wrongly, or acknowledged without a log entry',
      target: '0, exit 0',
      withoutGuard: 'with SIGKILL',
    },
    {
      id: 'restarts-pid1',
      says: 'The same where the service is process 1, as in a container',
      target: '0, exit 0',
      withoutGuard: 'with a build that does not listen for signals',
      needs: ['root', 'unshare'],
    },
  ],
  async run(proof, guarded) {
    const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
    const database = await proof.cluster.createDatabase(guarded ? 'restarts' : 'restarts_unguarded');
    await insertPartner(database.sql);
    const customers = 2 * size.rounds * CUSTOMERS;
    await insertCustomers(database, 1, customers);
    await insertEligibility(database, customers);
    await settle(database);
    const figures: Record<string, Figure> = {};
    figures['restarts-sigterm'] = await endUnderLoad(proof, database, {
      ...size,
      from: 1,
      signal: guarded ? 'SIGTERM' : 'SIGKILL',
      asFirst: false,
    });
    if (proof.wants('restarts-pid1')) {
      const deaf = {
        file: 'cli.js',
        from: 'process.on(signal, listener);',
        to: 'void [signal, listener];',
      };
      figures['restarts-pid1'] = await endUnderLoad(proof, database, {
        ...size,
        from: 1 + size.rounds * CUSTOMERS,
        signal: 'SIGTERM',
        asFirst: true,
        ...(!guarded && { cli: await buildVariant(proof.workDir, 'deaf', deaf) }),
      });
    }
    await database.drop();
    return figures;
  },
};
