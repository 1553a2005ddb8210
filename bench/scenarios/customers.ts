import { insertCustomers, insertPartner, settle } from '../../harness/data.js';
import type { RunningService } from '../../harness/service.js';
import { type Scenario, WARM_UP_CONNECTIONS } from '../harness/bench.js';
import { alternate, report, type Slice } from '../harness/slices.js';

const PAGE = 20;

interface Page {
  items: unknown[];
  continuationToken?: string;
}

async function readPage(service: RunningService, path: string, headers: Record<string, string>): Promise<Page> {
  const answer = await fetch(`${service.url}${path}`, { headers });
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Page;
}

/** The last page of a long list ÷ the first. */
export const customers: Scenario = async (bench) => {
  const total = bench.quick ? 100_000 : 1_000_000;
  const database = await bench.cluster.createDatabase('customers');
  await insertPartner(database.sql);
  // The last two pages first: the token after the first of them is that of the last page however many come before.
  await insertCustomers(database, total - 2 * PAGE + 1, total);
  const service = await bench.serve(database);
  const first = `/v1/customers?size=${PAGE}`;
  const next = `${first}&seekOperation=Next`;
  const { continuationToken = '' } = await readPage(service, first, bench.headers);
  await insertCustomers(database, 1, total - 2 * PAGE);
  await settle(database);

  const tokenHeaders = { ...bench.headers, 'ms-continuationtoken': continuationToken };
  const [firstPage, lastPage] = [
    await readPage(service, first, bench.headers),
    await readPage(service, next, tokenHeaders),
  ];
  if (firstPage.items.length !== PAGE || lastPage.items.length !== PAGE || lastPage.continuationToken !== undefined) {
    throw new Error('the pages are not the first and the last');
  }
  const read =
    (path: string, headers: Readonly<Record<string, string>>) =>
    (seconds: number, connections = 1): Promise<Slice> =>
      bench.generator.slice(
        { url: service.url, connections, until: { seconds }, headers, sequences: [[{ method: 'GET', path }]] },
        service.process,
      );
  const [a, b] = [read(next, tokenHeaders), read(first, bench.headers)];
  const rounds = await alternate(
    bench.rounds,
    [() => a(bench.warmUpSeconds, WARM_UP_CONNECTIONS), () => b(bench.warmUpSeconds, WARM_UP_CONNECTIONS)],
    () => a(bench.sliceSeconds),
    () => b(bench.sliceSeconds),
  );
  const title = `${total.toLocaleString('en')} customers, pages of ${PAGE}, 1 connection`;
  bench.print(report({ title, names: ['last page ', 'first page'], aim: '≤ 1.2', ratio: 'time' }, rounds));
  await service.stop();
  await database.drop();
};
