import { hash } from 'node:crypto';
import type { Selectable } from 'kysely';
import type { ActivityLogTable } from '../../db/tables.js';

/** A row of `activity_log` as read. */
export type ChainRow = Selectable<ActivityLogTable>;
/** Every column that a hash is made of; `previous_hash` is given on its own. */
export type ChainedFields = Omit<ChainRow, 'previous_hash' | 'hash'>;

/** A row of which is also known whether its time has more digits than a Date holds; absent: it has not. */
export type StoredChainRow = ChainRow & { whole_milliseconds?: boolean };

export interface ChainFault {
  /** Number of the first bad row of the customer; of the missing one where a row is missing. */
  seq: number;
  kind: 'gap' | 'duplicate' | 'altered' | 'broken-link' | 'missing-tail' | 'head-mismatch';
  /** One sentence for the reader of `verify-log`. */
  text: string;
}

/** What the first entry of a customer follows: 32 zero bytes. */
export const GENESIS: Buffer = Buffer.alloc(32);
/** The byte form below. Another form gets another number; rows keep the one they were written with. */
export const HASH_VERSION = 1;

/** Length that no field can have: marks null, so that null and the empty text differ. */
const NULL_LENGTH = 0xffff_ffff;
const HEADER_BYTES = 2 + 32;

/** The columns of the byte form of version 1, in its order. Never reorder. */
function fieldsOf(entry: ChainedFields): readonly (string | null)[] {
  return [
    entry.partner_id.toLowerCase(),
    entry.customer_id.toLowerCase(),
    String(entry.seq),
    entry.entry_id.toLowerCase(),
    entry.occurred_on.toISOString(),
    entry.action,
    entry.operation_type,
    entry.operation_status,
    entry.resource_type,
    entry.resource_id,
    entry.customer_name,
    entry.actor_type,
    entry.actor_id,
    entry.user_principal_name,
    entry.application_id,
    entry.request_id.toLowerCase(),
    entry.correlation_id.toLowerCase(),
    entry.old_value,
    entry.new_value,
    entry.customized_data,
    entry.evidence,
  ];
}

let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** A buffer of at least `bytes`. A rare very long entry gets its own, so that it cannot pin memory for ever. */
function bufferOf(bytes: number): Buffer {
  if (bytes > 1024 * 1024) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > scratch.length) scratch = Buffer.allocUnsafeSlow(bytes);
  return scratch;
}

/**
 * SHA-256 of an entry and of the hash before it, 32 bytes.
 *
 * Byte form, version 1: hash_version (2 bytes, big-endian), the previous hash (32 bytes), then every other column but
 * hash as a 4-byte big-endian length and that many bytes of UTF-8; null is the length 0xffffffff without bytes. Order:
 * partner_id, customer_id, seq, entry_id, occurred_on, action, operation_type, operation_status, resource_type,
 * resource_id, customer_name, actor_type, actor_id, user_principal_name, application_id, request_id, correlation_id,
 * old_value, new_value, customized_data, evidence. Uuids in lower case, seq in decimal, the time as ISO 8601 UTC with
 * milliseconds.
 */
export function entryHash(entry: ChainedFields, previousHash: Buffer): Buffer {
  const fields = fieldsOf(entry);
  let bound = HEADER_BYTES;
  // UTF-8 needs at most three bytes for a UTF-16 unit.
  for (const field of fields) bound += 4 + 3 * (field?.length ?? 0);
  const bytes = bufferOf(bound);
  bytes.writeUInt16BE(entry.hash_version, 0);
  bytes.set(previousHash, 2);
  let at = HEADER_BYTES;
  for (const field of fields) {
    const length = field === null ? 0 : bytes.write(field, at + 4);
    bytes.writeUInt32BE(field === null ? NULL_LENGTH : length, at);
    at += 4 + length;
  }
  // By way of hex: a digest as Buffer has memory of its own to allocate and collect, 10 % of a whole verification.
  return Buffer.from(hash('sha256', bytes.subarray(0, at), 'hex'), 'hex');
}

/** Recomputes the chain of one customer. Push its rows by ascending seq, then finish with what the customer row says. */
export class ChainVerifier {
  #seq = 0;
  #head = GENESIS;
  #fault: ChainFault | undefined;

  /** The first fault of the chain so far; after one, every call answers the same. */
  push(row: StoredChainRow): ChainFault | undefined {
    this.#fault ??= this.#judge(row);
    this.#seq = row.seq;
    this.#head = row.hash;
    return this.#fault;
  }

  /** `log_seq` and `log_head` of the customer row: they show that the newest entries were cut off, or added. */
  finish(expected: { log_seq: number; log_head: Buffer }): ChainFault | undefined {
    this.#fault ??= this.#judgeEnd(expected);
    return this.#fault;
  }

  #judge(row: StoredChainRow): ChainFault | undefined {
    const next = this.#seq + 1;
    if (row.seq > next) {
      return { seq: next, kind: 'gap', text: `Entry ${next} is missing: entry ${row.seq} comes after ${this.#seq}.` };
    }
    if (row.seq !== next) {
      const text = `Entry ${row.seq} comes after entry ${this.#seq}: it is there twice, or out of order.`;
      return { seq: row.seq, kind: 'duplicate', text };
    }
    if (!this.#head.equals(row.previous_hash)) {
      const text =
        next === 1
          ? 'Entry 1 does not start the chain: its previous hash is not zero.'
          : `Entry ${next} does not follow from entry ${this.#seq}: one of the two was replaced.`;
      return { seq: next, kind: 'broken-link', text };
    }
    if (row.hash_version !== HASH_VERSION) {
      return { seq: next, kind: 'altered', text: `Entry ${next} names the unknown hash version ${row.hash_version}.` };
    }
    // PostgreSQL's 'infinity' is read as a number: a time that has no byte form is no time the service wrote. Nor is one of
    // microseconds, which the hash does not cover.
    const hasTime = Number.isFinite(row.occurred_on.valueOf()) && row.whole_milliseconds !== false;
    if (!hasTime || !entryHash(row, row.previous_hash).equals(row.hash)) {
      return { seq: next, kind: 'altered', text: `Entry ${next} was changed: its content does not give its hash.` };
    }
    return undefined;
  }

  #judgeEnd(expected: { log_seq: number; log_head: Buffer }): ChainFault | undefined {
    const missing = this.#seq + 1;
    if (expected.log_seq > this.#seq) {
      const text = `The log ends at entry ${this.#seq}, but the customer has ${expected.log_seq}: entry ${missing} is the first one missing.`;
      return { seq: missing, kind: 'missing-tail', text };
    }
    if (expected.log_seq < this.#seq) {
      const seq = expected.log_seq + 1;
      const text = `Entry ${seq} is one too many: the customer has ${expected.log_seq} entries.`;
      return { seq, kind: 'head-mismatch', text };
    }
    if (!this.#head.equals(expected.log_head)) {
      const text = `Entry ${this.#seq} is not the last one the customer knows: its hash is another.`;
      return { seq: this.#seq, kind: 'head-mismatch', text };
    }
    return undefined;
  }
}
