import { spawnSync } from 'node:child_process';
import { chown, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { serverUser } from '../../harness/programs.js';
import { isOk, isUnavailable, latest, seconds } from './journal.js';
import { APART, figureOf, type LoneScenario, type Setting, until } from './setting.js';

const BACK_MS = 2000;
const CROWDED_MS = 2000;
const WRITERS = 20;
const MOST_ATTEMPTS = 20;

export const noConnectionLeft: LoneScenario = {
  promised: {
    id: 'faults-f13-no-connection',
    says: 'The server has no room for another connection: what the connections there are cannot serve is answered 503, the server is not stormed with attempts, and all is served when there is room again',
    target: `< ${MOST_ATTEMPTS} attempts a second; served within ${BACK_MS / 1000} s`,
    withoutGuard: 'with an attempt for each request',
  },
  async run(setting) {
    const { database } = setting;
    const role = `proof_narrow_${setting.guarded}`;
    await database.sql(`create role ${role} login password 'narrow' in role customer_permissions_app`);
    const limits = { lock_timeout: '1s', statement_timeout: '2s', idle_in_transaction_session_timeout: '5s' };
    const url = setting.url({ ...APART, ...limits }, role);
    [url.username, url.password] = [role, 'narrow'];
    const service = await setting.serve(url);
    const journal = setting.openJournal(service);
    await database.sql(`alter role ${role} connection limit 1`);
    await database.sql('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role]);
    const attemptsBefore = await countRefused(setting, role);
    const begin = performance.now();
    const write = async () => {
      while (performance.now() - begin < CROWDED_MS) {
        await journal.write();
        await setTimeout(20);
      }
    };
    const stopReading = readAlong(journal.read);
    await Promise.all(Array.from({ length: WRITERS }, write));
    const reads = await stopReading();
    const rate = ((await countRefused(setting, role)) - attemptsBefore) / ((performance.now() - begin) / 1000);
    const crowded = journal.entries.filter(({ at }) => at >= begin);
    await database.sql(`alter role ${role} connection limit -1`);
    const back = await until(journal.write, isOk, 2 * BACK_MS);
    const after = await Promise.all(Array.from({ length: WRITERS / 2 }, () => journal.write()));
    const figure = await figureOf(
      setting,
      journal,
      `${rate.toFixed(0)} attempts a second; ${crowded.filter(isOk).length} of ${crowded.length} served, the others 503; all after ${seconds(back ?? Number.NaN)}`,
      {
        'the server is stormed': rate < MOST_ATTEMPTS,
        'some are answered neither with what they want nor 503': crowded.every(
          (one) => isOk(one) || isUnavailable(one),
        ),
        'the server had room': rate > 0,
        'the connection there is is not used': reads.some(isOk),
        'the service does not come back': back !== undefined && back <= BACK_MS && after.every(isOk),
      },
    );
    await service.stop();
    return figure;
  },
};

function readAlong<T>(read: () => Promise<T>): () => Promise<T[]> {
  const sent: Promise<T>[] = [];
  const timer = setInterval(() => sent.push(read()), 50);
  return () => {
    clearInterval(timer);
    return Promise.all(sent);
  };
}

async function countRefused({ server }: Setting, role: string): Promise<number> {
  const log = await readFile(server.logFile, 'utf8');
  return log.split(`too many connections for role "${role}"`).length - 1;
}

const DISK_MEBIBYTES = 4;
const CUSTOMERS = 200;
const WRITES = 10;

export const fullDisk: LoneScenario = {
  promised: {
    id: 'faults-f13-disk-full',
    says: 'The disk that holds the log is full: writes are answered 503 and leave nothing behind, reads go on, and writes are served when there is space again',
    target: '100 % of the writes 503, of the reads 200',
    withoutGuard: 'with the error of a full disk taken for a bug',
    needs: ['root'],
  },
  async run(setting) {
    const { server, proof } = setting;
    const disk = join(proof.workDir, `small-disk-${setting.guarded}`);
    const unmount = await mountSmall(disk);
    let made: HarnessDatabase | undefined;
    try {
      const database = await server.cluster.createDatabase(`disk_${setting.guarded}`);
      made = database;
      const { sql } = database;
      await insertPartner(sql);
      await insertCustomers(database, 1, CUSTOMERS);
      await insertEligibility(database, CUSTOMERS);
      await settle(database);
      await sql(`create tablespace small_disk location '${disk}'`);
      await sql('alter table activity_log set tablespace small_disk');
      await sql('create table filler (bytes text) tablespace small_disk');
      await sql('alter table filler alter bytes set storage plain');
      // What is left over by the failed row is filled by smaller ones.
      for (const size of [4000, 100]) await fill(sql, size);
      const url = setting.url(APART, 'proof_full_disk');
      url.pathname = new URL(database.appUrl).pathname;
      const service = await setting.serve(url);
      const journal = setting.openJournal(service, 2);
      const writes = await Promise.all(Array.from({ length: WRITES }, () => journal.write()));
      const reads = await Promise.all(Array.from({ length: WRITES }, () => journal.read()));
      await sql('drop table filler');
      const back = await until(journal.write, isOk, 2 * BACK_MS);
      const figure = await figureOf(
        { ...setting, database },
        journal,
        `${writes.filter(isUnavailable).length} of ${WRITES} writes 503 within ${seconds(latest(writes))}, ${reads.filter(isOk).length} of ${WRITES} reads 200; written again after ${seconds(back ?? Number.NaN)}`,
        {
          'some writes are not answered 503': writes.every(isUnavailable),
          'reads do not go on': reads.every(isOk),
          'the service does not come back': back !== undefined && back <= BACK_MS,
        },
      );
      await service.stop();
      return figure;
    } finally {
      await made?.drop().catch(() => {});
      await setting.database.sql('drop tablespace if exists small_disk').catch(() => {});
      unmount();
    }
  },
};

async function fill(sql: Setting['database']['sql'], size: number): Promise<void> {
  for (;;) {
    try {
      await sql(`insert into filler select repeat('x', ${size}) from generate_series(1, 20)`);
    } catch (error) {
      if ((error as { code?: string }).code === '53100') return;
      throw error;
    }
  }
}

/** @returns takes it away again; a run that is ended from outside does so as well */
async function mountSmall(directory: string): Promise<() => void> {
  await mkdir(directory);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEBIBYTES}m,mode=700`, 'tmpfs', directory]);
  if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr}`);
  const unmount = () => void spawnSync('umount', ['-l', directory]);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, unmount);
  const user = await serverUser();
  if (user) await chown(directory, user.uid, user.gid);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, unmount);
    unmount();
  };
}
