import { startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { startLeastServer } from '../harness/least.js';
import { openReads } from '../harness/reads.js';
import { alternate, report } from '../harness/slices.js';

/** The least that keeps what a read promises ÷ the bare route, and the service ÷ that: how near it is to what can be had. */
export const least: Scenario = async (bench) => {
  const reads = await openReads(bench, 'least');
  const bare = await startBareServer(bench.workDir);
  const server = await startLeastServer(bench, reads);
  for (const connections of bench.connections) {
    const sides = {
      bare: reads.load(bare, connections, {}),
      least: reads.load(server, connections),
      service: reads.load(reads.service, connections),
    };
    for (const [one, other] of [
      ['least', 'bare'],
      ['service', 'least'],
    ] as const) {
      const [a, b] = [sides[one], sides[other]];
      const rounds = await alternate(
        bench.rounds,
        [() => a(bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
        () => a(bench.sliceSeconds),
        () => b(bench.sliceSeconds),
      );
      const title = `${one} ÷ ${other}, ${connections} connection${connections > 1 ? 's' : ''}`;
      bench.print(report({ title, names: [one, other], ratio: 'rate' }, rounds));
    }
  }
  await server.stop();
  await bare.stop();
  await reads.end();
};
