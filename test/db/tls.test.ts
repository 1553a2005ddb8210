import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { lookAt } from '../../src/db/breaker.js';
import { connect } from '../../src/db/connect.js';
import { migrate } from '../../src/db/migrate.js';
import { checkDatabase, usable } from '../../src/db/start-check.js';
import { makeCertificate } from '../helpers/certificate.js';
import { citusUrl } from '../helpers/citus.js';
import { clusterUrl } from '../helpers/cluster.js';
import { createTestDatabase } from '../helpers/database.js';
import { CONTOSO } from '../helpers/service.js';

/** Where the certificate is made out to. */
const HOST = '127.0.0.1';
const isHere = citusUrl === undefined && new URL(await clusterUrl()).hostname === HOST;

t.test('a database that is reached by TLS', { skip: !isHere }, async (t) => {
  const database = await createTestDatabase(t);
  const superuser = new pg.Client(database.superuserUrl);
  await superuser.connect();
  const { privateKey, certificate } = makeCertificate(HOST);
  const reload = async (commands: readonly string[]) => {
    for (const command of commands) await superuser.query(command);
    await superuser.query('select pg_reload_conf()');
  };
  t.teardown(async () => {
    await reload(['alter system reset ssl', 'alter system reset ssl_key_file', 'alter system reset ssl_cert_file']);
    await superuser.end();
  });
  const { rows } = await superuser.query("select current_setting('data_directory') as directory");
  const directory = rows[0].directory;
  // The server writes them itself: they have to be its own, and nobody else's to read.
  for (const [file, text] of [
    ['tls-test.key', privateKey],
    ['tls-test.crt', certificate],
  ] as const) {
    const lines = text
      .trim()
      .split(/\r?\n/)
      .map((line) => `('${line}')`);
    await superuser.query(
      `copy (values ${lines}) to program 'rm -f ${directory}/${file}; umask 077; cat > ${directory}/${file}'`,
    );
  }
  await reload([
    "alter system set ssl_key_file = 'tls-test.key'",
    "alter system set ssl_cert_file = 'tls-test.crt'",
    'alter system set ssl = on',
  ]);
  while ((await superuser.query('show ssl')).rows[0].ssl !== 'on') await setTimeout(20);
  const files = t.testdir();
  const trusted = join(files, 'trusted.pem');
  await writeFile(trusted, certificate);
  const other = join(files, 'other.pem');
  await writeFile(other, makeCertificate(HOST).certificate);
  const secure = (url: string, root = trusted) => {
    const there = new URL(url);
    there.searchParams.set('sslmode', 'verify-full');
    there.searchParams.set('sslrootcert', root);
    return there.href;
  };
  const open = (url: string, silenceMilliseconds?: number) =>
    connect({
      url,
      poolMax: 2,
      preparedStatements: true,
      onIdleError: () => {},
      ...(silenceMilliseconds !== undefined && { silenceMilliseconds }),
    });

  await t.test('is migrated, checked, read and written, and looked at', async (t) => {
    await migrate({ ownerUrl: secure(database.ownerUrl) });
    const db = open(secure(database.appUrl));
    t.match(await checkDatabase(db, false), { version: /^\d+\.\d+/ });
    const isSecure = sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    const all = await Promise.all([
      db.read(CONTOSO, (reading) => isSecure.execute(reading)),
      db.lookUp(CONTOSO, (reading) => isSecure.execute(reading)),
      db.write(CONTOSO, (tx) => isSecure.execute(tx)),
      db.writeTogether(CONTOSO, (tx) => isSecure.execute(tx)),
    ]);
    t.same(
      all.map(({ rows }) => rows),
      Array(4).fill([{ ssl: true }]),
    );
    await db.close();
    t.same(await lookAt(secure(database.appUrl), 2500)(), { commitsWait: false });
  });

  await t.test('is given up when nothing comes any more, and not while something does', async (t) => {
    const db = open(secure(database.appUrl), 1000);
    const sleeping = (seconds: number, times: number) =>
      db.read(CONTOSO, async (reading) => {
        for (let n = 0; n < times; n++) await sql`select pg_sleep(${seconds})`.execute(reading);
      });
    await sleeping(0.4, 5);
    await t.rejects(sleeping(1.9, 1), /has not answered for 1000 ms/);
    await db.close();
  });

  await t.test('and is not who it has to be is refused with one sentence', async (t) => {
    const refused = async (url: string, why: string) => {
      const db = open(url);
      await t.rejects(usable('DATABASE_URL', checkDatabase(db, false)), {
        message: new RegExp(`^DATABASE_URL cannot be used: ${why}.* \\(.+\\)\\.$`),
      });
      await db.close();
    };
    const untrusted = "the server's certificate is not trusted";
    await refused(secure(database.appUrl, other), untrusted);
    await refused(secure(database.appUrl, join(files, 'none.pem')), 'a file that it names is missing');
    await refused(secure(database.appUrl).replace(HOST, 'localhost'), untrusted);
    await reload(['alter system set ssl = off']);
    while ((await superuser.query('show ssl')).rows[0].ssl !== 'off') await setTimeout(20);
    await refused(secure(database.appUrl), 'the server does not speak TLS');
  });
});
