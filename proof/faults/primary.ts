import { setTimeout } from 'node:timers/promises';
import type { HarnessDatabase } from '../../harness/database.js';
import { type Entry, isOk, isUnavailable, type Journal, latest, seconds } from './journal.js';
import { figureOf, POOL, type Scenario, type Setting, until } from './setting.js';

const BACK_MS = 2000;
const REQUESTS = 10;
const UNKNOWN = '990028';
const UNAVAILABLE = '990026';
const AT_ONCE_MS = 1000;

/** Changes a setting of the whole server, and waits until sessions have taken it over. */
async function setServer({ database: { sql } }: Setting, name: string, value: string | undefined): Promise<void> {
  await sql(value === undefined ? `alter system reset ${name}` : `alter system set ${name} = '${value}'`);
  await sql('select pg_reload_conf()');
  await setTimeout(200);
}

async function times<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let n = 0; n < count; n++) made.push(await work());
  return made;
}

async function countLogged({ sql }: HarnessDatabase, { entries }: Journal): Promise<number> {
  const ids = entries.map(({ requestId }) => requestId);
  const [row] = await sql<{ n: number }>(
    'select count(*)::int as n from activity_log where request_id = any ($1::uuid[])',
    [ids],
  );
  return row?.n ?? 0;
}

export const readOnlyPrimary: Scenario = {
  promised: {
    id: 'faults-f11-primary-moves',
    says: 'The primary becomes read-only, then another server takes its address: writes are answered 503 and none is made on the old one, reads go on, the new one is found without a restart',
    target: `0 writes on the old one; served within ${BACK_MS / 1000} s`,
    withoutGuard: 'with the connections there are kept',
  },
  async run(setting, { service, proxy }) {
    const { database, spare } = setting;
    if (!proxy) throw new Error('there is no proxy');
    const journal = setting.openJournal(service);
    await Promise.all(Array.from({ length: POOL }, () => journal.write()));
    await setServer(setting, 'default_transaction_read_only', 'on');
    const before = await countLogged(database, journal);
    const refused = await times(REQUESTS, () => journal.write());
    const reads = await times(REQUESTS, () => journal.read());
    const { hostname, port } = new URL(spare.appUrl);
    proxy.pointTo({ host: hostname, port: Number(port) });
    const back = await until(journal.write, isOk, 2 * BACK_MS);
    const after = await Promise.all(Array.from({ length: REQUESTS }, () => journal.write()));
    const onOld = (await countLogged(database, journal)) - before;
    await setServer(setting, 'default_transaction_read_only', undefined);
    return figureOf(
      setting,
      journal,
      `${onOld} writes on the old one; ${refused.filter(isUnavailable).length} of ${REQUESTS} answered 503, ${reads.filter(isOk).length} of ${REQUESTS} reads served; the new one after ${seconds(back ?? Number.NaN)}`,
      {
        'a write is made on the old one': onOld === 0,
        'some writes are not answered 503': refused.every(isUnavailable),
        'reads do not go on': reads.every(isOk),
        'the new one is not found': back !== undefined && back <= BACK_MS && after.every(isOk),
      },
      [database, spare],
    );
  },
};

/** Sessions that wait for the standby. */
async function listWaiting({ database: { sql } }: Setting): Promise<number[]> {
  const rows = await sql<{ pid: number }>("select pid from pg_stat_activity where wait_event = 'SyncRep'");
  return rows.map(({ pid }) => pid);
}

export const lostStandby: Scenario = {
  promised: {
    id: 'faults-f12-standby-gone',
    says: 'The synchronous standby is gone: commits that wait for it, or whose wait was cancelled, are answered as unknown and never as done; later writes are refused at once, reads go on; afterwards a repetition tells',
    target: '0 answered as done; unknown within 5 s; reads 100 %',
    withoutGuard: 'with the warning of a cancelled wait ignored',
  },
  async run(setting, { service }) {
    const journal = setting.openJournal(service);
    await Promise.all(Array.from({ length: POOL }, () => journal.write()));
    await setServer(setting, 'synchronous_standby_names', 'nobody');
    const cancelled = await cancelOne(setting, journal);
    const waiting = Promise.all(Array.from({ length: POOL / 2 }, () => journal.write()));
    const reads = Promise.all(
      Array.from({ length: REQUESTS }, (_, n) => setTimeout(n * 300).then(() => journal.read())),
    );
    const unknown = await waiting;
    const refused: Entry[] = [];
    // The first that waits tells enough; each would wait as long.
    while (refused.length < REQUESTS && refused.every(isRefusedAtOnce)) refused.push(await journal.write());
    const served = await reads;
    const held = (await listWaiting(setting)).length;
    await setServer(setting, 'synchronous_standby_names', undefined);
    const back = await until(journal.write, isOk, 2 * BACK_MS);
    const done = [cancelled, ...unknown].filter(isOk).length;
    return figureOf(
      setting,
      journal,
      `${done} of ${unknown.length + 1} answered as done; unknown within ${seconds(latest([cancelled, ...unknown]))}, then 503 in ${Math.round(latest(refused))} ms; ${served.filter(isOk).length} of ${REQUESTS} reads`,
      {
        'a cancelled wait is not unknown': cancelled.code === UNKNOWN,
        'a waiting commit is not unknown': unknown.every(({ code }) => code === UNKNOWN),
        'later writes are not refused at once': refused.every(isRefusedAtOnce),
        'sessions pile up': held <= POOL,
        'reads do not go on': served.every(isOk),
        'writes do not come back': back !== undefined,
      },
    );
  },
};

const isRefusedAtOnce = ({ code, milliseconds }: Entry) => code === UNAVAILABLE && milliseconds < AT_ONCE_MS;

/** A write whose wait for the standby is cancelled, as an operator may do. */
async function cancelOne(setting: Setting, journal: Journal): Promise<Entry> {
  const sent = journal.write();
  for (const deadline = performance.now() + 2000; performance.now() < deadline; await setTimeout(10)) {
    const waiting = await listWaiting(setting);
    for (const pid of waiting) await setting.database.sql('select pg_cancel_backend($1)', [pid]);
    if (waiting.length > 0) break;
  }
  return sent;
}
