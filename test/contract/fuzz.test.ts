import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { startService } from '../helpers/service.js';
import { makeFuzzWorld } from './fuzz-world.js';
import { outwardFault, requestSources } from './generated-requests.js';
import { documentOf, undocumented } from './wire.js';

/** A short run, which shrinks what it finds. The suite `input` of proof/ sends 100 000 to a service of its own. */
const RUNS = 1000;

const service = await startService(t, { sandbox: 'true' });
const world = await makeFuzzWorld(service);
const sources = requestSources(documentOf(service), world);
// What was built just now held the event loop, of which the service takes the mean over a second: that is over then.
await setTimeout(1500);

t.test(
  `G15: of ${RUNS} generated requests none is answered with a 5xx, an undocumented status or another body`,
  { timeout: RUNS * 10 + 30_000 },
  async (t) => {
    const request = fc.oneof(...sources.map(({ requests }) => requests));
    const counts: Record<number, number> = {};
    await fc.assert(
      fc.asyncProperty(request, async ({ method, target, body, ifMatch, sender }) => {
        const { statusCode, headers, payload } = await service.app.inject({
          method: method as 'GET',
          url: target,
          headers: {
            authorization: `Bearer ${world.tokens[sender]}`,
            ...(ifMatch !== undefined && { 'if-match': ifMatch }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
          ...(body !== undefined && { payload: body }),
        });
        counts[statusCode] = (counts[statusCode] ?? 0) + 1;
        const json = payload !== '' && String(headers['content-type']).startsWith('application/json');
        const hasBothIds = headers['ms-requestid'] !== undefined && headers['ms-correlationid'] !== undefined;
        const fault =
          undocumented(service, method, target, { status: statusCode, body: json ? JSON.parse(payload) : undefined }) ??
          outwardFault(statusCode, hasBothIds, payload);
        if (fault) throw new Error(fault);
        if (statusCode >= 500) throw new Error(`${statusCode} (Retry-After ${headers['retry-after']}) ${payload}`);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    t.comment(JSON.stringify(counts));
    const successes = Object.entries(counts).filter(([status]) => Number(status) < 300);
    t.ok(
      successes.reduce((sum, [, count]) => sum + count, 0) > RUNS / 20,
      'enough of the requests get through to the data',
    );
  },
);
