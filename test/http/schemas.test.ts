import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import t from 'tap';
import { Type } from 'typebox';
import {
  Attributes,
  Country,
  collection,
  ErrorBody,
  IsoDateTime,
  lowerCaseUuid,
  ref,
  sharedSchemas,
  textEnum,
  Uuid,
} from '../../src/http/schemas.js';

const Thing = Type.Object(
  {
    id: Uuid,
    kind: textEnum(['one_time', 'monthly']),
    country: Country,
    madeOn: IsoDateTime,
    attributes: Attributes('Thing'),
  },
  { $id: 'Thing' },
);
const Things = collection('ThingCollection', Thing);
const id = '0431a72c-7d8a-4393-b25e-ef63f5efb415';

async function buildApp() {
  const app = Fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'test', version: '1' } },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json.$id === 'string' ? json.$id : `def-${index}`,
    },
  });
  for (const schema of [...sharedSchemas, Thing, Things]) app.addSchema(schema);
  const thing = {
    id,
    kind: 'one_time',
    country: 'US',
    madeOn: '2026-01-05T00:00:00.0000000Z',
    attributes: { objectType: 'Thing' },
  } as const;
  app.get('/things', { schema: { response: { 200: ref(Things), 404: ref(ErrorBody) } } }, async () => ({
    totalCount: 1,
    items: [thing],
    links: { self: { uri: '/things', method: 'GET', headers: [] } },
    attributes: { objectType: 'Collection' as const },
  }));
  app.post('/things', { schema: { body: ref(Thing), response: { 200: ref(Thing) } } }, async (request) => {
    const country: string = request.body.country;
    return { ...request.body, country };
  });
  await app.ready();
  return { app, thing };
}

t.test('referred schemas validate, serialise and come out as named components', async (t) => {
  const { app, thing } = await buildApp();
  t.teardown(() => app.close());

  t.same((await app.inject('/things')).json(), {
    totalCount: 1,
    items: [thing],
    links: { self: { uri: '/things', method: 'GET', headers: [] } },
    attributes: { objectType: 'Collection' },
  });
  t.same((await app.inject({ method: 'POST', url: '/things', payload: thing })).json(), thing);
  for (const wrong of [
    { id: `urn:uuid:${id}` },
    { id: `${id}\n` },
    { id: `{${id}}` },
    { kind: 'OneTime' },
    { country: 'USA' },
    { attributes: { objectType: 'X' } },
  ]) {
    t.equal((await app.inject({ method: 'POST', url: '/things', payload: { ...thing, ...wrong } })).statusCode, 400);
  }

  const document = JSON.parse(JSON.stringify(app.swagger()));
  t.strictSame(Object.keys(document.components.schemas).sort(), [
    'ArmError',
    'Error',
    'Link',
    'Links',
    'PartnerDecision',
    'Thing',
    'ThingCollection',
    'Throttled',
  ]);
  const [list, make] = [document.paths['/things'].get, document.paths['/things'].post];
  t.strictSame(list.responses[200].content['application/json'].schema, {
    $ref: '#/components/schemas/ThingCollection',
  });
  t.strictSame(list.responses[404].content['application/json'].schema, { $ref: '#/components/schemas/Error' });
  t.strictSame(make.requestBody.content['application/json'].schema, { $ref: '#/components/schemas/Thing' });
  t.strictSame(document.components.schemas.ThingCollection.properties.items.items, {
    $ref: '#/components/schemas/Thing',
  });
  t.strictSame(document.components.schemas.Links.properties.next, { $ref: '#/components/schemas/Link' });
});

t.test('a schema without a name cannot be referred to', (t) => {
  t.throws(() => ref(Type.Object({})), /\$id/);
  t.end();
});

t.test('a GUID has one spelling', (t) => {
  t.equal(lowerCaseUuid(id.toUpperCase()), id);
  for (const text of [`urn:uuid:${id}`, `{${id}}`, id.replaceAll('-', ''), `${id}\n`, '']) {
    t.throws(() => lowerCaseUuid(text), { errorName: 'InvalidInput', message: /is not a GUID/ });
  }
  t.end();
});
