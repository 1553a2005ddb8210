import { appendFileSync, openSync, readSync } from 'node:fs';

// Loaded into the service by `node --import`: writes down when its event loop was held, for how long, and how much of a
// processor its thread had meanwhile. The rest of the time others had it: a busy machine holds nobody up here.
const file = process.env.LOOP_WATCH_FILE ?? '';
const EVERY_MS = 5;
const WORTH_WRITING_MS = 20;

const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const read = Buffer.alloc(64);

/** Time on a processor so far, in milliseconds. */
function usedByThread(): number {
  const length = readSync(schedstat, read, 0, read.length, 0);
  return Number(read.toString('latin1', 0, length).split(' ')[0]) / 1e6;
}

let last = performance.now();
let used = usedByThread();

setInterval(() => {
  const now = performance.now();
  const usedNow = usedByThread();
  const held = now - last - EVERY_MS;
  if (held >= WORTH_WRITING_MS) {
    appendFileSync(file, `${Date.now()} ${held.toFixed(1)} ${(usedNow - used).toFixed(1)}\n`);
  }
  [last, used] = [now, usedNow];
}, EVERY_MS).unref();
