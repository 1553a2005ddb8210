import { insertCustomers, insertEligibility, insertPartner, insertPermissions, settle } from '../../harness/data.js';
import { permissionPath, startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { deal, type PlannedRequest } from '../harness/load.js';
import { median, type Slice, spread } from '../harness/slices.js';

const CUSTOMERS = 2048;
/** Closed loop, for the capacity; and so many that hardly a request waits for one. */
const [CAPACITY, PACED] = [64, 256];
const SHARE = 0.8;

/** The time that one in a hundred answers takes ÷ that of the usual one, at four fifths of what a side can do. */
export const pace: Scenario = async (bench) => {
  const database = await bench.cluster.createDatabase('pace');
  await insertPartner(database.sql);
  await insertCustomers(database, 1, CUSTOMERS);
  await insertEligibility(database, CUSTOMERS);
  await insertPermissions(database, CUSTOMERS);
  await settle(database);
  const service = await bench.serve(database);
  const bare = await startBareServer(bench.workDir);
  const paths = Array.from({ length: CUSTOMERS }, (_, index) => permissionPath(index + 1));
  const reads = paths.map((path): PlannedRequest[] => [{ method: 'GET', path }]);
  const switches = paths.map((path): PlannedRequest[] => [
    { method: 'DELETE', path },
    { method: 'PUT', path, body: '{"state":"on"}' },
  ]);
  for (const { title, aim, side, headers, requests } of [
    { title: 'bare route', aim: '', side: bare, headers: {}, requests: reads },
    {
      title: 'GET',
      aim: ' (aim ≤ 1.5 × that of the bare route)',
      side: service,
      headers: bench.headers,
      requests: reads,
    },
    { title: 'PUT on / DELETE', aim: ' (aim ≤ 6)', side: service, headers: bench.headers, requests: switches },
  ]) {
    const plan = (connections: number) => ({
      url: side.url,
      connections,
      headers,
      sequences: deal(requests, connections).map((hand) => hand.flat()),
    });
    const full = { ...plan(CAPACITY), until: { seconds: bench.sliceSeconds } };
    await bench.generator.slice(full, side.process);
    const slices: (Slice & { offered: number })[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      const { rate } = await bench.generator.slice(full, side.process);
      const paced = { ...plan(PACED), until: { seconds: 2 * bench.sliceSeconds }, rate: SHARE * rate };
      slices.push({ ...(await bench.generator.slice(paced, side.process)), offered: SHARE * rate });
    }
    const of = (pick: (slice: Slice & { offered: number }) => number | undefined) =>
      median(slices.map((slice) => pick(slice) ?? Number.NaN));
    const ratios = slices.map(({ p50 = Number.NaN, p99 = Number.NaN }) => p99 / p50);
    const answered = Math.round(of(({ rate, offered }) => (100 * rate) / offered));
    bench.print(`  ${title}: p99 ÷ p50 ${spread(ratios)}${aim}`);
    bench.print(
      `    p50 ${of(({ p50 }) => p50).toFixed(2)} ms, p99 ${of(({ p99 }) => p99).toFixed(2)} ms at ${Math.round(of(({ offered }) => offered))}/s, of which ${answered} % were answered`,
    );
  }
  await bare.stop();
  await service.stop();
  await database.drop();
};
