import fc from 'fast-check';
import type { FuzzWorld, Sender } from './fuzz-world.js';
import type { Document, Operation } from './wire.js';

/** A request as it is sent; `target` is a path with its query. */
export interface GeneratedRequest {
  method: string;
  target: string;
  /** JSON text. */
  body: string | undefined;
  ifMatch: string | undefined;
  sender: Sender;
}

/** The requests to one operation. */
export interface RequestSource {
  name: string;
  requests: fc.Arbitrary<GeneratedRequest>;
}

const NASTY_TEXTS = [
  '',
  ' ',
  '\0',
  '%00',
  "' OR 1=1 --",
  '%',
  '_',
  '\\',
  '__proto__',
  'constructor',
  '../..',
  '{}',
  '[]',
  'null',
  '-1',
  '0',
  '1e2',
  '99999999999999999999',
  '2023-02-30',
  '0000-01-01',
  '9999-12-31T23:59:59.9999999Z',
  '<script>',
  '\u202e\ufeff',
  'İ'.repeat(40),
  '\ud83d\ude00'.repeat(20),
  'x'.repeat(300),
  '{"Field":"CompanyName","Value":"a","Operator":"starts_with"}',
  '{"Field":"__proto__","Value":{"a":1},"Operator":"or"}',
  'atScope()',
  "principalId eq '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'",
];
const NASTY_VALUES = [null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], [null], { a: { a: {} } }];
const ARM_PATH = /^\/(subscriptions|providers)\//;

type JsonSchema = {
  examples?: unknown[];
  $ref?: string;
  type?: string;
  enum?: string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

const wellFormed = (value: string) => value.replace(/\p{Surrogate}/gu, '?');

function rarely<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 14, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

/** Requests to each operation of the document: mostly right, with wrong values in some places. */
export function requestSources(document: Document, world: FuzzWorld): RequestSource[] {
  const { made, passing, item, ids, likely } = world;
  const text = fc.oneof(fc.constantFrom(...NASTY_TEXTS), fc.constantFrom(...ids), fc.string({ unit: 'grapheme' }));
  const wrong = fc.oneof(fc.constantFrom<unknown>(...NASTY_VALUES), text);
  const mostly = (right: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 30, arbitrary: right }, { weight: 1, arbitrary: wrong });

  function textFor(name: string): fc.Arbitrary<string> {
    const good = likely[name];
    return good ? fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: text }) : text;
  }

  /** A documented example, with the ids that exist here. */
  function withOwnIds(example: unknown): unknown {
    return JSON.parse(
      JSON.stringify(example)
        .replaceAll('0431a72c-7d8a-4393-b25e-ef63f5efb415', made.customerId)
        .replaceAll('DZH318Z0BPS6:0001:DZH318Z0BML6', item)
        .replaceAll(/"etag":"[^}]*?",/g, ''),
    );
  }

  /** Bodies of the right form with wrong values in some places. */
  function bodyOf(schema: JsonSchema, depth = 6): fc.Arbitrary<unknown> {
    if (depth === 0) return wrong;
    const { examples, ...form } = schema;
    if (examples?.length) return fc.oneof(fc.constantFrom(...examples.map(withOwnIds)), bodyOf(form, depth));
    if (schema.$ref) return bodyOf(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, depth - 1);
    if (schema.anyOf) return fc.oneof(...schema.anyOf.map((branch) => bodyOf(branch, depth - 1)));
    if (schema.enum) return mostly(fc.constantFrom<unknown>(...schema.enum));
    if (schema.properties) {
      const members = Object.entries(schema.properties).map(([name, part]) => [name, bodyOf(part, depth - 1)]);
      return mostly(
        fc
          .tuple(
            fc.record(Object.fromEntries(members)),
            fc.subarray(Object.keys(schema.properties), { maxLength: Math.min(1, members.length) }),
          )
          .map(([whole, [absent]]) => Object.fromEntries(Object.entries(whole).filter(([name]) => name !== absent))),
      );
    }
    if (schema.items) return mostly(fc.array(bodyOf(schema.items, depth - 1), { maxLength: 4 }));
    if (schema.type === 'integer' || schema.type === 'number') return mostly(fc.integer());
    if (schema.type === 'boolean') return mostly(fc.boolean());
    return mostly(fc.oneof(fc.constantFrom(...ids), fc.emailAddress(), fc.constant('US'), text));
  }

  function requestsTo(path: string, method: string, operation: Operation): fc.Arbitrary<GeneratedRequest> {
    const parameters = operation.parameters ?? [];
    const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
    const inQuery = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
    const endsCustomer = path === '/v1/customers/{customer}' && method !== 'GET';
    const schema = operation.requestBody?.content['application/json']?.schema;
    const senders: Sender[] = ARM_PATH.test(path) ? ['owner', 'owner', 'owner', 'admin'] : ['admin', 'admin', 'admin'];
    return fc
      .record({
        path: fc.record(
          Object.fromEntries(
            inPath.map((name) => [name, endsCustomer ? fc.constant(passing.customerId) : textFor(name)]),
          ),
        ),
        query: fc.record(Object.fromEntries(inQuery.map((name) => [name, textFor(name)])), {
          requiredKeys: inQuery.includes('api-version') ? ['api-version'] : [],
        }),
        extra: rarely(text),
        body: schema ? bodyOf(schema) : rarely(fc.constantFrom<unknown>({}, [], 'x')),
        ifMatch: rarely(fc.constantFrom('"0"', '"1"', '*', 'W/"1"', 'x', '')),
        sender: fc.constantFrom<Sender>(...senders, ...senders, ...senders, 'sales', 'appOnly', 'fabrikamAdmin'),
      })
      .map((sent) => {
        const filled = path.replace(/\{([^}]+)\}/g, (_all, name: string) =>
          // A client resolves a segment of dots away before it is sent.
          encodeURIComponent(wellFormed(sent.path[name] ?? '').replace(/^\.{1,2}$/, '...')),
        );
        const query = Object.entries(sent.query).map(
          ([name, value]) => `${name}=${encodeURIComponent(wellFormed(value ?? ''))}`,
        );
        if (sent.extra !== undefined) query.push(`${encodeURIComponent(wellFormed(sent.extra))}=1`);
        return {
          method,
          target: query.length === 0 ? filled : `${filled}?${query.join('&')}`,
          body: sent.body === undefined ? undefined : JSON.stringify(sent.body),
          ifMatch: sent.ifMatch,
          sender: sent.sender,
        };
      });
  }

  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      requests: requestsTo(path, method.toUpperCase(), operation),
    })),
  );
}

const LEAKS = /node_modules|\.js:\d|\bselect .+ from |\binsert into |violates|syntax error|cp_app|password=/i;

/** What the ids of an answer and its text must be; undefined when they are. */
export function outwardFault(status: number, hasBothIds: boolean, text: string): string | undefined {
  if (!hasBothIds) return 'an id is missing';
  return status >= 400 && LEAKS.test(text) ? `the inside shows: ${text}` : undefined;
}
