import { randomUUID } from 'node:crypto';
import { CompiledQuery } from 'kysely';
import t, { type Test } from 'tap';
import { lockCustomer } from '../../../src/db/customer-lock.js';
import { importFiles } from '../../../src/import/import-files.js';
import { reevaluate, switchPermissions } from '../../../src/nouns/purchase-permissions/service.js';
import type { Act } from '../../../src/plugins/idempotency/plugin.js';
import { untilServed, WAITING } from '../../helpers/locks.js';
import { CONTOSO, type MadeCustomer, startService } from '../../helpers/service.js';
import { source } from '../../import/exports.js';

const service = await startService(t, { poolMax: '8' });
const { db } = service;
const rules = { purchaserRoles: ['owner'] as const };
const PAIRS = 60;
const act = (): Act => ({
  partnerId: CONTOSO,
  actor: { type: 'user', id: randomUUID(), userPrincipalName: 'race@contoso.example', applicationId: null },
  requestId: randomUUID(),
  correlationId: randomUUID(),
});

/** What takes the eligibility away, as one statement of the customer's partner. */
const lapses: Record<string, (made: MadeCustomer) => [string, string[]]> = {
  'the Owner role is removed': (made) => [
    'delete from role_assignments where partner_id = $1 and role_assignment_id = $2',
    [CONTOSO, made.roleAssignmentId],
  ],
  'the user is disabled': (made) => [
    `update users set account_state = 'inactive' where partner_id = $1 and user_id = $2`,
    [CONTOSO, made.ownerId],
  ],
  'the subscription is suspended': (made) => [
    `update subscriptions set status = 'suspended' where partner_id = $1 and subscription_id = $2`,
    [CONTOSO, made.subscriptionId],
  ],
  'the relationship ends': (made) => [
    `update customers set relationship = 'none' where partner_id = $1 and customer_id = $2`,
    [CONTOSO, made.customerId],
  ],
  'a deny assignment is inserted': (made) => [
    `insert into deny_assignments values ($1, $2, gen_random_uuid(), 'no purchases', '/subscriptions/' || $3,
       '/subscriptions/' || $3, '{Microsoft.Capacity/*}', '{}', '{}', true)`,
    [CONTOSO, made.customerId, made.azureSubscriptionId],
  ],
};

const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3));

async function switchOn(customerId: string): Promise<void> {
  await pause();
  await db.write(CONTOSO, (tx, commitWith) =>
    switchPermissions(tx, act(), commitWith, rules, {
      customerId,
      wanted: () => new Set(['AzureReservedInstances'] as const),
      precondition: () => {},
      admitTurningOn: async () => {},
    }),
  );
}

/** Runs the lapse; `guarded` the way every writer of such facts does: lock, change, decide again. */
async function lapse(made: MadeCustomer, [text, values]: [string, string[]], guarded: boolean): Promise<void> {
  await pause();
  if (!guarded) {
    await service.sql(text, values);
    return;
  }
  await db.write(CONTOSO, async (tx, commitWith) => {
    const { customer, now } = await lockCustomer(tx, CONTOSO, made.customerId);
    if (!customer) throw new Error('the customer is gone');
    await tx.executeQuery(CompiledQuery.raw(text, values));
    const changed = text.includes(`relationship = 'none'`) ? { ...customer, relationship: 'none' as const } : customer;
    await reevaluate(tx, act(), commitWith, rules, changed, now);
  });
}

/** Races pairs; answers how many permissions are effective although what they rest on is gone. */
async function race(kind: (made: MadeCustomer) => [string, string[]], guarded: boolean): Promise<number> {
  const made = await Promise.all(Array.from({ length: PAIRS }, () => service.newCustomer()));
  await Promise.all(
    made.map((one) =>
      Promise.allSettled([switchOn(one.customerId), lapse(one, kind(one), guarded)]).then((results) => {
        for (const result of results) {
          if (result.status === 'rejected' && result.reason?.code !== '600006') throw result.reason;
        }
      }),
    ),
  );
  const rows = await service.sql(
    'select count(*)::int as wrong from purchase_permissions where effective and customer_id = any($1)',
    [made.map(({ customerId }) => customerId)],
  );
  return rows[0]?.wrong;
}

for (const [name, kind] of Object.entries(lapses)) {
  t.test(`no permission keeps its effect when ${name} at the same time`, async (t: Test) => {
    t.equal(await race(kind, true), 0);
  });
}

t.test('without the customer lock and the second decision the same race leaves permissions on', async (t) => {
  const wrong = await race(lapses['the Owner role is removed'] ?? (() => ['', []]), false);
  t.ok(wrong > 0, `${wrong} of ${PAIRS} were left on`);
});

t.test(
  "no permission keeps its effect when an import makes the users' domain the partner's at the same time",
  async (t) => {
    const made = await service.newCustomer();
    const [partner] = await service.sql('select company_name, domain from partners where partner_id = $1', [CONTOSO]);
    const profile = { id: CONTOSO, tenantId: CONTOSO, companyName: partner?.company_name };
    const domain = made.ownerUpn.split('@')[1];
    let imported: Promise<unknown> | undefined;
    await db.write(CONTOSO, async (tx, commitWith) => {
      await switchPermissions(tx, act(), commitWith, rules, {
        customerId: made.customerId,
        wanted: () => new Set(['AzureReservedInstances'] as const),
        precondition: () => {},
        admitTurningOn: async () => {},
      });
      let done = false;
      imported = importFiles(db, [source('organization.json', { ...profile, domain })], {
        rules,
        partnerId: CONTOSO,
      }).finally(() => {
        done = true;
      });
      while (!done && (await service.sql(WAITING)).length === 0);
    });
    t.match(await imported, { refused: 0 });
    t.match(
      await service.sql('select state, effective from purchase_permissions where customer_id = $1', [made.customerId]),
      [{ state: 'on', effective: false }],
    );
    await service.sql('update partners set domain = $2 where partner_id = $1', [CONTOSO, partner?.domain]);
  },
);

t.test('the log of every customer is gapless and ends where its head says', async (t) => {
  const rows = await service.sql(
    `select c.customer_id, c.log_seq, count(l.seq)::int as entries, coalesce(max(l.seq), 0)::int as last
       from customers c left join activity_log l using (partner_id, customer_id)
      group by c.partner_id, c.customer_id, c.log_seq
     having c.log_seq <> count(l.seq) or c.log_seq <> coalesce(max(l.seq), 0)`,
  );
  t.strictSame(rows, []);
});

t.test('a hundred simultaneous switches of one customer change and log once', async (t) => {
  const { customerId } = await service.newCustomer();
  await Promise.all(Array.from({ length: 100 }, () => untilServed(() => switchOn(customerId))));
  const [row] = await service.sql('select count(*)::int as entries from activity_log where customer_id = $1', [
    customerId,
  ]);
  t.equal(row?.entries, 1);
  const [permission] = await service.sql('select version from purchase_permissions where customer_id = $1', [
    customerId,
  ]);
  t.equal(Number(permission?.version), 1);
});
