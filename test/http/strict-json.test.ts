import t from 'tap';
import { parseStrictJson } from '../../src/http/strict-json.js';

const parse = (text: string) => parseStrictJson(Buffer.from(text));
const refused = (description: RegExp) => ({ errorName: 'InvalidInput', status: 400, message: description });

t.test('ordinary JSON is what JSON.parse makes of it', (t) => {
  const texts = [
    '{"a":[1,-2.5e3,true,null,"x"],"b":{"a":{"a":[]}}}',
    ' [ {"a":1} , {"a":2} ] ',
    '"\\u0041\\n\\\\\\""',
    '{"a\\\\":1,"a\\"":2,"a":"a","\\ud83d\\ude00":"\\ud83d\\ude00"}',
    '{"a":":","b" :"\\\\","c"\n:{"b":1}}',
    'null',
  ];
  for (const text of texts) t.same(parse(text), JSON.parse(text), text);
  t.end();
});

t.test('one byte order mark is tolerated, a second one is not', (t) => {
  t.same(parse('\ufeff{"a":1}'), { a: 1 });
  t.throws(() => parse('\ufeff\ufeff{"a":1}'), refused(/byte order mark/));
  t.end();
});

t.test('no bytes are no body', (t) => {
  t.equal(parse(''), undefined);
  t.throws(() => parse('  '), refused(/not JSON/));
  t.end();
});

t.test('a name twice in one object is refused at any depth and however it is escaped', (t) => {
  t.throws(() => parse('{"enabled":false,"enabled":true}'), refused(/"enabled" twice/));
  t.throws(() => parse('[{"x":[{"a":{"b":1},"c":[],"a":2}]}]'), refused(/"a" twice/));
  t.throws(() => parse('{"enabled":false,"\\u0065nabled" : true}'), refused(/"enabled" twice/));
  t.throws(() => parse('{"a\\\\":1,"a\\u005c":2}'), refused(/twice/));
  t.end();
});

t.test('names that reach a prototype are refused', (t) => {
  t.throws(() => parse('{"__proto__":{"x":1}}'), refused(/__proto__/));
  t.throws(() => parse('{"a":{"\\u005f_proto__":1}}'), refused(/__proto__/));
  t.throws(() => parse('{"constructor":{"prototype":{}}}'), refused(/constructor\.prototype/));
  t.throws(() => parse('{"\\u0063onstructor":{"prototype":{}}}'), refused(/constructor\.prototype/));
  t.end();
});

t.test('bytes and characters that no text may hold are refused', (t) => {
  t.throws(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22])), refused(/UTF-8/));
  t.throws(() => parse('{"a":"x\\u0000"}'), refused(/U\+0000/));
  t.throws(() => parse('{"a\\u0000":1}'), refused(/U\+0000/));
  t.throws(() => parse('["\\ud800"]'), refused(/surrogate/));
  t.throws(() => parse('{"\\udc00x":1}'), refused(/surrogate/));
  t.end();
});

t.test('nesting ends at 64 levels, and 30 000 of them are refused quickly', (t) => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  t.doesNotThrow(() => parse(nested(64)));
  t.throws(() => parse(nested(65)), refused(/64 levels/));
  t.throws(() => parse(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`), refused(/64 levels/));
  t.throws(() => parse(nested(30_000)), refused(/64 levels/));
  t.end();
});

t.test('what is not JSON is refused without repeating it', (t) => {
  for (const text of ['{"a":1,}', '{"a":NaN}', '{"a":1}//x', "{'a':1}", '{"secret"', '{"a":1} x', '"\u0001"']) {
    t.throws(() => parse(text), refused(/^The body is not JSON/), text);
  }
  t.throws(() => parse('{"a":1,"secret"}'), refused(/^(?!.*secret)/));
  t.end();
});

t.test('a body of 64 KiB costs no more per byte whatever it is made of', (t) => {
  const worst = [`"${'\\"'.repeat(32_000)}"`, `"${'\\\\'.repeat(32_000)}"`, `{"a"${' '.repeat(64_000)}:1}`];
  const names = Array.from({ length: 6_000 }, (_, index) => `"n${index}":1`);
  for (const text of [...worst, `{${names.join()}}`]) {
    const started = process.hrtime.bigint();
    t.same(parse(text), JSON.parse(text));
    t.ok(process.hrtime.bigint() - started < 500_000_000n, 'a quadratic scan would take seconds');
  }
  t.end();
});
