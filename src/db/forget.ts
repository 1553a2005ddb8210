import { type DeleteResult, type Expression, type RawBuilder, sql } from 'kysely';

/** Rows that one statement forgets at the most: however many wait, it ends within its time limit. */
export const FORGOTTEN_AT_ONCE = 1000;

/** The keys that a selection finds. An array, so that the rows are looked up by their key: of `in` the plan reads the table. */
export const anyOf = (keys: Expression<unknown>): RawBuilder<string> => sql`any(array(${keys}))`;

/** Whether more rows than the deleted ones may wait. */
export const moreWait = ({ numDeletedRows }: DeleteResult): boolean => numDeletedRows >= FORGOTTEN_AT_ONCE;
