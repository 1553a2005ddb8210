/** The module that the service is started with, to be watched from inside. */
export const LOOP_WATCH = new URL('./loop-watch.js', import.meta.url).href;
/** Names the file that it writes to. */
export const LOOP_WATCH_FILE = 'LOOP_WATCH_FILE';

export interface Hold {
  /** What the event loop was held for, less the time in which others had the processor. */
  milliseconds: number;
  from: number;
  to: number;
}

/** @param written lines of the watch: when a hold ended, how long it was, and the processor time of the thread in it */
export function longestHold(written: string, since: number): Hold | undefined {
  let longest: Hold | undefined;
  for (const line of written.split('\n')) {
    const [to = 0, held = 0, used = 0] = line.split(' ').map(Number);
    const milliseconds = Math.min(held, used);
    if (to - held < since || (longest && milliseconds <= longest.milliseconds)) continue;
    longest = { milliseconds, from: to - held, to };
  }
  return longest;
}
