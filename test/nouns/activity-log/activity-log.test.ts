import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import pg from 'pg';
import t from 'tap';
import type { Reading } from '../../../src/db/connect.js';
import { ChainVerifier } from '../../../src/nouns/activity-log/chain.js';
import { csvField } from '../../../src/nouns/activity-log/export.js';
import {
  chainQuery,
  ENTRY_COLUMNS,
  entriesQuery,
  type LogSelection,
  type LogSpan,
  sliceEndQuery,
} from '../../../src/nouns/activity-log/queries.js';
import { citusUrl } from '../../helpers/citus.js';
import { CONTOSO, FABRIKAM, startService } from '../../helpers/service.js';
import { generateLog } from './generated-log.js';

const ENTRIES = 45_000;
const service = await startService(t);
const { request, tokens } = service;
const customers = await Promise.all(Array.from({ length: 30 }, () => service.newCustomer({ eligible: false })));
const customerIds = customers.map(({ customerId }) => customerId);
await generateLog(service.sql, { partnerId: CONTOSO, customers: customerIds, entries: ENTRIES, days: 400 });
const quiet = await service.newCustomer({ partnerId: FABRIKAM });
const withPermission = (customerId: string) => `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
const fabrikam = { token: tokens.fabrikamAdmin };
for (const state of ['on', 'off', 'on']) {
  await request('PUT', withPermission(quiet.customerId), { ...fabrikam, body: { state } });
}
await service.sql('analyze activity_log');

const LOG = '/v1/activitylog';
const csv = { accept: 'text/csv' };
const ndjson = { accept: 'application/x-ndjson' };
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
type Entry = any;
const lines = (text: string): Entry[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Counts the transactions that read, and can fail one. */
function watchReads(t: { teardown(fn: () => void): void }, failAt = Number.POSITIVE_INFINITY) {
  const { read, lookUp } = service.db;
  const counted = { reads: 0 };
  const watched =
    (reading: typeof read): typeof read =>
    (partnerId, work) => {
      counted.reads += 1;
      return counted.reads === failAt ? Promise.reject(new Error('the database went away')) : reading(partnerId, work);
    };
  service.db.read = watched(read);
  service.db.lookUp = watched(lookUp);
  t.teardown(() => {
    service.db.read = read;
    service.db.lookUp = lookUp;
  });
  return counted;
}

t.test('an entry tells who did what when, with the evidence of the decision and its place in the chain', async (t) => {
  const { status, body } = await request('GET', LOG, fabrikam);
  t.equal(status, 200);
  t.equal(body.totalCount, 3);
  const [third, second, first] = body.items;
  t.match(first, {
    seq: 1,
    action: 'Create Customer Purchase Permissions',
    operationType: 'create_self_serve_policy',
    operationStatus: 'succeeded',
    resourceType: 'self_serve_policy',
    resourceId: `${FABRIKAM}_${quiet.customerId}`,
    partnerId: FABRIKAM,
    customerId: quiet.customerId,
    actor: { type: 'user', userPrincipalName: /@/ },
    newValue: { Permissions: [{ Resource: 'AzureReservedInstances', Action: 'Purchase' }] },
    customizedData: [{ key: 'Permission', value: 'AzureReservedInstances' }],
    previousHash: '0'.repeat(64),
    hash: /^[0-9a-f]{64}$/,
    hashVersion: 1,
    attributes: { objectType: 'ActivityLogEntry' },
  });
  t.notOk('oldValue' in first);
  t.ok(first.evidence.AzureReservedInstances.every(({ result }: Entry) => result !== 'fail'));
  t.match(second, { seq: 2, action: 'Delete Customer Purchase Permissions', previousHash: first.hash });
  t.match(third, { seq: 3, previousHash: second.hash });
});

t.test('the chain can be recomputed from an export alone', async (t) => {
  const { status, headers, text } = await request('GET', LOG, { ...fabrikam, headers: ndjson });
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^application\/x-ndjson/);
  t.match(headers.get('content-disposition'), /activity-log\.ndjson/);
  const verifier = new ChainVerifier();
  const textOf = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  const entries = lines(text);
  for (const entry of entries) {
    const fault = verifier.push({
      partner_id: entry.partnerId,
      customer_id: entry.customerId,
      seq: entry.seq,
      entry_id: entry.id,
      occurred_on: new Date(entry.occurredOn),
      action: entry.action,
      operation_type: entry.operationType,
      operation_status: entry.operationStatus,
      resource_type: entry.resourceType,
      resource_id: entry.resourceId,
      customer_name: entry.customerName,
      actor_type: entry.actor.type,
      actor_id: entry.actor.id ?? null,
      user_principal_name: entry.actor.userPrincipalName ?? null,
      application_id: entry.actor.applicationId ?? null,
      request_id: entry.requestId,
      correlation_id: entry.correlationId,
      old_value: textOf(entry.oldValue),
      new_value: textOf(entry.newValue),
      customized_data: JSON.stringify(entry.customizedData),
      evidence: textOf(entry.evidence),
      hash_version: entry.hashVersion,
      previous_hash: Buffer.from(entry.previousHash, 'hex'),
      hash: Buffer.from(entry.hash, 'hex'),
    });
    t.equal(fault, undefined);
  }
  t.equal(entries.length, 3);
});

t.test('filters by customer, action, actor and time, beyond 90 days', async (t) => {
  const count = async (query: string) => {
    let found = 0;
    for (let headers: Record<string, string> | undefined = {}; headers; ) {
      const { status, body }: Entry = await request('GET', `${LOG}?size=500&${query}`, { headers });
      t.equal(status, 200, query);
      found += body.totalCount;
      headers = body.continuationToken && { 'MS-ContinuationToken': body.continuationToken };
    }
    return found;
  };
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000);
  const [id = ''] = customerIds;
  const one = await request('GET', `${LOG}?size=500&customerId=${id.toUpperCase()}`);
  t.equal(one.body.totalCount, 500);
  t.ok(one.body.items.every(({ customerId }: Entry) => customerId === id));
  t.equal(await count(`customerId=${quiet.customerId}`), 0, 'of another partner');
  t.equal(await count(`customerId=${randomUUID()}`), 0);

  t.equal(await count('actor=RARE@contoso.example'), ENTRIES / 100);
  t.equal(await count('action=create%20customer%20purchase%20permissions'), ENTRIES / 100);
  t.equal(await count('action=Update+Subscription&actor=rare@contoso.example'), 0);
  const [entry] = one.body.items;
  for (const actor of [entry.actor.id, entry.actor.applicationId.toUpperCase()]) {
    t.equal(await count(`actor=${actor}`), 1, 'object and application ids');
  }
  t.equal(await count(`actor=${encodeURIComponent("' or 1=1 --")}`), 0);

  const day = ago(300).toISOString().slice(0, 10);
  const { body } = await request('GET', `${LOG}?size=500&from=${day}&to=${day}`);
  t.ok(body.totalCount > 100 && body.totalCount < 120);
  t.ok(body.items.every(({ occurredOn }: Entry) => occurredOn.startsWith(day)));
  const { occurredOn } = body.items[7];
  const exact = await request('GET', `${LOG}?from=${occurredOn}&to=${occurredOn}`);
  t.same(exact.body.items, [body.items[7]], 'both ends are inclusive');
  const refused = [
    'customerId=x',
    'action=Delete%20Everything',
    'actor=',
    'from=2026-02-30',
    'from=2026-02-02&to=2026-02-01',
    'size=0',
    'size=501',
    'customer=x',
  ];
  for (const query of refused) t.equal((await request('GET', `${LOG}?${query}`)).status, 400, query);
});

t.test('pages go on from where the last one ended, also where few entries match', async (t) => {
  for (const filter of ['', 'actor=rare@contoso.example&', `customerId=${customerIds[3]}&`]) {
    const seen: string[] = [];
    let path = `${LOG}?${filter}size=200`;
    while (seen.length < 800) {
      const { status, body } = await request('GET', path);
      t.equal(status, 200);
      seen.push(...body.items.map(({ occurredOn, id }: Entry) => `${occurredOn} ${id}`));
      if (!body.links.next) break;
      path = `/v1${body.links.next.uri}&MS-ContinuationToken=${body.continuationToken}`;
    }
    t.equal(new Set(seen).size, filter.startsWith('actor') ? ENTRIES / 100 : 800);
    t.same(seen, seen.toSorted().toReversed());
  }
  const first = await request('GET', `${LOG}?size=2`);
  const headers = { 'MS-ContinuationToken': first.body.continuationToken };
  t.equal((await request('GET', LOG, { headers })).body.totalCount, 2, 'the token holds the size');
  t.equal((await request('GET', `${LOG}?actor=x`, { headers })).status, 400);
  t.equal((await request('GET', LOG, { headers, token: tokens.fabrikamAdmin })).status, 400);
});

t.test(
  'a search that finds little looks at a part of the log at a time, and answers before it is through',
  async (t) => {
    const counted = watchReads(t);
    const quick = await request('GET', `${LOG}?actor=nobody`);
    t.match(quick, { status: 200, body: { totalCount: 0 } });
    t.ok(counted.reads >= 3, 'no statement looks at all of it');
    const { read } = service.db;
    service.db.read = async (partnerId, work) => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return read(partnerId, work);
    };
    const slow = await request('GET', `${LOG}?actor=nobody`);
    t.match(slow, { status: 200, body: { totalCount: 0, continuationToken: String } });
    const path = `/v1${slow.body.links.next.uri}&MS-ContinuationToken=${slow.body.continuationToken}`;
    const rest = await request('GET', path);
    t.match(rest, { status: 200, body: { totalCount: 0 } });
    t.notOk(rest.body.links.next);
  },
);

t.test('an export holds every entry once, oldest first, whatever its size', async (t) => {
  const counted = watchReads(t);
  const { status, headers, text } = await request('GET', `${LOG}?to=${new Date().toISOString()}`, { headers: csv });
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^text\/csv/);
  t.match(headers.get('content-disposition'), /activity-log\.csv/);
  const records = text.split('\r\n');
  t.equal(records.pop(), '', 'every record ends with a line break');
  t.match(records.shift(), /^id,seq,occurredOn,action,.*,hash,previousHash,hashVersion$/);
  t.equal(records.length, ENTRIES);
  t.equal(new Set(records.map((record) => record.slice(0, 36))).size, ENTRIES);
  const times = records.map((record) => record.split(',')[2] ?? '');
  t.ok(times.every((time, i) => i === 0 || (times[i - 1] ?? '') <= time));
  t.equal(counted.reads, ENTRIES / 1000, 'a transaction of its own per page');

  const rare = await request('GET', `${LOG}?actor=rare@contoso.example`, { headers: ndjson });
  const entries = lines(rare.text);
  t.equal(entries.length, ENTRIES / 100);
  t.ok(entries.every(({ actor }) => actor.userPrincipalName === 'rare@contoso.example'));
  const none = await request('GET', `${LOG}?customerId=${randomUUID()}`, { headers: ndjson });
  t.match(none, { status: 200, text: '' });
});

t.test('Accept decides what is answered; an export has no pages and HEAD reads none', async (t) => {
  const typeFor = async (accept: string) =>
    (await request('GET', `${LOG}?customerId=${randomUUID()}`, { headers: { accept } })).headers.get('content-type');
  t.match(await typeFor('*/*'), /^application\/json/);
  t.match(await typeFor('text/csv, */*;q=0.1'), /^text\/csv/);
  t.match(await typeFor('text/csv;q=0.1, application/json'), /^application\/json/);
  t.equal((await request('GET', LOG, { headers: { accept: 'text/xml' } })).status, 406);
  for (const query of ['size=5', 'seekOperation=Next', 'MS-ContinuationToken=x']) {
    t.equal((await request('GET', `${LOG}?${query}`, { headers: csv })).status, 400, query);
  }
  const refused = await request('GET', `${LOG}?action=x`, { headers: csv });
  t.match(refused, { status: 400, body: { code: '2000' } }, 'refusals stay JSON');
  const counted = watchReads(t);
  t.match(await request('HEAD', LOG, { headers: csv }), { status: 200, text: '' });
  t.equal(counted.reads, 0);
});

t.test('CSV quotes what it must and does not let a customer write formulas', async (t) => {
  const cases: [string | number | null, string][] = [
    [null, ''],
    ['', ''],
    [-5, '-5'],
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', '"\'\r=1"'],
    ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ];
  for (const [value, field] of cases) t.equal(csvField(value), field);
  const evil = await service.newCustomer({ name: '=cmd|"/c calc"!A1' });
  await request('PUT', withPermission(evil.customerId), { body: { state: 'on' } });
  const { text } = await request('GET', `${LOG}?customerId=${evil.customerId}`, { headers: csv });
  t.match(text, `,"'=cmd|""/c calc""!A1",`);
});

function open(headers: Record<string, string>): Promise<IncomingMessage> {
  const options = { headers: { authorization: `Bearer ${tokens.admin}`, ...headers } };
  return new Promise((resolve, reject) => get(`${service.url}${LOG}`, options, resolve).on('error', reject));
}

t.test('a failure midway cuts the connection instead of ending the answer', async (t) => {
  watchReads(t, 5);
  const answer = await open(csv);
  t.equal(answer.statusCode, 200);
  answer.resume();
  const [error] = await once(answer, 'error');
  t.match(error, { code: 'ECONNRESET' });
  t.equal(answer.complete, false);
});

t.test('a failure before the first row is answered as one', async (t) => {
  watchReads(t, 1);
  const answer = await request('GET', LOG, { headers: ndjson });
  t.match(answer, { status: 500, body: { code: '800003' } });
});

t.test('reading stops with the client: it is held up by a slow one and ends when it goes', async (t) => {
  const counted = watchReads(t);
  const answer = await open(csv);
  await once(answer, 'readable');
  const settled = async () => {
    for (let before = -1; before !== counted.reads; ) {
      before = counted.reads;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return counted.reads;
  };
  const held = await settled();
  t.ok(held < ENTRIES / 1000 - 5, `${held} pages were read for a client that takes none`);
  answer.destroy();
  t.ok((await settled()) <= held + 2);
});

t.test('what time or customer select is read by index and in order, under generic plans too', async (t) => {
  const [middle] = await service.sql(
    'select occurred_on, entry_id from activity_log where partner_id = $1 order by occurred_on offset 20000 limit 1',
    [CONTOSO],
  );
  const after = { occurredOn: middle?.occurred_on.toISOString(), entryId: middle?.entry_id };
  const [customerId = ''] = customerIds;
  const from = new Date('2020-01-01');
  const until = new Date();
  const newest: LogSpan = { order: 'newest first' };
  const list = (selection: LogSelection, span: LogSpan) => (db: Reading) =>
    entriesQuery(db, CONTOSO, selection, { ...span, limit: 501 }, ENTRY_COLUMNS).compile();
  const plans = {
    activity_log_by_time: [
      list({}, newest),
      list({ from, until }, newest),
      list({ from, until }, { ...newest, after }),
      list({ from, until }, { order: 'oldest first', after }),
      (db: Reading) => sliceEndQuery(db, CONTOSO, { from }, { ...newest, after, entries: 20_000 }).compile(),
    ],
    activity_log_by_customer: [
      list({ customerId }, newest),
      list({ customerId, from, until }, newest),
      list({ customerId, from, until }, { ...newest, after }),
      list({ customerId }, { order: 'oldest first', after }),
    ],
    activity_log_pk: [(db: Reading) => chainQuery(db, CONTOSO, { customerId, after: 5 }, 2000).compile()],
  };
  const client = new pg.Client(service.urls.app);
  await client.connect();
  t.teardown(() => client.end());
  t.match((await client.query('show plan_cache_mode')).rows, [
    { plan_cache_mode: citusUrl === undefined ? 'force_generic_plan' : 'auto' },
  ]);
  await client.query('begin read only');
  await client.query(`set local app.partner_id = '${CONTOSO}'`);
  // Workers plan for the few rows that there are.
  if (citusUrl !== undefined) await client.query('set local enable_sort = off');
  for (const [index, queries] of Object.entries(plans)) {
    for (const [n, compile] of queries.entries()) {
      const { sql, parameters } = await service.db.read(CONTOSO, async (db) => compile(db));
      const values = parameters.map((value) =>
        typeof value === 'number' ? value : pg.escapeLiteral(value instanceof Date ? value.toISOString() : `${value}`),
      );
      await client.query(`prepare ${index}_${n} as ${sql}`);
      const { rows } = await client.query(`explain (costs off) execute ${index}_${n}(${values.join(', ')})`);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      t.match(plan, new RegExp(`Index (Only )?Scan (Backward )?using ${index}`), sql);
      t.notMatch(plan, /Sort|Seq Scan|Bitmap/, sql);
    }
  }
});
