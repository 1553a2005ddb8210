import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import t from 'tap';
import { lockCustomer } from '../../../src/db/customer-lock.js';
import { createEvents } from '../../../src/events.js';
import { appendEntries } from '../../../src/nouns/activity-log/append.js';
import { insertOrder } from '../../../src/nouns/orders/queries.js';
import { reevaluate, switchPermissions } from '../../../src/nouns/purchase-permissions/service.js';
import { decidePurchase } from '../../../src/nouns/purchases/decide-purchase.js';
import { loadPurchaseFacts, purchaseFacts } from '../../../src/nouns/purchases/load-facts.js';
import { orderRow, type PurchaseInput, purchase } from '../../../src/nouns/purchases/purchase.js';
import { findQuote, insertQuote, type QuoteRow } from '../../../src/nouns/purchases/queries.js';
import { makeQuote } from '../../../src/nouns/purchases/quotes.js';

import { insertReservation, makeReservation, SHARED } from '../../../src/nouns/reservations/create.js';
import type { Caller } from '../../../src/plugins/authentication.js';
import type { Act } from '../../../src/plugins/idempotency/plugin.js';
import { untilServed } from '../../helpers/locks.js';
import { CONTOSO, type MadeCustomer, startService } from '../../helpers/service.js';

const service = await startService(t, { poolMax: '8' });
const { db } = service;
const rules = { purchaserRoles: ['owner'] as const };
const events = createEvents(new Registry(), service.app.log);
const PAIRS = 60;
const AT_ONCE = 4;
await service.newPrice();

const act = (): Act => ({
  partnerId: CONTOSO,
  actor: { type: 'user', id: randomUUID(), userPrincipalName: 'race@contoso.example', applicationId: null },
  requestId: randomUUID(),
  correlationId: randomUUID(),
});
const pause = (most = 3) => new Promise((resolve) => setTimeout(resolve, Math.random() * most));

async function flip(customerId: string, on: boolean): Promise<void> {
  await db.write(CONTOSO, (tx, commitWith) =>
    switchPermissions(tx, act(), commitWith, rules, {
      customerId,
      wanted: () => new Set(on ? (['AzureReservedInstances'] as const) : []),
      precondition: () => {},
      ...(on && { admitTurningOn: async () => {} }),
    }),
  );
}

type Quoted = PurchaseInput & { quote: QuoteRow };

async function buyerWithQuote(made: MadeCustomer, quantity = 1): Promise<Quoted> {
  const request = {
    azureSubscriptionId: made.azureSubscriptionId,
    reservedResourceType: 'VirtualMachines',
    skuName: 'Standard_D2s_v5',
    location: 'westeurope',
    term: 'P1Y',
    billingPlan: 'Upfront',
    quantity,
  } as const;
  const { customerId } = made;
  const quote = await db.write(CONTOSO, async (tx) => {
    const of = { partnerId: CONTOSO, customerId, createdBy: made.ownerId, minutes: 30 };
    const row = await makeQuote(tx, of, request, new Date());
    await insertQuote(tx, row);
    return row;
  });
  const caller: Caller = {
    tenantId: customerId,
    kind: 'customer',
    roles: new Set(),
    objectId: made.ownerId,
    userPrincipalName: made.ownerUpn,
    applicationId: null,
    appOnly: false,
    tokenId: '',
  };
  const wanted = {
    request,
    displayName: undefined,
    scope: SHARED,
    instanceFlexibility: 'On',
    renew: false,
    reviewOn: null,
  } as const;
  return { partnerId: CONTOSO, customerId, caller, reservationOrderId: quote.quote_id, wanted, quote };
}

const answer = () => ({ status: 202 });

/** Whether it was bought. */
async function buy(input: PurchaseInput): Promise<boolean> {
  const outcome = await db.write(CONTOSO, (tx, commitWith) =>
    purchase(tx, act(), commitWith, { rules, events }, input, answer),
  );
  return !('refusal' in outcome);
}

/** The same purchase without its guard: what is decided on was read before the lock. */
async function buyUnguarded(input: Quoted): Promise<boolean> {
  const { customerId, caller, reservationOrderId, quote, wanted } = input;
  const { kind, objectId, userPrincipalName, appOnly } = caller;
  const allowed = await db.write(CONTOSO, async (tx) => {
    const [{ customer, now }, loaded] = await Promise.all([
      lockCustomer(tx, CONTOSO, customerId),
      loadPurchaseFacts(tx, { partnerId: CONTOSO, customerId, buyer: { kind, objectId, userPrincipalName, appOnly } }),
    ]);
    if (!customer) return false;
    const facts = purchaseFacts(loaded, customer, {
      request: wanted.request,
      renew: false,
      scopeSubscriptionId: undefined,
      quote: { request: quote.request, price: quote.price, expiresOn: quote.expires_on },
      spend: { monthMinor: 0, outstandingMinor: 0 },
    });
    return decidePurchase(facts, { ...rules, now, approved: false }).allowed;
  });
  if (!allowed) return false;
  await pause();
  await db.write(CONTOSO, async (tx, commitWith) => {
    const { customer, now } = await lockCustomer(tx, CONTOSO, customerId);
    if (!customer) throw new Error('the customer is gone');
    const made = makeReservation(
      {
        ...wanted,
        partnerId: CONTOSO,
        customerId,
        reservationOrderId,
        orderId: reservationOrderId,
        lineNumber: 0,
        origin: 'customer',
        price: quote.price,
        displayName: 'unguarded',
        buyer: { id: objectId, name: userPrincipalName ?? objectId },
        ownerIds: [],
        pending: false,
      },
      now,
    );
    commitWith(insertOrder(tx, orderRow(made, quote, null)));
    insertReservation(tx, made, commitWith);
    const entry = { operationType: 'create_order', resourceType: 'order', resourceId: reservationOrderId } as const;
    appendEntries(tx, act(), customer, now, [entry], commitWith);
  });
  return true;
}

type Withdraw = (made: MadeCustomer) => Promise<unknown>;

/** What takes the right to buy away. */
const withdrawals: Record<string, Withdraw> = {
  'the permission is switched off': (made) => flip(made.customerId, false),
  'the Owner role is removed': (made) =>
    service.request(
      'DELETE',
      `/subscriptions/${made.azureSubscriptionId}/providers/Microsoft.Authorization/roleAssignments/${made.roleAssignmentId}?api-version=2022-04-01`,
    ),
  'the subscription is suspended': (made) =>
    service.request(
      'POST',
      `/v1/customers/${made.customerId}/subscriptions/${made.subscriptionId}/azureEntitlements/${made.azureSubscriptionId}/cancel`,
      {
        body: { cancellationReason: 'compromise' },
      },
    ),
  'the relationship ends': (made) =>
    db.write(CONTOSO, async (tx, commitWith) => {
      const { customer, now } = await lockCustomer(tx, CONTOSO, made.customerId);
      if (!customer) throw new Error('the customer is gone');
      await tx
        .updateTable('customers')
        .set({ relationship: 'none' })
        .where('partner_id', '=', CONTOSO)
        .where('customer_id', '=', made.customerId)
        .execute();
      const ended = { ...customer, relationship: 'none' as const };
      await reevaluate(tx, act(), commitWith, rules, ended, now);
      const entry = {
        operationType: 'remove_partner_customer_relationship',
        resourceType: 'partner_customer_relationship',
        resourceId: made.customerId,
      } as const;
      appendEntries(tx, act(), ended, now, [entry], commitWith);
    }),
};

/** Races pairs; answers how many purchases stand in the log behind what forbade them, and how many were made at all. */
async function race(withdraw: Withdraw, guarded: boolean) {
  const made = await Promise.all(Array.from({ length: PAIRS }, () => service.newCustomer()));
  const inputs = await Promise.all(
    made.map(async (one) => {
      await flip(one.customerId, true);
      return buyerWithQuote(one);
    }),
  );
  // Few pairs at once: with all of them the queue for connections decides who is first, always the same way.
  for (let start = 0; start < PAIRS; start += AT_ONCE) {
    await Promise.all(
      made.slice(start, start + AT_ONCE).map(async (one, index) => {
        const input = inputs[start + index];
        if (!input) return;
        await Promise.all([
          pause(guarded ? 15 : 1).then(() => (guarded ? buy(input) : buyUnguarded(input))),
          pause(guarded ? 5 : 4).then(() => withdraw(one)),
        ]);
      }),
    );
  }
  const [row] = await service.sql(
    `select count(*)::int as made,
            count(*) filter (where exists (
              select from activity_log before
               where before.partner_id = bought.partner_id and before.customer_id = bought.customer_id
                 and before.seq < bought.seq
                 and before.operation_type in ('delete_self_serve_policy', 'delete_role_assignment', 'update_subscription', 'remove_partner_customer_relationship')
            ))::int as wrong
       from activity_log bought
      where bought.operation_type = 'create_order' and bought.customer_id = any($1)`,
    [made.map(({ customerId }) => customerId)],
  );
  const [first] = made;
  const later = first !== undefined && (await buy(await buyerWithQuote(first)));
  return { ...(row as { made: number; wrong: number }), later };
}

for (const [name, withdraw] of Object.entries(withdrawals)) {
  t.test(`nothing is bought behind the moment when ${name}`, async (t) => {
    const { made, wrong, later } = await race(withdraw, true);
    t.equal(wrong, 0, `of ${made} that were bought`);
    t.equal(later, false, 'and nothing afterwards');
  });
}

t.test('decided before the lock, the same race buys what is forbidden', async (t) => {
  const { wrong } = await race(withdrawals['the permission is switched off'] ?? (async () => {}), false);
  t.ok(wrong > 0, `${wrong} of ${PAIRS} were bought behind the switch-off`);
});

async function setCap(customerId: string, guards: object): Promise<void> {
  await service.sql(`insert into purchase_guards values ($1, $2, 'AzureReservedInstances', $3, 1, now(), 'test')`, [
    CONTOSO,
    customerId,
    guards,
  ]);
}

for (const cap of ['capPerMonth', 'capOutstanding'] as const) {
  t.test(`fifty simultaneous purchases under a ${cap} for ten end with exactly ten`, async (t) => {
    const made = await service.newCustomer();
    await flip(made.customerId, true);
    await setCap(made.customerId, { currencyCode: 'USD', [cap]: '6000.00' });
    const inputs = await Promise.all(Array.from({ length: 50 }, () => buyerWithQuote(made)));
    const bought = (await Promise.all(inputs.map((input) => untilServed(() => buy(input))))).filter(Boolean);
    t.equal(bought.length, 10);
    const [row] = await service.sql(
      'select count(*)::int as orders, sum(total_minor)::int as total from orders where customer_id = $1',
      [made.customerId],
    );
    t.same(row, { orders: 10, total: 600_000 });
  });
}

t.test('one quote bought twenty times at once is bought once', async (t) => {
  const made = await service.newCustomer();
  await flip(made.customerId, true);
  const input = await buyerWithQuote(made);
  await Promise.all(Array.from({ length: 20 }, () => untilServed(() => buy(input))));
  const [row] = await service.sql('select count(*)::int as orders from orders where customer_id = $1', [
    made.customerId,
  ]);
  t.equal(row?.orders, 1);
  t.ok(await db.read(CONTOSO, (reading) => findQuote(reading, CONTOSO, made.customerId, input.reservationOrderId)));
});

t.test('every purchase is in the log once, and every log ends where its head says', async (t) => {
  t.same(
    await service.sql(
      `select o.order_id from orders o
        where 1 <> (select count(*) from activity_log l
                     where l.partner_id = o.partner_id and l.customer_id = o.customer_id
                       and l.resource_id = o.order_id::text and l.operation_type = 'create_order')`,
    ),
    [],
  );
  t.same(
    await service.sql(
      `select c.customer_id from customers c left join activity_log l using (partner_id, customer_id)
        group by c.partner_id, c.customer_id, c.log_seq
       having c.log_seq <> count(l.seq) or c.log_seq <> coalesce(max(l.seq), 0)`,
    ),
    [],
  );
});
