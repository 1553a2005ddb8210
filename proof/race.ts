import { setTimeout } from 'node:timers/promises';

export interface Sides {
  what: string;
  /** How many pairs at the same time, each of another customer. */
  atOnce: number;
  /** Answers whether it came first. */
  first(customer: number): Promise<boolean>;
  second(customer: number): Promise<unknown>;
}

export interface Race {
  /** Runs one pair for each customer from … to. */
  run(from: number, to: number): Promise<void>;
  /** How often `first` came first. */
  firsts(): number;
  /** @throws when one side nearly always came first: that is no race */
  demandBoth(): void;
}

/** Of the time that a pair takes: how much later one side may start by chance. */
const JITTER = 0.25;
/** Likewise: by how much who came first is held back the next time. */
const STEP = 0.1;
/** How much each pair moves what is taken for the usual time. */
const SMOOTHING = 0.2;
const LEAST_SHARE = 0.05;

/**
 * Pairs whose two sides run at the same time. Who keeps coming first starts later, so that the two meet whatever each has
 * to do before its lock.
 */
export function createRace({ what, atOnce, first, second }: Sides, random: () => number): Race {
  // How long `first` is held back, or if negative `second`.
  let lead = 0;
  let usual = 0;
  let firsts = 0;
  let pairs = 0;
  const after = (milliseconds: number) => setTimeout(Math.max(0, milliseconds) + JITTER * usual * random());

  async function runPair(customer: number): Promise<void> {
    const begin = performance.now();
    const held = Math.abs(lead);
    const [wasFirst] = await Promise.all([
      after(lead).then(() => first(customer)),
      after(-lead).then(() => second(customer)),
    ]);
    const took = performance.now() - begin - held;
    usual += (took - usual) * (pairs === 0 ? 1 : SMOOTHING);
    lead += (wasFirst ? STEP : -STEP) * usual;
    pairs++;
    if (wasFirst) firsts++;
  }

  return {
    async run(from, to) {
      let next = from;
      const pairByPair = async () => {
        for (let customer = next++; customer <= to; customer = next++) await runPair(customer);
      };
      await Promise.all(Array.from({ length: atOnce }, pairByPair));
    },
    firsts: () => firsts,
    demandBoth: () => {
      const share = firsts / pairs;
      if (Math.min(share, 1 - share) >= LEAST_SHARE) return;
      throw new Error(`no race when ${what}: ${firsts} of ${pairs} came first, ${lead.toFixed(1)} ms later`);
    },
  };
}
