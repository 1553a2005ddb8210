import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import pg from 'pg';
import t from 'tap';
import { connect } from '../../src/db/connect.js';
import { makeWorld } from '../contract/tenant-world.js';
import { doEverything } from '../helpers/do-everything.js';
import { CONTOSO, startService } from '../helpers/service.js';

// Rules of scale that neither the schema nor a statement shows.

/** The names of what the first connection asks the server for when it begins. */
async function namesAsked(server: Server): Promise<string[]> {
  const [socket] = await once(server, 'connection');
  const [packet] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  // Length, protocol, then names and values in turn, each ended by a zero.
  return packet
    .subarray(8)
    .toString()
    .split('\0')
    .filter((_text, index) => index % 2 === 0)
    .filter((name) => name !== '');
}

t.test('S16: a connection asks for no setting, which a pooler refuses: time limits are of the login', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `postgresql://app:secret@127.0.0.1:${(server.address() as AddressInfo).port}/one`;
  const asked = namesAsked(server);
  const db = connect({ url, poolMax: 1, preparedStatements: true, onIdleError: () => {} });
  t.teardown(() => db.close());
  await t.rejects(db.query('select 1'));
  const allowed = ['user', 'database', 'client_encoding'];
  t.same(
    (await asked).filter((name) => !allowed.includes(name)),
    [],
  );

  const other = namesAsked(server);
  await t.rejects(new pg.Client({ connectionString: url, statement_timeout: 1000 }).connect());
  t.ok((await other).includes('statement_timeout'), 'one would be seen');
});

t.test('S21: lists of customers and the log may come from a replica, and nothing else', async (t) => {
  const service = await startService(
    t,
    { sandbox: 'true', webhookAllowPrivateTargets: 'true' },
    { lists: ({ read, lookUp }) => ({ begin: () => ({ read, lookUp, asOf: new Date(0) }) }) },
  );
  const world = await makeWorld(service, { partnerId: CONTOSO, word: 'heron', price: '601' });
  const { done, failed, old } = await doEverything(t, service, world);
  t.same(failed, []);
  t.ok(done.length > 100);
  t.same(old.sort(), ['listActivityLog', 'listAuditActivityRecords', 'listAuditRecords', 'listCustomers']);
});
