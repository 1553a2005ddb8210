import { runningTime } from '../lib/running-time.js';

export interface Gathering<Item> {
  /** Items of a batch at the most. */
  most: number;
  /**
   * Batches of one partner at a time, for so many items that wait or are under way: while one waits for the database, the
   * next is prepared. Of few items several batches are quicker, of many a few large ones cost less.
   */
  lanes(items: number): number;
  /** Batches of several items at a time, slow or not: where all are slow more of them would make each slower. */
  mostLarge: number;
  /** Whether the item may go with the batch so far; default: yes. */
  admits?: (partnerId: string, item: Item, batch: readonly Item[]) => boolean;
  /** Never rejects. @returns those that go again with a later batch */
  run(partnerId: string, batch: readonly Item[]): Promise<readonly Item[]>;
  /** Default: an item waits for as long as it takes. */
  patience?: {
    milliseconds: number;
    /** When the item came, as `runningTime()` tells. */
    since(item: Item): number;
    /** Called instead of `run` for who has waited so long: what comes next would be answered too late as well. */
    refuse(item: Item): void;
  };
}

/** `place`: in the order in which the items of the partner came. */
interface Waiting<Item> {
  item: Item;
  place: number;
}

/** The items of one partner. */
interface Queue<Item> {
  waiting: Waiting<Item>[];
  came: number;
  /** Batches. */
  running: number;
  /** Their items. */
  items: number;
  /** Of those running, the ones of several items. */
  large: number;
  /** Of those running, the ones that are not slow. */
  underWay: number;
  /** So many batches more go one after the other: what had to go again met another batch. */
  inTurn: number;
  /** Whether it is looked at when this turn ends. */
  due: boolean;
  watch: NodeJS.Timeout | undefined;
}

/** A batch that takes longer, as behind a lock, does not keep the others waiting. */
const SLOW_MS = 60;
/** Batches that meet waste what both have begun, as when all want the same few rows. */
const IN_TURN_AFTER_MEETING = 16;
/** Large ones meanwhile, one of them slow. */
const LARGE_IN_TURN = 2;

/**
 * Makes batches of what a partner's callers bring in the same turn of the event loop, or while others are under way. Who
 * finds nobody goes at the end of the turn: nothing is ever waited for. Partners never share a batch: a transaction binds one.
 */
export function gather<Item>(gathering: Gathering<Item>): (partnerId: string, item: Item) => void {
  const { most, lanes, mostLarge, admits, run, patience } = gathering;
  const queues = new Map<string, Queue<Item>>();

  function take(partnerId: string, queue: Queue<Item>): Waiting<Item>[] {
    if (!admits) return queue.waiting.splice(0, most);
    const taken: Waiting<Item>[] = [];
    const left: Waiting<Item>[] = [];
    const batch: Item[] = [];
    for (const waiting of queue.waiting) {
      const { item } = waiting;
      if (batch.length < most && admits(partnerId, item, batch)) {
        taken.push(waiting);
        batch.push(item);
      } else left.push(waiting);
    }
    queue.waiting = left;
    return taken;
  }

  /** Puts those that go again where they were before. */
  function putBack(queue: Queue<Item>, taken: readonly Waiting<Item>[], again: readonly Item[]): void {
    if (again.length === 0) return;
    const items = new Set(again);
    queue.waiting.push(...taken.filter(({ item }) => items.has(item)));
    queue.waiting.sort((one, other) => one.place - other.place);
  }

  function mayLeave({ waiting, items, underWay, large, inTurn }: Queue<Item>): boolean {
    if (waiting.length === 0 || large >= (inTurn > 0 ? LARGE_IN_TURN : mostLarge)) return false;
    return underWay === 0 || (inTurn === 0 && underWay < lanes(items + waiting.length));
  }

  /** Has those that wait too long refused, the first of them when its time is over. */
  function watch(queue: Queue<Item>): void {
    const { waiting } = queue;
    if (!patience || queue.watch || waiting.length === 0) return;
    const { milliseconds, since, refuse } = patience;
    const oldest = waiting.reduce((first, { item }) => Math.min(first, since(item)), Number.POSITIVE_INFINITY);
    const look = () => {
      queue.watch = undefined;
      const latest = runningTime() - milliseconds;
      const late = queue.waiting.filter(({ item }) => since(item) <= latest);
      queue.waiting = queue.waiting.filter(({ item }) => since(item) > latest);
      for (const { item } of late) refuse(item);
      watch(queue);
    };
    queue.watch = setTimeout(look, Math.max(1, oldest + milliseconds - runningTime())).unref();
  }

  async function send(partnerId: string, queue: Queue<Item>): Promise<void> {
    queue.due = false;
    const taken = mayLeave(queue) ? take(partnerId, queue) : [];
    if (taken.length > 0) {
      const isLarge = taken.length > 1;
      queue.running++;
      queue.items += taken.length;
      queue.underWay++;
      if (isLarge) queue.large++;
      let counts = true;
      const ended = () => {
        if (counts) queue.underWay--;
        counts = false;
        sendSoon(partnerId, queue);
      };
      const slow = setTimeout(ended, SLOW_MS);
      sendSoon(partnerId, queue);
      const again = await run(
        partnerId,
        taken.map(({ item }) => item),
      );
      putBack(queue, taken, again);
      queue.inTurn = again.length > 0 ? IN_TURN_AFTER_MEETING : Math.max(0, queue.inTurn - 1);
      clearTimeout(slow);
      queue.running--;
      queue.items -= taken.length;
      if (isLarge) queue.large--;
      ended();
    } else watch(queue);
    // Also a slow one brings back who has to go again.
    if (queue.waiting.length === 0 && queue.running === 0 && !queue.due) {
      clearTimeout(queue.watch);
      queues.delete(partnerId);
    }
  }

  function sendSoon(partnerId: string, queue: Queue<Item>): void {
    if (queue.due) return;
    if (mayLeave(queue)) {
      queue.due = true;
      setImmediate(send, partnerId, queue);
    } else watch(queue);
  }

  return (partnerId, item) => {
    let queue = queues.get(partnerId);
    if (!queue) {
      queue = {
        waiting: [],
        came: 0,
        running: 0,
        items: 0,
        large: 0,
        underWay: 0,
        inTurn: 0,
        due: false,
        watch: undefined,
      };
      queues.set(partnerId, queue);
    }
    queue.waiting.push({ item, place: queue.came++ });
    sendSoon(partnerId, queue);
  };
}
