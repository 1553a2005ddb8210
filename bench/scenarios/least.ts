import { permissionPath, startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { keysOf, startHandWritten } from '../harness/hand-written.js';
import { comparePairs } from '../harness/pairs.js';
import { openReads } from '../harness/reads.js';

/** The least that keeps what a read promises ÷ the bare route, and the service ÷ that: how near it is to what can be had. */
export const least: Scenario = async (bench) => {
  const reads = await openReads(bench, 'least');
  const bare = await startBareServer(bench.workDir);
  const server = await startHandWritten(bench, {
    name: 'least-server',
    args: [reads.database.appUrl, keysOf(reads.service)],
    probe: permissionPath(1),
  });
  for (const connections of bench.connections) {
    const sides = {
      bare: reads.load(bare, connections, {}),
      least: reads.load(server, connections),
      service: reads.load(reads.service, connections),
    };
    await comparePairs(bench, connections, sides, [
      ['least', 'bare'],
      ['service', 'least'],
    ]);
  }
  await server.stop();
  await bare.stop();
  await reads.end();
};
