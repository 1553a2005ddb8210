import {
  azureSubscriptionId,
  insertCustomers,
  insertEligibility,
  insertPartner,
  insertPermissions,
  insertQuotes,
  RESERVATION,
  settle,
  untilQuiet,
} from '../../harness/data.js';
import type { HarnessDatabase } from '../../harness/database.js';
import { ownerTokens, type RunningService } from '../../harness/service.js';
import type { Bench, Scenario } from '../harness/bench.js';
import type { LoadPlan, PlannedRequest } from '../harness/load.js';
import { alternate, report, type Slice } from '../harness/slices.js';
import { createSwitchLoad } from './switch.js';

/** Customers who buy; those who are switched come behind them. */
const BUYERS = 256;
const SWITCHED = 1920;
/** Quotes for a slice, or twice what the fastest one before used, whichever is more. */
const QUOTES_PER_SECOND = 3000;

function purchaseBody(customer: number): string {
  const { skuName, location, ...properties } = RESERVATION;
  const billingScopeId = `/subscriptions/${azureSubscriptionId(customer)}`;
  return JSON.stringify({
    sku: { name: skuName },
    location,
    properties: { ...properties, billingScopeId, displayName: 'Web servers', appliedScopeType: 'Shared' },
  });
}

/** One purchase under each of many quotes, by the Owners of customers of which each connection has its own. */
function createPurchaseLoad(
  bench: Bench,
  database: HarnessDatabase,
  service: RunningService,
  { connections, tokens }: { connections: number; tokens: readonly string[] },
) {
  const buyers = tokens.map((token, index) => ({
    headers: { authorization: `Bearer ${token}` },
    body: purchaseBody(index + 1),
  }));
  let quotesPerSecond = QUOTES_PER_SECOND;
  const orders = async () => {
    const [row] = await database.sql<{ n: number }>('select count(*)::int as n from reservation_orders');
    return row?.n ?? 0;
  };
  const planFresh = async (count: number): Promise<PlannedRequest[][]> => {
    const sequences = Array.from({ length: connections }, (): PlannedRequest[] => []);
    const quotes = await insertQuotes(database, count, buyers.length);
    for (const { quoteId, customer } of quotes) {
      const path = `/providers/Microsoft.Capacity/reservationOrders/${quoteId}?api-version=2022-11-01`;
      sequences[customer % connections]?.push({ method: 'PUT', path, ...buyers[customer - 1] });
    }
    return sequences;
  };
  return async (until: LoadPlan['until']): Promise<Slice> => {
    await untilQuiet(database);
    const sequences = await planFresh(
      'requests' in until ? until.requests : Math.ceil(quotesPerSecond * until.seconds),
    );
    const before = await orders();
    const slice = await bench.generator.slice(
      { url: service.url, connections, until, headers: {}, sequences },
      service.process,
    );
    const written = (await orders()) - before;
    // A quote that is used again answers 200 and writes nothing: it is cheaper than what is to be measured.
    if (written < slice.count) throw new Error(`${slice.count} purchases were answered and ${written} written`);
    quotesPerSecond = Math.max(quotesPerSecond, 2 * slice.rate);
    return slice;
  };
}

/** The purchase of a reservation by the customer's Owner ÷ the permission switch, on one service and one database. */
export const purchase: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('purchase');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, BUYERS + SWITCHED);
  await insertEligibility(database, BUYERS + SWITCHED);
  await insertPermissions(database, BUYERS);
  await settle(database);
  const ownerToken = await ownerTokens(bench.workDir);
  const tokens = await Promise.all(Array.from({ length: BUYERS }, (_, index) => ownerToken(index + 1)));
  const service = await bench.serve(database);
  for (const connections of bench.connections) {
    const buying = createPurchaseLoad(bench, database, service, { connections, tokens });
    const switching = createSwitchLoad(bench, database, service, {
      connections,
      from: BUYERS + 1,
      to: BUYERS + SWITCHED,
    });
    const rounds = await alternate(
      bench.rounds,
      // Each buys once, however long that takes: their tokens are verified then.
      [
        () => buying({ requests: BUYERS }),
        () => buying({ seconds: bench.warmUpSeconds }),
        () => switching(bench.warmUpSeconds),
      ],
      () => buying({ seconds: bench.sliceSeconds }),
      () => switching(bench.sliceSeconds),
    );
    const title = `${connections} connection${connections > 1 ? 's' : ''}`;
    bench.print(report({ title, names: ['purchase', 'switch'], ratio: 'rate' }, rounds));
  }
  await service.stop();
  await database.drop();
};
