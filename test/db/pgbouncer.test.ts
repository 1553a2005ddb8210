import t from 'tap';
import { findProgram } from '../../harness/programs.js';
import { connect } from '../../src/db/connect.js';
import { citusUrl } from '../helpers/citus.js';
import { startPgBouncer } from '../helpers/pgbouncer.js';
import { startService } from '../helpers/service.js';
import { interleave, interleaveWithSet, makeCustomers } from './interleave.js';

/** `npm run proof -- --long tenants` does 10 000. */
const TRANSACTIONS = 100;
const SERVER_CONNECTIONS = 2;
const program = findProgram('pgbouncer');
const skip = program === undefined ? 'pgbouncer is not installed' : false;

t.test('behind PgBouncer in transaction mode', { skip, timeout: 60_000 }, async (t) => {
  const service = await startService(t);
  await makeCustomers(service);
  const url = await startPgBouncer(t, String(program), service.urls.app, SERVER_CONNECTIONS);

  t.test('interleaved transactions of two partners see and change no foreign row', async (t) => {
    const { faults, rows, backends, changed, unbound } = await interleave(service, {
      connect,
      url,
      transactions: TRANSACTIONS,
    });
    t.same(faults, []);
    t.ok(rows > TRANSACTIONS, `${rows} rows were seen`);
    t.ok(backends > 0 && backends <= SERVER_CONNECTIONS, `on ${backends} server connections`);
    t.same(changed, [], 'nobody changed a foreign row');
    t.equal(unbound, 0, 'nothing stays bound behind a transaction');
  });

  t.test('bound with SET instead of SET LOCAL foreign rows are seen: the test can fail', async (t) => {
    const foreign = await interleaveWithSet(url, 50);
    if (citusUrl === undefined) t.ok(foreign > 0, `${foreign} foreign rows`);
    else t.equal(foreign, 0, 'SET does not reach the workers, and nothing is seen');
  });
});
