import { createPublicKey, type KeyObject } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { DatabaseHandle } from '../../db/connect.js';
import { MerkleTree } from '../../lib/merkle.js';
import {
  type Checkpoint,
  changedLeaves,
  decodeCheckpoint,
  digestOf,
  encodeCheckpoint,
  hashed,
  type Leaf,
  NO_CHECKPOINT,
} from './checkpoint.js';
import { addCheckpoint, listCheckpointNumbers, readCheckpoint, readLeaves, writeLeaves } from './checkpoint-store.js';
import { listLogHeads } from './queries.js';

// A page is hashed in one turn of the event loop: a few milliseconds.
const CUSTOMERS_PER_PAGE = 1000;
/** A directory on another machine may show late what has just been written there. */
const ATTEMPTS = 5;
const PAUSE_MS = 200;

export interface CheckpointOptions {
  db: DatabaseHandle;
  directory: string;
  /** Ed25519, private. */
  key: KeyObject;
  now: () => Date;
  /** Told each customer whose log has gone back since the checkpoint before: seq was recorded, and is not there. */
  onSetBack: (partnerId: string, customerId: string, seq: number) => void;
}

/** Each page in a transaction of its own: every leaf is true by itself, they need not be of one moment. */
async function* logHeads(db: DatabaseHandle, partnerId: string): AsyncGenerator<Leaf> {
  for (let after: string | undefined; ; ) {
    const page = { after, limit: CUSTOMERS_PER_PAGE };
    const rows = await db.lookUpAlone(partnerId, (reading) => listLogHeads(reading, partnerId, page));
    for (const row of rows) yield { customerId: row.customer_id, seq: row.log_seq, head: row.log_head };
    after = rows.at(-1)?.customer_id;
    if (rows.length < CUSTOMERS_PER_PAGE) return;
  }
}

/** The newest checkpoint of a partner; without `checkpoint` when another key has signed it. */
async function readNewest({ directory, key }: CheckpointOptions, partnerId: string) {
  const number = (await listCheckpointNumbers(directory, partnerId)).at(-1);
  if (number === undefined) return undefined;
  const note = await readCheckpoint(directory, partnerId, number);
  return { number, digest: digestOf(note), checkpoint: decodeCheckpoint(note, [createPublicKey(key)]) };
}

async function tellSetBack(options: CheckpointOptions, before: Checkpoint, after: Checkpoint): Promise<void> {
  const { directory, onSetBack } = options;
  const [old, young] = [before, after].map(({ partnerId, root }) => readLeaves(directory, partnerId, root));
  if (!old || !young || before.root.equals(after.root)) return;
  for await (const { before: was, after: is } of changedLeaves(old, young)) {
    if (was && was.seq > 0 && (!is || is.seq <= was.seq)) onSetBack(after.partnerId, was.customerId, was.seq);
  }
}

/**
 * Writes a partner's next checkpoint. Of two instances that write the same one at once, one begins again.
 * @param newerThan no checkpoint is written while there is one after this time; without it one is, whatever is there
 * @returns the time of the newest checkpoint, which may be another instance's
 * @throws when another one was first again and again
 */
export async function writeCheckpoint(options: CheckpointOptions, partnerId: string, newerThan?: Date): Promise<Date> {
  const { db, directory, key, now } = options;
  for (let attempt = 1; ; attempt++) {
    const newest = await readNewest(options, partnerId);
    if (newerThan && newest?.checkpoint && newest.checkpoint.time > newerThan) return newest.checkpoint.time;
    const time = now();
    const tree = new MerkleTree();
    await writeLeaves(directory, partnerId, hashed(logHeads(db, partnerId), tree), () => tree.root());
    const checkpoint: Checkpoint = {
      partnerId,
      number: (newest?.number ?? 0) + 1,
      time,
      customers: tree.size,
      root: tree.root(),
      previous: newest?.digest ?? NO_CHECKPOINT,
    };
    if (await addCheckpoint(directory, partnerId, checkpoint.number, encodeCheckpoint(checkpoint, key))) {
      if (newest?.checkpoint) await tellSetBack(options, newest.checkpoint, checkpoint);
      return time;
    }
    if (attempt === ATTEMPTS) throw new Error(`others have written number ${checkpoint.number} and those before it`);
    await setTimeout(Math.random() * PAUSE_MS);
  }
}
