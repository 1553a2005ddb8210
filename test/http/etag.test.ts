import t from 'tap';
import { matches, parseIfMatch, quoted } from '../../src/http/etag.js';

t.test('If-Match holds a star or quoted tags, and only a strong equal one matches', (t) => {
  t.ok(matches(parseIfMatch('*'), '"3"'));
  t.notOk(matches(parseIfMatch('*'), undefined), 'a star needs a resource');
  t.ok(matches(parseIfMatch('"3"'), quoted(3)));
  t.notOk(matches(parseIfMatch('"2"'), quoted(3)));
  t.ok(matches(parseIfMatch(' "1" ,\t"a,b", "3"'), quoted(3)));
  t.strictSame(parseIfMatch('"a,b",,"",W/"x"'), ['"a,b"', '""']);
  t.notOk(matches(parseIfMatch('W/"3"'), quoted(3)), 'a weak tag never matches');
  t.end();
});

t.test('an If-Match that is not made of quoted tags is refused', (t) => {
  for (const header of ['abc', '3', '"3', '3"', '', ',', 'W/', '"1" "2"', '*, "1"', 'w/"1"', '"a b"', '"1";x']) {
    t.throws(
      () => parseIfMatch(header),
      { name: 'ApiError', errorName: 'InvalidInput', status: 400 },
      JSON.stringify(header),
    );
  }
  t.end();
});

t.test('a header of 16 KiB is read in one pass', (t) => {
  const started = process.hrtime.bigint();
  t.throws(() => parseIfMatch(`${'"1",'.repeat(4_000)}x`));
  t.throws(() => parseIfMatch(`${' '.repeat(16_000)}x`));
  t.throws(() => parseIfMatch(`"${'1'.repeat(16_000)}`));
  t.ok(process.hrtime.bigint() - started < 50_000_000n);
  t.end();
});
