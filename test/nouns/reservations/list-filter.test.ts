import t from 'tap';
import { parseListFilter, parseListOrder } from '../../../src/nouns/reservations/list-filter.js';

t.test('comparisons are joined by and before or, parentheses first, names in any letter case', (t) => {
  const archived = { property: 'properties/archived', comparison: 'eq', value: 'false' };
  const many = { property: 'properties/quantity', comparison: 'gt', value: '3' };
  const named = { property: 'properties/displayName', comparison: 'ne', value: "Olga's" };
  t.same(parseListFilter('(properties/archived eq false)'), archived);
  t.same(
    parseListFilter("PROPERTIES/ARCHIVED EQ FALSE and properties/quantity gt 3 or properties/displayname ne 'Olga''s'"),
    {
      any: [{ all: [archived, many] }, named],
    },
  );
  t.same(
    parseListFilter(
      "properties/archived eq false and (properties/quantity gt 3 or properties/displayName ne 'Olga''s')",
    ),
    {
      all: [archived, { any: [many, named] }],
    },
  );
  t.match(parseListFilter('properties/expiryDateTime le 2027-09-22T02:00:00+02:00'), {
    value: '2027-09-22T00:00:00.000Z',
  });
  t.match(parseListFilter("properties/effectiveDateTime ge '2027-09-22'"), { value: '2027-09-22T00:00:00Z' });
  t.match(parseListFilter("properties/expiryDate eq '2027-09-22'"), { value: '2027-09-22' });
  t.match(parseListFilter("sku/name eq ' or '"), { property: 'sku/name', value: ' or ' });
  t.end();
});

t.test('what cannot be is refused and named', (t) => {
  const refused: readonly [string, RegExp][] = [
    ['', /has to be comparisons/],
    ['   ', /has to be comparisons/],
    ["properties/cost eq '1'", /does not know "properties\/cost"\. Known: sku\/name/],
    ["__proto__ eq '1'", /does not know/],
    ["constructor eq '1'", /does not know/],
    ['properties/archived gt false', /cannot use "gt" on properties\/archived\. Possible: eq, ne/],
    ['properties/archived', /cannot use ""/],
    ['properties/archived eq', /true or false/],
    ["properties/archived eq 'true'", /true or false/],
    ['properties/displayName eq web', /in single quotes/],
    ["properties/displayName eq 'web", /Close every quote/],
    ["startswith(properties/displayName, 'w')", /does not know "startswith"/],
    ['not properties/archived eq true', /does not know "not"/],
    ["properties/quantity eq '1'", /integer/],
    ['properties/quantity eq 1e400', /integer/],
    ['properties/quantity eq 99999999999999999999', /integer/],
    ['properties/expiryDate eq 2027-02-30', /a date/],
    ['properties/expiryDate eq 0000-01-01', /a date/],
    ['properties/expiryDateTime eq 2027-02-30T00:00:00Z', /a time/],
    ['properties/expiryDateTime eq 2027-02-03T25:00:00Z', /a time/],
    ['properties/expiryDateTime eq 2027-02-03T00:00:00', /a time/],
    ['(properties/archived eq false', /not closed/],
    ['properties/archived eq false)', /goes on after its end/],
    ['properties/archived eq false properties/renew eq true', /goes on after its end/],
    ['properties/archived eq false and', /has to be comparisons/],
    [`${'('.repeat(17)}properties/archived eq false${')'.repeat(17)}`, /more than 16 parentheses/],
    [`properties/displayName eq '${'x'.repeat(2048)}'`, /longer than 2048/],
  ];
  for (const [text, message] of refused) {
    t.throws(() => parseListFilter(text), { errorName: 'InvalidInput', armCode: 'InvalidFilter', message }, text);
  }
  t.end();
});

t.test('$orderby is one listed property', (t) => {
  t.same(parseListOrder('Properties/displayname'), { property: 'properties/displayName', descending: false });
  t.same(parseListOrder(' sku/name  DESC '), { property: 'sku/name', descending: true });
  for (const text of ['', 'name', 'sku/name down', 'sku/name asc, properties/term', 'sku/name asc asc']) {
    t.throws(() => parseListOrder(text), { armCode: 'InvalidFilter', message: /orderby/ }, text);
  }
  t.end();
});
