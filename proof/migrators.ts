import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Build, repository } from '../harness/build.js';
import { readSchema } from '../harness/schema.js';
import { runCommand } from '../harness/service.js';
import type { OwnedDatabase } from './owned-database.js';

/** `migrate` of a build on a database. */
function migrateWith(workDir: string, database: OwnedDatabase, cli?: string) {
  return runCommand(workDir, database.appUrl, ['migrate'], {
    environment: database.ownership,
    ...(cli !== undefined && { cli }),
  });
}

/** @throws when it does not end with 0 */
export async function migrate(workDir: string, database: OwnedDatabase, cli?: string): Promise<void> {
  const { code, lines } = await migrateWith(workDir, database, cli);
  if (code !== 0) throw new Error(`migrate ended with ${code}: ${lines.join(' ')}`);
}

/**
 * Starts migrators together.
 * @param held to keep them all at the state of the migrations, until each has asked for it; the schema has to be there
 * @returns what is wrong with how they ended
 */
export async function migrateTogether(
  workDir: string,
  database: OwnedDatabase,
  options: { count: number; held: boolean; build?: Build },
): Promise<string[]> {
  const { count, held, build } = options;
  const holder = await database.connect();
  await holder.query('begin');
  if (held) await holder.query('lock table kysely_migration in access exclusive mode');
  const all = Promise.all(Array.from({ length: count }, () => migrateWith(workDir, database, build?.cli)));
  const countWaiting = async () =>
    (
      await database.sql(
        `select from pg_stat_activity a where datname = $1 and (wait_event_type = 'Lock' or query ~ '^select pg_try_advisory_lock')
           and not exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory')`,
        [database.name],
      )
    ).length;
  for (const deadline = Date.now() + 30_000; held && (await countWaiting()) < count; await setTimeout(20)) {
    if (Date.now() > deadline) throw new Error(`${count} migrators do not come to wait`);
  }
  await holder.query('commit');
  const ended = await all;
  const schema = await readSchema(await database.connect());
  const applied = ended.filter(({ lines }) => lines.some((line) => line.startsWith('Applied '))).length;
  return [
    ...ended.flatMap(({ code, lines }) => (code === 0 ? [] : [`ended with ${code}: ${lines[0]}`])),
    ...(applied === 1 ? [] : [`${applied} applied`]),
    ...(schema === (await readFile(join(repository, 'migrations/schema.sql'), 'utf8')) ? [] : ['another schema']),
  ];
}
