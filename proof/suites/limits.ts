import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertSecondPartner,
  settle,
} from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { findProgram } from '../../harness/programs.js';
import { listOwnerTokens, type RunningService, startService } from '../../harness/service.js';
import { type Alteration, alterBuild } from '../altered-build.js';
import { countDescriptors } from '../descriptors.js';
import { type HalfOpenAttack, startHalfOpen } from '../half-open.js';
import { type Answered, errorsOf, type SteadyLoad, startSteadyLoad, steadyP99 } from '../paced-load.js';
import { measureSharedLimits } from '../shared-limits.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';
import { measureUnread } from '../unread-answers.js';

const HALF_OPEN = 1000;
/** Room for the half-open ones within their time and for the others, not for those that stay. */
const DESCRIPTORS = 1300;
const CUSTOMERS = 1000;
const OTHERS = 40;
const OTHERS_PER_SECOND = 20;
/** Requests of a partner and minute; the others stay far below. */
const LIMIT = 60;
/** Not ten: then the first six seconds, in which that partner spends its minute, would be half of the short form. */
const GREEDY_TIMES = 200;
const GREEDY_PER_SECOND = (GREEDY_TIMES * LIMIT) / 60;
const MOST_TIMES = 2;
/** For what closing the half-open connections costs. */
const CLOSED_MS = 1000;
/** Seconds. */
const TIMES = {
  unguarded: { before: 1, halfOpen: 7, greedy: 4 },
  short: { before: 2, halfOpen: 15, greedy: 10 },
  long: { before: 10, halfOpen: 60, greedy: 60 },
};

const WITHOUT_TIME_LIMITS: readonly Alteration[] = [
  { file: 'app.js', line: 'headersTimeout: 3000', by: 'headersTimeout: 0' },
  { file: 'app.js', line: 'requestTimeout: 5000', by: 'requestTimeout: 0' },
];

interface Setting {
  database: HarnessDatabase;
  /** Of customers' users, each of a tenant of its own. */
  tokens: readonly string[];
}

async function makeSetting(proof: Proof, name: string): Promise<Setting> {
  const database = await proof.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, OTHERS);
  await insertSecondPartner(database, OTHERS);
  await settle(database);
  return { database, tokens: await listOwnerTokens(proof.workDir, OTHERS) };
}

/** The others: each asks for something of its own, now and then over a new connection. */
const startOthers = ({ url }: RunningService, { tokens }: Setting): SteadyLoad =>
  startSteadyLoad({
    url,
    token: (n) => tokens[n % OTHERS] ?? '',
    perSecond: OTHERS_PER_SECOND,
    path: (n) => `/v1/customers/${customerId(1 + (n % OTHERS))}/changerequests`,
    newConnectionEvery: 10,
  });

async function during(services: readonly RunningService[], setting: Setting, seconds: number): Promise<Answered[][]> {
  const loads = services.map((service) => startOthers(service, setting));
  await setTimeout(seconds * 1000);
  await Promise.all(loads.map((load) => load.stop()));
  return loads.map(({ answered }) => answered);
}

/**
 * How much longer the others wait than before. Where an idle service beside was slower meanwhile than that, the machine
 * was, and it is the measure.
 */
function timesOf(before: readonly Answered[], meanwhile: readonly Answered[], beside: readonly Answered[]): Figure {
  const [first, then, idle] = [before, meanwhile, beside].map(steadyP99) as [number, number, number];
  const times = then / Math.max(first, idle);
  const errors = Math.max(0, errorsOf(meanwhile) - errorsOf(beside));
  const waited = `${first.toFixed(1)} ms before, ${then.toFixed(1)} meanwhile, ${idle.toFixed(1)} of an idle service`;
  return {
    reached: `${times.toFixed(2)}×, ${errors} errors of ${meanwhile.length} (${waited})`,
    kept: errors === 0 && times < MOST_TIMES,
  };
}

function endedOf({ ended, held }: HalfOpenAttack, left: number): Figure {
  const all = ended.inTime + ended.late + left;
  return {
    reached: `${ended.inTime} of ${all}, ${held()} open at a time`,
    kept: held() >= 0.9 * HALF_OPEN && ended.inTime === all,
  };
}

function refusalsOf(greedy: readonly Answered[]): Figure {
  const refused = greedy.filter(({ status }) => status === 429);
  const good = refused.filter(({ retryAfter = '' }) => /^([1-9]|[1-5]\d|60)$/.test(retryAfter)).length;
  return { reached: `${good} of ${refused.length}`, kept: refused.length > 0 && good === refused.length };
}

async function measureClients(proof: Proof, setting: Setting, guarded: boolean): Promise<Figures> {
  const { workDir, token } = proof;
  const seconds = !guarded ? TIMES.unguarded : proof.long ? TIMES.long : TIMES.short;
  const start = (cli: string | undefined, environment: Record<string, string>) =>
    startService({
      workDir,
      databaseUrl: setting.database.appUrl,
      token,
      environment,
      ...(cli !== undefined && { cli }),
    });
  const cli = guarded ? undefined : await alterBuild(join(workDir, 'without-time-limits'), WITHOUT_TIME_LIMITS);
  const services = await Promise.all([
    start(cli, {}),
    start(undefined, guarded ? { REQUESTS_PER_MINUTE: String(LIMIT) } : {}),
    start(undefined, {}),
  ]);
  const [slow, shared, idle] = services;
  execFileSync(findProgram('prlimit') ?? '', ['--pid', String(slow.process.pid), `--nofile=${DESCRIPTORS}`]);
  await during(services, setting, 1);
  const [before = []] = await during([slow, idle], setting, seconds.before);
  const descriptors = await countDescriptors(slow, setting.database.appUrl);

  const path = `/v1/customers/${customerId(1)}/purchasepermissions/AzureReservedInstances`;
  const attack = startHalfOpen({ port: Number(new URL(slow.url).port), path, token }, HALF_OPEN);
  const [duringAttack = [], besideAttack = []] = await during([slow, idle], setting, seconds.halfOpen);
  const left = guarded ? await attack.wait() : attack.left();
  const after = await countDescriptors(slow, setting.database.appUrl);
  const halfOpen = {
    'limits-half-open': endedOf(attack, left),
    'limits-half-open-others': timesOf(before, duringAttack, besideAttack),
    'limits-half-open-descriptors': {
      reached: `${after}, ${descriptors} before`,
      kept: after <= descriptors,
    },
  };
  attack.close();
  await setTimeout(CLOSED_MS);

  const [beforeGreed = []] = await during([shared, idle], setting, seconds.before);
  const greedy = startSteadyLoad({
    url: shared.url,
    token: () => token,
    perSecond: GREEDY_PER_SECOND,
    path: () => '/v1/customers?size=500',
  });
  const [duringGreed = [], besideGreed = []] = await during([shared, idle], setting, seconds.greedy);
  await greedy.stop();
  await Promise.all(services.map((service) => service.stop()));
  return {
    ...halfOpen,
    'limits-greedy': timesOf(beforeGreed, duringGreed, besideGreed),
    'limits-retry-after': refusalsOf(greedy.answered),
  };
}

export const limits: Suite = {
  id: 'limits',
  promises: [
    {
      id: 'limits-half-open',
      says: `Connections on which a request is begun and not finished (six kinds, ${HALF_OPEN} of them open at any time, for 60 s; short form 15 s) that the service ends within 1 s of its limits, 3 s for a header and 5 s for a request`,
      target: '100 %',
      withoutGuard: 'without these limits',
      needs: ['prlimit'],
    },
    {
      id: 'limits-half-open-others',
      says: `What others wait meanwhile, and their errors: 99th percentile against before; the service may open ${DESCRIPTORS} descriptors`,
      target: `< ${MOST_TIMES}×, 0 errors`,
      withoutGuard: 'without these limits',
      needs: ['prlimit'],
    },
    {
      id: 'limits-half-open-descriptors',
      says: 'Open descriptors of the service, its database connections left out, when these connections had their time, before anybody closes them',
      target: 'not more than before',
      withoutGuard: 'without these limits',
      needs: ['prlimit'],
    },
    {
      id: 'limits-greedy',
      says: `What others wait while one partner asks for lists at ${GREEDY_TIMES} times its limit, and their errors: 99th percentile against before`,
      target: `< ${MOST_TIMES}×, 0 errors`,
      withoutGuard: 'without a limit',
      needs: ['prlimit'],
    },
    {
      id: 'limits-retry-after',
      says: 'Refusals of that partner that say in whole seconds, 60 at the most, when to come back',
      target: '100 %',
      needs: ['prlimit'],
    },
    {
      id: 'limits-shared',
      says: 'Requests of one partner that two instances with one `RATE_LIMIT_STORE` let through in a minute, when asked three times as often as `REQUESTS_PER_MINUTE` allows',
      target: '100 of 100',
      withoutGuard: 'each counting for itself',
      needs: ['redis-server'],
    },
    {
      id: 'limits-store',
      says: 'Requests that fail or take more than 1 s while the `RATE_LIMIT_STORE` is silent, killed and started again',
      target: '0',
      withoutGuard: 'when a request that cannot be counted is refused',
      needs: ['redis-server'],
    },
    {
      id: 'limits-unread',
      says: 'Connections of clients that ask for answers and never read one, and that are cut within two minutes',
      target: '100 %',
      withoutGuard: 'without a limit for that',
      longOnly: true,
    },
  ],
  async run(proof, guarded) {
    const setting = await makeSetting(proof, guarded ? 'limits' : 'limits_unguarded');
    // On services of their own; those that share limits wait more than they work.
    const [shared, clients] = await Promise.all([
      proof.wants('limits-shared') ? measureSharedLimits(proof, setting.database, guarded) : {},
      proof.wants('limits-half-open') ? measureClients(proof, setting, guarded) : {},
    ]);
    const unread = proof.wants('limits-unread') ? await measureUnread(proof, setting.database, guarded) : {};
    await setting.database.drop();
    return { ...shared, ...clients, ...unread };
  },
};
