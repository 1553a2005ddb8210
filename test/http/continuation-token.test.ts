import { randomBytes } from 'node:crypto';
import t from 'tap';
import { assertSameQuery, createTokenCodec, readContinuationToken } from '../../src/http/continuation-token.js';

const codec = createTokenCodec(randomBytes(32));
const scope = { partnerId: 'p1', route: 'listCustomers' };
const content = { position: ['contoso', 'c1'], query: { size: 40, filter: '{"Field":"é"}' } };
const token = codec.seal({ ...scope, ...content });
const invalid = {
  errorName: 'InvalidInput',
  status: 400,
  message: 'The continuation token is not valid here. Start again without it.',
};

t.test('a token gives back position, size and filter to the partner and route it was made for', (t) => {
  t.same(codec.open(token, scope), content);
  t.match(token, /^[\w-]+$/, 'it needs no encoding in a header or an address');
  t.end();
});

t.test('a token of another partner, route or installation is refused in the same words', (t) => {
  t.throws(() => codec.open(token, { ...scope, partnerId: 'p2' }), invalid);
  t.throws(() => codec.open(token, { ...scope, route: 'listUsers' }), invalid);
  t.throws(() => codec.open(token, { partnerId: 'p1","listCustomers', route: '' }), invalid);
  t.throws(() => createTokenCodec(randomBytes(32)).open(token, scope), invalid);
  t.end();
});

t.test('an edited token is refused, whatever was edited', (t) => {
  for (let index = 0; index < token.length; index++) {
    const edited = `${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`;
    t.throws(() => codec.open(edited, scope), invalid);
  }
  for (const edited of [
    '',
    'x',
    `${token}=`,
    `${token} `,
    ` ${token}`,
    token.slice(0, -4),
    `${token}AAAA`,
    'A'.repeat(5_000),
  ]) {
    t.throws(() => codec.open(edited, scope), invalid);
  }
  t.end();
});

t.test('explicit query values may repeat those of the token but not change them', (t) => {
  const sealed = codec.open(token, scope);
  t.doesNotThrow(() => assertSameQuery(sealed, { size: undefined, filter: undefined }));
  t.doesNotThrow(() => assertSameQuery(sealed, { size: 40, filter: '{"Field":"é"}' }));
  t.throws(() => assertSameQuery(sealed, { size: 41 }), { errorName: 'InvalidInput', message: /size differs/ });
  t.throws(() => assertSameQuery(sealed, { sortField: 'x' }), {
    errorName: 'InvalidInput',
    message: /sortField differs/,
  });
  t.end();
});

t.test('a token is found in the header, the query or the body, and two different ones are refused', (t) => {
  const headers = { 'ms-continuationtoken': 'a' };
  t.equal(readContinuationToken({ headers: {}, query: {} }), undefined);
  t.equal(readContinuationToken({ headers: {}, query: { 'ms-continuationtoken': '' }, body: null }), undefined);
  t.equal(readContinuationToken({ headers, query: {} }), 'a');
  t.equal(readContinuationToken({ headers: {}, query: { 'MS-ContinuationToken': 'a' } }), 'a');
  t.equal(readContinuationToken({ headers: {}, query: {}, body: { ContinuationToken: 'a' } }), 'a');
  t.equal(
    readContinuationToken({ headers, query: { 'ms-continuationToken': 'a' }, body: { continuationToken: 'a' } }),
    'a',
  );
  const refused = { errorName: 'InvalidInput', message: /more than one/ };
  t.throws(() => readContinuationToken({ headers, query: { 'MS-ContinuationToken': 'b' } }), refused);
  t.throws(() => readContinuationToken({ headers: {}, query: { 'MS-ContinuationToken': ['a', 'b'] } }), refused);
  t.throws(() => readContinuationToken({ headers, query: {}, body: { continuationToken: 'b' } }), refused);
  t.throws(() => readContinuationToken({ headers: {}, query: {}, body: { continuationToken: 5 } }), refused);
  t.end();
});
