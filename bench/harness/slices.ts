/** What one side did for a few seconds. */
export interface Slice {
  count: number;
  /** Requests without an answer 2xx, at most one in a hundred. */
  refused?: number;
  /** Per second. */
  rate: number;
  /** Milliseconds. */
  p50?: number;
  p99?: number;
  /** Of the server's process, microseconds per request. */
  cpu?: number;
  /** Of PostgreSQL, microseconds per request. */
  database?: number;
  /** Cores that the load generator used. */
  generator?: number;
}

export interface Round {
  a: Slice;
  b: Slice;
}

/** Measures two sides in turn, A,B then B,A, so that what else the machine does falls on both. */
export async function alternate(
  rounds: number,
  warmUp: readonly (() => Promise<unknown>)[],
  a: () => Promise<Slice>,
  b: () => Promise<Slice>,
): Promise<Round[]> {
  for (const side of warmUp) await side();
  const done: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) done.push({ a: await a(), b: await b() });
    else {
      const second = await b();
      done.push({ a: await a(), b: second });
    }
  }
  return done;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** @param share 0.99: what 99 of 100 values are not above */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

const short = (value: number) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

/** `0.52 [0.49–0.55]`: the median and the lowest and highest of the rounds. */
export function spread(values: readonly number[], digits = 2): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} [${low.toFixed(digits)}–${high.toFixed(digits)}]`;
}

function describeSide(name: string, slices: readonly Slice[]): string {
  const of = (pick: (slice: Slice) => number | undefined) => {
    const values = slices.map(pick).filter((value) => value !== undefined);
    return values.length > 0 ? median(values) : undefined;
  };
  const [cpu, p99, generator] = [of((s) => s.cpu), of((s) => s.p99), of((s) => s.generator)];
  const database = of((s) => s.database);
  const refused = slices.reduce((sum, slice) => sum + (slice.refused ?? 0), 0);
  return [
    `${name} ${short(of((s) => s.rate) ?? 0)}/s`,
    ...(p99 === undefined ? [] : [`p99 ${p99 < 1 ? '< 1' : short(p99)} ms`]),
    ...(cpu === undefined ? [] : [`CPU ${short(cpu)} µs`]),
    ...(database === undefined ? [] : [`of PostgreSQL ${short(database)} µs`]),
    ...(refused > 0 ? [`${refused} refused`] : []),
    // A generator at the end of its core is what the rate tells of, not the server.
    ...(generator !== undefined && generator > 0.9 ? ['bounded by the load generator'] : []),
  ].join(', ');
}

export interface Report {
  title: string;
  names: readonly [a: string, b: string];
  /** Absent: nobody set one. */
  aim?: string;
  /** `rate`: a's rate ÷ b's. `time`: a's time for a request ÷ b's. */
  ratio: 'rate' | 'time';
}

/** Lines that show the ratio of every round's two sides, and the sides' medians. */
export function report({ title, names, aim, ratio }: Report, rounds: readonly Round[]): string {
  const ratios = rounds.map(({ a, b }) => (ratio === 'rate' ? a.rate / b.rate : b.rate / a.rate));
  const cpu = rounds.flatMap(({ a, b }) => (a.cpu !== undefined && b.cpu !== undefined ? [b.cpu / a.cpu] : []));
  const of = (side: 'a' | 'b') => rounds.map((round) => round[side]);
  const remarks = [
    ...(aim === undefined ? [] : [`aim ${aim}`]),
    ...(ratio === 'rate' && cpu.length > 0 ? [`by CPU of the server ${spread(cpu)}`] : []),
  ];
  return [
    `  ${title}: ${spread(ratios)}${remarks.length > 0 ? ` (${remarks.join('; ')})` : ''}`,
    `    ${describeSide(names[0], of('a'))}`,
    `    ${describeSide(names[1], of('b'))}`,
  ].join('\n');
}
