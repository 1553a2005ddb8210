import fc from 'fast-check';
import t from 'tap';
import { ElementSplitter } from '../../src/import/element-splitter.js';

function split(text: string, chunkSize = Number.POSITIVE_INFINITY) {
  const splitter = new ElementSplitter();
  const bytes = Buffer.from(text);
  const elements = [];
  for (let from = 0; from < bytes.length; from += chunkSize) {
    elements.push(...splitter.push(bytes.subarray(from, Math.min(bytes.length, from + chunkSize))));
  }
  const { resource, envelope } = splitter.end();
  return { found: resource ? [resource] : elements, envelope: JSON.parse(envelope.toString()) };
}

t.test('an array, a collection and one resource are cut into their resources, wherever chunks end', async (t) => {
  const forms: [(rows: unknown[]) => unknown, string][] = [
    [(rows) => rows, ''],
    [(rows) => ({ totalCount: rows.length, items: rows, attributes: { objectType: 'Collection' } }), '/items'],
    [(rows) => ({ '@odata.context': 'x', value: rows, nextLink: '}],"' }), '/value'],
  ];
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...forms),
      fc.constantFrom(undefined, 2),
      (rows, chunkSize, [form, pointer], indent) => {
        const expected = JSON.parse(JSON.stringify(rows));
        const { found } = split(JSON.stringify(form(rows), null, indent), chunkSize);
        t.strictSame(
          found.map(({ bytes }) => JSON.parse(bytes.toString())),
          expected,
        );
        t.strictSame(
          found.map((element) => element.pointer),
          expected.map((_row: unknown, index: number) => `${pointer}/${index}`),
        );
      },
    ),
    { numRuns: 60 },
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.integer({ min: 1, max: 9 }), (resource, chunkSize) => {
      const { items: _items, value: _value, ...rest } = { ...resource, id: 1 } as Record<string, unknown>;
      const { found } = split(JSON.stringify(rest), chunkSize);
      t.strictSame(
        found.map(({ bytes }) => JSON.parse(bytes.toString())),
        [JSON.parse(JSON.stringify(rest))],
      );
    }),
    { numRuns: 60 },
  );
});

t.test('what stands around a collection is kept apart from its resources', async (t) => {
  const { found, envelope } = split('{"a":1,"items":[{"x":1}],"links":{"next":{"uri":"y"}}}');
  t.equal(found.length, 1);
  t.same(envelope, { a: 1, links: { next: { uri: 'y' } } });
});

t.test('a file that is not JSON between its resources is refused, with the place', async (t) => {
  for (const [text, message] of [
    ['', /empty/],
    ['[{"a":1}', /ends in the middle/],
    ['[{"a":1} {"b":2}]', /unexpected "\{" after resource 1/],
    ['[{"a":1},]', /unexpected "\]"/],
    ['{"items":[1],}', /unexpected "\}"/],
    ['[1] 2', /unexpected "2"/],
    ['id;name', /unexpected "i" at its start/],
    ['{"a" 1}', /unexpected "1"/],
  ] as const) {
    t.throws(() => split(text), { name: 'Error', message }, text);
  }
});
