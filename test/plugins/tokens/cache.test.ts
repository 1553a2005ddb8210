import t from 'tap';
import { BoundedCache } from '../../../src/plugins/tokens/cache.js';

t.test('the cache is bounded, keeps what is used and forgets all in a purge', async (t) => {
  const cache = new BoundedCache<number>(10);
  cache.set('kept', 1);
  let largest = 0;
  for (let i = 0; i < 1000; i++) {
    cache.set(`k${i}`, i);
    cache.get('kept');
    largest = Math.max(largest, cache.size);
  }
  t.ok(largest <= 10);
  t.equal(cache.get('kept'), 1);
  t.equal(cache.get('k1'), undefined);
  const { revision } = cache;
  cache.purge();
  t.equal(cache.get('kept'), undefined);
  t.not(cache.revision, revision);
});
