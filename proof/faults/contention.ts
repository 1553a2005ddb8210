import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { CONTOSO, customerId } from '../../harness/data.js';
import { residentMebibytes } from '../../harness/processes.js';
import { watchHealth } from './health.js';
import { type Entry, isOk, isUnavailable, latest, seconds } from './journal.js';
import { figureOf, POOL, type Scenario, type Setting } from './setting.js';

const BUSY = '990027';
const LOCK = 'select from customers where partner_id = $1 and customer_id = $2 for update';

/** A session of somebody who locks and does not go on. */
async function openSession({ server, database }: Setting): Promise<pg.Client> {
  const there = new URL(server.superuserUrl);
  there.pathname = new URL(database.appUrl).pathname;
  const client = new pg.Client({ connectionString: there.href });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Until so many sessions of a service wait for a lock. */
async function untilWaiting({ database }: Setting, name: string, sessions: number): Promise<void> {
  for (const deadline = performance.now() + 2000; performance.now() < deadline; await setTimeout(10)) {
    const [waiting] = await database.sql<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and application_name = $1",
      [name],
    );
    if ((waiting?.n ?? 0) >= sessions) return;
  }
}

/** What reads a table that somebody locks, each in a transaction of its own; look-ups would share one. */
const STUCK = 'refundlimit';
/** What the crowd reads: not by key, where one transaction serves many. */
const WANTED = 'users';
const CROWD = 500;
/** For a connection, and until the refusal is there, on a machine that is busy with both sides. */
const WAIT_MS = 1700;
const REFUSED_MS = 2000;

export const usedUpPool: Scenario = {
  promised: {
    id: 'faults-f8-pool-used-up',
    says: `All connections are in stuck transactions and ${CROWD} requests come: they are refused with 503 and Retry-After after a wait of a second, health goes on answering, memory does not grow`,
    target: '503 within 2 s; < 64 MiB more',
    withoutGuard: 'without a limit to the wait for a connection',
  },
  async run(setting, { service, session: name }) {
    const journal = setting.openJournal(service);
    const session = await openSession(setting);
    await session.query('begin');
    await session.query('lock table refunds in access exclusive mode');
    // Opens the sockets.
    await Promise.all(Array.from({ length: CROWD }, () => journal.read(WANTED)));
    const before = residentMebibytes(service.process.pid);
    const stopHealth = watchHealth(service.url);
    const stuck = Promise.all(Array.from({ length: POOL }, () => journal.read(STUCK)));
    await untilWaiting(setting, name, POOL);
    const crowd = await Promise.all(Array.from({ length: CROWD }, () => journal.read(WANTED)));
    const busy = await stuck;
    const free = Math.min(...busy.map(({ at, milliseconds }) => at + milliseconds));
    const tooEarly = crowd.filter(({ at }) => at < free - WAIT_MS);
    const health = await stopHealth();
    const after = residentMebibytes(service.process.pid);
    await session.end();
    const again = await Promise.all(Array.from({ length: POOL }, () => journal.read(STUCK)));
    const grown = before && after ? after.now - before.now : 0;
    const refused = tooEarly.filter(isUnavailable);
    return figureOf(
      setting,
      journal,
      `${refused.length} of ${tooEarly.length} refused within ${seconds(latest(tooEarly))}, ${grown.toFixed(0)} MiB more`,
      {
        'the crowd came too late': tooEarly.length > CROWD / 5,
        'some of the crowd are not refused': refused.length === tooEarly.length,
        'the crowd waits too long': latest(tooEarly) <= REFUSED_MS,
        'the stuck ones are not Busy': busy.every(({ code }) => code === BUSY),
        'the process seems dead': health.deaths === 0 && health.slowestLive < 1000,
        'readiness is told late': health.slowestReady <= 2500,
        'memory grows': grown < 64,
        'they are not served afterwards': again.every(isOk),
      },
    );
  },
};

/** At the same time, on the one locked customer: they could have all connections. */
const AT_THE_LOCK = POOL;
const LOCKED_MS = 2500;

export const lockedCustomer: Scenario = {
  promised: {
    id: 'faults-f9-locked-customer',
    says: `A stuck session holds one customer, and ${AT_THE_LOCK} clients at a time want it, half of them by its SelfServePolicy: they are told Busy, other customers are served`,
    target: 'Busy within 3 s; 0 others refused, p99 < 1 s',
    withoutGuard: 'without limits to the wait for a lock, and to those who wait',
  },
  async run(setting, { service }) {
    const journal = setting.openJournal(service);
    const locked = 5101;
    const session = await openSession(setting);
    await session.query('begin');
    await session.query(LOCK, [CONTOSO, customerId(locked)]);
    const end = performance.now() + LOCKED_MS;
    const atTheLock: Entry[] = [];
    const insist = async (n: number) => {
      const by = n % 2 === 0 ? 'permission' : 'policy';
      while (performance.now() < end) atTheLock.push(await journal.write(locked, by));
    };
    const insisting = Promise.all(Array.from({ length: AT_THE_LOCK }, (_, n) => insist(n)));
    const others: Promise<Entry>[] = [];
    while (performance.now() < end) {
      others.push(journal.read(), journal.write());
      await setTimeout(50);
    }
    const served = await Promise.all(others);
    await insisting;
    await session.end();
    const times = served.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other);
    const p99 = times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    const refused = served.filter((entry) => !isOk(entry)).length;
    const again = await journal.write(locked);
    return figureOf(
      setting,
      journal,
      `Busy within ${seconds(latest(atTheLock))}; ${refused} of ${served.length} others refused, p99 ${Math.round(p99)} ms`,
      {
        'who wants the customer is not told Busy': atTheLock.every(({ code }) => code === BUSY),
        'Busy is told late': latest(atTheLock) <= 3000,
        'others are refused': refused === 0,
        'others wait': p99 < 1000,
        'the customer is not served afterwards': isOk(again),
      },
    );
  },
};

const DEADLOCKS = 5;
const CONFLICTS = 20;
const FIRST_IN_CONFLICT = 5301;
/** The first transaction of each customer in conflict loses, as on a server that serializes. A number that was drawn stays drawn. */
const LOSES_FIRST = `
  create sequence attempts;
  create function lose() returns trigger language plpgsql security definer as $$
    begin
      if nextval('attempts') % 2 = 1 then
        raise exception 'could not serialize access due to concurrent update' using errcode = '40001';
      end if;
      return new;
    end $$;
  create trigger lose before insert on activity_log for each row
    when (new.customer_id between '${customerId(FIRST_IN_CONFLICT)}' and '${customerId(FIRST_IN_CONFLICT + CONFLICTS - 1)}')
    execute function lose()`;

export const deadlock: Scenario = {
  promised: {
    id: 'faults-f10-deadlock',
    says: 'A transaction that loses a deadlock or a serialization is run again, unseen by the client, and logged once',
    target: `${DEADLOCKS} deadlocks, ${CONFLICTS} conflicts: all served, 1 log row each`,
    withoutGuard: 'without running a transaction again',
  },
  async run(setting, { service, session: name }) {
    const journal = setting.openJournal(service);
    const session = await openSession(setting);
    // The service's session is the one that finds the deadlock, and gives way.
    await session.query("set deadlock_timeout = '30s'");
    const before = await countDeadlocks(setting);
    const lost: Entry[] = [];
    for (let n = 0; n < DEADLOCKS; n++) {
      const customer = 5201 + n;
      await setting.database.sql(
        `insert into purchase_permissions (partner_id, customer_id, resource, state, effective, ineligibility_reasons,
           version, changed_on, changed_by)
         values ($1, $2, 'AzureReservedInstances', 'off', false, '[]', 1, now(), 'nobody')`,
        [CONTOSO, customerId(customer)],
      );
      await session.query('begin');
      await session.query('select from purchase_permissions where partner_id = $1 and customer_id = $2 for update', [
        CONTOSO,
        customerId(customer),
      ]);
      const sent = journal.write(customer);
      await untilWaiting(setting, name, 1);
      await session.query(LOCK, [CONTOSO, customerId(customer)]);
      await session.query('commit');
      lost.push(await sent);
    }
    const happened = (await countDeadlocks(setting)) - before;
    const conflicting: Entry[] = [];
    await session.query(LOSES_FIRST);
    for (let n = 0; n < CONFLICTS; n++) conflicting.push(await journal.write(FIRST_IN_CONFLICT + n));
    const { rows } = await session.query("select nextval('attempts') as attempts");
    await session.end();
    const served = [...lost, ...conflicting].filter(isOk).length;
    return figureOf(
      setting,
      journal,
      `${happened} deadlocks, ${CONFLICTS} conflicts: ${served} of ${DEADLOCKS + CONFLICTS} served`,
      {
        'no deadlock happened': happened >= DEADLOCKS,
        // Two each, and the one that asks.
        'not every customer has lost one': Number(rows[0]?.attempts) === 2 * CONFLICTS + 1,
        'some are not served': served === DEADLOCKS + CONFLICTS,
      },
    );
  },
};

async function countDeadlocks({ server }: Setting): Promise<number> {
  const log = await readFile(server.logFile, 'utf8');
  return log.split('deadlock detected').length - 1;
}
