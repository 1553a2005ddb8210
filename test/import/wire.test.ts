import t from 'tap';
import { RowRefused } from '../../src/import/kind.js';
import { timeOf } from '../../src/import/wire.js';

t.test('a time without a zone is UTC, and a day alone starts it', (t) => {
  for (const [text, read] of [
    ['2023-02-06T09:12:31.113', '2023-02-06T09:12:31.113Z'],
    ['2023-02-06T09:12:31+02:00', '2023-02-06T07:12:31.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2023-12-31T23:30:00-05:00', '2024-01-01T04:30:00.000Z'],
  ] as const) {
    t.equal(timeOf(text, '/at').toISOString(), read, text);
  }
  t.end();
});

t.test('a day that does not exist is refused, not carried over to the next month', (t) => {
  for (const text of ['2023-02-30T00:00:00Z', '2023-02-29', '2023-04-31T10:00:00', '2023-13-01', 'yesterday', '']) {
    t.throws(() => timeOf(text, '/at'), new RowRefused('/at', 'It is not a time.'), text);
  }
  t.end();
});
