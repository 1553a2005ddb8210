import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startKillableServer } from '../../harness/killable-server.js';
import { spawnNode } from '../../harness/processes.js';
import { CATALOGUE_RULES, EXCEPTIONS } from '../../test/scale/catalogue-rules.js';
import { COUNTING } from '../counters.js';
import type { StatementsFound } from '../every-statement.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

const everyStatement = fileURLToPath(new URL('../every-statement.js', import.meta.url));

/** Breaches of the schema that the migrations make; without guards of one that breaks each rule once. */
async function proveCatalogue(proof: Proof, guarded: boolean): Promise<Figure> {
  const { sql, drop } = await proof.cluster.createDatabase(guarded ? 'scale' : 'scale_unguarded');
  const [count] = await sql<{ tables: number }>(
    `select count(*)::int as tables from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
     and relname not like 'kysely%'`,
  );
  const breaches: string[] = [];
  let unnamed = 0;
  for (const { id, query, breach } of CATALOGUE_RULES) {
    const [ddl, at] = breach;
    if (!guarded) await sql(`begin; ${ddl}`);
    const found = (await sql<{ at: string }>(query)).map((row) => row.at);
    if (!guarded) await sql('rollback');
    breaches.push(...found.map((one) => `${id} ${one}`).filter((one) => !(one in EXCEPTIONS)));
    if (!guarded && !found.includes(at)) unnamed++;
  }
  await drop();
  if (guarded) for (const one of breaches) proof.print(one);
  return {
    reached: `${breaches.length}, by ${CATALOGUE_RULES.length} rules in ${count?.tables} tables`,
    // A rule that does not name the table that breaks it is as good as none.
    kept: guarded ? breaches.length === 0 && (count?.tables ?? 0) > 0 : unnamed > 0,
  };
}

async function proveStatements(proof: Proof, guarded: boolean): Promise<Figures> {
  const name = guarded ? 'scale_statements' : 'scale_unguarded';
  const server = await startKillableServer(proof.workDir, name, {
    ...COUNTING,
    fsync: 'off',
    max_connections: '60',
  });
  try {
    const directory = join(proof.workDir, `${name}-found`);
    const logFile = join(proof.workDir, `${name}.log`);
    const args = [everyStatement, directory, server.logFile, ...(guarded ? [] : ['unguarded'])];
    const code = await spawnNode(args, { TEST_DATABASE_URL: server.superuserUrl }, logFile).ended;
    if (code !== 0) throw new Error(`the run ended with ${code}: ${(await readFile(logFile, 'utf8')).slice(-2000)}`);
    const found = JSON.parse(await readFile(join(directory, 'statements.json'), 'utf8')) as StatementsFound;
    const { operations, failed, statements, breaches, plans, faults } = found;
    if (failed.length > 0) throw new Error(`not answered as on own things: ${failed.join(', ')}`);
    for (const one of guarded ? [...breaches, ...faults] : []) proof.print(one);
    return {
      'scale-statements': {
        reached: `${breaches.length}, in ${statements} statements of ${operations} operations`,
        kept: statements > 0 && breaches.length === 0,
      },
      'scale-plans': {
        reached: `${faults.length} of ${plans}`,
        kept: plans > 0 && faults.length === 0,
      },
    };
  } finally {
    await server.close();
  }
}

export const scale: Suite = {
  id: 'scale',
  besideOthers: true,
  promises: [
    {
      id: 'scale-catalogue',
      says: 'Breaches of the rules of scale (the partner first in every table, key and index; no sequence, trigger or partition; row-level security forced) in the schema that the migrations make, but for six with a reason',
      target: '0',
      withoutGuard: 'with a table that breaks it planted for each rule',
    },
    {
      id: 'scale-statements',
      says: 'Breaches of the rules of scale in the statements that the service runs for every operation, an import, the watch, deliveries and `verify-log`: each reaches the rows of one partner alone, as its plan shows',
      target: '0',
      withoutGuard: 'with a statement that names no partner',
    },
    {
      id: 'scale-plans',
      says: 'Faults of the generic plans of the statements that the service runs for every operation, an import, the watch, deliveries and `verify-log`, for a customer of 6000 users, 1500 groups and 900 roles: a whole table read, more than a page read or sorted, whole pages looked at',
      target: '0',
      withoutGuard: 'without the indexes of group members by member and of quotes by expiry',
    },
  ],
  run: async (proof, guarded) => ({
    'scale-catalogue': await proveCatalogue(proof, guarded),
    ...(await proveStatements(proof, guarded)),
  }),
};
