import { generateKeyPairSync } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTOSO, customerId, insertCustomers, insertEligibility, insertPartner, settle } from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { type ChainRow, entryHash, GENESIS } from '../../src/nouns/activity-log/chain.js';
import type { Figure, Proof, Suite } from '../suite.js';
import { type CustomerLog, type Tampered, tamperAndRehash, tamperConsistently, tamperWithChain } from '../tampering.js';

interface Size {
  /** Customers that are tampered with in one go, for each of the two promises. */
  tampered: number;
  /** Others that nobody touches. */
  intact: number;
  rounds: number;
}
const UNGUARDED: Size = { tampered: 50, intact: 5, rounds: 1 };
const SHORT: Size = { tampered: 250, intact: 50, rounds: 1 };
const LONG: Size = { tampered: 1000, intact: 100, rounds: 5 };
/** Of each customer, at least and at most. */
const SWITCHES = [2, 8] as const;
const CONNECTIONS = 16;
const RATE = { customers: 1000, entriesEach: 1000, perStatement: 20_000, limitSeconds: 60 };

interface Setting {
  size: Size;
  database: HarnessDatabase;
  checkpoints: string;
  logs: ReadonlyMap<string, CustomerLog>;
}

/** Logs as the service writes them, with the checkpoint that it leaves behind when it is told to stop. */
async function writeLogs(proof: Proof, name: string, size: Size): Promise<Setting> {
  const customers = size.tampered + size.intact;
  const database = await proof.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, customers);
  await insertEligibility(database, customers);
  await settle(database);
  const checkpoints = join(proof.workDir, `${name}-checkpoints`);
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
  const service = await proof.serve(database, {
    CHECKPOINT_DIR: checkpoints,
    CHECKPOINT_KEY: key.toString('base64'),
  });
  const [least, most] = SWITCHES;
  const plan = Array.from({ length: customers }, () => least + Math.floor(proof.random() * (most - least + 1)));
  let next = 0;
  const switchOneByOne = async () => {
    for (let number = ++next; number <= customers; number = ++next) {
      for (let n = 0; n < (plan[number - 1] ?? 0); n++) await switchOver(service.url, proof.token, number, n);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, switchOneByOne));
  await service.stop();
  return { size, database, checkpoints, logs: await readLogs(database) };
}

async function switchOver(url: string, token: string, customer: number, n: number): Promise<void> {
  const answer = await fetch(`${url}/v1/customers/${customerId(customer)}/purchasepermissions/AzureReservedInstances`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ state: n % 2 === 0 ? 'on' : 'off' }),
  });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`a switch was answered ${answer.status}`);
}

async function readLogs({ sql }: HarnessDatabase): Promise<Map<string, CustomerLog>> {
  const customers = await sql<{ customer_id: string; log_seq: number; log_head: Buffer }>(
    'select customer_id, log_seq, log_head from customers order by customer_id',
  );
  const logs = new Map(
    customers.map((row) => [row.customer_id, { rows: [] as ChainRow[], seq: row.log_seq, head: row.log_head }]),
  );
  for (const row of await sql<ChainRow>('select * from activity_log order by customer_id, seq')) {
    logs.get(row.customer_id)?.rows.push(row);
  }
  return logs;
}

const toJson = (rows: readonly object[]) =>
  JSON.stringify(rows, function (this: Record<string, unknown>, name, value) {
    const held = this[name];
    return Buffer.isBuffer(held) ? `\\x${held.toString('hex')}` : value;
  });

/** Puts logs in the place of those there are, as a superuser can. */
async function replaceLogs({ sql }: HarnessDatabase, logs: ReadonlyMap<string, CustomerLog>): Promise<void> {
  const ids = [...logs.keys()];
  await sql('delete from activity_log where customer_id = any ($1::uuid[])', [ids]);
  await sql('insert into activity_log select * from json_populate_recordset(null::activity_log, $1)', [
    toJson([...logs.values()].flatMap(({ rows }) => rows)),
  ]);
  await sql(
    `update customers c set log_seq = t.log_seq, log_head = t.log_head
     from json_populate_recordset(null::customers, $1) t where c.customer_id = t.customer_id`,
    [toJson([...logs].map(([id, { seq, head }]) => ({ customer_id: id, log_seq: seq, log_head: head })))],
  );
}

const FOUND = /^partner (\S+), customer (\S+), entry (-?\d+): /;

/** Which entry of which customer `verify-log` names. */
async function verify(proof: Proof, database: HarnessDatabase, flags: readonly string[]): Promise<Map<string, number>> {
  const { code, lines } = await proof.command(database, 'verify-log', ...flags);
  const named = new Map<string, number>();
  for (const line of lines) {
    const [, , customer, seq] = FOUND.exec(line) ?? [];
    if (customer !== undefined) named.set(customer, Number(seq));
  }
  const summary = lines.at(-1) ?? '';
  const whole = code === (named.size > 0 ? 3 : 0) && / verified(, \d+ customers with a fault)?$/.test(summary);
  if (!whole) throw new Error(`verify-log ended with ${code}: ${summary}`);
  return named;
}

interface Tally {
  done: number;
  found: number;
  falseAlarms: number;
}

/** Tampers with every customer but the last ones, round after round, and counts what is named as it has to be. */
async function tamperAndVerify(
  proof: Proof,
  { size, database, logs }: Setting,
  how: (log: CustomerLog, random: () => number) => Tampered,
  flags: readonly string[],
): Promise<Tally> {
  const victims = [...logs].slice(0, size.tampered);
  const tally: Tally = { done: 0, found: 0, falseAlarms: 0 };
  for (let round = 0; round < size.rounds; round++) {
    const tampered = new Map(victims.map(([id, log]) => [id, how(log, proof.random)]));
    await replaceLogs(database, tampered);
    const named = await verify(proof, database, flags);
    for (const [id, { what, firstBad }] of tampered) {
      tally.done += 1;
      if (named.get(id) === firstBad) tally.found += 1;
      else if (named.size > 0) proof.print(`${what}: named ${named.get(id) ?? 'nothing'} instead of ${firstBad}`);
    }
    tally.falseAlarms += [...named.keys()].filter((id) => !tampered.has(id)).length;
    await replaceLogs(database, new Map(victims));
  }
  return tally;
}

const foundOf = ({ done, found }: Tally): Figure => ({
  reached: `${found} of ${done}`,
  kept: done > 0 && found === done,
});

/** A log of a million entries, each customer's chained as the service does it. */
async function measureRate(proof: Proof, model: ChainRow): Promise<Figure> {
  const { customers, entriesEach, perStatement, limitSeconds } = RATE;
  const database = await proof.cluster.createDatabase('tamper_rate');
  const { sql } = database;
  await insertPartner(sql);
  await insertCustomers(database, 1, customers);
  await sql('set session_replication_role = replica');
  let waiting: ChainRow[] = [];
  const flush = async () => {
    await sql('insert into activity_log select * from json_populate_recordset(null::activity_log, $1)', [
      toJson(waiting),
    ]);
    waiting = [];
  };
  for (let number = 1; number <= customers; number++) {
    let head = GENESIS;
    for (let seq = 1; seq <= entriesEach; seq++) {
      const row = {
        ...model,
        customer_id: customerId(number),
        seq,
        entry_id: crypto.randomUUID(),
        previous_hash: head,
      };
      head = entryHash(row, head);
      waiting.push({ ...row, hash: head });
    }
    await sql('update customers set log_seq = $2, log_head = $3 where customer_id = $1', [
      customerId(number),
      entriesEach,
      head,
    ]);
    if (waiting.length >= perStatement) await flush();
  }
  await flush();
  await sql('reset session_replication_role');
  await settle(database);
  const begin = performance.now();
  const named = await verify(proof, database, ['--partner', CONTOSO]);
  const seconds = (performance.now() - begin) / 1000;
  await database.drop();
  if (named.size > 0) throw new Error('the log was made wrong');
  return { reached: `${seconds.toFixed(1)} s`, kept: seconds < limitSeconds };
}

export const tamper: Suite = {
  id: 'tamper',
  besideOthers: true,
  promises: [
    {
      id: 'tamper-chain',
      says: 'Random edits, deletions, insertions and swaps of log rows are found by `verify-log`, and the first bad entry named',
      target: '100 %',
      withoutGuard: 'with hashes that the attacker made anew',
    },
    {
      id: 'tamper-head',
      says: "Tails that were cut and chains that were made anew, with the customer's row rewritten to agree, are found and named by `verify-log --checkpoints`",
      target: '100 %',
      withoutGuard: 'without checkpoints',
    },
    { id: 'tamper-false-alarms', says: 'Customers whose log is intact and who are named all the same', target: '0' },
    {
      id: 'tamper-rate',
      says: '`verify-log` of 1 000 000 entries, with the start of the command',
      target: `< ${RATE.limitSeconds} s`,
      longOnly: true,
    },
  ],
  async run(proof, guarded) {
    const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
    const setting = await writeLogs(proof, guarded ? 'tamper' : 'tamper_unguarded', size);
    const { database, checkpoints } = setting;
    if ((await readdir(join(checkpoints, CONTOSO))).length !== 2) throw new Error('the service left no checkpoint');
    const held = ['--checkpoints', checkpoints];
    const before = await verify(proof, database, held);
    if (!guarded) {
      const chain = await tamperAndVerify(proof, setting, tamperAndRehash, []);
      const head = await tamperAndVerify(proof, setting, tamperConsistently, []);
      await database.drop();
      return { 'tamper-chain': foundOf(chain), 'tamper-head': foundOf(head) };
    }
    const chain = await tamperAndVerify(proof, setting, tamperWithChain, []);
    const head = await tamperAndVerify(proof, setting, tamperConsistently, held);
    const alarms = before.size + chain.falseAlarms + head.falseAlarms + (await verify(proof, database, held)).size;
    const model = [...setting.logs.values()].flatMap(({ rows }) => rows)[0];
    await database.drop();
    return {
      'tamper-chain': foundOf(chain),
      'tamper-head': foundOf(head),
      'tamper-false-alarms': { reached: String(alarms), kept: alarms === 0 },
      ...(proof.long && model && { 'tamper-rate': await measureRate(proof, model) }),
    };
  },
};
