import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stopAll } from '../harness/processes.js';
import { type Run, runAndExit } from '../harness/run.js';
import { adminToken, startService } from '../harness/service.js';
import type { Bench, Scenario } from './harness/bench.js';
import { drawProfiles } from './harness/flame-graph.js';
import { startLoadGenerator } from './harness/load.js';
import { customers } from './scenarios/customers.js';
import { get } from './scenarios/get.js';
import { hot } from './scenarios/hot.js';
import { least } from './scenarios/least.js';
import { lists } from './scenarios/lists.js';
import { log } from './scenarios/log.js';
import { lookup } from './scenarios/lookup.js';
import { memory } from './scenarios/memory.js';
import { overload } from './scenarios/overload.js';
import { pace } from './scenarios/pace.js';
import { peers } from './scenarios/peers.js';
import { purchase } from './scenarios/purchase.js';
import { replay } from './scenarios/replay.js';
import { start } from './scenarios/start.js';
import { switches } from './scenarios/switch.js';

const scenarios: Readonly<Record<string, { title: string; run: Scenario }>> = {
  get: { title: 'GET one permission ÷ a bare Fastify route with the same schemas', run: get },
  least: {
    title: 'GET one permission: the least that keeps its promises ÷ bare Fastify, the service ÷ that',
    run: least,
  },
  lookup: { title: 'GET one permission ÷ the same look-up by pgbench, and ÷ its two halves', run: lookup },
  peers: { title: 'GET one permission ÷ the same from a mock, from a file and by Express', run: peers },
  pace: { title: 'Slow answers ÷ usual ones at four fifths of what the service can do', run: pace },
  switch: { title: 'PUT on / DELETE ÷ pgbench with the same statements, pipelined', run: switches },
  replay: { title: 'PUT on / DELETE: the statements alone, replayed ÷ pgbench, the service ÷ that', run: replay },
  hot: { title: 'PUT on / DELETE of ten customers ÷ of many', run: hot },
  overload: { title: 'Answers 2xx at 16 times the connections ÷ at capacity', run: overload },
  purchase: { title: 'PUT of a reservation order, by its buyer ÷ PUT on / DELETE of a permission', run: purchase },
  customers: { title: 'Last page of the customers ÷ the first, time for a request', run: customers },
  lists: { title: 'Lists ÷ the same rows from memory by a bare Fastify route', run: lists },
  log: { title: 'The log: large ÷ small, old ÷ recent, one customer ÷ all, time for a request', run: log },
  start: { title: 'Cold start to the first 200', run: start },
  memory: { title: 'Resident memory', run: memory },
};

const PEERS = 'express@5 json-server@0.17 @stoplight/prism-cli@5';
const usage = `npm run bench -- [--quick | --long] [--profile DIR] [${Object.keys(scenarios).join(' | ')}]…

--quick        fewer and shorter rounds, smaller tables
--long         a log of 10 000 000 entries
--profile DIR  CPU profiles of the service's processes, each with a flame graph
BENCH_DATABASE_URL  a superuser's URL of the PostgreSQL 15 or newer to measure on; default: an embedded one
BENCH_PEERS         a directory for \`peers\`: npm install --prefix DIR ${PEERS}
`;
/** So long after it is ready a service is measured. */
const SETTLE_MS = 1500;
// A run that hangs ends by itself: the full one takes about half an hour, the quick one 5 minutes.
const LIMIT_MINUTES = { full: 60, quick: 15 } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    long: { type: 'boolean' },
    profile: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const unknown = positionals.filter((name) => !Object.hasOwn(scenarios, name));
if (values.help || unknown.length > 0) {
  process.stderr.write(unknown.length > 0 ? `There is no scenario ${unknown.join(', ')}.\n\n${usage}` : usage);
  process.exit(values.help ? 0 : 2);
}

const quick = values.quick === true;
const print = (text: string) => process.stdout.write(`${text}\n`);
async function runAll({ workDir, cluster, isOver }: Run, generator: Bench['generator']): Promise<void> {
  const token = await adminToken(workDir);
  const profileDir = values.profile ? resolve(values.profile) : undefined;
  const bench: Bench = {
    quick,
    long: values.long === true,
    workDir,
    peersDir: process.env.BENCH_PEERS ? resolve(process.env.BENCH_PEERS) : undefined,
    cluster,
    generator,
    token,
    headers: { authorization: `Bearer ${token}` },
    // The most first: a service that has answered a few hundred requests is not compiled yet.
    connections: quick ? [64, 1] : [256, 64, 8, 1],
    rounds: quick ? 2 : 5,
    sliceSeconds: quick ? 1 : 2,
    warmUpSeconds: quick ? 1 : 2,
    serve: async (database, options) => {
      const service = await startService({ workDir, databaseUrl: database.appUrl, profileDir, token, ...options });
      await setTimeout(SETTLE_MS);
      return service;
    },
    print,
  };
  print(`Node ${process.version}, ${cluster.description}, ${cpus().length} × ${cpus()[0]?.model}`);
  print('Medians of the rounds and [lowest–highest]; only ratios of one run can be compared.');
  for (const [name, { title, run }] of Object.entries(scenarios)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const begin = performance.now();
    print(`\n${name}: ${title}`);
    try {
      await run(bench);
    } catch (error) {
      if (isOver()) return;
      // The other scenarios have databases and processes of their own.
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      process.exitCode = 1;
      await stopAll();
    }
    print(`  (${Math.round((performance.now() - begin) / 1000)} s)`);
  }
}

const options = {
  name: 'customer_permissions_bench',
  databaseUrl: process.env.BENCH_DATABASE_URL || undefined,
  limitMinutes: quick ? LIMIT_MINUTES.quick : LIMIT_MINUTES.full,
};
await runAndExit(options, async (run) => {
  const generator = startLoadGenerator();
  try {
    await runAll(run, generator);
    if (values.profile) for (const file of await drawProfiles(values.profile)) print(`flame graph: ${file}`);
  } finally {
    generator.close();
  }
});
