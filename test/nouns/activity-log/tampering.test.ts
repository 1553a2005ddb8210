import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { EXIT } from '../../../src/commands/command.js';
import { commands, run } from '../../../src/commands/index.js';
import { entryHash } from '../../../src/nouns/activity-log/chain.js';
import type { EntryRow } from '../../../src/nouns/activity-log/queries.js';
import { verifyLog } from '../../../src/nouns/activity-log/verify.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';

const service = await startService(t);
const { request, sql, tokens } = service;
const dataDir = t.testdir();

/** A customer of contoso, or fabrikam, whose permission was switched so many times. */
async function switched(times: number, partnerId = CONTOSO): Promise<string> {
  const { customerId } = await service.newCustomer({ partnerId });
  const path = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  const token = partnerId === CONTOSO ? tokens.admin : tokens.fabrikamAdmin;
  for (let n = 0; n < times; n++) {
    const { status } = await request('PUT', path, { token, body: { state: n % 2 === 0 ? 'on' : 'off' } });
    if (status >= 300) throw new Error(`a switch was answered ${status}`);
  }
  return customerId;
}

async function verify(...flags: string[]): Promise<{ code: number; lines: string[]; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  const code = await run({
    argv: ['verify-log', ...flags],
    environment: { DATABASE_URL: service.urls.app, DATA_DIR: dataDir },
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    commands,
  });
  return { code, lines: stdout.trimEnd().split('\n'), stderr };
}

/** Runs `tamper` on the log of a new customer, as who may do anything; answers what is found of it. */
async function faultAfter(tamper: (customerId: string) => Promise<unknown>, times = 4): Promise<string> {
  const customerId = await switched(times);
  const intact = await verify('--customer', customerId);
  if (intact.code !== EXIT.done) throw new Error(`${customerId} was not intact: ${intact.lines}`);
  await tamper(customerId);
  const { code, lines } = await verify('--customer', customerId);
  if (code !== EXIT.negative) throw new Error(`nothing was found: ${code} ${lines}`);
  const [fault = '', summary = ''] = lines;
  const where = `partner ${CONTOSO}, customer ${customerId}, entry `;
  if (!fault.startsWith(where) || !/^1 customers, \d+ entries verified, 1 customers with a fault$/.test(summary)) {
    throw new Error(`not the lines expected: ${lines}`);
  }
  return fault.slice(where.length);
}

async function rowOf(customerId: string, seq: number): Promise<EntryRow> {
  const rows = await sql<EntryRow>('select * from activity_log where customer_id = $1 and seq = $2', [customerId, seq]);
  if (!rows[0]) throw new Error(`there is no entry ${seq}`);
  return rows[0];
}

t.test('an intact log is verified, of all partners, one partner, or one customer', async (t) => {
  const [one, two] = [await switched(3), await switched(1)];
  const theirs = await switched(2, FABRIKAM);
  await service.newCustomer();
  const all = await verify();
  t.match(all, { code: EXIT.done, lines: ['4 customers, 6 entries verified'] });
  t.match(await verify('--partner', FABRIKAM), { code: EXIT.done, lines: ['1 customers, 2 entries verified'] });
  t.match(await verify('--customer', one.toUpperCase()), { lines: ['1 customers, 3 entries verified'] });
  t.match(await verify('--partner', CONTOSO, '--customer', two), { lines: ['1 customers, 1 entries verified'] });
  for (const flags of [
    ['--partner', randomUUID()],
    ['--customer', randomUUID()],
    ['--partner', CONTOSO, '--customer', theirs],
    ['--partner', 'contoso'],
    ['--everything'],
  ]) {
    const { code, stderr } = await verify(...flags);
    t.equal(code, EXIT.usage, flags.join(' '));
    t.match(stderr, /\.\n$/);
  }
});

t.test('an edit is found at the entry it was made in', async (t) => {
  const edits = [
    "user_principal_name = 'somebody@else.example'",
    "occurred_on = (occurred_on at time zone 'UTC' - interval '1 hour') at time zone 'UTC'",
    "occurred_on = (occurred_on at time zone 'UTC' + interval '1 microsecond') at time zone 'UTC'",
    "occurred_on = 'infinity'",
    "old_value = ''",
    "evidence = '{}'",
    'hash_version = 2',
    "hash = decode(repeat('ab', 32), 'hex')",
  ];
  for (const edit of edits) {
    const found = await faultAfter((id) =>
      sql(`update activity_log set ${edit} where customer_id = $1 and seq = 3`, [id]),
    );
    t.match(found, /^3: /, edit);
  }
});

t.test('an edit with its hash made anew is found at the next entry, the last one by the customer', async (t) => {
  const forge = async (id: string, seq: number) => {
    const row = { ...(await rowOf(id, seq)), action: 'Nothing At All' };
    await sql('update activity_log set action = $3, hash = $4 where customer_id = $1 and seq = $2', [
      id,
      seq,
      row.action,
      entryHash(row, row.previous_hash),
    ]);
  };
  t.match(await faultAfter((id) => forge(id, 2)), /^3: .*replaced/);
  t.match(await faultAfter((id) => forge(id, 4)), /^4: .*not the last one/);
});

t.test('deleted entries are missed: inside, at the start, at the end, all of them', async (t) => {
  const without = (condition: string) => (id: string) =>
    sql(`delete from activity_log where customer_id = $1 and ${condition}`, [id]);
  t.match(await faultAfter(without('seq = 2')), /^2: Entry 2 is missing/);
  t.match(await faultAfter(without('seq = 1')), /^1: Entry 1 is missing/);
  t.match(await faultAfter(without('seq >= 3')), /^3: The log ends at entry 2/);
  t.match(await faultAfter(without('true')), /^1: The log ends at entry 0/);
});

t.test('inserted and swapped entries are found', async (t) => {
  const columns = Object.keys(await rowOf(await switched(1), 1));
  const copy = (values: Record<string, string>) => (id: string) =>
    sql(
      `insert into activity_log select ${columns.map((name) => values[name] ?? name).join(', ')}
       from activity_log where customer_id = $1 and seq = 2`,
      [id],
    );
  const entry_id = 'gen_random_uuid()';
  t.match(await faultAfter(copy({ seq: '5', entry_id })), /^5: /);
  t.match(await faultAfter(copy({ seq: '9', entry_id })), /^5: Entry 5 is missing/);
  t.match(await faultAfter(copy({ seq: '0', entry_id })), /^0: /);
  const chained = async (id: string) => {
    const last = await rowOf(id, 4);
    const row = { ...last, seq: 5, entry_id: randomUUID() };
    await copy({ seq: '5', entry_id: `'${row.entry_id}'` })(id);
    await sql(
      `update activity_log f set occurred_on = l.occurred_on, action = l.action, operation_type = l.operation_type,
         request_id = l.request_id, correlation_id = l.correlation_id, old_value = l.old_value, new_value = l.new_value,
         customized_data = l.customized_data, evidence = l.evidence, previous_hash = l.hash, hash = $2
       from activity_log l where f.customer_id = $1 and f.seq = 5 and l.customer_id = $1 and l.seq = 4 and l.partner_id = f.partner_id`,
      [id, entryHash(row, last.hash)],
    );
  };
  t.match(await faultAfter(chained), /^5: Entry 5 is one too many/);
  const swap = (id: string) =>
    sql(
      `with moved as (update activity_log set seq = -seq where customer_id = $1 and seq in (2, 3) returning seq)
       select count(*) from moved`,
      [id],
    ).then(() => sql('update activity_log set seq = 5 + seq where customer_id = $1 and seq < 0', [id]));
  t.match(await faultAfter(swap), /^2: /);
});

t.test('a customer row that was set back or ahead is found', async (t) => {
  const set = (change: string) => (id: string) => sql(`update customers set ${change} where customer_id = $1`, [id]);
  t.match(await faultAfter(set('log_seq = 3')), /^4: Entry 4 is one too many/);
  t.match(await faultAfter(set('log_seq = 5')), /^5: The log ends at entry 4/);
  t.match(await faultAfter(set("log_head = decode(repeat('00', 32), 'hex')")), /^4: /);
});

t.test('one bad customer hides no other, and entries written meanwhile are no fault', async (t) => {
  const [a, b] = [await switched(2), await switched(2)];
  for (const id of [a, b])
    await sql('update activity_log set action = $2 where customer_id = $1 and seq = 2', [id, 'x']);
  const { code, lines } = await verify('--partner', CONTOSO);
  t.equal(code, EXIT.negative);
  for (const id of [a, b]) t.equal(lines.filter((line) => line.includes(`${id}, entry 2: `)).length, 1);

  const busy = await switched(2, FABRIKAM);
  const { read } = service.db;
  let reads = 0;
  service.db.read = async (partnerId, work) => {
    const result = await read(partnerId, work);
    reads += 1;
    // After the customer rows, before the entries.
    if (reads === 1) {
      service.db.read = read;
      const path = `/v1/customers/${busy}/purchasepermissions/AzureSavingsPlan`;
      const { status } = await request('PUT', path, { token: tokens.fabrikamAdmin, body: { state: 'on' } });
      t.equal(status, 201);
    }
    return result;
  };
  const faults: unknown[] = [];
  const done = await verifyLog(service.db, FABRIKAM, busy, (_id, fault) => faults.push(fault));
  t.same(faults, []);
  t.match(done, { customers: 1, entries: 2, faults: 0 });
});

t.test('many customers with many entries are verified page by page', async (t) => {
  const before = await verify('--partner', FABRIKAM);
  await sql(
    `insert into customers select partner_id, gen_random_uuid(), 'Page ' || n, 'page ' || n, 'page' || n || '.example',
       relationship, allow_delegated_access, country, null, company_profile, billing_profile, 1, 0,
       decode(repeat('00', 32), 'hex'), created_on, null
     from customers, generate_series(1, 1200) as n where customer_id = $1`,
    [await switched(0, FABRIKAM)],
  );
  const long = await switched(1, FABRIKAM);
  const rows: EntryRow[] = [await rowOf(long, 1)];
  for (let seq = 2; seq <= 4500; seq++) {
    const previous = rows[seq - 2];
    if (!previous) throw new Error('a chain has no holes');
    const row = { ...previous, seq, entry_id: randomUUID(), previous_hash: previous.hash };
    rows.push({ ...row, hash: entryHash(row, previous.hash) });
  }
  const columns = Object.keys(rows[0] ?? {}).filter(
    (name) => !['seq', 'entry_id', 'previous_hash', 'hash'].includes(name),
  );
  await sql(
    `insert into activity_log (seq, entry_id, previous_hash, hash, ${columns.join(', ')})
     select n.*, ${columns.map((name) => `l.${name}`).join(', ')}
     from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[]) as n, activity_log l
     where l.customer_id = $1 and l.seq = 1`,
    [
      long,
      rows.slice(1).map((row) => row.seq),
      rows.slice(1).map((row) => row.entry_id),
      rows.slice(1).map((row) => row.previous_hash),
      rows.slice(1).map((row) => row.hash),
    ],
  );
  await sql('update customers set log_seq = 4500, log_head = $2 where customer_id = $1', [long, rows.at(-1)?.hash]);
  const [customers = 0, entries = 0] = before.lines[0]?.match(/\d+/g)?.map(Number) ?? [];
  const after = await verify('--partner', FABRIKAM);
  t.match(after, { code: EXIT.done, lines: [`${customers + 1202} customers, ${entries + 4500} entries verified`] });
  await sql('update activity_log set action = $2 where customer_id = $1 and seq = 4400', [long, 'x']);
  t.match(await verify('--partner', FABRIKAM), { code: EXIT.negative, lines: [/entry 4400: /] });
});

t.test("the service's own login can read and append, and nothing else", async (t) => {
  const customerId = await switched(1);
  const client = new pg.Client(service.urls.app);
  await client.connect();
  t.teardown(() => client.end());
  const attempt = async (statement: string) => {
    await client.query(`begin; set local app.partner_id = '${CONTOSO}'`);
    try {
      const { rowCount } = await client.query(statement);
      return rowCount;
    } catch (error) {
      return (error as pg.DatabaseError).code;
    } finally {
      await client.query('rollback');
    }
  };
  const PRIVILEGE = '42501';
  const forbidden = [
    "update activity_log set action = 'x'",
    'update activity_log set action = action where false',
    'delete from activity_log',
    'truncate activity_log',
    'drop table activity_log',
    'alter table activity_log add column extra text',
    'alter table activity_log disable row level security',
    'alter table activity_log no force row level security',
    'alter table activity_log owner to current_user',
    'drop policy activity_log_of_partner on activity_log',
    'create policy open on activity_log using (true)',
    'create rule swallow as on insert to activity_log do instead nothing',
    "grant update on activity_log to current_user; update activity_log set action = 'x'",
    'create index extra on activity_log (seq)',
    'drop index activity_log_by_time',
    'set local row_security = off; select from activity_log',
    'set local session_replication_role = replica',
    `select * from activity_log where partner_id = '${CONTOSO}' and customer_id = '${customerId}' for update`,
    `insert into activity_log select * from activity_log where customer_id = '${customerId}'
       on conflict (partner_id, customer_id, seq) do update set action = 'x'`,
  ];
  for (const statement of forbidden) t.equal(await attempt(statement), PRIVILEGE, statement);
  const own = `select from activity_log where customer_id = '${customerId}'`;
  t.equal(await attempt(own), 1, 'its own entries are there to read');
  t.equal(
    await attempt(`insert into activity_log select * from activity_log where customer_id = '${customerId}'`),
    '23505',
  );
  const foreign = (await rowOf(await switched(1, FABRIKAM), 1)).customer_id;
  t.equal(await attempt(`select from activity_log where customer_id = '${foreign}'`), 0, 'of another partner');
  const columns = Object.keys(await rowOf(customerId, 1)).map((name) =>
    name === 'partner_id' ? `'${FABRIKAM}'` : name === 'seq' ? '99' : name,
  );
  const forged = `insert into activity_log select ${columns.join(', ')} from activity_log where customer_id = '${customerId}'`;
  t.equal(await attempt(forged), PRIVILEGE, 'for another partner');
  const { rows } = await client.query(
    'select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user',
  );
  t.same(rows, [{ rolsuper: false, rolbypassrls: false, rolcreaterole: false }]);
});
