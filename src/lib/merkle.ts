import { hash } from 'node:crypto';

/** Bytes of a hash. */
export const HASH_BYTES = 32;
// RFC 6962, 2.1: the first byte keeps a leaf from being taken for a node.
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

const sha256 = (...parts: readonly Buffer[]) => Buffer.from(hash('sha256', Buffer.concat(parts), 'hex'), 'hex');

/** The Merkle tree hash of RFC 6962, 2.1, of leaves that come one by one; keeps one hash for each level. */
export class MerkleTree {
  #size = 0;
  /** Roots of complete subtrees from left to right, each larger than the next. */
  readonly #subtrees: { leaves: number; hash: Buffer }[] = [];

  get size(): number {
    return this.#size;
  }

  push(leaf: Buffer): void {
    this.#size += 1;
    let subtree = { leaves: 1, hash: sha256(LEAF, leaf) };
    for (;;) {
      const left = this.#subtrees.at(-1);
      if (left?.leaves !== subtree.leaves) break;
      this.#subtrees.pop();
      subtree = { leaves: 2 * left.leaves, hash: sha256(NODE, left.hash, subtree.hash) };
    }
    this.#subtrees.push(subtree);
  }

  /** 32 bytes; without a leaf the hash of nothing. */
  root(): Buffer {
    const [last, ...before] = this.#subtrees.toReversed();
    if (!last) return sha256();
    return before.reduce((right, left) => sha256(NODE, left.hash, right), last.hash);
  }
}
