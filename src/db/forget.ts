import { sql } from 'kysely';
import type { Tx } from './transaction.js';

/** Rows that one statement forgets at the most: however many wait, it ends within its time limit. */
export const FORGOTTEN_AT_ONCE = 1000;

/** Tables whose rows have a time, `expires_on`, and what a row of a partner is found by. */
const KEYS = { request_ledger: 'request_id', quotes: 'quote_id', refund_sessions: 'session_id' } as const;

/**
 * Forgets rows whose time was over before `before`, the oldest first. An array of their keys, so that they are looked up by
 * these: of `in` the plan reads the table.
 * @returns whether more may wait
 */
export async function deleteExpired(
  tx: Tx,
  table: keyof typeof KEYS,
  partnerId: string,
  before: Date,
): Promise<boolean> {
  const [rows, key] = [sql.table(table), sql.ref(KEYS[table])];
  const { numAffectedRows = 0n } = await sql`
    delete from ${rows} where partner_id = ${partnerId} and ${key} = any(array(
      select ${key} from ${rows} where partner_id = ${partnerId} and expires_on < ${before}
      order by expires_on limit ${FORGOTTEN_AT_ONCE}))`.execute(tx);
  return numAffectedRows >= FORGOTTEN_AT_ONCE;
}
