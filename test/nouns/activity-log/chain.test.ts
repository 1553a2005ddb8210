import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import {
  type ChainedFields,
  type ChainFault,
  type ChainRow,
  ChainVerifier,
  entryHash,
  GENESIS,
  HASH_VERSION,
} from '../../../src/nouns/activity-log/chain.js';

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((s) => s.replaceAll('\0', ''));
const maybe = fc.option(text, { nil: null });
const entry: fc.Arbitrary<Omit<ChainedFields, 'seq' | 'partner_id' | 'customer_id'>> = fc.record({
  entry_id: fc.uuid(),
  occurred_on: fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }),
  action: text,
  operation_type: text,
  operation_status: fc.constantFrom('succeeded', 'failed', 'progress', 'decline'),
  resource_type: text,
  resource_id: text,
  customer_name: text,
  actor_type: fc.constantFrom('user', 'application', 'system'),
  actor_id: maybe,
  user_principal_name: maybe,
  application_id: maybe,
  request_id: fc.uuid(),
  correlation_id: fc.uuid(),
  old_value: maybe,
  new_value: maybe,
  customized_data: text,
  evidence: maybe,
  hash_version: fc.constant(HASH_VERSION),
});

interface Chain {
  rows: ChainRow[];
  head: { log_seq: number; log_head: Buffer };
}

function append(rows: ChainRow[], fields: Omit<ChainedFields, 'seq'>): void {
  const previous_hash = rows.at(-1)?.hash ?? GENESIS;
  const chained = { ...fields, seq: rows.length + 1 };
  rows.push({ ...chained, previous_hash, hash: entryHash(chained, previous_hash) });
}

const chain: fc.Arbitrary<Chain> = fc
  .tuple(fc.uuid(), fc.uuid(), fc.array(entry, { minLength: 1, maxLength: 6 }))
  .map(([partner_id, customer_id, entries]) => {
    const rows: ChainRow[] = [];
    for (const fields of entries) append(rows, { ...fields, partner_id, customer_id });
    return { rows, head: { log_seq: rows.length, log_head: rows.at(-1)?.hash ?? GENESIS } };
  });

const chainAndIndex = chain.chain((c) => fc.tuple(fc.constant(c), fc.nat({ max: c.rows.length - 1 })));

function verify(rows: readonly ChainRow[], head: Chain['head']): ChainFault | undefined {
  const verifier = new ChainVerifier();
  for (const row of rows) verifier.push(row);
  return verifier.finish(head);
}

function rowAt(rows: readonly ChainRow[], index: number): ChainRow {
  const row = rows[index];
  if (row === undefined) throw new RangeError(`no row ${index}`);
  return row;
}

/** Another value of the same type; an object of all columns, so that a new column without an edit does not compile. */
const edits: { [K in keyof ChainRow]: (value: ChainRow[K]) => ChainRow[K] } = {
  partner_id: flipHex,
  customer_id: flipHex,
  seq: (seq) => seq + 1,
  entry_id: flipHex,
  occurred_on: (date) => new Date(date.getTime() + 1),
  action: (s) => `${s}x`,
  operation_type: (s) => `${s}x`,
  operation_status: (s) => (s === 'failed' ? 'succeeded' : 'failed'),
  resource_type: (s) => `${s}x`,
  resource_id: (s) => `${s}x`,
  customer_name: (s) => `${s}x`,
  actor_type: (s) => (s === 'user' ? 'system' : 'user'),
  actor_id: flipNull,
  user_principal_name: flipNull,
  application_id: flipNull,
  request_id: flipHex,
  correlation_id: flipHex,
  old_value: flipNull,
  new_value: flipNull,
  customized_data: (s) => `${s}x`,
  evidence: flipNull,
  hash_version: (n) => n + 1,
  previous_hash: flipBit,
  hash: flipBit,
};

function flipHex(uuid: string): string {
  return uuid.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
}
/** The smallest edit there is: null becomes the empty text and the other way round. */
function flipNull(value: string | null): string | null {
  if (value === null) return '';
  return value === '' ? null : value.slice(1);
}
function flipBit(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(7) ^ 1, 7);
  return copy;
}
function edited<K extends keyof ChainRow>(row: ChainRow, column: K): ChainRow {
  return { ...row, [column]: edits[column](row[column]) };
}

const sample: ChainedFields = {
  partner_id: 'AAAAAAAA-0000-4000-8000-000000000001',
  customer_id: 'bbbbbbbb-0000-4000-8000-000000000002',
  seq: 1,
  entry_id: 'cccccccc-0000-4000-8000-000000000003',
  occurred_on: new Date('2026-01-02T03:04:05.006Z'),
  action: 'Create Customer Purchase Permissions',
  operation_type: 'create_self_serve_policy',
  operation_status: 'succeeded',
  resource_type: 'self_serve_policy',
  resource_id: 'p_c',
  customer_name: 'Åse & Søn',
  actor_type: 'user',
  actor_id: null,
  user_principal_name: '',
  application_id: null,
  request_id: 'dddddddd-0000-4000-8000-000000000004',
  correlation_id: 'eeeeeeee-0000-4000-8000-000000000005',
  old_value: null,
  new_value: '{}',
  customized_data: '[]',
  evidence: null,
  hash_version: 1,
};

t.test('the hash is SHA-256 of the documented byte form', (t) => {
  const field = (value: string | null): Buffer => {
    const bytes = Buffer.from(value ?? '');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value === null ? 0xffffffff : bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const previous = Buffer.alloc(32, 7);
  const columns = [
    'aaaaaaaa-0000-4000-8000-000000000001',
    sample.customer_id,
    '1',
    sample.entry_id,
    '2026-01-02T03:04:05.006Z',
    sample.action,
    sample.operation_type,
    sample.operation_status,
    sample.resource_type,
    sample.resource_id,
    sample.customer_name,
    sample.actor_type,
    null,
    '',
    null,
    sample.request_id,
    sample.correlation_id,
    null,
    '{}',
    '[]',
    null,
  ];
  const bytes = Buffer.concat([Buffer.from([0, 1]), previous, ...columns.map(field)]);
  t.equal(entryHash(sample, previous).toString('hex'), createHash('sha256').update(bytes).digest('hex'));
  t.same(GENESIS, Buffer.alloc(32));
  t.end();
});

t.test('text that moves from one column to the next gives another hash', (t) => {
  const a = entryHash({ ...sample, action: 'ab', operation_type: 'c' }, GENESIS);
  const b = entryHash({ ...sample, action: 'a', operation_type: 'bc' }, GENESIS);
  t.notOk(a.equals(b));
  t.end();
});

t.test('entries larger than the shared buffer are hashed whole', (t) => {
  for (const length of [70_000, 2_000_000]) {
    const a = entryHash({ ...sample, evidence: `${'€'.repeat(length)}a` }, GENESIS);
    const b = entryHash({ ...sample, evidence: `${'€'.repeat(length)}b` }, GENESIS);
    t.notOk(a.equals(b), `${length}`);
  }
  t.end();
});

t.test('an untouched chain has no fault, an empty one neither', (t) => {
  fc.assert(fc.property(chain, ({ rows, head }) => verify(rows, head) === undefined));
  t.equal(verify([], { log_seq: 0, log_head: GENESIS }), undefined);
  t.end();
});

t.test('uuids in upper case are the same entry', (t) => {
  for (const column of ['partner_id', 'customer_id', 'entry_id', 'request_id', 'correlation_id'] as const) {
    const upper = { ...sample, [column]: sample[column].toUpperCase() };
    const lower = { ...sample, [column]: sample[column].toLowerCase() };
    t.same(entryHash(upper, GENESIS), entryHash(lower, GENESIS), column);
  }
  t.end();
});

t.test('an entry of an unknown hash version is not taken on trust', (t) => {
  const rows: ChainRow[] = [];
  append(rows, { ...sample, hash_version: HASH_VERSION + 1 });
  t.match(new ChainVerifier().push(rowAt(rows, 0)), { seq: 1, kind: 'altered', text: /unknown hash version 2/ });
  t.end();
});

t.test('entries beyond the last one the customer knows are found', (t) => {
  const rows: ChainRow[] = [];
  for (let i = 0; i < 3; i++) append(rows, sample);
  t.match(verify(rows, { log_seq: 1, log_head: rowAt(rows, 0).hash }), { seq: 2, kind: 'head-mismatch' });
  t.end();
});

for (const column of Object.keys(edits) as (keyof ChainRow)[]) {
  t.test(`an edit of ${column} is found at the row it was made in`, (t) => {
    fc.assert(
      fc.property(chainAndIndex, ([{ rows, head }, index]) => {
        const bad = rows.map((row, i) => (i === index ? edited(row, column) : row));
        const fault = verify(bad, head);
        const kind = column === 'seq' ? 'gap' : column === 'previous_hash' ? 'broken-link' : 'altered';
        return fault?.seq === index + 1 && fault.kind === kind && fault.text.includes(String(index + 1));
      }),
    );
    t.end();
  });
}

t.test('an edit with its hash recomputed is found at the next row, or by the head when there is none', (t) => {
  fc.assert(
    fc.property(chainAndIndex, ([{ rows, head }, index]) => {
      const target = edited(rowAt(rows, index), 'action');
      const bad = rows.with(index, { ...target, hash: entryHash(target, target.previous_hash) });
      const fault = verify(bad, head);
      const last = index === rows.length - 1;
      return last
        ? fault?.kind === 'head-mismatch' && fault.seq === rows.length
        : fault?.kind === 'broken-link' && fault.seq === index + 2;
    }),
  );
  t.end();
});

t.test('a deleted row is named: a gap inside, a missing tail at the end', (t) => {
  fc.assert(
    fc.property(chainAndIndex, ([{ rows, head }, index]) => {
      const fault = verify(rows.toSpliced(index, 1), head);
      return fault?.seq === index + 1 && fault.kind === (index === rows.length - 1 ? 'missing-tail' : 'gap');
    }),
  );
  t.end();
});

t.test('two rows that changed places are found at the first of them', (t) => {
  fc.assert(
    fc.property(chain, fc.nat(), fc.nat(), ({ rows, head }, x, y) => {
      const i = x % rows.length;
      const j = y % rows.length;
      fc.pre(i < j);
      const a = rowAt(rows, i);
      const b = rowAt(rows, j);
      const moved = verify(rows.with(i, b).with(j, a), head);
      const renumbered = verify(rows.with(i, { ...b, seq: a.seq }).with(j, { ...a, seq: b.seq }), head);
      return moved?.kind === 'gap' && moved.seq === i + 1 && renumbered?.seq === i + 1;
    }),
  );
  t.end();
});

t.test('an inserted row is found, with and without renumbering the rows after it', (t) => {
  fc.assert(
    fc.property(chainAndIndex, entry, ([{ rows, head }, index], fields) => {
      const source = rowAt(rows, index);
      const copied = verify(rows.toSpliced(index + 1, 0, source), head);
      const forgedFields = { ...source, ...fields, seq: index + 2, previous_hash: source.hash };
      const forged = { ...forgedFields, hash: entryHash(forgedFields, source.hash) };
      const shifted = rows.slice(index + 1).map((row) => ({ ...row, seq: row.seq + 1 }));
      const inserted = verify([...rows.slice(0, index + 1), forged, ...shifted], head);
      const last = index === rows.length - 1;
      return (
        copied?.kind === 'duplicate' &&
        copied.seq === index + 1 &&
        (last
          ? inserted?.kind === 'head-mismatch' && inserted.seq === index + 2
          : inserted?.kind === 'broken-link' && inserted.seq === index + 3)
      );
    }),
  );
  t.end();
});

t.test('a chain rewritten from the start is found by the head', (t) => {
  fc.assert(
    fc.property(chain, ({ rows, head }) => {
      const forged: ChainRow[] = [];
      for (const row of rows) append(forged, { ...row, customer_name: `${row.customer_name}x` });
      const fault = verify(forged, head);
      return fault?.kind === 'head-mismatch' && fault.seq === rows.length;
    }),
  );
  t.end();
});

t.test('a time that cannot be written down is an alteration, not a crash', (t) => {
  const rows: ChainRow[] = [];
  append(rows, sample);
  const fault = new ChainVerifier().push({ ...rowAt(rows, 0), occurred_on: new Date(Number.NaN) });
  t.match(fault, { seq: 1, kind: 'altered' });
  t.end();
});

t.test('the first fault stays the answer', (t) => {
  const rows: ChainRow[] = [];
  for (let i = 0; i < 3; i++) append(rows, sample);
  const verifier = new ChainVerifier();
  const first = verifier.push(edited(rowAt(rows, 0), 'action'));
  t.match(first, { seq: 1, kind: 'altered' });
  t.equal(verifier.push(rowAt(rows, 2)), first);
  t.equal(verifier.finish({ log_seq: 9, log_head: GENESIS }), first);
  t.end();
});
