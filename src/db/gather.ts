export interface Gathering<Item> {
  /** Items of a batch at the most. */
  most: number;
  /** Batches of one partner at a time: while one waits for the database, the next is prepared. */
  lanes: number;
  /** How many have to wait for a further batch to leave while another is under way: small ones cost as much as large ones. */
  enough: number;
  /** Whether the item may go with the batch so far; default: yes. */
  admits?: (partnerId: string, item: Item, batch: readonly Item[]) => boolean;
  /** Never rejects. @returns those that go again with a later batch */
  run(partnerId: string, batch: readonly Item[]): Promise<readonly Item[]>;
}

/** The items of one partner. */
interface Queue<Item> {
  waiting: Item[];
  running: number;
  /** Of those running, the ones that are not slow. */
  underWay: number;
  /** Whether it is looked at when this turn ends. */
  due: boolean;
}

/** A batch that takes longer, as behind a lock, does not keep the others waiting. */
const SLOW_MS = 30;

/**
 * Makes batches of what a partner's callers bring in the same turn of the event loop, or while others are under way. Who
 * finds nobody goes at the end of the turn: nothing is ever waited for. Partners never share a batch: a transaction binds one.
 */
export function gather<Item>(gathering: Gathering<Item>): (partnerId: string, item: Item) => void {
  const { most, lanes, enough, admits, run } = gathering;
  const queues = new Map<string, Queue<Item>>();

  function take(partnerId: string, queue: Queue<Item>): Item[] {
    if (!admits) return queue.waiting.splice(0, most);
    const batch: Item[] = [];
    const left: Item[] = [];
    for (const item of queue.waiting) (batch.length < most && admits(partnerId, item, batch) ? batch : left).push(item);
    queue.waiting = left;
    return batch;
  }

  const mayLeave = ({ waiting, underWay }: Queue<Item>): boolean =>
    waiting.length > 0 && (underWay === 0 || (underWay < lanes && waiting.length >= enough));

  async function send(partnerId: string, queue: Queue<Item>): Promise<void> {
    queue.due = false;
    const batch = mayLeave(queue) ? take(partnerId, queue) : [];
    if (batch.length > 0) {
      queue.running++;
      queue.underWay++;
      let counts = true;
      const ended = () => {
        if (counts) queue.underWay--;
        counts = false;
        sendSoon(partnerId, queue);
      };
      const slow = setTimeout(ended, SLOW_MS);
      sendSoon(partnerId, queue);
      const again = await run(partnerId, batch);
      queue.waiting.unshift(...again);
      clearTimeout(slow);
      queue.running--;
      ended();
    }
    // Also a slow one brings back who has to go again.
    if (queue.waiting.length === 0 && queue.running === 0 && !queue.due) queues.delete(partnerId);
  }

  function sendSoon(partnerId: string, queue: Queue<Item>): void {
    if (queue.due || !mayLeave(queue)) return;
    queue.due = true;
    setImmediate(send, partnerId, queue);
  }

  return (partnerId, item) => {
    let queue = queues.get(partnerId);
    if (!queue) {
      queue = { waiting: [], running: 0, underWay: 0, due: false };
      queues.set(partnerId, queue);
    }
    queue.waiting.push(item);
    sendSoon(partnerId, queue);
  };
}
