import t from 'tap';
import { type TSchema, Type } from 'typebox';
import { compileEnum, compileFolder, toPascalCaseJson } from '../../src/http/casing.js';

const Entity = Type.Object(
  { selfServeEntityType: Type.Enum(['customer']), tenantID: Type.String() },
  { $id: 'Entity' },
);
const Node = Type.Object(
  { name: Type.String(), children: Type.Array(Type.Unsafe({ $ref: 'Node#' })) },
  { $id: 'Node' },
);
const Policy = Type.Object({
  id: Type.Optional(Type.String()),
  selfServeEntity: Type.Unsafe({ $ref: 'Entity#' }),
  permissions: Type.Array(Type.Object({ resource: Type.Enum(['AzureReservedInstances']), action: Type.String() })),
  billingCycle: Type.Union([Type.Literal('monthly'), Type.Literal('one_time'), Type.Null()]),
  quantity: Type.Integer(),
  extra: Type.Unknown(),
});
const resolve = (name: string) => ({ 'Entity#': Entity, 'Node#': Node })[name];
const fold = (schema: TSchema, body: unknown, unknown: 'drop' | 'keep' = 'drop') =>
  compileFolder(schema, { unknown, resolve })(body);

t.test('a body as .NET sends it comes out in the spelling of the schema', (t) => {
  const sent = {
    Id: null,
    SelfServeEntity: { SelfServeEntityType: 'Customer', TenantID: 'T', Unknown: 1 },
    Permissions: [{ Resource: 'azureReservedInstances', ACTION: 'Purchase' }, null, 'x'],
    BillingCycle: 'OneTime',
    Attributes: { Etag: 'x' },
  };
  t.strictSame(fold(Policy, sent), {
    selfServeEntity: { selfServeEntityType: 'customer', tenantID: 'T' },
    permissions: [{ resource: 'AzureReservedInstances', action: 'Purchase' }, null, 'x'],
    billingCycle: 'one_time',
  });
  t.equal(sent.SelfServeEntity.TenantID, 'T', 'the body itself is not changed');
  t.end();
});

t.test('nothing is coerced and a wrong value is left to the validator', (t) => {
  const sent = { quantity: '5', billingCycle: 7, permissions: {}, selfServeEntity: 'x', extra: { A: null } };
  t.strictSame(fold(Policy, sent), sent);
  t.strictSame(fold(Policy, { billingCycle: 'weekly' }), { billingCycle: 'weekly' });
  for (const body of [[], 'x', 5, true, null, undefined]) t.strictSame(fold(Policy, body), body);
  t.end();
});

t.test('two members that are the same property are refused by name, even when one is null', (t) => {
  const refused = { errorName: 'InvalidInput', message: /"Id" and "id"/ };
  t.throws(() => fold(Policy, { Id: 'a', id: 'b' }), refused);
  t.throws(() => fold(Policy, { Id: null, id: 'b' }), refused);
  t.end();
});

t.test('unknown members are kept for the validator when the route refuses them', (t) => {
  const sent = JSON.parse('{"ID":"a","partnerId":"p","gone":null,"__proto__":{"x":1}}');
  const folded = fold(Policy, sent, 'keep');
  t.strictSame(Object.keys(folded as object), ['id', 'partnerId', 'gone', '__proto__']);
  t.equal(Object.getPrototypeOf(folded), Object.prototype);
  t.strictSame(fold(Policy, sent), { id: 'a' });
  t.end();
});

t.test('a schema that refers to itself is folded all the way down', (t) => {
  const folder = compileFolder({ $ref: 'Node#' }, { unknown: 'drop', resolve });
  t.strictSame(folder({ Name: 'a', Children: [{ NAME: 'b', children: [{ Name: 'c', X: 1 }] }] }), {
    name: 'a',
    children: [{ name: 'b', children: [{ name: 'c' }] }],
  });
  t.end();
});

t.test('a schema that cannot be folded stops the start', (t) => {
  t.throws(() => fold(Type.Unsafe({ $ref: 'None#' }), {}), /None#/);
  t.throws(() => fold(Type.Union([Type.Object({}), Type.Object({})]), {}), /anyOf/);
  t.throws(() => fold(Type.Intersect([Type.Object({}), Type.Object({})]), {}), /allOf/);
  t.end();
});

t.test('an enum value is found in any spelling, and the exact one wins', (t) => {
  const read = compileEnum(['one_time', 'not_registered', 'notregistered', 'NotRegistered']);
  t.equal(read('OneTime'), 'one_time');
  t.equal(read('ONE_TIME'), 'one_time');
  t.equal(read('notregistered'), 'notregistered');
  t.equal(read('NotRegistered'), 'NotRegistered');
  t.equal(read('NOTREGISTERED'), 'not_registered');
  t.equal(read('constructor'), undefined);
  t.end();
});

t.test('a value of the audit log is PascalCase JSON with nulls', (t) => {
  const value = {
    id: null,
    tenantID: 'x',
    permissions: [{ resource: 'a' }, null],
    attributes: { etag: '"1"' },
    at: new Date(0),
  };
  t.equal(
    toPascalCaseJson(value),
    '{"Id":null,"TenantID":"x","Permissions":[{"Resource":"a"},null],"Attributes":{"Etag":"\\"1\\""},"At":"1970-01-01T00:00:00.000Z"}',
  );
  const odd = JSON.parse(
    '{"__proto__":{"toString":1},"":"","a\\"b":"\\u2028\\ud800","ünder":[[],{},[{"x":[true]}]],"n":-0.5e-7}',
  );
  t.equal(
    toPascalCaseJson({ ...odd, gone: undefined, list: [undefined, 'x'] }),
    JSON.stringify({ ...odd, list: [null, 'x'] })
      .replace('"__proto__":{"toString"', '"__proto__":{"ToString"')
      .replace('"a\\"b"', '"A\\"b"')
      .replace('"ünder"', '"Ünder"')
      .replace('"x":[true]', '"X":[true]')
      .replace('"n"', '"N"')
      .replace('"list"', '"List"'),
    'as JSON.stringify writes it',
  );
  t.end();
});
