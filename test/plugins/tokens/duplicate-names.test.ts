import t from 'tap';
import { hasDuplicateNames } from '../../../src/plugins/tokens/duplicate-names.js';

t.test('names that come twice are found at any depth, however they are written', async (t) => {
  for (const json of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '[{"x":{"b":[],"b":{}}}]',
    '{"a\\"":1,"a\\"":2}',
    '{"":1,"":2}',
  ]) {
    t.ok(hasDuplicateNames(json), json);
  }
  for (const json of ['{"a":{"a":1},"b":["a","a"]}', '{"a":"a\\":{\\"a","b":":a"}', '[{"a":1},{"a":1}]', '"a"', '{}']) {
    t.notOk(hasDuplicateNames(json), json);
  }
});
