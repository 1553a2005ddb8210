import { openTurns, type Turns } from '../../db/turns.js';
import { ApiError } from '../../errors/api-error.js';
import { DatabaseUnavailable } from '../../errors/from-postgres.js';

/** Waits for its place at a customer. @returns gives the place back @throws ApiError Busy */
export type CustomerGate = (customer: string) => Promise<() => void>;

const WAIT_MS = 1000;
/** A hundred writers at one customer are all served, as its lock lets them one after the other. */
const MOST_WAITING = 200;

/**
 * Lets so many writes at one customer at a time. They wait for its lock with a connection each: when somebody holds a
 * customer for long, all who want it would otherwise take all connections, and nobody else would get one.
 */
export function openCustomerGate(places: number): CustomerGate {
  const gates = new Map<string, { turns: Turns; users: number }>();
  return async (customer) => {
    let gate = gates.get(customer);
    if (!gate) {
      gate = { turns: openTurns({ places, waitMilliseconds: WAIT_MS, mostWaiting: MOST_WAITING }), users: 0 };
      gates.set(customer, gate);
    }
    const { turns } = gate;
    const leave = () => {
      if (--gate.users === 0) gates.delete(customer);
    };
    gate.users++;
    try {
      await turns.take();
    } catch (error) {
      leave();
      if (!(error instanceof DatabaseUnavailable)) throw error;
      throw new ApiError('Busy', { cause: error, headers: { 'Retry-After': '1' } });
    }
    return () => {
      turns.give();
      leave();
    };
  };
}
