import { setTimeout } from 'node:timers/promises';

/**
 * A backend lives some milliseconds longer than its client's `end`. Not `drop … with (force)`: it ends such a client
 * with an error that nobody handles any more.
 */
export async function whileInUse(work: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await setTimeout(25)) {
    try {
      await work();
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== '55006' || Date.now() > deadline) throw error;
    }
  }
}
