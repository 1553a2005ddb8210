import { createHash, type KeyObject } from 'node:crypto';
import { HASH_BYTES, type MerkleTree } from '../../lib/merkle.js';
import { openNote, signNote } from '../../lib/signed-note.js';

/** What one checkpoint says of all logs of a partner. */
export interface Checkpoint {
  partnerId: string;
  /** 1, 2, 3 … of the partner. */
  number: number;
  time: Date;
  customers: number;
  /** Merkle tree hash (RFC 6962) over the {@link Leaf}s by customer id. */
  root: Buffer;
  /** SHA-256 of the file of the checkpoint before; zeros in the first. */
  previous: Buffer;
}

/** How far the log of one customer went, and the hash of its last entry. */
export interface Leaf {
  customerId: string;
  seq: number;
  head: Buffer;
}

/** Name in the signature line. */
export const SIGNER = 'customer-permissions';
export const NO_CHECKPOINT: Buffer = Buffer.alloc(HASH_BYTES);
/** Customer id, seq as a big-endian integer, head. */
export const LEAF_BYTES = 16 + 8 + HASH_BYTES;

export function encodeLeaf({ customerId, seq, head }: Leaf): Buffer {
  const bytes = Buffer.allocUnsafe(LEAF_BYTES);
  bytes.write(customerId.replaceAll('-', ''), 0, 16, 'hex');
  bytes.writeBigInt64BE(BigInt(seq), 16);
  bytes.set(head, 24);
  return bytes;
}

export function decodeLeaf(bytes: Buffer): Leaf {
  const id = bytes.toString('hex', 0, 16);
  return {
    customerId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
    seq: Number(bytes.readBigInt64BE(16)),
    head: Buffer.from(bytes.subarray(24, LEAF_BYTES)),
  };
}

/** Counts and hashes leaves on their way through, for the checkpoint over them. */
export async function* hashed(leaves: AsyncIterable<Leaf>, tree: MerkleTree): AsyncGenerator<Leaf> {
  for await (const leaf of leaves) {
    tree.push(encodeLeaf(leaf));
    yield leaf;
  }
}

/**
 * The file of a checkpoint: a signed note whose text has the lines of c2sp.org/tlog-checkpoint (origin, size, root), then
 * number, time and the checkpoint before. The tree is the state at one time, not a log: no checkpoint's tree is a part of
 * the next one's.
 */
export function encodeCheckpoint(checkpoint: Checkpoint, privateKey: KeyObject): string {
  const { partnerId, customers, root, number, time, previous } = checkpoint;
  const lines = [
    `${SIGNER}/${partnerId}`,
    String(customers),
    root.toString('base64'),
    `number ${number}`,
    `time ${time.toISOString()}`,
    `previous ${previous.toString('base64')}`,
  ];
  return signNote(`${lines.join('\n')}\n`, SIGNER, privateKey);
}

const HASH = '([A-Za-z0-9+/]{43}=)';
const TEXT = new RegExp(
  `^${SIGNER}/([0-9a-f-]{36})\n(0|[1-9]\\d{0,14})\n${HASH}\nnumber ([1-9]\\d{0,14})\ntime (\\S{24})\nprevious ${HASH}\n$`,
);

/** @returns undefined when it is not a checkpoint that one of the keys has signed */
export function decodeCheckpoint(note: string, publicKeys: readonly KeyObject[]): Checkpoint | undefined {
  const keys = publicKeys.map((publicKey) => ({ name: SIGNER, publicKey }));
  const text = openNote(note, keys);
  const [, partnerId = '', customers, root = '', number, time = '', previous = ''] = TEXT.exec(text ?? '') ?? [];
  const at = new Date(time);
  if (Number.isNaN(at.valueOf())) return undefined;
  return {
    partnerId,
    number: Number(number),
    time: at,
    customers: Number(customers),
    root: Buffer.from(root, 'base64'),
    previous: Buffer.from(previous, 'base64'),
  };
}

/** What the next checkpoint names as the one before. */
export function digestOf(note: string): Buffer {
  return createHash('sha256').update(note).digest();
}

/** A customer that two lists of leaves say something different of. */
export interface ChangedLeaf {
  before: Leaf | undefined;
  after: Leaf | undefined;
}

/** What differs between two lists, both by customer id. */
export async function* changedLeaves(
  before: AsyncIterable<Leaf>,
  after: AsyncIterable<Leaf>,
): AsyncGenerator<ChangedLeaf> {
  const [old, young] = [before[Symbol.asyncIterator](), after[Symbol.asyncIterator]()];
  try {
    let [a, b] = [await old.next(), await young.next()];
    while (!a.done || !b.done) {
      const order = a.done ? 1 : b.done ? -1 : a.value.customerId < b.value.customerId ? -1 : 1;
      if (!a.done && !b.done && a.value.customerId === b.value.customerId) {
        if (a.value.seq !== b.value.seq || !a.value.head.equals(b.value.head)) {
          yield { before: a.value, after: b.value };
        }
        [a, b] = [await old.next(), await young.next()];
      } else if (order < 0 && !a.done) {
        yield { before: a.value, after: undefined };
        a = await old.next();
      } else if (!b.done) {
        yield { before: undefined, after: b.value };
        b = await young.next();
      }
    }
  } finally {
    await old.return?.();
    await young.return?.();
  }
}
