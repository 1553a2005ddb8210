import t from 'tap';
import { parseArmFilter } from '../../src/http/arm-filter.js';
import { acceptFilter, type FilterFields, parseFilter } from '../../src/http/filter.js';

const fields: FilterFields = new Map([
  ['CompanyName', { operators: ['starts_with', 'substring'] }],
  ['CustomerId', { operators: ['equals'] }],
]);
const parse = (filter: unknown) => parseFilter(typeof filter === 'string' ? filter : JSON.stringify(filter), fields);
const refused = (message: RegExp) => ({ errorName: 'InvalidInput', status: 400, message });

t.test('the .NET and the Java spelling give the same filter, operators in each of their forms', (t) => {
  const expected = { field: 'CompanyName', operator: 'starts_with', value: "' OR 1=1 --" };
  for (const Operator of ['starts_with', 'StartsWith', 'startswith', 9, '9']) {
    t.strictSame(parse({ Field: 'CompanyName', Value: expected.value, Operator }), expected);
  }
  t.strictSame(
    parse({ operator: 'StartsWith', fieldType: 'String', field: 'companyname', value: expected.value }),
    expected,
  );
  t.strictSame(acceptFilter({ field: 'customerID', operator: '0', value: 'x' }, fields), {
    field: 'CustomerId',
    operator: 'equals',
    value: 'x',
  });
  t.end();
});

t.test('a field or operator that is not offered is refused with those that are', (t) => {
  for (const Field of ['__proto__', 'constructor', 'toString', 'partnerId', '1=1', 5, null, ['CompanyName']]) {
    t.throws(
      () => parse({ Field, Value: 'x', Operator: 'equals' }),
      refused(/Allowed: CompanyName, CustomerId\.$/),
      String(Field),
    );
  }
  for (const Operator of ['or', 'and', 'starts_with', 'constructor', 9, 11, -1, 0.5, '11', null, {}]) {
    t.throws(
      () => parse({ Field: 'CustomerId', Value: 'x', Operator }),
      refused(/Allowed for CustomerId: equals\.$/),
      String(Operator),
    );
  }
  t.throws(() => parse({ Value: 'x', Operator: 'equals' }), refused(/no Field/));
  t.throws(() => parse({ Field: 'CustomerId', Value: 'x' }), refused(/no Operator/));
  for (const Value of [undefined, null, 5, {}])
    t.throws(() => parse({ Field: 'CustomerId', Operator: 0, Value }), refused(/Value/));
  t.end();
});

t.test('what is not one small condition is refused', (t) => {
  const one = '{"Field":"CustomerId","Value":"x","Operator":"equals"}';
  for (const text of ['', 'x', '[]', 'null', '"x"', `[${one}]`, one.slice(1), `${one}}`])
    t.throws(() => parse(text), refused(/filter/), text);
  t.throws(
    () => parse(`{"LeftFilter":${one},"Operator":"and","RightFilter":${one}}`),
    refused(/"LeftFilter" is not known/),
  );
  t.throws(
    () => parse('{"Field":"CustomerId","Field":"CompanyName"}'),
    refused(/filter has the property "Field" twice/),
  );
  t.throws(
    () => parse('{"Field":"CustomerId","field":"CompanyName"}'),
    refused(/filter has the property "field" twice/),
  );
  t.throws(() => parse('{"__proto__":1}'), refused(/__proto__/));
  t.throws(() => parse('{"Field":"CustomerId","Value":"\\u0000","Operator":"equals"}'), refused(/U\+0000/));
  const filled = (length: number) => ({ Field: 'CustomerId', Operator: 'equals', Value: 'é'.repeat(length) });
  t.doesNotThrow(() => parse(filled(480)));
  t.throws(() => parse(filled(490)), refused(/1024 bytes/));
  t.end();
});

const id = '0431a72c-7d8a-4393-b25e-ef63f5efb415';

t.test('an ARM filter is read in any case, spacing and order', (t) => {
  t.strictSame(parseArmFilter('atScope()'), { atScope: true });
  t.strictSame(parseArmFilter(`principalId eq '${id}'`), { atScope: false, principalId: id });
  t.strictSame(parseArmFilter(` ATSCOPE ( )  AND  assignedto( '${id.toUpperCase()}' ) `), {
    atScope: true,
    assignedTo: id,
  });
  t.strictSame(parseArmFilter(`assignedTo('${id}')and atScope()`), { atScope: true, assignedTo: id });
  t.strictSame(parseArmFilter(`atScope() and principalid EQ'${id}' and assignedTo('${id}')`), {
    atScope: true,
    principalId: id,
    assignedTo: id,
  });
  t.end();
});

t.test('any other ARM filter is refused with the three that are supported', (t) => {
  const texts = [
    '',
    ' ',
    'atScope',
    'asTarget()',
    'atScope() or atScope()',
    'atScope() and',
    'and atScope()',
    'atScope() and atScope()',
  ];
  texts.push(
    `principalId ne '${id}'`,
    `principalId eq ${id}`,
    "principalId eq 'x'",
    `assignedTo('${id}'')`,
    `assignedTo('${id}\0')`,
  );
  texts.push(`principalId eq '${id}' and principalId eq '${id}'`, `assignedTo('${id}') and assignedTo('${id}')`);
  texts.push(`atScope()atScope()`, `roleDefinitionId eq '${id}'`, `${' '.repeat(1_020)}atScope()`);
  for (const text of texts) {
    const named = {
      errorName: 'InvalidInput',
      armCode: 'InvalidFilter',
      message: /atScope\(\).*principalId eq.*assignedTo/,
    };
    t.throws(() => parseArmFilter(text), named, text);
  }
  t.end();
});
