import {
  azureSubscriptionId,
  CONTOSO,
  customerId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
  insertQuotes,
  RESERVATION,
  settle,
} from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { ownerTokens, shippedCli } from '../../harness/service.js';
import { send } from '../client.js';
import { etagKinds, WRITERS, writeAtOnce } from '../etag-writers.js';
import { openImporter } from '../importer.js';
import { createRace, type Sides } from '../race.js';
import type { Figure, Proof, Suite } from '../suite.js';
import { lapses, type Means, movedAway, switchedOff, type Withdrawal } from '../withdrawals.js';
import { buildWithoutLock, dropKeys } from '../without-lock.js';

interface Size {
  /** Of each kind. */
  lapses: number;
  purchases: number;
  caps: number;
  /** Rounds of 100 writers. */
  etags: number;
}
/** At the most: a kind that went wrong once has shown what it is to show. */
const UNGUARDED: Size = { lapses: 200, purchases: 200, caps: 200, etags: 20 };
const SHORT: Size = { lapses: 63, purchases: 50, caps: 500, etags: 1 };
const LONG: Size = { lapses: 10_000, purchases: 10_000, caps: 10_000, etags: 100 };
const UNGUARDED_BATCH = 10;
const PAIRS_AT_ONCE = 6;

const withdrawals: readonly Withdrawal[] = [switchedOff, movedAway, ...lapses];
const PERMISSION = 'AzureReservedInstances';

interface Setting extends Means {
  database: HarnessDatabase;
  /** Of the customer's Owner. */
  ownerToken(customer: number): Promise<string>;
  /** The quote of each of those, two for each under a cap. */
  quotes: ReadonlyMap<number, readonly string[]>;
}

/** Customers from … to are for this one. */
type Group = Withdrawal & { from: number; to: number };

interface Tally {
  what: string;
  pairs: number;
  wrong: number;
  firsts: number;
}

/** Customers 1 to … buy, those behind them are switched on; each is in one pair. */
async function prepare(proof: Proof, name: string, size: Size, cli: string) {
  const underCap = size.purchases * withdrawals.length;
  const buyers = underCap + size.caps;
  const customers = buyers + size.lapses * lapses.length;
  const database = await proof.cluster.createDatabase(name);
  await insertPartner(database.sql);
  await insertCustomers(database, 1, customers);
  await insertEligibility(database, customers);
  await insertPermissions(database, buyers);
  // Room for one more at the price of a quote; half of them by the month, half by what is not paid yet.
  await database.sql(
    `insert into purchase_guards select partner_id, customer_id, '${PERMISSION}',
       jsonb_build_object('currencyCode', 'USD', case number % 2 when 0 then 'capPerMonth' else 'capOutstanding' end, '600.00'),
       1, now(), 'ada.admin@contosopartner.onmicrosoft.com'
     from customers, lateral (select right(customer_id::text, 12)::int as number) n
     where partner_id = $1 and number between $2 and $3`,
    [CONTOSO, underCap + 1, buyers],
  );
  const inTurn = (some: readonly Withdrawal[], before: number, each: number): Group[] =>
    some.map((one, n) => ({ ...one, from: before + n * each + 1, to: before + (n + 1) * each }));
  const groups = inTurn(withdrawals, 0, size.purchases);
  const lapsing = inTurn(lapses, buyers, size.lapses);
  for (const { prepare, from, to } of [...groups, ...lapsing]) await prepare?.(database, from, to);
  const quotes = new Map<number, string[]>();
  for (const { quoteId, customer } of await insertQuotes(database, 2 * buyers, buyers)) {
    quotes.set(customer, [...(quotes.get(customer) ?? []), quoteId]);
  }
  await settle(database);
  const ownerToken = await ownerTokens(proof.workDir);
  const service = await proof.serve(database, { SANDBOX: 'true' }, cli);
  const importer = await openImporter(cli, database.appUrl);
  const setting: Setting = { database, ownerToken, quotes, url: service.url, token: proof.token, importer };
  return { setting, groups, lapsing, capped: { from: underCap + 1, to: buyers }, service };
}

/** Whether it was switched on. */
async function switchOn({ url, token }: Means, customer: number): Promise<boolean> {
  const path = `/v1/customers/${customerId(customer)}/purchasepermissions/${PERMISSION}`;
  const { status, text } = await send(url, { method: 'PUT', path, body: { state: 'on' }, token });
  if (![201, 403, 404].includes(status)) throw new Error(`a switch was answered ${status} ${text}`);
  return status === 201;
}

/** Whether it was bought, under the customer's first or second quote. */
async function buy({ url, ownerToken, quotes }: Setting, customer: number, quote: number): Promise<boolean> {
  const { skuName, location, ...properties } = RESERVATION;
  const billingScopeId = `/subscriptions/${azureSubscriptionId(customer)}`;
  const { status, text } = await send(url, {
    method: 'PUT',
    path: `/providers/Microsoft.Capacity/reservationOrders/${quotes.get(customer)?.[quote]}?api-version=2022-11-01`,
    body: {
      sku: { name: skuName },
      location,
      properties: { ...properties, billingScopeId, displayName: 'Web servers', appliedScopeType: 'Shared' },
    },
    token: await ownerToken(customer),
  });
  if (![202, 401, 403, 404, 409].includes(status)) throw new Error(`a purchase was answered ${status} ${text}`);
  return status === 202;
}

const count = async ({ sql }: HarnessDatabase, text: string, from: number, to: number) =>
  (await sql<{ n: number }>(text, [CONTOSO, customerId(from), customerId(to)]))[0]?.n ?? 0;

const STILL_EFFECTIVE = `select count(*)::int as n from purchase_permissions
  where effective and partner_id = $1 and customer_id between $2 and $3`;
/** The head of the log is the entry of who came last. */
const BOUGHT_LAST = `select count(*)::int as n from customers c
  join activity_log last on last.partner_id = c.partner_id and last.customer_id = c.customer_id and last.hash = c.log_head
  where last.operation_type = 'create_order' and c.partner_id = $1 and c.customer_id between $2 and $3
    and exists (select from activity_log l where l.partner_id = c.partner_id and l.customer_id = c.customer_id
      and l.operation_type <> 'create_order')`;
const NOT_BOUGHT_ONCE = `select count(*)::int as n from customers c
  where c.partner_id = $1 and c.customer_id between $2 and $3
    and 1 <> (select count(*) from orders o where o.partner_id = c.partner_id and o.customer_id = c.customer_id)`;

/** Pairs of one kind, with those whose outcome is wrong as SQL counts them. */
interface Kind extends Sides {
  from: number;
  to: number;
  wrong: string;
}

async function measure(proof: Proof, { database }: Setting, kind: Kind, guarded: boolean): Promise<Tally> {
  const { what, from, to, wrong } = kind;
  const race = createRace(kind, proof.random);
  if (guarded) {
    await race.run(from, to);
    race.demandBoth();
    return { what, pairs: to - from + 1, firsts: race.firsts(), wrong: await count(database, wrong, from, to) };
  }
  for (let last = from + UNGUARDED_BATCH - 1; ; last += UNGUARDED_BATCH) {
    await race.run(last - UNGUARDED_BATCH + 1, last);
    const found = await count(database, wrong, from, last);
    if (found > 0 || last >= to) return { what, pairs: last - from + 1, firsts: race.firsts(), wrong: found };
  }
}

function tell(proof: Proof, { what, pairs, wrong, firsts }: Tally): void {
  if (proof.long || wrong > 0) proof.print(`${what}: ${wrong} of ${pairs} wrong; ${firsts} came before it`);
}

/** Without the guard each kind has to go wrong: one that cannot proves nothing. */
function figureOf(tallies: readonly Tally[], guarded: boolean): Figure {
  const sum = (pick: (tally: Tally) => number) => tallies.reduce((total, tally) => total + pick(tally), 0);
  const right = tallies.filter(({ wrong }) => wrong === 0).length;
  return {
    reached: `${sum(({ wrong }) => wrong)} of ${sum(({ pairs }) => pairs)}`,
    kept: guarded ? right === tallies.length : right > 0,
  };
}

const WITHOUT_LOCK = "without the lock of the customer's row";

export const races: Suite = {
  id: 'races',
  besideOthers: true,
  promises: [
    {
      id: 'races-lapse',
      says: `Permissions that are effective for a customer who is not eligible, after a switch-on met a lapse; ${lapses.length} kinds of lapse`,
      target: '0',
      withoutGuard: WITHOUT_LOCK,
    },
    {
      id: 'races-purchase',
      says: `Reservations that were bought behind the moment when the right to was withdrawn, which met the purchase; ${withdrawals.length} kinds of withdrawal`,
      target: '0',
      withoutGuard: WITHOUT_LOCK,
    },
    {
      id: 'races-cap',
      says: 'Caps with room for one purchase that two at the same time exceeded, or left unused',
      target: '0',
      withoutGuard: WITHOUT_LOCK,
    },
    {
      id: 'races-etag',
      says: `Rounds of ${WRITERS} writers with one ETag in which not exactly one wrote and the others were answered 412; ${etagKinds.length} kinds of resource`,
      target: '0',
      withoutGuard: WITHOUT_LOCK,
    },
  ],
  async run(proof, guarded) {
    const size = !guarded ? UNGUARDED : proof.long ? LONG : SHORT;
    const cli = guarded ? shippedCli : await buildWithoutLock(proof.workDir);
    const name = guarded ? 'races' : 'races_unguarded';
    const { setting, groups, lapsing, capped, service } = await prepare(proof, name, size, cli);
    if (!guarded) await dropKeys(setting.database);
    const ofWithdrawals = (some: readonly Group[], first: Sides['first'], wrong: string): Kind[] =>
      some.map(({ perform, atOnce = PAIRS_AT_ONCE, ...group }) => ({
        ...group,
        atOnce,
        wrong,
        first,
        second: (customer) => perform(setting, customer),
      }));
    const kinds: Record<string, Kind[]> = {
      'races-lapse': ofWithdrawals(lapsing, (customer) => switchOn(setting, customer), STILL_EFFECTIVE),
      'races-purchase': ofWithdrawals(groups, (customer) => buy(setting, customer, 0), BOUGHT_LAST),
      'races-cap': [
        {
          ...capped,
          what: 'two buy at once',
          atOnce: PAIRS_AT_ONCE,
          wrong: NOT_BOUGHT_ONCE,
          first: (customer) => buy(setting, customer, 0),
          second: (customer) => buy(setting, customer, 1),
        },
      ],
    };
    const tallies: Record<string, Tally[]> = {};
    for (const [id, some] of Object.entries(kinds)) {
      tallies[id] = [];
      for (const kind of some) {
        const tally = await measure(proof, setting, kind, guarded);
        tell(proof, tally);
        tallies[id].push(tally);
      }
    }
    tallies['races-etag'] = await writeAtOnce(proof, setting, { from: capped.from, rounds: size.etags, guarded });
    for (const tally of tallies['races-etag']) tell(proof, tally);
    await setting.importer.close();
    await service.stop();
    await setting.database.drop();
    return Object.fromEntries(Object.entries(tallies).map(([id, some]) => [id, figureOf(some, guarded)]));
  },
};
