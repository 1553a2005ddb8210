import t from 'tap';
import { judge } from '../../proof/judge.js';
import { type PromiseRow, writePromises } from '../../proof/promises.js';
import { randomNumbers } from '../../proof/random.js';
import type { Promised } from '../../proof/suite.js';

const guarded: Promised = { id: 'kills-log', says: 'One row', target: '100 %', withoutGuard: 'without the ledger' };
const plain: Promised = { id: 'kills-rate', says: 'Fast', target: '< 1 s' };
const kept = { reached: '5 of 5', kept: true };
const missed = { reached: '0 of 5', kept: false };

t.test('a figure counts when the run without the guard has missed it', async (t) => {
  const verdict = (without: typeof kept | undefined, figure: typeof kept | undefined) =>
    judge(guarded, without && { 'kills-log': without }, figure && { 'kills-log': figure });
  t.same(verdict(missed, kept), { ...kept, unguarded: '0 of 5' });
  t.match(verdict(missed, missed), { kept: false });
  t.match(verdict(kept, kept), { kept: false, reached: /the suite cannot fail/ });
  t.match(verdict(undefined, kept), { kept: false, reached: /the run without the guard failed/ });
  t.match(verdict(missed, undefined), { kept: false, reached: /the suite failed/ });
  t.match(judge(guarded, {}, { 'kills-log': kept }), { kept: false }, 'a figure was left out');
  t.same(judge(plain, undefined, { 'kills-rate': kept }), kept, 'a measurement has no guard');
});

t.test('rows of what was not measured stay, in the order of the suites', async (t) => {
  const row = (promised: Promised, verdict: PromiseRow['verdict']): PromiseRow => ({
    promised,
    verdict,
    command: 'npm run proof -- kills',
    date: '2026-11-21',
  });
  const order = ['kills-log', 'kills-rate'];
  const first = writePromises('', order, [row(plain, kept), row(guarded, { ...kept, unguarded: '0 of 5' })]);
  const rows = (text: string) => text.split('\n').filter((line) => line.startsWith('| kills'));
  t.match(rows(first), [
    '| kills-log | One row | 100 % | 5 of 5 | yes | 0 of 5, without the ledger | `npm run proof -- kills` | 2026-11-21 |',
    '| kills-rate | Fast | < 1 s | 5 of 5 | yes |  | `npm run proof -- kills` | 2026-11-21 |',
  ]);
  const second = writePromises(first, order, [row({ ...plain, says: 'A | B' }, missed)]);
  t.same(rows(second), [
    rows(first)[0],
    rows(first)[1]?.replace('Fast', 'A \\| B').replace('5 of 5 | yes', '0 of 5 | **no**'),
  ]);
  t.equal(writePromises(second, order, []), second);
  t.same(rows(writePromises(second, ['kills-rate'], [])).length, 1, 'a promise that is no more goes');
});

t.test('a seed gives the same numbers again, spread from 0 to 1', async (t) => {
  const numbers = (seed: number) => {
    const random = randomNumbers(seed);
    return Array.from({ length: 1000 }, random);
  };
  t.same(numbers(7), numbers(7));
  t.notSame(numbers(7), numbers(8));
  t.ok(numbers(7).every((number) => number >= 0 && number < 1));
  const mean = numbers(7).reduce((sum, number) => sum + number, 0) / 1000;
  t.ok(mean > 0.45 && mean < 0.55, String(mean));
});
