import { generateKeyPairSync, randomBytes } from 'node:crypto';
import t from 'tap';
import { MerkleTree } from '../../../src/lib/merkle.js';
import { signNote } from '../../../src/lib/signed-note.js';
import {
  changedLeaves,
  decodeCheckpoint,
  decodeLeaf,
  encodeCheckpoint,
  encodeLeaf,
  type Leaf,
  NO_CHECKPOINT,
  SIGNER,
} from '../../../src/nouns/activity-log/checkpoint.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const id = (number: number) => `0f0f0f0f-0000-4000-8000-${String(number).padStart(12, '0')}`;
const leaf = (number: number, seq = 1, head: Buffer = Buffer.alloc(32, seq)): Leaf => ({
  customerId: id(number),
  seq,
  head,
});
const checkpoint = {
  partnerId: '634f6379-ad54-449b-9821-564f737158ab',
  number: 17,
  time: new Date('2026-11-21T10:00:00.123Z'),
  customers: 3,
  root: randomBytes(32),
  previous: NO_CHECKPOINT,
};

t.test('a checkpoint is text that a person can read, and is read back', async (t) => {
  const note = encodeCheckpoint(checkpoint, privateKey);
  t.match(
    note,
    `${SIGNER}/${checkpoint.partnerId}\n3\n${checkpoint.root.toString('base64')}\nnumber 17\ntime 2026-11-21`,
  );
  t.same(decodeCheckpoint(note, [publicKey]), checkpoint);
  t.equal(decodeCheckpoint(note, []), undefined);
  t.equal(decodeCheckpoint(note.replace('number 17', 'number 18'), [publicKey]), undefined);
});

t.test('what is signed and not a checkpoint is none', async (t) => {
  const lines = encodeCheckpoint(checkpoint, privateKey).split('\n').slice(0, 6);
  const opened = (changed: string[]) =>
    decodeCheckpoint(signNote(`${changed.join('\n')}\n`, SIGNER, privateKey), [publicKey]);
  t.same(opened(lines), checkpoint);
  for (const [at, line] of [
    [0, 'another-service/634f6379-ad54-449b-9821-564f737158ab'],
    [1, '-1'],
    [1, '03'],
    [2, 'c2hvcnQ='],
    [3, 'number 0'],
    [4, 'time 2026-13-45T00:00:00.000Z'],
    [5, 'previous '],
    [5, `${lines[5]}\nmore`],
  ] as const) {
    t.equal(opened(lines.with(at, line)), undefined, line);
  }
});

t.test('a leaf has a fixed form, and each of its parts goes into the root', async (t) => {
  const one = leaf(1, 2 ** 40);
  t.same(decodeLeaf(encodeLeaf(one)), one);
  const rootOf = (of: Leaf) => {
    const tree = new MerkleTree();
    tree.push(encodeLeaf(of));
    return tree.root();
  };
  for (const other of [leaf(2, 2 ** 40, one.head), { ...one, seq: 1 }, { ...one, head: randomBytes(32) }]) {
    t.notSame(rootOf(other), rootOf(one));
  }
});

t.test('two lists are compared by customer id, whatever is missing in either', async (t) => {
  async function* of(leaves: readonly Leaf[]) {
    yield* leaves;
  }
  const compare = async (before: readonly Leaf[], after: readonly Leaf[]) => {
    const found: string[] = [];
    for await (const change of changedLeaves(of(before), of(after))) {
      const number = Number((change.before ?? change.after)?.customerId.slice(-12));
      found.push(`${number}: ${change.before?.seq ?? '-'} ${change.after?.seq ?? '-'}`);
    }
    return found;
  };
  const three = [leaf(1), leaf(2), leaf(3)];
  t.same(await compare(three, three), []);
  t.same(await compare([], three), ['1: - 1', '2: - 1', '3: - 1']);
  t.same(await compare(three, []), ['1: 1 -', '2: 1 -', '3: 1 -']);
  t.same(await compare([leaf(2), leaf(4)], [leaf(1), leaf(2, 5), leaf(3)]), ['1: - 1', '2: 1 5', '3: - 1', '4: 1 -']);
  t.same(await compare([leaf(1)], [leaf(1, 1, Buffer.alloc(32, 9))]), ['1: 1 1'], 'the same number, another hash');
});
