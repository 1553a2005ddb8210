import { setTimeout } from 'node:timers/promises';
import {
  azureSubscriptionId,
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
  roleAssignmentId,
} from '../../harness/data.js';
import { type KillableServer, startKillableServer } from '../../harness/killable-server.js';
import { type Standby, startStandby } from '../../harness/standby.js';
import type { Figure } from '../suite.js';
import type { Journal } from './journal.js';
import { figureOf, type LoneScenario, type Setting } from './setting.js';

const CUSTOMERS = 400;
const LIMIT_MS = 3000;
/** How long switches go on while the standby replays, while it does not, and when it is too old. */
const PHASE_MS = 1500;
const PAUSE_MS = 50;
const BACK_MS = 5000;

/** A list as it was answered. */
interface List {
  /** When it was asked for. */
  at: number;
  /** Undefined: it does not say that it is old. */
  asOf: number | undefined;
  text: string;
}

/** What was answered, in the order in which it was asked for. */
interface Answers {
  /** Switches off, with the time at which they were acknowledged. */
  switches: { requestId: string; at: number }[];
  /** Whether each was as old as before the last change of its customer. */
  decisions: boolean[];
  /** Of the log: those that have every switch. */
  logs: List[];
  customers: List[];
}

export const oldReplica: LoneScenario = {
  promised: {
    id: 'faults-f23-old-replica',
    says: 'The replica of lists and log falls behind while permissions are switched off: permission and eligibility are never older than the last acknowledged change; lists that are old say since when; beyond the limit they come from the primary',
    target: '0 decisions old; 100 % of the old lists say so, 0 are older than they say; beyond the limit 0 are old',
    withoutGuard: 'with decisions read from the replica, too, and its age not looked at',
  },
  async run(setting) {
    const name = `replicated_${setting.guarded}`;
    const primary = await startKillableServer(setting.proof.workDir, name);
    try {
      const standby = await startStandby(primary, setting.proof.workDir, `${name}_standby`);
      try {
        return await fallBehind(setting, primary, standby);
      } finally {
        await standby.close();
      }
    } finally {
      await primary.close();
    }
  },
};

async function fallBehind(setting: Setting, primary: KillableServer, standby: Standby): Promise<Figure> {
  const database = await primary.cluster.createDatabase('lists');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await insertPermissions(database, CUSTOMERS);
  await standby.caughtUp();
  const replicaUrl = new URL(database.appUrl);
  replicaUrl.port = String(standby.port);
  const service = await setting.serve(new URL(database.appUrl), {
    READ_REPLICA_URL: replicaUrl.href,
    READ_REPLICA_MAX_LAG_SECONDS: String(LIMIT_MS / 1000),
  });
  const journal = setting.openJournal(service, 1);
  const client = openClient(service.url, setting.proof.token, journal);
  const { answers } = client;
  await client.switchFor(PHASE_MS);
  await standby.pause();
  const before = answers.switches.length;
  await client.switchFor(PHASE_MS);
  // Until then the standby lacks nothing.
  const behindSince = answers.switches[before]?.at ?? Date.now();
  await setTimeout(Math.max(0, behindSince + LIMIT_MS - Date.now()));
  const lateAt = Date.now();
  await client.switchFor(PHASE_MS);
  await standby.resume();
  const isBack = await client.untilRead(BACK_MS);

  const lists = [...answers.logs, ...answers.customers];
  const old = answers.logs.filter((list) => lacks(answers, list, list.at));
  const dated = lists.filter(({ asOf }) => asOf !== undefined);
  const wrong = answers.logs.filter((list) => list.asOf !== undefined && lacks(answers, list, list.asOf));
  const late = lists.filter(({ at }) => at > lateAt);
  const lateOld = late.filter((list) => list.asOf !== undefined || old.includes(list));
  const saying = old.filter(({ asOf }) => asOf !== undefined);
  const decisionsOld = answers.decisions.filter(Boolean).length;
  const figure = await figureOf(
    { ...setting, database },
    journal,
    `${decisionsOld} of ${answers.decisions.length} decisions old; ${saying.length} of ${old.length} old lists say so, ${wrong.length} of ${dated.length} older than they say; beyond the limit ${lateOld.length} of ${late.length} old`,
    {
      'a decision is old': decisionsOld === 0,
      'no list is old': old.length > 0,
      'an old list does not say so': saying.length === old.length,
      'a list is older than it says': wrong.length === 0,
      'a list is older than the limit': dated.every(({ at, asOf = 0 }) => at - asOf <= LIMIT_MS),
      'beyond the limit lists are old': late.length > 0 && lateOld.length === 0,
      'the replica is not read again': isBack,
    },
  );
  await service.stop();
  return figure;
}

/** Whether it lacks a switch that was acknowledged by then. */
const lacks = ({ switches }: Answers, { text }: List, time: number) =>
  switches.some(({ requestId, at }) => at <= time && !text.includes(requestId));

function openClient(url: string, token: string, journal: Journal) {
  const answers: Answers = { switches: [], decisions: [], logs: [], customers: [] };
  let customer = 1;

  async function ask(path: string, { method = 'GET', accept = 'application/json' } = {}) {
    const at = Date.now();
    const answer = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}`, accept } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    const said = answer.headers.get('ms-asof');
    return { at, text, asOf: said === null ? undefined : Date.parse(said) };
  }

  /** Takes from one customer what it has, and looks at everything that tells. */
  async function switchOne(): Promise<void> {
    const number = customer++;
    const { requestId } = await journal.write(number, 'off');
    answers.switches.push({ requestId, at: Date.now() });
    const role = `roleAssignments/${roleAssignmentId(number)}?api-version=2022-04-01`;
    const scope = `/subscriptions/${azureSubscriptionId(number)}/providers/Microsoft.Authorization`;
    await ask(`${scope}/${role}`, { method: 'DELETE' });
    const permission = `/v1/customers/${customerId(number)}/purchasepermissions/AzureReservedInstances`;
    const [decided, eligible, customers, ...logs] = await Promise.all([
      ask(permission),
      ask(`${permission}/eligibility`),
      ask('/v1/customers?size=10'),
      ask('/v1/activitylog?size=500'),
      ask('/v1/activitylog', { accept: 'text/csv' }),
      ask('/v1/activitylog', { accept: 'application/x-ndjson' }),
    ]);
    answers.decisions.push(JSON.parse(decided.text).state !== 'off', JSON.parse(eligible.text).eligible !== false);
    answers.customers.push(customers);
    answers.logs.push(...logs);
  }

  return {
    answers,
    async switchFor(milliseconds: number): Promise<void> {
      for (const end = Date.now() + milliseconds; Date.now() < end; await setTimeout(PAUSE_MS)) await switchOne();
    },
    /** @returns whether a list came from the replica in time */
    async untilRead(milliseconds: number): Promise<boolean> {
      for (const end = Date.now() + milliseconds; Date.now() < end; await setTimeout(PAUSE_MS)) {
        if ((await ask('/v1/customers?size=10')).asOf !== undefined) return true;
      }
      return false;
    },
  };
}
