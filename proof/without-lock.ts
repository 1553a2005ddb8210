import type { HarnessDatabase } from '../harness/database.js';
import { buildWithout, type Removal } from './build.js';

/** Who would have had the lock waits a moment instead, so that few pairs do to show what happens then. */
const MEANWHILE = 'await new Promise((resolve) => setTimeout(resolve, 10));';
/** The lock of the customer, in the service and in the import, and what lets one version of the price book in. */
const LOCKS: readonly Removal[] = [
  { file: 'db/customer-lock.js', guard: '.forUpdate()', instead: '' },
  {
    file: 'db/customer-lock.js',
    guard: 'return { customer, now };',
    instead: `${MEANWHILE} return { customer, now };`,
  },
  { file: 'import/queries.js', guard: 'order by customer_id for update`', instead: 'order by customer_id`' },
  {
    file: 'import/queries.js',
    guard: 'return { customers, now };',
    instead: `${MEANWHILE} return { customers, now };`,
  },
  {
    file: 'nouns/prices/queries.js',
    guard: ".onConflict((conflict) => conflict.columns(['partner_id', 'version']).doNothing())",
    instead: '',
  },
];
/** Likewise in the database: two entries of the log in one place, a version of the price book twice. */
const KEYS = ['activity_log drop constraint activity_log_pk', 'price_books drop constraint price_books_pk'];

/** @returns `src/` of a build that does not lock customers */
export const buildWithoutLock = (workDir: string) => buildWithout(workDir, 'no-lock', LOCKS);

export async function dropKeys({ sql }: HarnessDatabase): Promise<void> {
  for (const key of KEYS) await sql(`alter table ${key}`);
}
