import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { type RunningProcess, spawnNode } from '../../harness/processes.js';
import { type Alteration, alterBuild } from '../altered-build.js';
import { isOk } from './journal.js';
import { APART, figureOf, type LoneScenario, type Setting } from './setting.js';

const NEXT = '9999_proof';
/** Long enough to be killed in; what comes behind it shows that nothing of it was kept. */
const MIGRATION = `create table proof_one (partner_id uuid primary key);
select pg_sleep(1);
create table proof_two (partner_id uuid primary key);`;
const CUSTOMERS = 400;
const KILLED_MS = 20_000;
const migrations = fileURLToPath(new URL('../../../migrations/', import.meta.url));

const NOT_AT_ONCE: Alteration = {
  file: 'db/migrate.js',
  line: 'await sql.raw(text).execute(db);',
  by: "for (const part of text.split(';\\n')) await new pg.Pool({ connectionString: process.env.MIGRATION_DATABASE_URL, max: 1 }).query(part);",
};

export const killedMigrator: LoneScenario = {
  promised: {
    id: 'faults-f18-killed-migrator',
    says: 'A migration is killed in its middle and two are started after it: one of them applies it whole, both end well, and the version before serves all the time',
    target: '1 of 2 applies it; 0 requests refused',
    withoutGuard: 'with a migration that is not one transaction',
  },
  async run(setting) {
    const { server, proof, guarded } = setting;
    const database = await server.cluster.createDatabase(`migrated_${guarded}`);
    await insertPartner(database.sql);
    await insertCustomers(database, 1, CUSTOMERS);
    await insertEligibility(database, CUSTOMERS);
    await settle(database);
    const cli = await buildNext(join(proof.workDir, `next-version-${guarded}`), guarded ? [] : [NOT_AT_ONCE]);
    const at = setting.url(APART, 'proof_migrators');
    at.pathname = new URL(database.appUrl).pathname;
    const service = await setting.serve(at);
    const journal = setting.openJournal(service, 2);
    const stopSending = journal.keepSending(100);
    const migrate = (name: string) => startMigrator(setting, cli, database, name);

    const killed = await migrate('killed');
    await untilInside(database);
    killed.process.signal('SIGKILL');
    await killed.process.ended;
    const two = await Promise.all([migrate('one'), migrate('other')]);
    const codes = await Promise.all(two.map(({ process }) => process.ended));
    const said = await Promise.all(two.map(({ logFile }) => readFile(logFile, 'utf8')));
    await stopSending();
    const applied = said.filter((text) => text.includes(`Applied ${NEXT}`)).length;
    const [there] = await database.sql<{ n: number }>(
      "select count(*)::int as n from pg_class where relname in ('proof_one', 'proof_two')",
    );
    const refused = journal.entries.filter((entry) => !isOk(entry)).length;
    const figure = await figureOf(
      { ...setting, database },
      journal,
      `${applied} of 2 applied it; ${refused} of ${journal.entries.length} requests refused`,
      {
        'not one applied it': applied === 1,
        'a migrator failed': codes.every((code) => code === 0),
        'the migration is not whole': there?.n === 2,
        'requests are refused': refused === 0,
      },
    );
    await service.stop();
    await database.drop();
    return figure;
  },
};

/** The program with one more migration. */
async function buildNext(directory: string, alterations: readonly Alteration[]): Promise<string> {
  const cli = await alterBuild(directory, alterations);
  const own = join(directory, 'migrations');
  await rm(own, { recursive: true });
  await cp(migrations, own, { recursive: true });
  await writeFile(join(own, `${NEXT}.sql`), MIGRATION);
  return cli;
}

async function startMigrator(
  { server, proof, guarded }: Setting,
  cli: string,
  database: HarnessDatabase,
  name: string,
): Promise<{ process: RunningProcess; logFile: string }> {
  const owner = new URL(server.superuserUrl);
  owner.pathname = new URL(database.appUrl).pathname;
  const logFile = join(proof.workDir, `migrator-${name}-${guarded}.log`);
  const environment = {
    DATA_DIR: join(dirname(logFile), 'data'),
    DATABASE_URL: database.appUrl,
    MIGRATION_DATABASE_URL: owner.href,
    SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  };
  return { process: spawnNode([cli, 'migrate'], environment, logFile), logFile };
}

async function untilInside({ sql }: HarnessDatabase): Promise<void> {
  for (const deadline = performance.now() + KILLED_MS; performance.now() < deadline; await setTimeout(10)) {
    const inside = await sql(
      "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
    );
    if (inside.length > 0) return;
  }
  throw new Error('the migration did not begin');
}
