import Fastify from 'fastify';
import t from 'tap';
import { assertWellFormedQuery, foldQuery, parseQuery } from '../../src/http/query.js';

const plain = (text: string) => ({ ...parseQuery(text) });
const known = ['entity_id', 'size', '$filter', 'MS-ContinuationToken'] as const;

t.test('a query is read as form-encoding clients write it', (t) => {
  t.strictSame(plain('a=1&b=x+y%20z&c&d=&&e=a=b'), { a: '1', b: 'x y z', c: '', d: '', e: 'a=b' });
  t.strictSame(plain('a=1&a=2&A=3&a=4'), { a: ['1', '2', '4'], A: '3' });
  t.strictSame(plain('x=%C3%A9%2B'), { x: 'é+' });
  t.strictSame(plain(''), {});
  t.end();
});

t.test('raw JSON, encoded JSON and a question mark in a value survive', (t) => {
  const filter = '{"Field":"CompanyName","Value":"a?b","Operator":"starts_with"}';
  t.strictSame(plain(`size=1&filter=${filter}`), { size: '1', filter });
  t.strictSame(plain(`filter=${encodeURIComponent(filter)}`), { filter });
  t.end();
});

t.test('a query has no prototype to reach', (t) => {
  const query = parseQuery('__proto__=1&constructor=2');
  t.equal(Object.getPrototypeOf(query), null);
  t.strictSame(Object.keys(query), ['__proto__', 'constructor']);
  t.throws(() => foldQuery(known, query, { duplicates: 'refuse' }), {
    errorName: 'InvalidInput',
    message: /"__proto__"/,
  });
  t.end();
});

t.test('what cannot be decoded is refused later, so that the process lives', async (t) => {
  for (const text of ['a=%zz', '%zz=1', 'a=%ff', 'a=%', 'a=%00', '%00']) {
    const query = parseQuery(text);
    t.throws(() => assertWellFormedQuery(query), { errorName: 'InvalidInput', message: /percent-encoded/ }, text);
    t.throws(
      () => foldQuery(['a'], query, { duplicates: 'first' }),
      { name: 'ApiError', errorName: 'InvalidInput' },
      text,
    );
  }
  t.doesNotThrow(() => assertWellFormedQuery(parseQuery('a=1')));

  const app = Fastify({ routerOptions: { querystringParser: parseQuery } });
  t.teardown(() => app.close());
  app.addHook('onRequest', async (request) => assertWellFormedQuery(request.query));
  app.get('/', async (request) => request.query);
  t.match(await app.inject('/?a=%zz'), { statusCode: 400, body: /^(?!.*%zz)/ }, 'and the address is not echoed');
  t.strictSame((await app.inject('/?a=b+c')).json(), { a: 'b c' });
});

t.test('declared names are found in any letter case and others are refused by name', (t) => {
  const fold = (text: string) => foldQuery(known, parseQuery(text), { duplicates: 'refuse' });
  t.strictSame(fold('entity_Id=x&SIZE=5&%24Filter=y&ms-continuationtoken=t'), {
    entity_id: 'x',
    size: '5',
    $filter: 'y',
    'MS-ContinuationToken': 't',
  });
  t.throws(() => fold('customerid=x'), {
    errorName: 'InvalidInput',
    message: /"customerid" is not known here\. Known: entity_id, size, /,
  });
  t.throws(() => foldQuery([], parseQuery('a=1'), { duplicates: 'refuse' }), { message: /Known: none/ });
  t.end();
});

t.test('a name twice is refused on one face and its first value taken on the other', (t) => {
  for (const text of ['size=5&size=6', 'size=5&Size=6', 'size=&size=6']) {
    const query = parseQuery(text);
    t.throws(() => foldQuery(known, query, { duplicates: 'refuse' }), {
      errorName: 'InvalidInput',
      message: /more than once/,
    });
    t.equal(foldQuery(known, query, { duplicates: 'first' }).size, text.startsWith('size=5') ? '5' : '');
  }
  t.end();
});
