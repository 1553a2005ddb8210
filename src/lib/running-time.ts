const LOOK_MS = 100;
/** Work of others, or a collection of garbage, makes a look as late now and then. */
const MOST_LATE_MS = 250;
/** Share of a time in which the process had next to no processor. */
const NONE = 0.1;

let lookedAt = 0;
let usage = process.cpuUsage();
let stoodStill = 0;
let timer: NodeJS.Timeout | undefined;

function look(): void {
  const now = performance.now();
  const late = now - lookedAt - LOOK_MS;
  const used = process.cpuUsage(usage);
  // Who computes all the time is late as well, and those who wait for it do wait.
  const usedLate = (used.user + used.system) / 1000 - LOOK_MS;
  if (late > MOST_LATE_MS && usedLate < late * NONE) stoodStill += late;
  lookedAt = now;
  usage = process.cpuUsage();
}

/**
 * Milliseconds, like `performance.now()`, without those in which the process could not run: it was stopped, its machine
 * was paused, or a disk held it. Patience is by this clock: after such a time the answer waited for lies in the socket, or the
 * database has stood still as long.
 */
export function runningTime(): number {
  if (timer === undefined) {
    lookedAt = performance.now();
    usage = process.cpuUsage();
    timer = setInterval(look, LOOK_MS).unref();
  } else if (performance.now() - lookedAt > LOOK_MS + MOST_LATE_MS) look();
  return performance.now() - stoodStill;
}
