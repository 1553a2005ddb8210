import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { generateKeyPair } from 'jose';
import t from 'tap';
import { createRemoteKeys, KeysUnavailable } from '../../../src/plugins/tokens/jwks.js';
import { CUSTOMER, startApp, withIssuer } from '../../helpers/token-app.js';
import { goodClaims, signRaw, type TestIssuer } from '../../helpers/tokens.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

t.test('a thousand tokens of unknown keys cost one key fetch', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken } = await startApp(t, issuer);
  const { privateKey } = await generateKeyPair('RS256');
  const payload = JSON.stringify(goodClaims(issuer.issuer));
  const tokens = await Promise.all(
    Array.from({ length: 1000 }, (_, i) =>
      signRaw(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: `k${i}` }), payload, privateKey),
    ),
  );
  const answers = [];
  for (let i = 0; i < tokens.length; i += 50)
    answers.push(...(await Promise.all(tokens.slice(i, i + 50).map((token) => sendToken(token)))));
  t.ok(answers.every(({ status }) => status === 401));
  t.equal(issuer.fetches, 1);
});

t.test('a key that names its tenant vouches for that tenant alone', async (t) => {
  const issuer = await withIssuer(t);
  const [first] = issuer.rules.issuers;
  const jwksUri = first?.jwksUri ?? '';
  const jwks = (keyIssuer: string) => ({ keys: [{ ...issuer.publicJwk, issuer: keyIssuer }] });
  const token = await issuer.sign();
  for (const [keyIssuer, status] of [
    [`https://issuer.example/${CUSTOMER}/`, 401],
    [issuer.issuer, 200],
    ['https://issuer.example/{tenantid}/v2.0', 200],
  ] as const) {
    const { sendToken } = await startApp(t, issuer, { localKeys: { jwksUri, jwks: jwks(keyIssuer) } });
    t.equal((await sendToken(token)).status, status, keyIssuer);
  }
  t.equal(issuer.fetches, 0, 'keys at hand are not fetched');
});

t.test('a withdrawn key ends its tokens, cached ones too, and a new key is found', async (t) => {
  const issuer = await withIssuer(t);
  let time = Date.now();
  const { sendToken } = await startApp(t, issuer, { now: () => new Date(time) });
  const old = await issuer.sign();
  t.equal((await sendToken(old)).status, 200);
  await issuer.rotate();
  const fresh = await issuer.sign();
  t.equal((await sendToken(fresh)).status, 401, 'within the cool-down nothing is fetched');
  t.equal(issuer.fetches, 1);
  time += 31_000;
  t.equal((await sendToken(fresh)).status, 200, 'rotation is picked up after the cool-down');
  t.equal((await sendToken(old)).status, 401, 'the cache was purged');
  await issuer.rotate();
  time += 11 * 60_000;
  t.equal((await sendToken(fresh)).status, 200, 'still the cached one, while keys are fetched in the background');
  while (issuer.fetches < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal((await sendToken(fresh)).status, 401, 'gone without any token of an unknown key');
});

t.test('known keys work while the key server fails, what needs it is 503', async (t) => {
  const issuer = await withIssuer(t);
  let time = Date.now();
  const options = { now: () => new Date(time) };
  const at = () => ({ iat: Math.floor(time / 1000), nbf: 0, exp: Math.floor(time / 1000) + 3600 });
  const warm = await startApp(t, issuer, options);
  t.equal((await warm.sendToken(await issuer.sign())).status, 200);
  issuer.answer = (_request, response) => response.writeHead(500).end();
  time += 3_600_000;
  t.equal((await warm.sendToken(await issuer.sign({ claims: at() }))).status, 200, 'an hour later');
  const unknown = await warm.sendToken(await issuer.sign({ claims: at(), header: { kid: 'key-2' } }));
  t.match(unknown, { status: 503, headers: { 'retry-after': '5' } }, 'a key that may exist');
  const { fetches } = issuer;
  for (let i = 0; i < 5; i++)
    await warm.sendToken(await issuer.sign({ claims: at(), header: { kid: `key-${i + 3}` } }));
  t.equal(issuer.fetches, fetches, 'failures cool down as well');
  time += 24 * 3_600_000;
  t.equal((await warm.sendToken(await issuer.sign({ claims: at() }))).status, 503, 'keys past their age');
  issuer.answer = undefined;
  time += 31_000;
  t.equal((await warm.sendToken(await issuer.sign({ claims: at() }))).status, 200, 'and back again');
});

t.test('a key server is not followed, not waited for and not read to the end', async (t) => {
  const issuer = await withIssuer(t);
  const [first] = issuer.rules.issuers;
  const jwksUri = first?.jwksUri ?? '';
  let followed = false;
  const answers: Record<string, NonNullable<TestIssuer['answer']>> = {
    redirect: (request, response) => {
      if (request.url === '/elsewhere') followed = true;
      if (followed) response.end(JSON.stringify({ keys: [issuer.publicJwk] }));
      else response.writeHead(302, { location: '/elsewhere' }).end();
    },
    '5 MB': (_request, response) =>
      response.end(JSON.stringify({ keys: [issuer.publicJwk], x: 'x'.repeat(5_000_000) })),
    silence: () => {},
    'half an answer': (_request, response) => response.write('{"keys":'),
    'no JSON': (_request, response) => response.end('<html>'),
    'no keys': (_request, response) => response.end('{"keys":[]}'),
    'no set': (_request, response) => response.end('{"keys":{}}'),
  };
  for (const [name, answer] of Object.entries(answers)) {
    issuer.answer = answer;
    const keys = createRemoteKeys(jwksUri, { now: () => new Date(), onChange: () => {}, times: { timeout: 150 } });
    const started = Date.now();
    // A time limit has to outlive the garbage collector.
    const collecting = setInterval(collectGarbage, 20);
    await t.rejects(keys.getKey({ alg: 'RS256', kid: issuer.keyId }), KeysUnavailable, name);
    clearInterval(collecting);
    t.ok(Date.now() - started < 2000, `${name}: in time`);
  }
  t.notOk(followed);
});
