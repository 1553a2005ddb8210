import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HarnessDatabase } from '../../harness/database.js';
import type { RunningService } from '../../harness/service.js';
import { connect } from '../../src/db/connect.js';
import { openapiDocument } from '../../src/openapi-document.js';
import { makeFuzzWorld } from '../../test/contract/fuzz-world.js';
import { insertPartners, openClient, openIssuer, type ServiceClient } from '../../test/helpers/service-client.js';
import { alterBuild } from '../altered-build.js';
import { emptyTally, type FuzzTally, fuzz } from '../fuzz.js';
import { LIMIT_MS, LOOSE } from '../input-loose.js';
import { runRows } from '../input-rows.js';
import { LOOP_WATCH, LOOP_WATCH_FILE, longestHold } from '../loop-holds.js';
import { type Front, type Smuggled, smuggle, startHaproxy, startNaiveProxy, startNginx } from '../smuggling.js';
import type { Figure, Figures, Proof, Suite } from '../suite.js';

const REQUESTS = { unguarded: 2000, short: 100_000, long: 1_000_000 } as const;
/** Customers and what they have wear out: so many requests, then there are others. */
const PER_WORLDS = 12_500;
const WORLDS = 4;
const MOST_EXAMPLES = 10;
/** The first requests find code that was never run. */
const WARM_UP = 4000;
const LOOP_LIMIT_MS = 50;
const SHARE_OF_SUCCESS = 0.2;
/** Rows of the list that are about tokens: the suite `tokens` has them. */
const OF_TOKENS = [76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86];
const ROWS = Array.from({ length: 93 }, (_, index) => index + 1).filter((number) => !OF_TOKENS.includes(number));
const ROWS_UNGUARDED = [['bodies']];

interface Setting {
  database: HarnessDatabase;
  service: RunningService;
  client: ServiceClient;
  /** What the watch over the event loop wrote. */
  holds: string;
  close(): Promise<void>;
}

async function open(proof: Proof, name: string, cli: string | undefined): Promise<Setting> {
  const { workDir } = proof;
  const database = await proof.cluster.createDatabase(name);
  await insertPartners(database.sql);
  const holds = join(workDir, `${name}-holds`);
  const environment = { SANDBOX: 'true', NODE_OPTIONS: `--import=${LOOP_WATCH}`, [LOOP_WATCH_FILE]: holds };
  const service = await proof.serve(database, environment, cli);
  const db = connect({ url: database.appUrl, poolMax: 2, preparedStatements: true, onIdleError: () => {} });
  const document = await openapiDocument();
  const client = await openClient({
    url: service.url,
    db,
    sql: database.sql,
    identity: await openIssuer(db, join(workDir, 'data')),
    document: () => document,
  });
  return {
    database,
    service,
    client,
    holds,
    close: async () => {
      await service.stop();
      await db.close();
      await database.drop();
    },
  };
}

async function sendGenerated(
  proof: Proof,
  { client, service, holds }: Setting,
  count: number,
  explain: boolean,
): Promise<Figures> {
  const tally = emptyTally(explain ? MOST_EXAMPLES : 0);
  let warm = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  while (tally.sent < count) {
    const worlds = [];
    for (let made = 0; made < WORLDS; made++) worlds.push(await makeFuzzWorld(client));
    const first = Math.min(WARM_UP, count / 2);
    if (tally.sent < first) {
      await fuzz(client, worlds, first, proof.random, tally);
      warm = Date.now();
    }
    await fuzz(client, worlds, Math.min(PER_WORLDS, count - tally.sent), proof.random, tally);
  }
  const seconds = (performance.now() - begin) / 1000;
  for (const example of tally.examples) proof.print(example);
  if (explain && tally.serverErrors > 0) {
    for (const cause of await causesOf(service.logFile)) proof.print(`the service says: ${cause}`);
  }
  proof.print(
    `${tally.sent} requests in ${Math.round(seconds)} s; the slowest: ${tally.slowest.request.slice(0, 200)}`,
  );
  const held = existsSync(holds) ? longestHold(await readFile(holds, 'utf8'), warm) : undefined;
  if (explain && held && held.milliseconds >= LOOP_LIMIT_MS) {
    for (const request of during(tally, held.from, held.to)) proof.print(`while the event loop was held: ${request}`);
  }
  return figuresOf(tally, held?.milliseconds ?? 0);
}

/** Why the service failed to answer, by its log: the answers do not tell. */
async function causesOf(logFile: string): Promise<string[]> {
  const causes: string[] = [];
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (!line.includes('"msg":"failed"')) continue;
    const { time, err } = JSON.parse(line);
    if (causes.push(`${time} ${err?.type}: ${err?.message}`) === MOST_EXAMPLES) break;
  }
  return causes;
}

/** The requests that were under way at a time. */
function during(tally: FuzzTally, from: number, to: number): string[] {
  return tally.recent
    .filter((one) => one !== undefined && one.from <= to && one.to >= from)
    .map(({ request }) => `${request.method} ${request.target} ${request.body ?? ''}`.slice(0, 300));
}

function figuresOf(tally: FuzzTally, held: number): Figures {
  const none = (found: number): Figure => ({ reached: `${found} of ${tally.sent}`, kept: found === 0 });
  const share = tally.successes / tally.sent;
  return {
    'input-server-errors': none(tally.serverErrors),
    'input-undocumented': none(tally.undocumented),
    'input-slowest': {
      reached: `${(tally.slowest.milliseconds / 1000).toFixed(2)} s`,
      kept: tally.slowest.milliseconds < LIMIT_MS,
    },
    'input-event-loop': { reached: `${held.toFixed(0)} ms`, kept: held < LOOP_LIMIT_MS },
    'input-share': { reached: `${(100 * share).toFixed(0)} %`, kept: share >= SHARE_OF_SUCCESS },
  };
}

async function sendRows(proof: Proof, cli: string | undefined): Promise<Figure> {
  const { passed, failed, inputs } =
    cli === undefined ? await runRows(proof) : await runRows(proof, ROWS_UNGUARDED, cli);
  const missing = cli === undefined ? ROWS.filter((number) => !inputs.has(number)) : [];
  if (cli === undefined) for (const row of failed) proof.print(`not as it has to be: ${row}`);
  for (const number of missing) proof.print(`no row is about B${number}`);
  return {
    reached: `${passed} of ${passed + failed.length} rows, ${inputs.size} inputs`,
    kept: passed > 0 && failed.length === 0 && missing.length === 0,
  };
}

function smuggledFigure(proof: Proof, { sent, served, mixedUp, notRefused }: Smuggled, explain: boolean): Figure {
  if (explain) for (const attack of notRefused) proof.print(`not one 400: ${JSON.stringify(attack).slice(0, 300)}`);
  return {
    reached: `${served} of ${sent} served, ${mixedUp} mixed up${notRefused.length > 0 ? `, ${notRefused.length} not refused` : ''}`,
    kept: sent > 0 && served === 0 && mixedUp === 0 && notRefused.length === 0,
  };
}

async function measureSmuggling(proof: Proof, setting: Setting, guarded: boolean): Promise<Figures> {
  const { client, service } = setting;
  const { customerId } = await client.newCustomer();
  const path = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
  const through = async (start: (workDir: string, upstream: string) => Promise<Front>) => {
    const front = await start(proof.workDir, service.url);
    const result = await smuggle(client, path, front.url, service.logFile, false);
    await front.stop();
    return smuggledFigure(proof, result, guarded);
  };
  const direct = smuggledFigure(proof, await smuggle(client, path, service.url, service.logFile, true), guarded);
  if (!guarded) {
    const naive = await through((_workDir, upstream) => startNaiveProxy(upstream));
    return { 'input-framing': direct, 'input-nginx': naive, 'input-haproxy': naive };
  }
  return {
    'input-framing': direct,
    ...(proof.wants('input-nginx') && { 'input-nginx': await through(startNginx) }),
    ...(proof.wants('input-haproxy') && { 'input-haproxy': await through(startHaproxy) }),
  };
}

const BEHIND =
  'a request hidden in one of ambiguous framing, or behind it, is never served for itself, and nobody gets the answer to another request';
const NAIVE = 'behind a proxy that knows of Content-Length alone, by a lenient parser';

export const input: Suite = {
  id: 'input',
  promises: [
    {
      id: 'input-rows',
      says: 'The bad inputs of the list (82 besides tokens: bodies, addresses, filters, headers, framing, callers), sent on raw sockets, get the answer that they have to get and write nothing',
      target: '100 %',
      withoutGuard: 'of those about bodies by a parser that is not strict',
    },
    {
      id: 'input-server-errors',
      says: 'Generated requests to every operation, right ones with wrong values in some places, that are answered with a 5xx',
      target: '0',
      withoutGuard: 'by an error handler that does not know what validation throws',
    },
    {
      id: 'input-undocumented',
      says: 'Of the same requests, those with no answer, or a status, a body or headers that the OpenAPI document does not have',
      target: '0',
      withoutGuard: 'by a service whose unknown customers are 410',
    },
    {
      id: 'input-slowest',
      says: 'The slowest answer to one of them',
      target: `< ${LIMIT_MS / 1000} s`,
      withoutGuard: 'without the deadline, by a service that forgets one for a while',
    },
    {
      id: 'input-event-loop',
      says: 'The longest that the event loop of the service was held meanwhile, in processor time',
      target: `< ${LOOP_LIMIT_MS} ms`,
      withoutGuard: 'by a service that computes for 60 ms now and then',
    },
    {
      id: 'input-share',
      says: 'Share of them that is answered with a 2xx: it gets behind the validation',
      target: `≥ ${100 * SHARE_OF_SUCCESS} %`,
    },
    {
      id: 'input-framing',
      says: 'Requests of which two readers can think differently where they end get exactly one 400 and a closed connection, and what is behind is never served',
      target: '0 served',
      withoutGuard: 'by a lenient parser',
    },
    { id: 'input-nginx', says: `Behind nginx ${BEHIND}`, target: '0 served', withoutGuard: NAIVE, needs: ['nginx'] },
    {
      id: 'input-haproxy',
      says: `Behind HAProxy ${BEHIND}`,
      target: '0 served',
      withoutGuard: NAIVE,
      needs: ['haproxy'],
    },
  ],
  async run(proof, guarded) {
    const cli = guarded ? undefined : await alterBuild(join(proof.workDir, 'input-loose'), LOOSE);
    const name = guarded ? 'input' : 'input_unguarded';
    const count = !guarded ? REQUESTS.unguarded : proof.long ? REQUESTS.long : REQUESTS.short;
    const generated = await open(proof, name, cli);
    const framed = await open(proof, `${name}_framing`, cli);
    // Each has services of its own; rows and framings wait more than they work.
    const [rows, smuggled, answered] = await Promise.all([
      sendRows(proof, cli),
      measureSmuggling(proof, framed, guarded),
      sendGenerated(proof, generated, count, guarded),
    ]);
    await generated.close();
    await framed.close();
    return { 'input-rows': rows, ...smuggled, ...answered };
  },
};
