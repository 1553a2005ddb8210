import { mock } from 'node:test';
import t from 'tap';
import { type Gathering, gather } from '../../src/db/gather.js';
import { CONTOSO, FABRIKAM } from '../helpers/service.js';

mock.timers.enable({ apis: ['setTimeout'] });
t.teardown(() => mock.timers.reset());

const SLOW_MS = 60;

/** Batches that end when the test says so. */
function start(options: Partial<Omit<Gathering<number>, 'run'>> = {}) {
  const sent: [partnerId: string, batch: readonly number[]][] = [];
  const ends: ((again: readonly number[]) => void)[] = [];
  const add = gather<number>({
    most: 8,
    lanes: () => 1,
    mostLarge: 4,
    ...options,
    run: (partnerId, batch) => {
      sent.push([partnerId, batch]);
      return new Promise((resolve) => ends.push(resolve));
    },
  });
  const turn = async () => {
    for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
    return sent.splice(0).map(([, batch]) => batch);
  };
  return {
    sent,
    turn,
    bring: (...items: number[]) => {
      for (const item of items) add(CONTOSO, item);
      return turn();
    },
    bringOther: (item: number) => add(FABRIKAM, item),
    /** Ends the batch that has been under way for longest, or another one. */
    end: (again: readonly number[] = [], which = 0) => {
      ends.splice(which, 1)[0]?.(again);
      return turn();
    },
  };
}

t.test('who comes alone goes at once, and those of one turn together', async (t) => {
  const { bring, end } = start();
  t.same(await bring(1), [[1]]);
  await end();
  t.same(await bring(2, 3, 4), [[2, 3, 4]]);
});

t.test('while a batch is under way the next gather; when there are few a further one leaves beside it', async (t) => {
  const { bring, end } = start({ lanes: (items) => (items <= 3 ? 2 : 1) });
  t.same(await bring(1), [[1]]);
  t.same(await bring(2), [[2]]);
  t.same(await bring(3, 4), [], 'both lanes are taken');
  t.same(await end(), [[3, 4]]);
  t.same(await bring(5, 6, 7), []);
  t.same(await end(), [], 'too many for two');
  t.same(await end(), [[5, 6, 7]]);
});

t.test('a batch has no more than it may, and the rest goes next', async (t) => {
  const { bring, end } = start({ most: 3, lanes: () => 2 });
  t.same(await bring(1, 2, 3, 4, 5, 6, 7, 8), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  t.same(await end(), [[7, 8]]);
});

t.test('partners have batches of their own and do not wait for each other', async (t) => {
  const { bring, bringOther, sent, turn } = start();
  await bring(1);
  bringOther(2);
  await turn();
  bringOther(3);
  t.same(await bring(), [], 'this one waits for its own');
  const other = start();
  other.bringOther(1);
  t.same(await other.bring(2), [[1], [2]]);
  t.same(sent, []);
});

t.test('a batch that takes long keeps nobody waiting', async (t) => {
  const { bring, end, turn } = start();
  t.same(await bring(1), [[1]]);
  t.same(await bring(2), []);
  mock.timers.tick(SLOW_MS);
  t.same(await turn(), [[2]]);
  t.same(await bring(3), [], 'behind the second');
  t.same(await end(), [], 'the end of the slow one frees no lane twice');
  t.same(await end(), [[3]]);
});

t.test('who has to go again goes before those that came later', async (t) => {
  for (const options of [{}, { admits: () => true }]) {
    const { bring, end } = start(options);
    t.same(await bring(1, 2, 3), [[1, 2, 3]]);
    t.same(await bring(4, 5), []);
    t.same(await end([2, 3]), [[2, 3, 4, 5]]);
  }
});

t.test('who is not admitted waits for the end of a batch, in his place', async (t) => {
  const free = new Set([1, 2, 4]);
  const { bring, end, turn } = start({ admits: (_partnerId, item) => free.has(item) });
  t.same(await bring(1, 2, 3, 4), [[1, 2, 4]]);
  t.same(await turn(), []);
  free.add(3);
  t.same(await bring(5), []);
  t.same(await end(), [[3]]);
  free.add(5);
  t.same(await end(), [[5]]);
});

t.test('who has to go again goes behind those that came before him and were not admitted', async (t) => {
  const free = new Set([1, 3]);
  const { bring, end } = start({ admits: (_partnerId, item) => free.has(item) });
  t.same(await bring(1, 2, 3, 4), [[1, 3]]);
  for (const item of [2, 4]) free.add(item);
  t.same(await end([3]), [[2, 3, 4]]);
});

t.test('when one had to go again batches go one after the other for a while', async (t) => {
  const { bring, end } = start({ most: 4, lanes: () => 2 });
  t.same(await bring(1, 2), [[1, 2]]);
  t.same(await end([2]), [[2]]);
  for (let first = 3; first < 67; first += 4) {
    t.same(await bring(first, first + 1, first + 2, first + 3), [], 'behind the one before');
    t.same(await end(), [[first, first + 1, first + 2, first + 3]]);
  }
  t.same(await bring(67, 68, 69, 70), [[67, 68, 69, 70]], 'beside it');
});

t.test('meanwhile two large ones at the most are under way, however slow', async (t) => {
  const { bring, end, turn } = start({ most: 2, lanes: () => 2 });
  t.same(await bring(1, 2), [[1, 2]]);
  t.same(await end([2]), [[2]]);
  for (const first of [3, 5]) {
    t.same(await bring(first, first + 1), []);
    mock.timers.tick(SLOW_MS);
    t.same(await turn(), [[first, first + 1]]);
  }
  t.same(await bring(7, 8), []);
  mock.timers.tick(SLOW_MS);
  t.same(await turn(), []);
});

t.test('who comes back from a slow batch waits for those that came meanwhile, and is not forgotten', async (t) => {
  let held = false;
  const { bring, end, turn } = start({ admits: (_partnerId, item) => !(held && item === 1) });
  t.same(await bring(1), [[1]]);
  mock.timers.tick(SLOW_MS);
  t.same(await bring(2), [[2]]);
  t.same(await end([], 1), [], 'nobody waits any more');
  held = true;
  t.same(await bring(3), [[3]]);
  t.same(await end([1]), [], 'the third has what the first wants');
  held = false;
  t.same(await end(), [[1]]);
  t.same(await turn(), []);
});

t.test(
  'where all large batches take long there are no more than so many; one of one item is not counted',
  async (t) => {
    const { bring, end, turn } = start();
    for (let first = 1; first < 8; first += 2) {
      t.same(await bring(first, first + 1), [[first, first + 1]]);
      mock.timers.tick(SLOW_MS);
      await turn();
    }
    t.same(await bring(9, 10), [], 'four are under way');
    t.same(await end(), [[9, 10]]);
    mock.timers.tick(SLOW_MS);
    t.same(await bring(11), []);
    t.same(await end(), [[11]]);
    mock.timers.tick(SLOW_MS);
    t.same(await bring(12), [[12]], 'behind three large ones and one of one item');
  },
);

t.test('who waits for longer than his patience is refused and takes no place in a batch', async (t) => {
  const refused: number[] = [];
  const milliseconds = 1000;
  const begin = performance.now();
  const { bring, end, turn } = start({
    // Numbers below ten came long ago.
    patience: {
      milliseconds,
      since: (item) => (item < 10 ? begin - milliseconds : begin),
      refuse: (item) => refused.push(item),
    },
  });
  t.same(await bring(1), [[1]], 'who goes at once is not asked for it');
  t.same(await bring(2, 11, 3), []);
  mock.timers.tick(1);
  t.same(refused, [2, 3]);
  t.same(await turn(), []);
  t.same(await end(), [[11]]);
});
