import type { KeyObject } from 'node:crypto';
import type { DatabaseHandle } from '../../db/connect.js';
import { MerkleTree } from '../../lib/merkle.js';
import { type Checkpoint, changedLeaves, decodeCheckpoint, digestOf, encodeLeaf, type Leaf } from './checkpoint.js';
import { listCheckpointNumbers, readCheckpoint, readLeaves } from './checkpoint-store.js';
import { findLastSeq, listHashes } from './queries.js';

const CLAIMS_PER_STATEMENT = 500;

export interface CheckpointVerification {
  checkpoints: number;
  /** Number of the first one there is: those before it may have been archived. */
  first: number | undefined;
}

export interface CheckpointReport {
  /** The first fault of the checkpoints themselves. */
  onBadCheckpoint(number: number, text: string): void;
  /** The first entry of a customer that is not what a checkpoint recorded, once per customer. */
  onBadEntry(customerId: string, seq: number, text: string): void;
}

const describe = ({ number, time }: Checkpoint) => `checkpoint ${number} of ${time.toISOString()}`;

async function* none(): AsyncGenerator<Leaf> {}

/**
 * Verifies a partner's checkpoints (signatures, order, the lists behind the roots) and that each customer's log has at
 * every recorded number the recorded hash. Of a log whose own chain is whole, that is true of every entry before, too.
 * @param publicKeys whose signatures count
 * @param only one customer; by default all
 */
export async function verifyCheckpoints(
  db: DatabaseHandle,
  directory: string,
  partnerId: string,
  publicKeys: readonly KeyObject[],
  only: string | undefined,
  report: CheckpointReport,
): Promise<CheckpointVerification> {
  const numbers = await listCheckpointNumbers(directory, partnerId);
  let chainBroken = false;
  const bad = (number: number, text: string) => {
    if (!chainBroken) report.onBadCheckpoint(number, text);
    chainBroken = true;
  };
  let before: { checkpoint: Checkpoint; digest: Buffer } | undefined;
  /** The last one whose list of customers gives its root. */
  let listed: Checkpoint | undefined;
  for (const number of numbers) {
    const note = await readCheckpoint(directory, partnerId, number);
    const checkpoint = decodeCheckpoint(note, publicKeys);
    if (!checkpoint) {
      bad(number, 'It is not signed with a key that is trusted, or was changed since.');
      continue;
    }
    const fault = judgeOrder(checkpoint, number, partnerId, before);
    if (fault) bad(number, fault);
    if (checkpoint.partnerId !== partnerId) continue;
    before = { checkpoint, digest: digestOf(note) };
    // Said of the same logs already.
    if (listed?.root.equals(checkpoint.root)) continue;
    if (!(await givesRoot(directory, checkpoint))) {
      bad(number, 'Its list of customers is missing, or does not give the root that was signed.');
      continue;
    }
    const old = listed ? readLeaves(directory, partnerId, listed.root) : none();
    const claims = newClaims(old, readLeaves(directory, partnerId, checkpoint.root), only);
    for await (const batch of batches(claims)) await verifyClaims(db, checkpoint, batch, report);
    listed = checkpoint;
  }
  return { checkpoints: numbers.length, first: numbers[0] };
}

function judgeOrder(
  checkpoint: Checkpoint,
  number: number,
  partnerId: string,
  before: { checkpoint: Checkpoint; digest: Buffer } | undefined,
): string | undefined {
  if (checkpoint.partnerId !== partnerId) return `It is one of partner ${checkpoint.partnerId}.`;
  if (checkpoint.number !== number) return `It was signed as number ${checkpoint.number}.`;
  if (!before) return undefined;
  const expected = before.checkpoint.number + 1;
  if (number !== expected) return `It comes after number ${before.checkpoint.number}: number ${expected} is missing.`;
  if (!checkpoint.previous.equals(before.digest)) return `It does not follow from number ${before.checkpoint.number}.`;
  return undefined;
}

async function givesRoot(directory: string, { partnerId, root, customers }: Checkpoint): Promise<boolean> {
  const tree = new MerkleTree();
  try {
    for await (const leaf of readLeaves(directory, partnerId, root)) {
      tree.push(encodeLeaf(leaf));
      // So that a list that somebody made endless ends.
      if (tree.size > customers) return false;
    }
  } catch {
    // No file, or none that was packed.
    return false;
  }
  return tree.root().equals(root);
}

async function* newClaims(
  before: AsyncIterable<Leaf>,
  after: AsyncIterable<Leaf>,
  only: string | undefined,
): AsyncGenerator<Leaf> {
  for await (const { after: leaf } of changedLeaves(before, after)) {
    if (leaf && leaf.seq > 0 && (only === undefined || leaf.customerId === only)) yield leaf;
  }
}

async function* batches(leaves: AsyncIterable<Leaf>): AsyncGenerator<Leaf[]> {
  let waiting: Leaf[] = [];
  for await (const leaf of leaves) {
    waiting.push(leaf);
    if (waiting.length < CLAIMS_PER_STATEMENT) continue;
    yield waiting;
    waiting = [];
  }
  if (waiting.length > 0) yield waiting;
}

async function verifyClaims(
  db: DatabaseHandle,
  checkpoint: Checkpoint,
  claims: readonly Leaf[],
  report: CheckpointReport,
): Promise<void> {
  const { partnerId } = checkpoint;
  const rows = await db.lookUp(partnerId, (reading) => listHashes(reading, partnerId, claims));
  const hashes = new Map(rows.map((row) => [row.customer_id, row.hash]));
  for (const { customerId, seq, head } of claims) {
    const hash = hashes.get(customerId);
    if (hash?.equals(head)) continue;
    const what = describe(checkpoint);
    if (hash) {
      const text = `Entry ${seq} is not the one that ${what} recorded: it, or one before it, was replaced.`;
      report.onBadEntry(customerId, seq, text);
      continue;
    }
    const last = await db.lookUp(partnerId, (reading) => findLastSeq(reading, partnerId, customerId));
    const missing = Math.min(last + 1, seq);
    const text =
      last > seq
        ? `Entry ${seq}, which ${what} recorded, is missing.`
        : `The log ends at entry ${last}, but ${what} recorded ${seq}: entry ${missing} is the first one missing.`;
    report.onBadEntry(customerId, missing, text);
  }
}
