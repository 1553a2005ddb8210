import { generateKeyPair } from 'jose';
import t from 'tap';
import { CUSTOMER, startApp, withIssuer } from '../../helpers/token-app.js';
import { AUDIENCE, goodClaims, PARTNER, signRaw } from '../../helpers/tokens.js';

const seconds = () => Math.floor(Date.now() / 1000);

t.test('no forged or stale token is accepted', async (t) => {
  const issuer = await withIssuer(t);
  const { sendToken, logged } = await startApp(t, issuer);
  const { privateKey, publicJwk, keyId } = issuer;
  const other = await generateKeyPair('RS256', { extractable: true });
  const elliptic = await generateKeyPair('ES256');
  const pss = await crypto.subtle.importKey(
    'pkcs8',
    await crypto.subtle.exportKey('pkcs8', privateKey),
    { name: 'RSA-PSS', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const rs512 = await crypto.subtle.importKey(
    'pkcs8',
    await crypto.subtle.exportKey('pkcs8', privateKey),
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
    false,
    ['sign'],
  );
  const publicPem = Buffer.from(JSON.stringify(publicJwk));
  const good = await issuer.sign();
  const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.');
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const unsigned = (alg: string) => `${base64({ alg, typ: 'JWT', kid: keyId })}.${goodPayload}.`;
  const header = JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: keyId });
  const payload = JSON.stringify(goodClaims(issuer.issuer));
  const claims = (changed: Record<string, unknown>) => issuer.sign({ claims: changed });
  const withHeader = (changed: Record<string, unknown>) => issuer.sign({ header: changed });
  const raw = (text: string) => signRaw(header, text, privateKey);
  const idToken = { scp: undefined, aud: AUDIENCE, nonce: 'n', appid: undefined };
  const noUser = { scp: undefined, upn: undefined, unique_name: undefined, name: undefined };

  const attacks: Record<string, string | Promise<string>> = {
    'not a JWT': 'abc',
    'two parts': `${goodHeader}.${goodPayload}`,
    'five parts': `${good}.a.b`,
    'no signature': `${goodHeader}.${goodPayload}.`,
    'another signature': `${goodHeader}.${goodPayload}.${goodSignature.slice(4)}AAAA`,
    'another payload': `${goodHeader}.${base64({ ...goodClaims(issuer.issuer), oid: PARTNER })}.${goodSignature}`,
    'padding in a part': `${goodHeader}=.${goodPayload}.${goodSignature}`,
    'plain base64 in a part': `${goodHeader}.${goodPayload}+/.${goodSignature}`,
    'alg none': unsigned('none'),
    'alg None': unsigned('None'),
    'alg nOnE': unsigned('nOnE'),
    'alg none with a signature': `${base64({ alg: 'none', kid: keyId, typ: 'JWT' })}.${goodPayload}.${goodSignature}`,
    'alg missing': `${base64({ typ: 'JWT', kid: keyId })}.${goodPayload}.${goodSignature}`,
    'HS256 with the public key': issuer.sign({ header: { alg: 'HS256' }, key: publicPem }),
    'PS256 with the right key': issuer.sign({ header: { alg: 'PS256' }, key: pss }),
    'RS512 with the right key': issuer.sign({ header: { alg: 'RS512' }, key: rs512 }),
    'ES256, which is not configured': issuer.sign({ header: { alg: 'ES256' }, key: elliptic.privateKey }),
    'a key of the attacker': issuer.sign({ key: other.privateKey }),
    'another audience': claims({ aud: 'https://graph.windows.net' }),
    'no audience': claims({ aud: undefined }),
    'a list of other audiences': claims({ aud: ['https://graph.windows.net', `${AUDIENCE}.evil.example`] }),
    'an audience in another case': claims({ aud: AUDIENCE.toUpperCase() }),
    'an audience object': claims({ aud: { 0: AUDIENCE } }),
    'another issuer': claims({ iss: `https://evil.example/${PARTNER}/` }),
    'the issuer as a list': claims({ iss: [issuer.issuer] }),
    'the issuer with one slash more': claims({ iss: `${issuer.issuer}/` }),
    'the issuer as its template': claims({ iss: 'https://issuer.example/{tenantid}/' }),
    'the issuer of another tenant': claims({ iss: `https://issuer.example/${CUSTOMER}/` }),
    'no issuer': claims({ iss: undefined }),
    expired: claims({ exp: seconds() - 31 }),
    'exp as text': claims({ exp: String(seconds() + 3600) }),
    'exp beyond all numbers': raw(payload.replace(/"exp":\d+/, '"exp":1e999')),
    'no exp': claims({ exp: undefined }),
    'nbf ahead': claims({ nbf: seconds() + 3600 }),
    'nbf as text': claims({ nbf: '0' }),
    'iat one hour ahead': claims({ iat: seconds() + 3600 }),
    'no iat': claims({ iat: undefined }),
    'iat as text': claims({ iat: String(seconds()) }),
    'no tid': claims({ tid: undefined }),
    'tid with a path': claims({ tid: `${PARTNER}/../x`, iss: `https://issuer.example/${PARTNER}/../x/` }),
    'tid as a list': claims({ tid: [PARTNER] }),
    'no oid': claims({ oid: undefined }),
    'oid that is no id': claims({ oid: "' or 1=1 --" }),
    'an ID token': claims(idToken),
    'an ID token with azp and no name': claims({ ...noUser, nonce: 'n', azp: 'client' }),
    'scp empty': claims({ scp: ' ' }),
    'neither scope nor application': claims({ ...noUser, appid: undefined }),
    'typ of an ID token or a logout token': withHeader({ typ: 'logout+jwt' }),
    'no typ': withHeader({ typ: undefined }),
    'unknown kid': withHeader({ kid: 'key-9' }),
    'kid as a path': withHeader({ kid: '../../dev/null' }),
    'kid as SQL': withHeader({ kid: "' union select 1 --" }),
    'kid of 10 kB': withHeader({ kid: 'k'.repeat(10_000) }),
    'kid with a line break': withHeader({ kid: `${keyId}\n` }),
    'kid as a number': withHeader({ kid: 1 }),
    'no kid': withHeader({ kid: undefined }),
    'jku of the attacker': withHeader({ jku: issuer.rules.issuers[0]?.jwksUri }),
    'x5u of the attacker': withHeader({ x5u: 'https://evil.example/cert' }),
    'jwk of the attacker': withHeader({ jwk: publicJwk }),
    'x5c of the attacker': withHeader({ x5c: ['MIIB'] }),
    'unknown crit': signRaw(
      JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: keyId, crit: ['x'], x: 1 }),
      payload,
      privateKey,
    ),
    'tid twice': raw(payload.replace('{', `{"tid":"${CUSTOMER}",`)),
    'tid twice, once escaped': raw(payload.replace('{', `{"t\\u0069d":"${CUSTOMER}",`)),
    'exp twice': raw(payload.replace('{', '{"exp":1,')),
    'alg twice': signRaw(header.replace('{', '{"alg":"none",'), payload, privateKey),
    'a payload that is a list': raw(`[${payload}]`),
    'a payload that is not JSON': raw(payload.slice(1)),
    'a payload that is not UTF-8': signRaw(header, payload, privateKey).then((token) =>
      token.replace(goodPayload, Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')),
    ),
  };
  for (const [name, token] of Object.entries(attacks)) {
    const { status, headers, body } = await sendToken(await token);
    t.equal(status, 401, name);
    t.equal(body.code, '400', name);
    t.equal(headers['www-authenticate'], 'Bearer realm="customer-permissions", error="invalid_token"', name);
  }
  t.ok(Object.keys(attacks).length >= 40);
  t.equal((await sendToken(good)).status, 200, 'and the good one still is');
  t.ok(issuer.fetches <= 1, 'one key fetch for all of them');
  t.ok(logged.length >= Object.keys(attacks).length, 'each refusal is logged');
  t.notMatch(logged.join(''), new RegExp(`${goodSignature.slice(0, 20)}|${goodPayload.slice(0, 40)}|ada@contoso`));
  t.match(logged.join(''), /"event":"access_refused","reason":"payload_duplicate_name"/);
});
