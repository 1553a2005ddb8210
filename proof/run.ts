import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hasPreviousRelease } from '../harness/previous-release.js';
import { inOneGroup, stopAll } from '../harness/processes.js';
import { findProgram } from '../harness/programs.js';
import { type Run, runAndExit } from '../harness/run.js';
import { adminToken, runCommand, startService } from '../harness/service.js';
import { judge } from './judge.js';
import { type PromiseRow, writePromises } from './promises.js';
import { randomNumbers } from './random.js';
import type { Promised, Proof, Suite, Verdict } from './suite.js';
import { faults } from './suites/faults.js';
import { input } from './suites/input.js';
import { kills } from './suites/kills.js';
import { limits } from './suites/limits.js';
import { memory } from './suites/memory.js';
import { races } from './suites/races.js';
import { restarts } from './suites/restarts.js';
import { scale } from './suites/scale.js';
import { speed } from './suites/speed.js';
import { supply } from './suites/supply.js';
import { tamper } from './suites/tamper.js';
import { tenants } from './suites/tenants.js';
import { tokens } from './suites/tokens.js';
import { upgrade } from './suites/upgrade.js';

const suites: readonly Suite[] = [
  kills,
  races,
  tenants,
  tokens,
  input,
  limits,
  faults,
  restarts,
  tamper,
  memory,
  upgrade,
  scale,
  speed,
  supply,
];
const promisesFile = fileURLToPath(new URL('../../docs/promises.md', import.meta.url));

const usage = `npm run proof -- [--long] [--no-write] [--seed N] [${suites.map(({ id }) => id).join(' | ')}]…

--long      the full numbers; without it a short form of a minute
--no-write  leaves docs/promises.md as it is
--seed N    the random numbers of an earlier run, which printed it
What a promise needs and is not there leaves it out; with CI in the environment it then counts as missed, but for the history
of the repository, which a tarball has not.
PROOF_DATABASE_URL  a superuser's URL of the PostgreSQL 15 or newer to run on; default: an embedded one
`;
const SIDE_BY_SIDE = 2;
const LIMIT_MINUTES = { short: 25, long: 240 } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: 'boolean' },
    'no-write': { type: 'boolean' },
    seed: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const unknown = positionals.filter((name) => !suites.some(({ id }) => id === name));
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (values.help || unknown.length > 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write(unknown.length > 0 ? `There is no suite ${unknown.join(', ')}.\n\n${usage}` : usage);
  process.exit(values.help ? 0 : 2);
}

const long = values.long === true;
/** What suites told beside their verdicts. */
const said: { suite: Suite; line: string }[] = [];
const print = (text: string) => process.stdout.write(`${text}\n`);

/** Needs that are no programs. */
const CONDITIONS: Readonly<Record<string, () => boolean>> = {
  root: () => process.getuid?.() === 0,
  history: hasPreviousRelease,
};
const isThere = (need: string) => CONDITIONS[need]?.() ?? findProgram(need) !== undefined;
const missing = ({ needs = [] }: Promised) => needs.filter((need) => !isThere(need));
const ofThisForm = ({ longOnly }: Promised) => long || !longOnly;

async function runSuite(suite: Suite, { workDir, cluster, isOver }: Run, token: string): Promise<PromiseRow[]> {
  const say = (text: string) => {
    // Of suites that run side by side.
    const line = `  ${suite.id}: ${text}`;
    said.push({ suite, line });
    print(line);
  };
  const wanted: readonly Promised[] = suite.promises.filter(
    (promised) => ofThisForm(promised) && missing(promised).length === 0,
  );
  const proof = (guarded: boolean): Proof => ({
    long,
    workDir,
    cluster,
    token,
    wants: (promiseId) => wanted.some(({ id }) => id === promiseId),
    random: randomNumbers(guarded ? seed : seed + 1),
    serve: (database, environment = {}, cli) =>
      startService({ workDir, databaseUrl: database.appUrl, token, environment, ...(cli && { cli }) }),
    command: (database, ...args) => runCommand(workDir, database.appUrl, args),
    print: say,
  });
  const measure = async (guarded: boolean) => {
    try {
      return await suite.run(proof(guarded), guarded);
    } catch (error) {
      // The other suites have databases and processes of their own.
      if (!isOver()) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      await stopAll();
      return undefined;
    }
  };
  const begin = performance.now();
  say('without its guards');
  const unguarded = await measure(false);
  const between = performance.now();
  say(`${long ? 'long' : 'short'} form, seed ${seed}`);
  const figures = await measure(true);
  if (isOver()) return [];
  const rows = wanted.map((promised) => ({
    promised,
    verdict: judge(promised, unguarded, figures),
    command: `npm run proof --${long ? ' --long' : ''} ${suite.id}`,
    date: new Date().toISOString().slice(0, 10),
  }));
  for (const { promised, verdict } of rows) print(lineOf(promised, verdict));
  for (const promised of suite.promises.filter(ofThisForm)) {
    const needed = missing(promised);
    if (needed.length > 0) print(`left out  ${promised.says}: needs ${needed.join(', ')}`);
  }
  say(`${seconds(begin)} s, ${seconds(begin, between)} of them without guards`);
  return rows;
}

/** Runs suites one after the other, those that can be beside others in the short form two at a time. */
async function runSuites(chosen: readonly Suite[], run: Run, token: string): Promise<PromiseRow[]> {
  const rows: PromiseRow[] = [];
  const oneByOne = async (waiting: Iterable<Suite>) => {
    for (const suite of waiting) rows.push(...(await inOneGroup(() => runSuite(suite, run, token))));
  };
  const beside = (suite: Suite) => !long && suite.besideOthers === true;
  await oneByOne(chosen.filter((suite) => !beside(suite)));
  // Shared: each takes the next.
  const others = chosen.filter(beside).values();
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => oneByOne(others)));
  return rows;
}

const seconds = (from: number, to = performance.now()) => Math.round((to - from) / 1000);

function lineOf({ says, target, withoutGuard }: Promised, { reached, kept, unguarded }: Verdict): string {
  const guard = withoutGuard === undefined ? '' : `; ${unguarded ?? 'not measured'} ${withoutGuard}`;
  return `${kept ? 'kept  ' : 'MISSED'}  ${says}: ${reached} (target: ${target}${guard})`;
}

const options = {
  name: 'customer_permissions_proof',
  databaseUrl: process.env.PROOF_DATABASE_URL || undefined,
  limitMinutes: long ? LIMIT_MINUTES.long : LIMIT_MINUTES.short,
};
await runAndExit(options, async (run) => {
  const token = await adminToken(run.workDir);
  print(`Node ${process.version}, ${run.cluster.description}`);
  const chosen = suites.filter(({ id }) => positionals.length === 0 || positionals.includes(id));
  const rows = await runSuites(chosen, run, token);
  if (run.isOver()) return;
  const missed = rows.filter(({ verdict }) => !verdict.kept);
  const leftOut = chosen
    .flatMap(({ promises }) => promises)
    .filter((one) => ofThisForm(one) && missing(one).length > 0);
  print('');
  // The end of a long output is what is kept of it.
  for (const { suite, line } of said) {
    if (missed.some(({ promised }) => suite.promises.includes(promised))) print(line);
  }
  for (const { promised, verdict } of missed) print(lineOf(promised, verdict));
  print(`${rows.length} promises, ${missed.length} missed, ${leftOut.length} left out`);
  const installable = leftOut.filter((one) => missing(one).some((need) => need !== 'history'));
  if (missed.length > 0 || (process.env.CI && installable.length > 0)) process.exitCode = 1;
  if (values['no-write']) return;
  const order = suites.flatMap(({ promises }) => promises.map(({ id }) => id));
  const before = await readFile(promisesFile, 'utf8').catch(() => '');
  await writeFile(promisesFile, writePromises(before, order, rows));
});
