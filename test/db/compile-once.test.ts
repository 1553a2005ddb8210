import t from 'tap';
import { compileEach } from '../../src/db/compile-once.js';
import type { Reading } from '../../src/db/connect.js';
import type { StatementCall } from '../../src/db/sharing/merge.js';

t.test('a statement is built at the first use of each shape, and each call has its own parameters', async (t) => {
  let built = 0;
  const selectNames = compileEach(
    (db, $: { partnerId: string; key: string }, { continued }: { continued: boolean }) => {
      built++;
      const query = db.selectFrom('customers').select('company_name').where('partner_id', '=', $.partnerId);
      return continued ? query.where('company_name_key', '>', $.key) : query;
    },
  );
  const sent: StatementCall[] = [];
  const db = {
    executeQuery: async (call: StatementCall) => {
      sent.push(call);
      return { rows: [] };
    },
  } as unknown as Reading;
  for (const [continued, partnerId] of [
    [false, 'one'],
    [true, 'two'],
    [false, 'three'],
    [true, 'four'],
  ] as const) {
    await selectNames(db, { continued }, { partnerId, key: `after ${partnerId}` });
  }
  t.equal(built, 2);
  const first = 'select "company_name" from "customers" where "partner_id" = $1';
  const further = `${first} and "company_name_key" > $2`;
  t.same(
    sent.map(({ sql, parameters }) => [sql, parameters]),
    [
      [first, ['one']],
      [further, ['two', 'after two']],
      [first, ['three']],
      [further, ['four', 'after four']],
    ],
  );
});
