import { createHmac } from 'node:crypto';
import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import { BoundedCache } from '../tokens/cache.js';

export interface Count {
  current: number;
  /** Milliseconds until the count begins anew. */
  ttl: number;
}

/** Counts that several instances have in common. */
export interface SharedCounts {
  /** Adds one. Undefined, and soon, when the others cannot be asked now. */
  add(name: string, windowMilliseconds: number): Promise<Count | undefined>;
  close(): Promise<void>;
}

/** What this instance knows of one key. Times are those of `performance.now()`. */
interface Known {
  name: string;
  /** What this instance alone has counted, and until when that holds. */
  counted: number;
  endsAt: number;
  /** The common count is above the limit until then: nobody has to be asked. */
  fullUntil: number;
}

const KNOWN_KEYS = 20_000;
const NAME_LENGTH = 22;

/**
 * The store of @fastify/rate-limit for counts that are shared. While they cannot be reached, this instance goes on with
 * what it has counted itself.
 * @param key makes the names: outside of the service nobody reads which tenants there are
 */
export function sharedStore(counts: SharedCounts, key: Buffer): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    readonly #known = new BoundedCache<Known>(KNOWN_KEYS);

    incr(of: string, callback: (error: Error | null, result?: Count) => void, timeWindow = 0, max = 0): void {
      this.#add(of, timeWindow, max).then((count) => callback(null, count), callback);
    }

    /** Limits differ by their keys. */
    child(): FastifyRateLimitStore {
      return this;
    }

    async #add(of: string, timeWindow: number, max: number): Promise<Count> {
      const now = performance.now();
      const known = this.#know(of);
      if (known.endsAt <= now) {
        known.counted = 0;
        known.endsAt = now + timeWindow;
      }
      known.counted += 1;
      if (now < known.fullUntil) return { current: max + 1, ttl: known.fullUntil - now };
      const shared = await counts.add(known.name, timeWindow);
      if (!shared) return { current: known.counted, ttl: known.endsAt - now };
      if (shared.current > max) known.fullUntil = performance.now() + shared.ttl;
      return shared;
    }

    #know(of: string): Known {
      const found = this.#known.get(of);
      if (found) return found;
      const name = createHmac('sha256', key).update(of).digest('base64url').slice(0, NAME_LENGTH);
      const made: Known = { name, counted: 0, endsAt: 0, fullUntil: 0 };
      this.#known.set(of, made);
      return made;
    }
  };
}
