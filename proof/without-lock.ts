import { join } from 'node:path';
import type { HarnessDatabase } from '../harness/database.js';
import { type Alteration, alterBuild } from './altered-build.js';

/** Who would have had the lock waits a moment instead, so that few pairs do to show what happens then. */
const MEANWHILE = 'await new Promise((resolve) => setTimeout(resolve, 10));';
/** The lock of the customer, in the service and in the import, and what lets one version of the price book in. */
const LOCKS: readonly Alteration[] = [
  { file: 'db/customer-lock.js', line: '.forUpdate()', by: '' },
  {
    file: 'db/customer-lock.js',
    line: 'return { customer, now };',
    by: `${MEANWHILE} return { customer, now };`,
  },
  { file: 'import/queries.js', line: 'order by customer_id for update`', by: 'order by customer_id`' },
  {
    file: 'import/queries.js',
    line: 'return { customers, now };',
    by: `${MEANWHILE} return { customers, now };`,
  },
  {
    file: 'nouns/prices/queries.js',
    line: ".onConflict((conflict) => conflict.columns(['partner_id', 'version']).doNothing())",
    by: '',
  },
];
/** Likewise in the database: two entries of the log in one place, a version of the price book twice. */
const KEYS = ['activity_log drop constraint activity_log_pk', 'price_books drop constraint price_books_pk'];

/** @returns the cli.js of a build that does not lock customers */
export const buildWithoutLock = (workDir: string) => alterBuild(join(workDir, 'no-lock'), LOCKS);

export async function dropKeys({ sql }: HarnessDatabase): Promise<void> {
  for (const key of KEYS) await sql(`alter table ${key}`);
}
