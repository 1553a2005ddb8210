import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { insertPurchase } from '../helpers/purchases.js';
import { OWNER_ROLE, startService } from '../helpers/service.js';
import { acceptAgreement, newItem, register } from '../nouns/orders/buy.js';
import { documentOf, type Operation, undocumented } from './wire.js';

/** About 4 s; 100 000 by hand before a release: `FUZZ_RUNS=100000 node dist/test/contract/fuzz.test.js`. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 3000);

const service = await startService(t, { sandbox: 'true' });
const made = await service.newCustomer();
/** For what ends a customer: the others are to be there for the rest of the run. */
const passing = await service.newCustomer();
const foreign = await service.newCustomer({ partnerId: 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11' });
await acceptAgreement(service, made);
await register(service, made);
const item = await newItem(service);
const lineItems = [
  { offerId: item, catalogItemId: item, quantity: 1, provisioningContext: { subscriptionId: made.subscriptionId } },
];
const bought = await service.request('POST', `/v1/customers/${made.customerId}/orders`, { body: { lineItems } });
const cart = await service.request('POST', `/v1/customers/${made.customerId}/carts`, { body: { lineItems } });
const purchase = await insertPurchase(service.db, made, { total: 100_000, quantity: 1000 });
const document = documentOf(service);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

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
const ids = [
  made.customerId,
  made.customerId.toUpperCase(),
  made.subscriptionId,
  made.azureSubscriptionId,
  made.ownerId,
  made.roleAssignmentId,
  foreign.customerId,
  foreign.azureSubscriptionId,
  made.partnerId,
  `${made.partnerId}_${made.customerId}`,
  '00000000-0000-0000-0000-000000000000',
];
const NASTY_VALUES = [null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], [null], { a: { a: {} } }];

const text = fc.oneof(fc.constantFrom(...NASTY_TEXTS), fc.constantFrom(...ids), fc.string({ unit: 'grapheme' }));
const likely: Readonly<Record<string, readonly string[]>> = {
  customer: [made.customerId],
  subscription: [made.subscriptionId],
  entitlement: [made.azureSubscriptionId],
  order: [bought.body.id],
  cart: [cart.body.id],
  line: ['0'],
  subscriptionId: [made.azureSubscriptionId],
  user: [made.ownerId],
  resource: ['AzureReservedInstances', 'azuresavingsplan', bought.body.lineItems[0].reservationOrderId],
  id: [`${made.partnerId}_${made.customerId}`],
  roleAssignmentName: [made.roleAssignmentId, randomUUID()],
  reservationOrderId: [purchase.reservationOrderId],
  reservationId: [purchase.reservationId],
  operationId: [purchase.reservationOrderId],
  'api-version': ['2022-04-01'],
  size: ['1', '500'],
  seekOperation: ['First'],
  'MS-ContinuationToken': [''],
  filter: ['{"Field":"CompanyName","Value":"cust","Operator":"starts_with"}'],
  startDate: [new Date().toISOString().slice(0, 10)],
  endDate: [new Date().toISOString()],
  $filter: [
    'atScope()',
    'properties/archived eq false',
    `principalId eq '${made.ownerId}'`,
    `assignedTo('${made.ownerId}')`,
  ],
  tenantId: [made.customerId],
  managementGroup: [made.customerId],
  roleDefinitionId: [OWNER_ROLE],
  resourceGroup: ['rg'],
  namespace: ['Microsoft.Compute'],
  resourceType: ['virtualMachines'],
  childType: ['extensions'],
  resourceName: ['one'],
  childName: ['two'],
  customerId: [made.customerId],
  entity_id: [made.customerId],
  domain: ['fresh.onmicrosoft.com'],
  state: ['on', 'off'],
  effective: ['true', 'false'],
  from: ['2026-01-01'],
  sortField: ['displayName', 'DisplayName'],
  sortDirection: ['Ascending', 'descending'],
};

function textFor(name: string) {
  const good = likely[name];
  return good ? fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: text }) : text;
}

function rarely<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 14, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });
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

type JsonSchema = {
  examples?: unknown[];
  $ref?: string;
  type?: string;
  enum?: string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

/** Bodies of the right form with wrong values in some places. */
function bodyOf(schema: JsonSchema, depth = 6): fc.Arbitrary<unknown> {
  const wrong = fc.oneof(fc.constantFrom<unknown>(...NASTY_VALUES), text);
  const mostly = (right: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong });
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

function requestTo({ path, method, operation }: { path: string; method: string; operation: Operation }) {
  const parameters = operation.parameters ?? [];
  const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
  const inQuery = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
  const endsCustomer = path === '/v1/customers/{customer}' && method !== 'GET';
  const schema = operation.requestBody?.content['application/json']?.schema;
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
      token: fc.constantFrom('admin', 'admin', 'admin', 'sales', 'appOnly', 'fabrikamAdmin'),
    })
    .map((sent) => {
      const filled = path.replace(/\{([^}]+)\}/g, (_all, name: string) =>
        // A segment of dots is resolved away before it is sent.
        encodeURIComponent(wellFormed(sent.path[name] ?? '').replace(/^\.{1,2}$/, '...')),
      );
      const query = Object.entries(sent.query).map(
        ([name, value]) => `${name}=${encodeURIComponent(wellFormed(value ?? ''))}`,
      );
      if (sent.extra !== null) query.push(`${encodeURIComponent(wellFormed(sent.extra))}=1`);
      const url = query.length === 0 ? filled : `${filled}?${query.join('&')}`;
      return { method, url, body: sent.body ?? undefined, ifMatch: sent.ifMatch, token: sent.token };
    });
}

const wellFormed = (value: string) => value.replace(/\p{Surrogate}/gu, '?');
const LEAKS = /node_modules|\.js:\d|\bselect .+ from |\binsert into |violates|syntax error|cp_app|password=/i;

t.test(
  `G15: of ${RUNS} generated requests none is answered with a 5xx, an undocumented status or another body`,
  { timeout: RUNS * 10 + 30_000 },
  async (t) => {
    const request = fc.constantFrom(...operations).chain(requestTo);
    const counts: Record<number, number> = {};
    await fc.assert(
      fc.asyncProperty(request, async ({ method, url, body, ifMatch, token }) => {
        const { statusCode, headers, payload } = await service.app.inject({
          method: method as 'GET',
          url,
          headers: {
            authorization: `Bearer ${service.tokens[token as 'admin']}`,
            ...(ifMatch !== null && { 'if-match': ifMatch }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
          ...(body !== undefined && { payload: JSON.stringify(body) }),
        });
        counts[statusCode] = (counts[statusCode] ?? 0) + 1;
        const json = payload !== '' && String(headers['content-type']).startsWith('application/json');
        const fault = undocumented(service, method, url, {
          status: statusCode,
          body: json ? JSON.parse(payload) : undefined,
        });
        if (fault) throw new Error(fault);
        if (statusCode >= 500) throw new Error(`${statusCode} ${payload}`);
        if (!headers['ms-requestid'] || !headers['ms-correlationid']) throw new Error('an id is missing');
        if (statusCode >= 400 && LEAKS.test(payload)) throw new Error(`the inside shows: ${payload}`);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    t.comment(JSON.stringify(counts));
    const successes = Object.entries(counts).filter(([status]) => Number(status) < 300);
    t.ok(
      successes.reduce((sum, [, count]) => sum + count, 0) > RUNS / 20,
      'enough of the requests get through to the data',
    );
  },
);
