import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Build, buildAt, copyBuild } from '../../harness/build.js';
import { customerId } from '../../harness/data.js';
import { type KillableServer, startKillableServer } from '../../harness/killable-server.js';
import { buildPreviousRelease, PREVIOUS_RELEASE } from '../../harness/previous-release.js';
import { listDatabaseTests, runEarlierTests } from '../earlier-tests.js';
import { migrate, migrateTogether } from '../migrators.js';
import { createOwnedDatabase } from '../owned-database.js';
import { outliveLaterVersion, type Upgraded, upgradeUnderLoad } from '../rolling-upgrade.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

interface Size {
  /** Absent: every test that needs a database. */
  tests?: readonly string[];
  customers: number;
  migrators: readonly { count: number; schema: 'none' | 'earlier'; rounds: number }[];
}
const ACCEPTANCE = ['acceptance/sdk.test.js'];
const UNGUARDED: Size = {
  tests: ['nouns/purchase-permissions/self-serve-policy.test.js'],
  customers: 500,
  migrators: [{ count: 2, schema: 'earlier', rounds: 1 }],
};
const SHORT: Size = {
  tests: [
    ...ACCEPTANCE,
    'nouns/purchase-permissions/self-serve-policy.test.js',
    'nouns/purchase-permissions/switch.test.js',
  ],
  customers: 20_000,
  migrators: [
    { count: 2, schema: 'none', rounds: 1 },
    { count: 5, schema: 'earlier', rounds: 1 },
  ],
};
const LONG: Size = {
  customers: 1_000_000,
  migrators: [2, 5].flatMap((count) => [
    { count, schema: 'none', rounds: 10 },
    { count, schema: 'earlier', rounds: 10 },
  ]),
};

const MIGRATE = 'dist/src/db/migrate.js';
const WAITS_LONG = { file: MIGRATE, find: "const LOCK_TIMEOUT = '300ms'", replace: "const LOCK_TIMEOUT = '10s'" };
const WITHOUT_LOCK = {
  file: 'dist/src/db/migration-lock.js',
  find: 'while (!(await isFree()))',
  replace: 'while (false)',
};
const WITHOUT_LOCK_OF_EACH = {
  file: MIGRATE,
  find: 'new PostgresDialect({ pool })',
  replace: `Object.assign(new PostgresDialect({ pool }), {
    createAdapter: () => Object.assign(PostgresDialect.prototype.createAdapter(), {
      acquireMigrationLock: async () => {}, releaseMigrationLock: async () => {} }) })`,
};
const NOTHING_BEFOREHAND = {
  file: 'dist/src/db/change-beforehand.js',
  find: 'const done = new Set();',
  replace: 'const done = new Set(); texts = [];',
};
const NOTHING_PREPARED_ANEW = {
  file: 'dist/src/errors/from-postgres.js',
  find: "error.routine === 'RevalidateCachedQuery'",
  replace: 'false',
};
const COLUMN_THAT_HAS_TO_BE_SET = 'alter table activity_log add column planted text not null;';
const ENTRY_REMOVED = `alter table activity_log no force row level security;
delete from activity_log where customer_id = '${customerId(1)}' and seq = 1;
alter table activity_log force row level security;`;

interface Setting {
  proof: Proof;
  size: Size;
  server: KillableServer;
  earlier: Build;
  /** What takes part in the names of directories and databases. */
  name: string;
}

async function proveTests({ proof, size, server, earlier, name }: Setting, planted?: string): Promise<Figure> {
  const names = size.tests ?? (await listDatabaseTests(earlier));
  const { files, assertions, failed } = await runEarlierTests(earlier, {
    directory: join(proof.workDir, `${name}-tests`),
    superuserUrl: server.superuserUrl,
    names,
    ...(planted !== undefined && { planted }),
  });
  if (planted === undefined) for (const one of failed) proof.print(one);
  return {
    reached: `${failed.length} of ${assertions}, in ${files} files`,
    kept: files === names.length && assertions > 0 && failed.length === 0,
  };
}

function failuresOf({ requests, failures }: Pick<Upgraded, 'requests' | 'failures'>, customers: number): Figure {
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
  const statuses = failed > 0 ? ` (${[...failures].map(([status, count]) => `${count} ${status}`).join(', ')})` : '';
  return {
    reached: `${failed}${statuses} of ${requests} requests, ${customers} customers`,
    kept: requests > 0 && failed === 0,
  };
}

async function proveLoad({ proof, size, server, earlier, name }: Setting, migrator?: Build): Promise<Figures> {
  const database = await createOwnedDatabase(server.superuserUrl, `${name}_load`);
  const { customers } = size;
  const upgraded = await upgradeUnderLoad(proof, database, { earlier, customers, migrator });
  const { acknowledged, lost, verified } = upgraded;
  await database.drop();
  const isWhole = / verified$/.test(verified);
  return {
    'upgrade-load': failuresOf(upgraded, customers),
    'upgrade-lost': {
      reached: `${lost} of ${acknowledged}${isWhole ? '' : `; verify-log: ${verified}`}`,
      kept: acknowledged > 0 && lost === 0 && isWhole,
    },
  };
}

async function proveLater({ proof, size, server, name }: Setting, serving?: Build): Promise<Figure> {
  const database = await createOwnedDatabase(server.superuserUrl, `${name}_later`);
  const later = await copyBuild(join(proof.workDir, `${name}-later`), []);
  const { customers } = size;
  const figure = failuresOf(await outliveLaterVersion(proof, database, { later, customers, serving }), customers);
  await database.drop();
  return figure;
}

async function proveMigrators({ proof, size, server, earlier, name }: Setting, build?: Build): Promise<Figure> {
  let rounds = 0;
  let good = 0;
  for (const { count, schema, rounds: several } of size.migrators) {
    for (let round = 0; round < several; round++) {
      const database = await createOwnedDatabase(server.superuserUrl, `${name}_${schema}_${count}_${round}`);
      const held = schema === 'earlier';
      if (held) await migrate(proof.workDir, database, earlier.cli);
      const faults = await migrateTogether(proof.workDir, database, { count, held, ...(build && { build }) });
      await database.drop();
      rounds++;
      if (faults.length === 0) good++;
      else if (!build) proof.print(faults.join('; '));
    }
  }
  return { reached: `${good} of ${rounds} rounds`, kept: rounds > 0 && good === rounds };
}

export const upgrade: Suite = {
  id: 'upgrade',
  besideOthers: true,
  promises: [
    {
      id: 'upgrade-tests',
      says: `Failed assertions of the tests of the release before (${PREVIOUS_RELEASE.version} of ${PREVIOUS_RELEASE.commit.slice(0, 7)}), its code on the new schema`,
      target: '0',
      withoutGuard: 'with a migration that adds a column which the release before does not fill',
      needs: ['history'],
    },
    {
      id: 'upgrade-load',
      says: 'Answers of 5xx, requests without an answer and failures of `migrate` while it runs, a new instance starts beside the old one and the old one stops; for 2.5 s it waits for a lock that somebody holds',
      target: '0',
      withoutGuard: 'with a migration that does all itself and waits for locks until it has them',
      needs: ['history'],
    },
    {
      id: 'upgrade-lost',
      says: 'Changes acknowledged meanwhile that are not in the log or not in force afterwards; `verify-log` finds every chain whole',
      target: '0',
      withoutGuard: 'with a migration that removes one entry',
      needs: ['history'],
    },
    {
      id: 'upgrade-later',
      says: 'Answers of 5xx and requests without an answer of this version while `migrate` of a later one adds a column to every table',
      target: '0',
      withoutGuard: 'without preparing statements anew',
      needs: ['history'],
    },
    {
      id: 'upgrade-migrators',
      says: 'Rounds of two or five migrators at once, on an empty database or on the old schema, in which one applies, all end with 0 and the schema is right',
      target: '100 %',
      withoutGuard: 'without the lock of the migrators',
      needs: ['history'],
    },
  ],
  async run(proof, guarded) {
    if (!proof.wants('upgrade-tests')) return {};
    const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
    const name = guarded ? 'upgrade' : 'upgrade_unguarded';
    const previous = join(proof.workDir, 'previous-release');
    const earlier = existsSync(previous) ? buildAt(previous) : await buildPreviousRelease(previous);
    // The tests of two files at once, each with pools of its own.
    const server = await startKillableServer(proof.workDir, name, { max_connections: '200' });
    const setting: Setting = { proof, size, server, earlier, name };
    try {
      if (guarded) {
        return {
          'upgrade-tests': await proveTests(setting),
          ...(await proveLoad(setting)),
          'upgrade-later': await proveLater(setting),
          'upgrade-migrators': await proveMigrators(setting),
        };
      }
      const directory = join(proof.workDir, 'upgrade-without');
      const waiting = await copyBuild(`${directory}-turn`, [WAITS_LONG, NOTHING_BEFOREHAND]);
      await writeFile(join(waiting.directory, 'migrations/9999_planted.sql'), ENTRY_REMOVED);
      return {
        'upgrade-tests': await proveTests(setting, COLUMN_THAT_HAS_TO_BE_SET),
        ...(await proveLoad(setting, waiting)),
        'upgrade-later': await proveLater(setting, await copyBuild(`${directory}-anew`, [NOTHING_PREPARED_ANEW])),
        'upgrade-migrators': await proveMigrators(
          setting,
          await copyBuild(`${directory}-lock`, [WAITS_LONG, WITHOUT_LOCK, WITHOUT_LOCK_OF_EACH]),
        ),
      };
    } finally {
      await server.close();
    }
  },
};
