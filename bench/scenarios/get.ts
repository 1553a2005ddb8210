import { startBareServer } from '../harness/bare.js';
import type { Scenario } from '../harness/bench.js';
import { openReads } from '../harness/reads.js';
import { alternate, report } from '../harness/slices.js';

const AIMS: Readonly<Record<number, string>> = { 256: '≥ 0.65', 64: '≥ 0.5' };

/** GET one permission ÷ a bare Fastify route with the same schemas. */
export const get: Scenario = async (bench) => {
  const reads = await openReads(bench, 'get');
  const bare = await startBareServer(bench.workDir);
  for (const connections of bench.connections) {
    const [a, b] = [reads.load(reads.service, connections), reads.load(bare, connections, {})];
    const rounds = await alternate(
      bench.rounds,
      [() => a(bench.warmUpSeconds), () => b(bench.warmUpSeconds)],
      () => a(bench.sliceSeconds),
      () => b(bench.sliceSeconds),
    );
    const aim = AIMS[connections];
    const title = `${connections} connection${connections > 1 ? 's' : ''}`;
    bench.print(report({ title, names: ['service', 'bare   '], ...(aim && { aim }), ratio: 'rate' }, rounds));
  }
  await bare.stop();
  await reads.end();
};
