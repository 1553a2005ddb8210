import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
  insertQuotes,
  settle,
} from '../../harness/data.js';
import { residentMebibytes } from '../../harness/processes.js';
import { listOwnerTokens, startService } from '../../harness/service.js';
import { startMix } from '../abuse.js';
import { type Alteration, alterBuild } from '../altered-build.js';
import { countDescriptors } from '../descriptors.js';
import type { Figures, Proof, Suite } from '../suite.js';

const CUSTOMERS = 1024;
const BUYERS = 64;
const HALF_OPEN = 200;
const MOST_MEBIBYTES = 256;
const MOST_GROWTH = 0.1;
const SAMPLE_MS = 250;
/** The requests of the start compile code and fill caches; not measured. */
const SECONDS = { unguarded: { warmUp: 2, load: 6 }, short: { warmUp: 5, load: 25 }, long: { warmUp: 60, load: 600 } };
/** What the longest of the time limits, 5 s for a request, leaves behind is gone by then. */
const CLOSED_SECONDS = 6.5;
/** What this side closes. */
const CLOSED_AT_ONCE_SECONDS = 1;
const QUOTES = { short: 1000, long: 20_000 };

/** So many at least, however slow the machine is: what each keeps then shows. */
const LEAST_UNGUARDED = 1500;

/** Every request leaves 100 kB behind, and a connection on which nothing is asked stays. */
const LEAKING: readonly Alteration[] = [
  {
    file: 'app.js',
    line: 'await app.register(requestIds);',
    by: `await app.register(requestIds);
    const kept = [];
    app.addHook('onRequest', (request, _reply, done) => { kept.push(new Array(12_288).fill(request.id)); done(); });`,
  },
  { file: 'app.js', line: 'headersTimeout: 3000', by: 'headersTimeout: 0' },
  { file: 'app.js', line: 'requestTimeout: 5000', by: 'requestTimeout: 0' },
];

const mean = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0) / Math.max(1, numbers.length);

/** The part of the samples from one share of the time to another. */
const between = (samples: readonly number[], from: number, to: number) =>
  samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to));

async function measure(proof: Proof, guarded: boolean): Promise<Figures> {
  const { workDir, token } = proof;
  const seconds = !guarded ? SECONDS.unguarded : proof.long ? SECONDS.long : SECONDS.short;
  const database = await proof.cluster.createDatabase(guarded ? 'memory' : 'memory_unguarded');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await insertPermissions(database, BUYERS);
  const quotes = await insertQuotes(database, proof.long ? QUOTES.long : QUOTES.short, BUYERS);
  await settle(database);
  const owners = await listOwnerTokens(workDir, BUYERS);
  const cli = guarded ? undefined : await alterBuild(join(workDir, 'leaking'), LEAKING);
  const service = await startService({
    workDir,
    databaseUrl: database.appUrl,
    token,
    ...(cli !== undefined && { cli }),
  });
  const { pid } = service.process;
  const world = { url: service.url, admin: token, customers: CUSTOMERS, owners, quotes, random: proof.random };

  const warmUp = startMix(world, 0);
  await setTimeout(seconds.warmUp * 1000);
  await warmUp.stop();
  await setTimeout(CLOSED_AT_ONCE_SECONDS * 1000);
  const before = await countDescriptors(service, database.appUrl);
  const mix = startMix(world, HALF_OPEN);
  const samples: number[] = [];
  const requestsSoFar = () => [...mix.answered.values()].reduce((sum, one) => sum + one, 0);
  const end = performance.now() + seconds.load * 1000;
  while (performance.now() < end || (!guarded && requestsSoFar() < LEAST_UNGUARDED)) {
    samples.push(residentMebibytes(pid)?.now ?? Number.NaN);
    await setTimeout(SAMPLE_MS);
  }
  await mix.stop();
  await setTimeout(CLOSED_SECONDS * 1000);
  const after = await countDescriptors(service, database.appUrl);
  const peak = residentMebibytes(pid)?.peak ?? Number.NaN;
  await service.stop();
  await database.drop();
  const requests = requestsSoFar();
  const [middle, last] = [mean(between(samples, 0.45, 0.55)), mean(between(samples, 0.9, 1))];
  const growth = last / middle - 1;
  proof.print(`${requests} requests, ${mix.failed} failed: ${samples.map((one) => one.toFixed(0)).join(' ')} MiB`);
  return {
    'memory-resident': {
      reached: `${peak.toFixed(0)} MiB at the highest`,
      kept: peak < MOST_MEBIBYTES,
    },
    'memory-growth': {
      reached: `${(growth * 100).toFixed(1)} % (${middle.toFixed(0)} to ${last.toFixed(0)} MiB, ${requests} requests)`,
      kept: growth < MOST_GROWTH,
    },
    'memory-descriptors': { reached: `${after}, ${before} before`, kept: after <= before },
    'memory-failures': { reached: `${mix.failed} of ${requests}`, kept: requests > 0 && mix.failed === 0 },
  };
}

export const memory: Suite = {
  id: 'memory',
  besideOthers: true,
  promises: [
    {
      id: 'memory-resident',
      says: `Resident memory of the service under ${SECONDS.long.load / 60} minutes of reads, writes, purchases and abuse of ten kinds at once (short form ${SECONDS.short.load} s)`,
      target: `< ${MOST_MEBIBYTES} MiB`,
    },
    {
      id: 'memory-growth',
      says: 'Growth of it from the middle tenth of that time to the last',
      target: '< 10 %',
      withoutGuard: 'with 100 kB of each request kept',
    },
    {
      id: 'memory-descriptors',
      says: 'Open descriptors of the service, its database connections left out, when that is over, before anybody closes a half-open connection',
      target: 'not more than before',
      withoutGuard: 'without time limits',
    },
    { id: 'memory-failures', says: 'Answers of 500 and above meanwhile, but 503', target: '0' },
  ],
  run: measure,
};
