import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Alteration, alterBuild } from '../altered-build.js';
import { openArena } from '../kill-arena.js';
import { check, type Findings } from '../kill-checks.js';
import { customersOf, startClients } from '../kill-clients.js';
import { FAULTS, type Fault, type Health, strike } from '../kill-faults.js';
import type { Figure, Proof, Suite } from '../suite.js';

interface Size {
  /** Of each kind. */
  kills: Readonly<Record<Fault, number>>;
  writes: number;
  /** Outcomes that a client does not know, and replies to COMMIT that are swallowed; each at least. */
  unknown: number;
  workers: number;
  hangUpEvery: number;
  swallowEvery: number;
}
const each = (count: number) => Object.fromEntries(FAULTS.map((fault) => [fault, count])) as Size['kills'];
const SMALL = { writes: 200, unknown: 0, workers: 32, swallowEvery: 80 };
const NEW_IDS: Size = { ...SMALL, kills: { ...each(0), immediate: 1 }, hangUpEvery: 4 };
const CARELESS: Size = { ...SMALL, kills: { ...each(0), service: 1, immediate: 2 }, hangUpEvery: 50 };
const SHORT: Size = { kills: each(4), writes: 10_000, unknown: 100, workers: 32, hangUpEvery: 50, swallowEvery: 80 };
const LONG: Size = { kills: each(50), writes: 100_000, unknown: 1000, workers: 48, hangUpEvery: 50, swallowEvery: 80 };
const BETWEEN_MS = 700;
/** Whether a killed server leaves callers between its COMMIT and their answer is chance; callers of one transaction share it. */
const CARELESS_ATTEMPTS = 6;
const LIMITS = { recoverySeconds: 2, noticeSeconds: 1, answerSeconds: 5 };

const IDEMPOTENCY = 'plugins/idempotency/plugin.js';
/** The log row in a transaction of its own, after that of its change; and what failed last is what is answered. */
const CARELESS_BUILD: readonly Alteration[] = [
  {
    file: 'nouns/activity-log/append.js',
    line: 'commitWith(insertLogEntries(tx, rows));',
    by: 'act.logAfterwards = (later) => insertLogEntries(later, rows);',
  },
  {
    file: IDEMPOTENCY,
    line: 'outcome.committed?.();',
    by: 'if (act.logAfterwards) await db.write(partnerId, act.logAfterwards); outcome.committed?.();',
  },
  {
    file: IDEMPOTENCY,
    line: 'throw lost === undefined || decided ? error : lost;',
    by: 'throw error;',
  },
];

interface Result {
  findings: Findings;
  health: Health;
  acknowledged: number;
  kills: number;
  swallowed: number;
  /** In seconds. */
  slowest: number;
  /** Customers in which `verify-log` finds a fault, and its exit code. */
  verified: { code: number; named: number };
}

function shuffle<T>(items: T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

async function killAndCheck(
  proof: Proof,
  name: string,
  size: Size,
  variant: { cli?: string; forgetIds?: boolean } = {},
): Promise<Result> {
  const { random } = proof;
  const arena = await openArena(proof, name, customersOf(size.workers), variant.cli);
  const health: Health = { recovery: 0, notice: 0, outages: 0, dead: 0 };
  const faults = shuffle(
    FAULTS.flatMap((fault) => Array<Fault>(size.kills[fault]).fill(fault)),
    random,
  );
  const begin = performance.now();
  const clients = startClients({
    token: proof.token,
    urls: arena.instances,
    workers: size.workers,
    random,
    hangUpEvery: size.hangUpEvery,
    forgetIds: variant.forgetIds ?? false,
    onAcknowledged: (count) => {
      if (count % size.swallowEvery === 0) arena.proxy.swallowNextCommit();
    },
  });
  try {
    for (const [index, fault] of faults.entries()) {
      await setTimeout(random() * BETWEEN_MS);
      await strike(fault, arena, clients, random, health);
      if (index % 25 === 24) proof.print(`${index + 1} kills, ${clients.acknowledged()} writes acknowledged`);
    }
    while (clients.acknowledged() < size.writes) await setTimeout(20);
    await clients.stop();
    const seconds = (performance.now() - begin) / 1000;
    await Promise.all(arena.instances.map(({ service }) => service.stop()));
    const findings = await check(arena.database, clients.journal);
    const { code, lines } = await proof.command(arena.database, 'verify-log');
    const acknowledged = clients.acknowledged();
    proof.print(
      `${faults.length} kills, ${acknowledged} writes acknowledged in ${Math.round(seconds)} s, ${Math.round(acknowledged / seconds)} a second over all`,
    );
    for (const text of findings.exceptions.slice(0, 3)) proof.print(`exception: ${text}`);
    return {
      findings,
      health,
      acknowledged,
      kills: faults.length,
      swallowed: arena.proxy.swallowed(),
      slowest: clients.slowest() / 1000,
      verified: { code, named: lines.filter((line) => line.startsWith('partner ')).length },
    };
  } finally {
    clients.abandon();
    await arena.close();
  }
}

function onceOf({ findings, acknowledged, kills }: Result, size: Size): Figure {
  const { length } = findings.exceptions;
  return {
    reached: `${length} exceptions, ${acknowledged} writes, ${kills} kills`,
    kept: length === 0 && acknowledged >= size.writes,
  };
}

function resolvedOf({ findings, swallowed }: Result, size: Size): Figure {
  const { unknown, resolved, alreadyDone } = findings;
  return {
    reached: `${resolved} of ${unknown}, ${alreadyDone} of them done before; ${swallowed} replies to COMMIT lost`,
    kept: resolved === unknown && unknown >= size.unknown && swallowed >= size.unknown && alreadyDone > 0,
  };
}

function chainOf({ verified }: Result): Figure {
  return {
    reached: verified.named === 0 ? '0 faults' : `${verified.named} customers with a fault`,
    kept: verified.code === 0 && verified.named === 0,
  };
}

function denialsOf({ findings: { denials, untrue } }: Result): Figure {
  return { reached: `${untrue} of ${denials}`, kept: untrue === 0 && denials > 0 };
}

function timeOf(milliseconds: number, seconds: number): Figure {
  return { reached: `${(milliseconds / 1000).toFixed(2)} s`, kept: milliseconds <= seconds * 1000 };
}

export const kills: Suite = {
  id: 'kills',
  promises: [
    {
      id: 'kills-exactly-once',
      says: 'While the service, sessions of PostgreSQL and PostgreSQL itself are killed, each acknowledged change leaves exactly one log row, under its `MS-RequestId`, and there is no other row',
      target: '0 exceptions; 200 kills and 100 000 writes (short form: 20 and 10 000)',
      withoutGuard: 'with the log row written after the transaction of its change',
    },
    {
      id: 'kills-unknown-resolved',
      says: 'A request whose outcome is not known is repeated with its `MS-RequestId`, at any instance, and gets the answer of the first time',
      target: 'all, of 1000 (short form: 100)',
      withoutGuard: 'with a new id for each repetition',
    },
    {
      id: 'kills-chain',
      says: '`verify-log` finds no fault in what the killed wrote',
      target: '0 faults',
      withoutGuard: 'with the log row written after the transaction of its change',
    },
    {
      id: 'kills-denials',
      says: 'A 503 says that nothing was changed, and the log says otherwise',
      target: '0',
      withoutGuard: 'with the failure behind a lost COMMIT for an answer',
    },
    {
      id: 'kills-recovery',
      says: 'From PostgreSQL taking connections again to the first change that each instance acknowledges, the longest',
      target: `≤ ${LIMITS.recoverySeconds} s`,
    },
    {
      id: 'kills-readiness',
      says: '`/readyz` says 503 so soon after PostgreSQL is gone and 200 when it is back, the longest; `/livez` stays 200 and no process ends',
      target: `≤ ${LIMITS.noticeSeconds} s`,
    },
    {
      id: 'kills-answers',
      says: 'The slowest answer while all that happened',
      target: `≤ ${LIMITS.answerSeconds} s`,
    },
  ],
  async run(proof, guarded) {
    if (!guarded) {
      const newIds = await killAndCheck(proof, 'kills_new_ids', NEW_IDS, { forgetIds: true });
      const cli = await alterBuild(join(proof.workDir, 'careless'), CARELESS_BUILD);
      let careless = await killAndCheck(proof, 'kills_careless', CARELESS, { cli });
      for (let attempt = 1; careless.findings.untrue === 0 && attempt < CARELESS_ATTEMPTS; attempt++) {
        careless = await killAndCheck(proof, 'kills_careless', CARELESS, { cli });
      }
      return {
        'kills-exactly-once': onceOf(careless, CARELESS),
        'kills-unknown-resolved': resolvedOf(newIds, NEW_IDS),
        'kills-chain': chainOf(careless),
        'kills-denials': denialsOf(careless),
      };
    }
    const size = proof.long ? LONG : SHORT;
    const result = await killAndCheck(proof, 'kills', size);
    const { health } = result;
    const readiness = timeOf(health.notice, LIMITS.noticeSeconds);
    return {
      'kills-exactly-once': onceOf(result, size),
      'kills-unknown-resolved': resolvedOf(result, size),
      'kills-chain': chainOf(result),
      'kills-denials': denialsOf(result),
      'kills-recovery': timeOf(health.recovery, LIMITS.recoverySeconds),
      'kills-readiness': {
        reached: `${readiness.reached} in ${health.outages} outages, ${health.dead} dead`,
        kept: readiness.kept && health.outages > 0 && health.dead === 0,
      },
      'kills-answers': timeOf(result.slowest * 1000, LIMITS.answerSeconds),
    };
  },
};
