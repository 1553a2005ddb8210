import { join } from 'node:path';
import { alterBuild } from '../altered-build.js';
import { deadlock, lockedCustomer, usedUpPool } from '../faults/contention.js';
import { killedMigrator } from '../faults/migrators.js';
import { silentNetwork, slowNetwork } from '../faults/network.js';
import { lostStandby, readOnlyPrimary } from '../faults/primary.js';
import { oldReplica } from '../faults/replica.js';
import { fullDisk, noConnectionLeft } from '../faults/room.js';
import { APART, alone, type Group, type LoneScenario, openSetting, type Setting, together } from '../faults/setting.js';
import { prepareLag, standstill } from '../faults/standstill.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

/** In the order of how long they take. */
const GROUPS: readonly Group[] = [
  {
    // Moves the primary last: afterwards the service is on the other server.
    scenarios: [silentNetwork, slowNetwork, readOnlyPrimary],
    sessions: () => ({ synchronous_commit: 'local' }),
    proxied: true,
  },
  {
    scenarios: [lockedCustomer, deadlock, standstill],
    sessions: ({ guarded }) => ({
      ...APART,
      ...(!guarded && { lock_timeout: '60s', statement_timeout: '60s' }),
    }),
    environment: prepareLag,
  },
  { scenarios: [lostStandby], sessions: () => ({ ...APART, synchronous_commit: 'on' }) },
  { scenarios: [usedUpPool], sessions: () => ({ ...APART, lock_timeout: '2200ms', statement_timeout: '2400ms' }) },
];
const ALONE: readonly LoneScenario[] = [killedMigrator, fullDisk, noConnectionLeft, oldReplica];
/** They wait more than they work. The long form runs them one by one, so that none disturbs another. */
const AT_ONCE = { short: 3, long: 1 };

/** The program without its guards. */
const UNGUARDED = [
  {
    file: 'server.js',
    line: 'openDatabase(config, secret, log, SILENCE_MILLISECONDS)',
    by: 'openDatabase(config, secret, log)',
  },
  { file: 'app.js', line: 'DEADLINE_MS = 3500', by: 'DEADLINE_MS = 600_000' },
  { file: 'db/connect.js', line: 'waitMilliseconds ?? 1000', by: 'waitMilliseconds ?? 60_000' },
  { file: 'db/connect.js', line: 'options.poolMax / 2', by: 'options.poolMax' },
  { file: 'db/connect.js', line: 'MAX_ATTEMPTS = 3', by: 'MAX_ATTEMPTS = 1' },
  { file: 'db/connect.js', line: "READ_ONLY = '25006'", by: "READ_ONLY = ''" },
  { file: 'plugins/pressure.js', line: 'MAX_DELAY_MS = 500', by: 'MAX_DELAY_MS = Number.POSITIVE_INFINITY' },
  { file: 'db/look-up-patience.js', line: 'BEGUN_WITHIN_MS = 500', by: 'BEGUN_WITHIN_MS = 600_000' },
  { file: 'db/sharing/share-writes.js', line: 'BEGUN_WITHIN_MS = 1000', by: 'BEGUN_WITHIN_MS = 600_000' },
  { file: 'db/commit-warning.js', line: "code === '01000'", by: 'code === undefined' },
  { file: 'db/connections.js', line: 'begun < nextTrial', by: 'false' },
  { file: 'db/connections.js', line: 'setTimeout(turns.give, TRIAL_EVERY_MS).unref()', by: 'turns.give()' },
  { file: 'errors/from-postgres.js', line: "'53100', ", by: '' },
  {
    file: 'app.js',
    line: 'const { config, db, now, lists = listsOf(deps.db) } = deps;',
    by: `const { config, now, lists = listsOf(deps.db) } = deps;
      const fromLists = (partnerId, work) => lists.begin().read(partnerId, work);
      const db = deps.lists ? { ...deps.db, read: fromLists, lookUp: fromLists, lookUpAlone: fromLists } : deps.db;`,
  },
  { file: 'db/replica.js', line: 'ageOf(moment) <= maxLagSeconds * 1000', by: 'true' },
];

async function measure(setting: Setting): Promise<Figures> {
  const { proof } = setting;
  const figures: Record<string, Figure> = {};
  const waiting = [...GROUPS.map(together), ...ALONE.map(alone)];
  const oneByOne = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) Object.assign(figures, await next(setting));
  };
  await Promise.all(Array.from({ length: proof.long ? AT_ONCE.long : AT_ONCE.short }, oneByOne));
  return figures;
}

async function run(proof: Proof, guarded: boolean): Promise<Figures> {
  const cli = guarded ? undefined : await alterBuild(join(proof.workDir, 'faults-unguarded'), UNGUARDED);
  const setting = await openSetting(proof, guarded, cli);
  try {
    return await measure(setting);
  } finally {
    await setting.close();
  }
}

export const faults: Suite = {
  id: 'faults',
  promises: [...GROUPS.flatMap(({ scenarios }) => scenarios), ...ALONE].map(({ promised }) => promised),
  run,
};
