import type { Figures, Promised, Verdict } from './suite.js';

/**
 * What a promise's row says. A figure counts only when the run without the guard has missed it.
 * @param unguarded undefined when that run could not measure
 * @param figures undefined when the run could not measure
 */
export function judge(promised: Promised, unguarded: Figures | undefined, figures: Figures | undefined): Verdict {
  const figure = figures?.[promised.id];
  if (!figure) return { reached: 'not measured: the suite failed', kept: false };
  if (promised.withoutGuard === undefined) return figure;
  const without = unguarded?.[promised.id];
  if (!without) return { reached: `${figure.reached}; the run without the guard failed`, kept: false };
  if (without.kept)
    return { reached: `${figure.reached}; the suite cannot fail`, kept: false, unguarded: without.reached };
  return { ...figure, unguarded: without.reached };
}
