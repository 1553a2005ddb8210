import type { Kysely } from 'kysely';
import type { Database } from './tables.js';

declare const bound: unique symbol;
declare const writing: unique symbol;

/** A transaction that is bound to one partner: row-level security shows that partner's rows and no others. */
export type Reading = Kysely<Database> & { readonly [bound]: true };
/** A bound transaction that may write and lock. */
export type Tx = Reading & { readonly [writing]: true };

/**
 * Names a statement whose outcome is looked at only after COMMIT has been sent, so that both travel in one flight. When
 * it fails, PostgreSQL answers the COMMIT with ROLLBACK and the error is thrown.
 */
export type CommitWith = (statement: Promise<unknown>) => void;
