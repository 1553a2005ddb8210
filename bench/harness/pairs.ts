import type { Bench } from './bench.js';
import { alternate, report, type Slice } from './slices.js';

/** Measures and prints one side ÷ another, for each pair. */
export async function comparePairs<Name extends string>(
  bench: Bench,
  connections: number,
  sides: Readonly<Record<Name, (seconds: number) => Promise<Slice>>>,
  pairs: readonly (readonly [Name, Name])[],
): Promise<void> {
  for (const [one, other] of pairs) {
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
