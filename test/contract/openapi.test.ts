import t from 'tap';
import { openapiDocument } from '../../src/openapi-document.js';
import { startService } from '../helpers/service.js';
import { faultsOf } from './wire.js';

interface Operation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  security?: object[];
  requestBody?: object;
  responses: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>;
}
interface Document {
  openapi: string;
  info: { version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: object };
  security: object[];
}

const document = (await openapiDocument()) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, name: `${method} ${path}`, operation })),
);
const { schemas } = document.components;

t.test('the document is OpenAPI 3.1 and every operation has an id of its own, a tag, a summary and errors', (t) => {
  t.match(document.openapi, /^3\.1/);
  const ids = operations.map(({ operation }) => operation.operationId);
  t.same(
    ids.filter((id, index) => id === undefined || ids.indexOf(id) !== index),
    [],
    'operation ids are there and unique',
  );
  const tags = document.tags.map(({ name }) => name);
  for (const { name, operation, path, method } of operations) {
    t.match(operation.operationId, /^[a-z][A-Za-z0-9]+$/, name);
    t.ok(operation.tags?.length === 1 && operation.tags.every((tag) => tags.includes(tag)), `${name} has a listed tag`);
    t.match(operation.summary, /^[A-Z].{5,}[^.]$/, `${name} has a summary`);
    for (const [status, response] of Object.entries(operation.responses)) {
      t.ok(response.description, `${name} ${status} is described`);
    }
    if (['/livez', '/readyz', '/webhooks/v1/certificates/{partner}/{key}'].includes(path)) {
      t.same(operation.security, [], `${name} is public`);
      continue;
    }
    t.same(operation.security ?? document.security, [{ bearer: [] }], `${name} wants a token`);
    const statuses = Object.keys(operation.responses);
    const common = ['400', '401', '403', '404', '406', '408', '414', '417', '429', '431', '500', '503'];
    const ofWrites = method === 'get' || method === 'head' ? [] : ['409', '413', '415'];
    t.same(
      [...common, ...ofWrites].filter((status) => !statuses.includes(status)),
      [],
      `${name} lists every refusal`,
    );
    t.ok(
      statuses.some((status) => status.startsWith('2')),
      `${name} lists a success`,
    );
  }
  t.end();
});

t.test('bodies and answers are named components, and every reference leads to one', (t) => {
  t.notOk(
    Object.keys(schemas).some((name) => /^def-/.test(name)),
    'no component without a name',
  );
  for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
    t.ok(schemas[name?.replace('#/components/schemas/', '') ?? ''], `${name}`);
  }
  for (const { name, operation } of operations) {
    const bodies = [operation.requestBody, ...Object.values(operation.responses)];
    for (const body of bodies as { content?: Record<string, { schema?: { $ref?: string } }> }[]) {
      for (const [type, { schema }] of Object.entries(body?.content ?? {})) {
        if (type === 'application/json') t.type(schema?.$ref, 'string', `${name}: a named body`);
      }
    }
  }
  t.end();
});

/** Every schema of the document with an example, wherever it is. */
function* withExamples(part: unknown, where: string): Generator<{ where: string; schema: object; example: unknown }> {
  if (typeof part !== 'object' || part === null) return;
  const { examples, example } = part as { examples?: unknown; example?: unknown };
  const isSchema = 'type' in part || '$ref' in part || 'properties' in part || 'enum' in part || 'anyOf' in part;
  const found = [...(Array.isArray(examples) ? examples : []), ...(example === undefined ? [] : [example])];
  for (const one of isSchema ? found : []) yield { where, schema: part, example: one };
  for (const [name, content] of Object.entries(part)) {
    if (name !== 'examples' && name !== 'example') yield* withExamples(content, `${where}/${name}`);
  }
}

t.test('every example is valid by its schema', (t) => {
  let seen = 0;
  for (const { where, schema, example } of withExamples(document, '')) {
    seen += 1;
    t.same(faultsOf(schemas, schema, example), [], where);
  }
  t.ok(seen > 10, `${seen} examples`);
  t.ok(faultsOf(schemas, schemas.PurchasePermissionUpdate ?? {}, { state: 1 }).length > 0, 'the check can fail');
  t.end();
});

t.test('the document that the service answers is the same, with the issuer of development beside it', async (t) => {
  const service = await startService(t);
  let answer = await service.request('GET', '/docs/json', { token: null });
  // The tests above may have held the process long enough for it to refuse as overloaded.
  for (let again = 0; answer.status === 503 && again < 20; again++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    answer = await service.request('GET', '/docs/json', { token: null });
  }
  const { status, body } = answer;
  t.equal(status, 200);
  const served = body as Document;
  for (const [path, methods] of Object.entries(document.paths)) t.same(served.paths[path], methods, path);
  for (const [path, methods] of Object.entries(served.paths)) {
    if (document.paths[path]) continue;
    for (const operation of Object.values(methods)) t.same(operation.tags, ['Identity'], path);
  }
  const page = await service.request('GET', '/docs', { token: null, headers: { accept: 'text/html' } });
  t.equal(page.status, 200);
  t.match(page.headers.get('content-type'), /text\/html/);
  t.equal(page.headers.get('x-frame-options'), 'SAMEORIGIN', 'a page has the headers that pages need');
  t.match(page.headers.get('content-security-policy'), /default-src 'self'/);
  const api = await service.request('GET', '/v1/customers');
  t.equal(api.headers.get('x-frame-options'), null);
  t.equal(api.headers.get('x-content-type-options'), 'nosniff');
});
