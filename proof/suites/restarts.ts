import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import { FIRST_WRITE_SECONDS, failOver } from '../failover.js';
import { restartOneByOne } from '../rolling.js';
import { CUSTOMERS, endUnderLoad } from '../sigterm.js';
import type { Figure, Proof, Suite } from '../suite.js';
import { buildVariant } from '../variant.js';

const PATRONI = ['patroni', 'etcd', 'pg_controldata'];
const UNGUARDED = { rounds: 1, drainSeconds: 1, endWithinSeconds: 2 };
const SHORT = { rounds: 1, drainSeconds: 2, endWithinSeconds: 15 };
const LONG = { rounds: 10, drainSeconds: 5, endWithinSeconds: 15 };

/** A build that does not listen for signals: as process 1 they do not reach it then. */
const DEAF = { file: 'cli.js', from: 'process.on(signal, listener);', to: 'void [signal, listener];' };

async function endBySignals(proof: Proof, guarded: boolean, figures: Record<string, Figure>): Promise<void> {
  const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
  const database = await proof.cluster.createDatabase(guarded ? 'restarts' : 'restarts_unguarded');
  await insertPartner(database.sql);
  const customers = 2 * size.rounds * CUSTOMERS;
  await insertCustomers(database, 1, customers);
  await insertEligibility(database, customers);
  await settle(database);
  figures['restarts-sigterm'] = await endUnderLoad(proof, database, {
    ...size,
    from: 1,
    signal: guarded ? 'SIGTERM' : 'SIGKILL',
    asFirst: false,
  });
  if (proof.wants('restarts-pid1')) {
    figures['restarts-pid1'] = await endUnderLoad(proof, database, {
      ...size,
      from: 1 + size.rounds * CUSTOMERS,
      signal: 'SIGTERM',
      asFirst: true,
      ...(!guarded && { cli: await buildVariant(proof.workDir, 'deaf', DEAF) }),
    });
  }
  await database.drop();
}

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
    {
      id: 'restarts-rolling',
      says: 'Two instances behind HAProxy are restarted one by one and PostgreSQL in between: share of a run of 5 minutes that failed at the first time',
      target: '< 0.5 %, all of them to be repeated and then served',
      withoutGuard: 'one instance alone restarted, without health checks',
      needs: ['haproxy'],
    },
    {
      id: 'restarts-failover',
      says: 'The machine of the primary of a Patroni pair is gone, with a standby 0.5 s behind: acknowledged switches that the new primary does not have',
      target: '0, all requests served in the end',
      withoutGuard: 'with asynchronous replication',
      needs: ['haproxy', ...PATRONI],
      longOnly: true,
    },
    {
      id: 'restarts-failover-time',
      says: 'The same: from the kill to the first acknowledged switch, with a ttl of 6 s',
      target: `< ${FIRST_WRITE_SECONDS} s`,
      needs: ['haproxy', ...PATRONI],
      longOnly: true,
    },
  ],
  async run(proof, guarded) {
    const figures: Record<string, Figure> = {};
    const measures = [
      () => endBySignals(proof, guarded, figures),
      async () => {
        if (proof.wants('restarts-rolling')) figures['restarts-rolling'] = await restartOneByOne(proof, guarded);
      },
      async () => {
        if (!proof.wants('restarts-failover')) return;
        const { lost, firstWrite } = await failOver(proof, guarded);
        figures['restarts-failover'] = lost;
        figures['restarts-failover-time'] = firstWrite;
      },
    ];
    // Without the guard they miss by far: one at a time is for the figures.
    if (guarded) for (const measure of measures) await measure();
    else await Promise.all(measures.map((measure) => measure()));
    return figures;
  },
};
