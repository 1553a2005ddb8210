import fc from 'fast-check';
import t from 'tap';
import {
  fitsCurrency,
  isCurrency,
  minorDigits,
  split,
  toAmount,
  toDecimal,
  toMinor,
  withMargin,
} from '../../src/lib/money.js';

t.test('a currency has the digits of ISO 4217', (t) => {
  for (const [code, digits] of [
    ['USD', 2],
    ['EUR', 2],
    ['JPY', 0],
    ['KWD', 3],
  ] as const) {
    t.equal(minorDigits(code), digits, code);
    t.equal(minorDigits(code), digits, `${code}, asked again`);
  }
  t.ok(isCurrency('CHF'));
  t.notOk(isCurrency('chf'));
  t.notOk(isCurrency('ZZZ'));
  t.end();
});

t.test('decimals become minor units exactly, half away from zero', (t) => {
  for (const [amount, code, minor] of [
    ['0.1', 'USD', 10],
    ['1.005', 'USD', 101],
    ['1.0049999', 'USD', 100],
    ['-1.005', 'USD', -101],
    ['12.345', 'KWD', 12_345],
    ['99.5', 'JPY', 100],
    ['90071992547409.91', 'USD', Number.MAX_SAFE_INTEGER],
  ] as const) {
    t.equal(toMinor(amount, code), minor, `${amount} ${code}`);
  }
  t.equal(toDecimal(1235, 'USD'), '12.35');
  t.equal(toDecimal(5, 'KWD'), '0.005');
  t.equal(toDecimal(100, 'JPY'), '100');
  t.equal(toAmount(120_002, 'USD'), 1200.02);
  t.ok(fitsCurrency('1.25', 'USD'));
  t.notOk(fitsCurrency('1.255', 'USD'));
  t.notOk(fitsCurrency('1.5', 'JPY'));
  t.end();
});

t.test('a margin is on top, and may take off', (t) => {
  t.equal(withMargin('600.01', '10').toFixed(), '660.011');
  t.equal(withMargin('600', '-12.5').toFixed(), '525');
  t.end();
});

t.test('parts add up to the whole, differ by one at the most, and the larger ones come first', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 60 }), (minor, count) => {
      const parts = split(minor, count);
      const sum = parts.reduce((total, part) => total + part, 0);
      const [first = 0, last = 0] = [parts[0], parts.at(-1)];
      return parts.length === count && sum === minor && first - last <= 1 && first >= last;
    }),
  );
  t.same(split(100, 3), [34, 33, 33]);
  t.end();
});
