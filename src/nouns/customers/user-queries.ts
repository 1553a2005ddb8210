import { type SqlBool, sql } from 'kysely';
import type { Reading, Tx } from '../../db/connect.js';
import { folded } from '../../db/folded.js';
import type { UserRow } from './user-view.js';

/** The user, also when it is deleted. */
export async function findUser(
  db: Reading,
  partnerId: string,
  customerId: string,
  userId: string,
): Promise<UserRow | undefined> {
  return db
    .selectFrom('users')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
}

export interface UserPosition {
  /** Sort key of the last row shown. */
  key: string;
  userId: string;
}

export interface UserPage {
  /** Undefined: the users that are there; else those deleted after this time. */
  deletedSince?: Date;
  sort: 'id' | 'displayName';
  descending: boolean;
  after?: UserPosition;
  limit: number;
}

/** Keys are compared byte by byte ("C"), as the token of the page after them compares them. */
const SORT_KEYS = {
  id: sql<string>`user_id::text collate "C"`,
  displayName: folded(sql`display_name`),
} as const;

export async function listUsers(
  db: Reading,
  partnerId: string,
  customerId: string,
  page: UserPage,
): Promise<(UserRow & { sort_key: string })[]> {
  const { deletedSince, after } = page;
  const key = SORT_KEYS[page.sort];
  const direction = page.descending ? 'desc' : 'asc';
  // Ids are in the order of their text; by themselves they are read off the key, and no user of the customer is sorted.
  const byId = page.sort === 'id';
  const beyond = page.descending ? sql`<` : sql`>`;
  return db
    .selectFrom('users')
    .selectAll()
    .select(key.as('sort_key'))
    .where('partner_id', '=', partnerId)
    .where('customer_id', '=', customerId)
    .$if(deletedSince === undefined, (query) => query.where('deleted_on', 'is', null))
    .$if(deletedSince !== undefined, (query) => query.where('deleted_on', '>', deletedSince ?? null))
    .$if(after !== undefined && byId, (query) =>
      query.where(sql<SqlBool>`user_id ${beyond} ${after?.userId ?? ''}::uuid`),
    )
    .$if(after !== undefined && !byId, (query) =>
      query.where(sql<SqlBool>`(${key}, user_id) ${beyond} (${after?.key ?? ''}, ${after?.userId ?? ''}::uuid)`),
    )
    .$if(!byId, (query) => query.orderBy(key, direction))
    .orderBy('user_id', direction)
    .limit(page.limit)
    .execute();
}

export async function insertUser(tx: Tx, row: UserRow): Promise<void> {
  await tx.insertInto('users').values(row).execute();
}

export async function updateUser(tx: Tx, row: UserRow): Promise<void> {
  const { partner_id, customer_id, user_id, created_on: _, ...changed } = row;
  await tx
    .updateTable('users')
    .set(changed)
    .where('partner_id', '=', partner_id)
    .where('customer_id', '=', customer_id)
    .where('user_id', '=', user_id)
    .execute();
}
