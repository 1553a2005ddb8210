import { randomBytes } from 'node:crypto';
import t from 'tap';
import { seal, unseal } from '../../src/lib/seal.js';
import { uuidv7 } from '../../src/lib/uuid.js';

t.test(
  'UUIDs of version 7 hold the time and increase, also within a millisecond and when the clock goes back',
  async (t) => {
    const now = Date.now();
    const ids = [...Array.from({ length: 9000 }, () => uuidv7(now)), uuidv7(now - 60_000), uuidv7(now + 60_000)];
    t.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
    t.same([...ids].sort(), ids);
    t.equal(new Set(ids).size, ids.length);
    t.equal(Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16), now);
    t.ok(new Set(ids.map((id) => id.slice(19))).size > 9000, 'the rest is random');
  },
);

t.test('what is sealed is opened with the same key alone, and no nonce comes twice', async (t) => {
  const [key, other] = [randomBytes(32), randomBytes(32)];
  const sealed = Array.from({ length: 1000 }, (_, n) => seal(key, `reply ${n}`));
  t.ok(sealed.every((bytes, n) => unseal(key, bytes) === `reply ${n}`));
  t.equal(new Set(sealed.map((bytes) => bytes.subarray(0, 12).toString('hex'))).size, 1000);
  t.throws(() => unseal(other, sealed[0] ?? Buffer.alloc(0)));
  const altered = Buffer.from(sealed[1] ?? Buffer.alloc(0));
  altered[28] = (altered[28] ?? 0) ^ 1;
  t.throws(() => unseal(key, altered));
});
