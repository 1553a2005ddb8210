import { generateKeyPair } from 'jose';
import { AUDIENCE, goodClaims, PARTNER, signRaw, type TestIssuer } from './tokens.js';

/** Another tenant than that of a good token. */
const OTHER_TENANT = '0e5cb2f1-9a3d-4b7e-8c66-1f2d3e4a5b6c';
const EVIL = 'https://evil.example';

type Changes = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Laid over the claims of a good token, which is then signed rightly. */
function wrongClaims(issuer: string): Changes {
  const now = Math.floor(Date.now() / 1000);
  const noUser = { scp: undefined, upn: undefined, unique_name: undefined, name: undefined };
  return {
    'another audience': { aud: 'https://graph.windows.net' },
    'no audience': { aud: undefined },
    'a list of other audiences': { aud: ['https://graph.windows.net', `${AUDIENCE}.evil.example`] },
    'an audience in another case': { aud: AUDIENCE.toUpperCase() },
    'an audience object': { aud: { 0: AUDIENCE } },
    'another issuer': { iss: `${EVIL}/${PARTNER}/` },
    'the issuer as a list': { iss: [issuer] },
    'the issuer with one slash more': { iss: `${issuer}/` },
    'the issuer as its template': { iss: 'https://issuer.example/{tenantid}/' },
    'the issuer of another tenant': { iss: `https://issuer.example/${OTHER_TENANT}/` },
    'no issuer': { iss: undefined },
    expired: { exp: now - 31 },
    'exp as text': { exp: String(now + 3600) },
    'no exp': { exp: undefined },
    'nbf ahead': { nbf: now + 3600 },
    'nbf as text': { nbf: '0' },
    'iat one hour ahead': { iat: now + 3600 },
    'no iat': { iat: undefined },
    'iat as text': { iat: String(now) },
    'no tid': { tid: undefined },
    'tid with a path': { tid: `${PARTNER}/../x`, iss: `https://issuer.example/${PARTNER}/../x/` },
    'tid as a list': { tid: [PARTNER] },
    'no oid': { oid: undefined },
    'oid that is no id': { oid: "' or 1=1 --" },
    'an ID token': { scp: undefined, aud: AUDIENCE, nonce: 'n', appid: undefined },
    'an ID token with azp and no name': { ...noUser, nonce: 'n', azp: 'client' },
    'scp empty': { scp: ' ' },
    'neither scope nor application': { ...noUser, appid: undefined },
  };
}

/** Laid over the header of a good token, which is then signed rightly. */
function wrongHeaders({ publicJwk, keyId, rules }: TestIssuer): Changes {
  return {
    'typ of an ID token or a logout token': { typ: 'logout+jwt' },
    'no typ': { typ: undefined },
    'unknown kid': { kid: 'key-9' },
    'kid as a path': { kid: '../../dev/null' },
    'kid as SQL': { kid: "' union select 1 --" },
    'kid of 10 kB': { kid: 'k'.repeat(10_000) },
    'kid with a line break': { kid: `${keyId}\n` },
    'kid as a number': { kid: 1 },
    'no kid': { kid: undefined },
    'jku of the attacker': { jku: rules.issuers[0]?.jwksUri },
    'x5u of the attacker': { x5u: `${EVIL}/cert` },
    'jwk of the attacker': { jwk: publicJwk },
    'x5c of the attacker': { x5c: ['MIIB'] },
  };
}

/** Tokens that no library writes, or that are signed in another way. */
async function malformed(issuer: TestIssuer): Promise<Record<string, string>> {
  const { privateKey, publicJwk, keyId } = issuer;
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', privateKey);
  const rsa = (name: string, hash: string) => crypto.subtle.importKey('pkcs8', pkcs8, { name, hash }, false, ['sign']);
  const other = await generateKeyPair('RS256', { extractable: true });
  const elliptic = await generateKeyPair('ES256');
  const publicText = Buffer.from(JSON.stringify(publicJwk));
  const good = await issuer.sign();
  const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.');
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const unsigned = (alg: string) => `${base64({ alg, typ: 'JWT', kid: keyId })}.${goodPayload}.`;
  const header = JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: keyId });
  const payload = JSON.stringify(goodClaims(issuer.issuer));
  const ofPayload = (text: string) => signRaw(header, text, privateKey);
  const ofHeader = (text: string) => signRaw(text, payload, privateKey);
  return {
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
    'HS256 with the public key': await issuer.sign({ header: { alg: 'HS256' }, key: publicText }),
    'PS256 with the right key': await issuer.sign({ header: { alg: 'PS256' }, key: await rsa('RSA-PSS', 'SHA-256') }),
    'RS512 with the right key': await issuer.sign({
      header: { alg: 'RS512' },
      key: await rsa('RSASSA-PKCS1-v1_5', 'SHA-512'),
    }),
    'ES256, which is not configured': await issuer.sign({ header: { alg: 'ES256' }, key: elliptic.privateKey }),
    'a key of the attacker': await issuer.sign({ key: other.privateKey }),
    'exp beyond all numbers': await ofPayload(payload.replace(/"exp":\d+/, '"exp":1e999')),
    'unknown crit': await ofHeader(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: keyId, crit: ['x'], x: 1 })),
    'tid twice': await ofPayload(payload.replace('{', `{"tid":"${OTHER_TENANT}",`)),
    'tid twice, once escaped': await ofPayload(payload.replace('{', `{"t\\u0069d":"${OTHER_TENANT}",`)),
    'exp twice': await ofPayload(payload.replace('{', '{"exp":1,')),
    'alg twice': await ofHeader(header.replace('{', '{"alg":"none",')),
    'a payload that is a list': await ofPayload(`[${payload}]`),
    'a payload that is not JSON': await ofPayload(payload.slice(1)),
    'a payload that is not UTF-8': `${goodHeader}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${goodSignature}`,
  };
}

/** Forged and stale tokens by what is wrong with them, B76 to B86: none may be accepted. */
export async function attackTokens(issuer: TestIssuer): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map(Object.entries(await malformed(issuer)));
  for (const [name, claims] of Object.entries(wrongClaims(issuer.issuer))) {
    tokens.set(name, await issuer.sign({ claims }));
  }
  for (const [name, header] of Object.entries(wrongHeaders(issuer))) tokens.set(name, await issuer.sign({ header }));
  return tokens;
}

/** Tokens with two wrongs: what refuses the one must not let the other through. */
export async function pairedAttackTokens(issuer: TestIssuer): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  const headers = Object.entries(wrongHeaders(issuer));
  const claims = Object.entries(wrongClaims(issuer.issuer));
  for (const [index, [name, changed]] of claims.entries()) {
    for (const [headerName, header] of headers) {
      tokens.set(`${name}, ${headerName}`, await issuer.sign({ claims: changed, header }));
    }
    for (const [otherName, others] of claims.slice(index + 1)) {
      tokens.set(`${name}, ${otherName}`, await issuer.sign({ claims: { ...changed, ...others } }));
    }
  }
  return tokens;
}
