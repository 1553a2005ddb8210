import fc from 'fast-check';
import type { FuzzWorld } from '../test/contract/fuzz-world.js';
import {
  type GeneratedRequest,
  outwardFault,
  type RequestSource,
  requestSources,
} from '../test/contract/generated-requests.js';
import { documentOf, undocumented } from '../test/contract/wire.js';
import type { ServiceClient } from '../test/helpers/service-client.js';
import { KeepAliveConnection, type RawAnswer } from './keep-alive-connection.js';

/** What was found, with one example of each kind of it. */
export interface Found {
  serverErrors: number;
  /** Statuses, bodies and headers that the document does not have. */
  undocumented: number;
  /** Shrunk where that could be done. */
  examples: string[];
}

export interface FuzzTally extends Found {
  readonly mostExamples: number;
  sent: number;
  successes: number;
  slowest: { milliseconds: number; request: string };
  /** The last requests, for what is found out about them later. */
  recent: { from: number; to: number; request: GeneratedRequest }[];
}

const CONNECTIONS = 16;
/** Values of one operation are made so many at a time: fast and small. */
const BATCH = 40;
const RECENT = 20_000;

/** @param mostExamples how many faults are shrunk and shown */
export const emptyTally = (mostExamples: number): FuzzTally => ({
  mostExamples,
  sent: 0,
  successes: 0,
  serverErrors: 0,
  undocumented: 0,
  examples: [],
  slowest: { milliseconds: 0, request: '' },
  recent: [],
});

const shown = ({ method, target, body }: GeneratedRequest) =>
  `${method} ${target}${body === undefined ? '' : ` ${body.slice(0, 300)}`}`;

/** As it is on the wire. */
export function bytesOf({ method, target, body, ifMatch, sender }: GeneratedRequest, world: FuzzWorld): string {
  return [
    `${method} ${target} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${world.tokens[sender]}`,
    ...(ifMatch === undefined ? [] : [`If-Match: ${ifMatch}`]),
    ...(body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
    '',
    body ?? '',
  ].join('\r\n');
}

interface Fault {
  kind: 'serverErrors' | 'undocumented';
  text: string;
}

function faultOf(
  service: ServiceClient,
  request: GeneratedRequest,
  { status, head, text }: RawAnswer,
): Fault | undefined {
  if (status >= 500) return { kind: 'serverErrors', text: `${status} ${text.slice(0, 300)}` };
  const json = text !== '' && head.includes('\r\ncontent-type: application/json');
  const hasBothIds = head.includes('\r\nms-requestid: ') && head.includes('\r\nms-correlationid: ');
  const fault =
    undocumented(service, request.method, request.target, { status, body: json ? JSON.parse(text) : undefined }) ??
    outwardFault(status, hasBothIds, text);
  return fault === undefined ? undefined : { kind: 'undocumented', text: fault };
}

interface Batch {
  source: RequestSource;
  seed: number;
}

/**
 * Sends `count` generated requests, as many to each operation, several at a time on connections that are kept; each
 * connection in one of the worlds, so that they seldom wait for each other.
 */
export async function fuzz(
  service: ServiceClient,
  worlds: readonly FuzzWorld[],
  count: number,
  random: () => number,
  tally: FuzzTally,
): Promise<void> {
  const { hostname, port } = new URL(service.url);
  const settings = worlds.map((world) => ({ world, sources: requestSources(documentOf(service), world) }));
  let made = 0;
  const workIn = async ({ world, sources }: { world: FuzzWorld; sources: readonly RequestSource[] }) => {
    const connection = new KeepAliveConnection(hostname, Number(port));
    while (made < count) {
      const source = sources[(made / BATCH) % sources.length];
      if (!source) throw new Error('the document has no operation');
      made += BATCH;
      const seed = Math.floor(random() * 2 ** 31);
      const requests = fc.sample(source.requests, { numRuns: BATCH, seed });
      for (const [index, request] of requests.entries()) {
        const fault = await sendOne(service, world, connection, request, tally);
        if (!fault) continue;
        tally[fault.kind] += 1;
        if (tally.examples.length >= tally.mostExamples) continue;
        tally.examples.push(await shrink(service, world, connection, { source, seed }, index, request, fault));
      }
    }
    connection.close();
  };
  await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, index) => settings[index % settings.length]).map(
      async (setting) => setting && workIn(setting),
    ),
  );
}

async function sendOne(
  service: ServiceClient,
  world: FuzzWorld,
  connection: KeepAliveConnection,
  request: GeneratedRequest,
  tally: FuzzTally,
): Promise<Fault | undefined> {
  const from = Date.now();
  tally.sent += 1;
  try {
    const answer = await connection.send(bytesOf(request, world), request.method === 'HEAD');
    if (answer.status < 300) tally.successes += 1;
    if (answer.milliseconds > tally.slowest.milliseconds) {
      tally.slowest = { milliseconds: answer.milliseconds, request: shown(request) };
    }
    tally.recent[tally.sent % RECENT] = { from, to: Date.now(), request };
    return faultOf(service, request, answer);
  } catch (error) {
    return { kind: 'undocumented', text: error instanceof Error ? error.message : String(error) };
  }
}

/** The smallest request of the same kind that is answered wrongly; the one found where it is answered rightly now. */
async function shrink(
  service: ServiceClient,
  world: FuzzWorld,
  connection: KeepAliveConnection,
  { source, seed }: Batch,
  index: number,
  found: GeneratedRequest,
  fault: Fault,
): Promise<string> {
  const scratch = emptyTally(0);
  const result = await fc.check(
    fc.asyncProperty(source.requests, async (request) => {
      return (await sendOne(service, world, connection, request, scratch)) === undefined;
    }),
    { seed, path: String(index), numRuns: 1, interruptAfterTimeLimit: 2000 },
  );
  const smallest = result.counterexample?.[0] ?? found;
  return `${fault.text} (${shown(smallest)})`;
}
